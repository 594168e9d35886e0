//! A broker that opens connections and then says nothing more, as a node does whose disk hangs.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// The head of the frame with `connection.open-ok`. Source: AMQP 0-9-1, section 1.4.2.8: method 41 of class 10.
const OPEN_OK: [u8; 11] = [1, 0, 0, 0, 0, 0, 5, 0, 10, 0, 41];

/// In front of the broker at `url`: its connections are opened there, and carry nothing afterwards. Gives the URL.
pub async fn after_opening(url: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(open(client, server.clone()));
        }
    });
    url.into()
}

async fn open(mut client: TcpStream, server: String) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let (mut from_client, mut from_server) = (vec![0; 4096], vec![0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(count) if count > 0 => server.write_all(&from_client[..count]).await.unwrap(),
                _ => return,
            },
            read = server.read(&mut from_server) => {
                let Ok(count) = read else { return };
                client.write_all(&from_server[..count]).await.unwrap();
                if from_server[..count].windows(OPEN_OK.len()).any(|bytes| bytes == OPEN_OK) {
                    break;
                }
            }
        }
    }
    // Kept until the other side gives up.
    while client.read(&mut from_client).await.is_ok_and(|count| count > 0) {}
}
