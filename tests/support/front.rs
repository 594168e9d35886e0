//! What stands in front of a server: TLS with certificates of any kind, a clock that is wrong, and proxies.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use jiff::civil::{Date, date};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use url::Url;

/// An authority that only those trust who are told to.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate as a PEM file.
    pub file: PathBuf,
}

/// No test runs so late.
pub const LATER: Date = date(2099, 1, 1);

/// A certificate to show, with its key.
pub type Shown = Arc<ServerConfig>;

impl Authority {
    /// A new one, named `name`, its file among the test's own.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let file: PathBuf = [env!("CARGO_TARGET_TMPDIR"), &format!("{name}.pem")].iter().collect();
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// A certificate for `name` that is valid until the beginning of `end`.
    pub fn certificate(&self, name: &str, end: Date) -> Shown {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let day =
            |date: Date| date_time_ymd(date.year().into(), date.month().cast_unsigned(), date.day().cast_unsigned());
        (params.not_before, params.not_after) = (day(date(2000, 1, 1)), day(end));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}

/// What a front does.
#[derive(Clone)]
pub enum Look {
    /// Carries everything.
    Plain,
    /// TLS with this certificate.
    Tls(Shown),
    /// Puts this in the place of every HTTP date; it has to be as long.
    Date(&'static str),
}

/// Stands in front of a server until the test ends.
pub struct Front {
    port: u16,
    look: watch::Sender<Look>,
}

impl Front {
    /// In front of the server of `url`.
    pub async fn of(url: &str, look: Look) -> Self {
        let server = address(url);
        let (listener, port) = listen().await;
        let (sender, receiver) = watch::channel(look);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let look = receiver.borrow().clone();
                tokio::spawn(carry(client, server, look));
            }
        });
        Self { port, look: sender }
    }

    /// From now on it does that.
    pub fn set(&self, look: Look) {
        self.look.send_replace(look);
    }

    /// `url` by way of this front.
    pub fn url(&self, url: &str, scheme: &str) -> String {
        let url = Url::parse(url).unwrap();
        let rest = url.as_str().split_once("://").unwrap().1.to_owned();
        let mut url = Url::parse(&format!("{scheme}://{rest}")).unwrap();
        url.set_host(Some("localhost")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string().trim_end_matches('/').to_owned()
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, look: Look) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    match look {
        Look::Plain => drop(copy_bidirectional(&mut client, &mut server).await),
        Look::Tls(shown) => {
            let Ok(mut client) = TlsAcceptor::from(shown).accept(client).await else { return };
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
        Look::Date(date) => drop(carry_with_date(client, server, date).await),
    }
}

async fn carry_with_date(client: TcpStream, server: TcpStream, date: &str) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from_server.read(&mut buffer).await?;
        let answer = &mut buffer[..length];
        if length == 0 {
            return Ok(());
        }
        let head = b"\r\nDate: ";
        if let Some(at) = answer.windows(head.len()).position(|window| window == head) {
            answer[at + head.len()..][..date.len()].copy_from_slice(date.as_bytes());
        }
        to_client.write_all(answer).await?;
    }
}

/// An HTTP proxy that carries what it is asked to, or refuses with a status.
pub struct HttpProxy {
    port: u16,
    /// 200: it carries.
    status: Arc<AtomicU16>,
}

impl HttpProxy {
    pub async fn start(status: u16) -> Self {
        let (listener, port) = listen().await;
        let status = Arc::new(AtomicU16::new(status));
        let now = Arc::clone(&status);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, now.load(Ordering::SeqCst)));
            }
        });
        Self { port, status }
    }

    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Reads the head of a request, and answers it or, for CONNECT, carries on.
async fn tunnel(mut client: impl AsyncRead + AsyncWrite + Unpin, status: u16) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    if let (200, Some(target)) = (status, target) {
        let Ok(mut server) = TcpStream::connect(target).await else { return };
        if client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
        return;
    }
    let page = "<html><body>Not allowed by the policy of this network</body></html>";
    let length = page.len();
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{page}");
    let _ = client.write_all(answer.as_bytes()).await;
}

/// A port of loopback where nobody listens.
pub async fn closed_port() -> u16 {
    listen().await.1
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn address(url: &str) -> SocketAddr {
    let url = Url::parse(url).unwrap();
    (url.host_str().unwrap(), url.port().unwrap()).to_socket_addrs().unwrap().next().unwrap()
}
