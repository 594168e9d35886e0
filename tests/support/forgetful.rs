//! A link to the broker on which acknowledgements are lost, as RabbitMQ itself may lose them when a channel closes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// The method frames of `basic.ack` begin so. Source: AMQP 0-9-1, class 60, method 80.
const BASIC_ACK: [u8; 4] = [0, 60, 0, 80];

/// A link that loses the first acknowledgements.
pub struct Forgetful {
    port: u16,
    lost: Arc<AtomicUsize>,
}

impl Forgetful {
    /// A link to the broker at `url` that loses so many.
    pub async fn to(url: &str, losses: usize) -> Self {
        let url = Url::parse(url).unwrap();
        let broker: SocketAddr = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()).parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lost = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&lost);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let broker = TcpStream::connect(broker).await.unwrap();
                let (from_client, mut to_client) = client.into_split();
                let (mut from_broker, to_broker) = broker.into_split();
                tokio::spawn(async move { copy(&mut from_broker, &mut to_client).await });
                tokio::spawn(carry(from_client, to_broker, Arc::clone(&count), losses));
            }
        });
        Self { port, lost }
    }

    /// `url`, by way of this link.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    /// How many it has lost.
    pub fn forgotten(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Carries what the client sends, frame by frame.
async fn carry(mut client: OwnedReadHalf, mut broker: OwnedWriteHalf, lost: Arc<AtomicUsize>, losses: usize) {
    let mut greeting = [0; 8];
    if client.read_exact(&mut greeting).await.is_err() || broker.write_all(&greeting).await.is_err() {
        return;
    }
    // Kind, channel, size.
    let mut head = [0; 7];
    while client.read_exact(&mut head).await.is_ok() {
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut rest = vec![0; size as usize + 1];
        if client.read_exact(&mut rest).await.is_err() {
            return;
        }
        if head[0] == 1 && rest.starts_with(&BASIC_ACK) && lost.load(Ordering::Relaxed) < losses {
            lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if broker.write_all(&head).await.is_err() || broker.write_all(&rest).await.is_err() {
            return;
        }
    }
}
