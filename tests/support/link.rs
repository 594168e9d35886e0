//! A TCP link between the relay and a server, that can be cut, frozen, taken down, or lose answers.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// What the link does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Carries everything.
    Up,
    /// Closes every connection at once.
    Down,
    /// Keeps connections, and carries nothing.
    Frozen,
}

/// A link that stands until dropped.
pub struct Link {
    port: u16,
    mode: watch::Sender<Mode>,
    /// Grows with each cut; a connection of an earlier number is reset.
    cuts: watch::Sender<usize>,
    answers_to_lose: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
}

impl Link {
    /// A link to the server of `url`.
    pub async fn to(url: &str) -> Self {
        let url = Url::parse(url).unwrap();
        let address = (url.host_str().unwrap(), url.port().unwrap());
        let server = address.to_socket_addrs().unwrap().next().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Self {
            port: listener.local_addr().unwrap().port(),
            mode: watch::Sender::new(Mode::Up),
            cuts: watch::Sender::new(0),
            answers_to_lose: Arc::default(),
            lost: Arc::default(),
        };
        let carrier = Carrier {
            server,
            mode: link.mode.subscribe(),
            cuts: link.cuts.subscribe(),
            answers_to_lose: Arc::clone(&link.answers_to_lose),
            lost: Arc::clone(&link.lost),
        };
        tokio::spawn(accept(listener, carrier));
        link
    }

    /// `url`, by way of this link.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        url.set_ip_host("127.0.0.1".parse().unwrap()).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    pub fn up(&self) {
        self.mode.send_replace(Mode::Up);
    }

    /// No connection is made any more, and those there are are reset.
    pub fn down(&self) {
        self.mode.send_replace(Mode::Down);
        self.cut();
    }

    pub fn freeze(&self) {
        self.mode.send_replace(Mode::Frozen);
    }

    /// Resets the connections there are.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The answers to the next `count` requests for a new ticket get lost: RT has made it, the relay does not know.
    pub fn lose_answers(&self, count: usize) {
        self.answers_to_lose.store(count, Ordering::SeqCst);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
struct Carrier {
    server: SocketAddr,
    mode: watch::Receiver<Mode>,
    cuts: watch::Receiver<usize>,
    answers_to_lose: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
}

async fn accept(listener: TcpListener, carrier: Carrier) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carrier.clone().carry(client));
    }
}

impl Carrier {
    async fn carry(mut self, mut client: TcpStream) {
        // A reset, as when a machine is gone, and not an orderly end.
        client.set_zero_linger().unwrap();
        if *self.mode.borrow_and_update() == Mode::Down {
            return;
        }
        let Ok(mut server) = TcpStream::connect(self.server).await else { return };
        self.cuts.mark_unchanged();
        let (mut up, mut down) = ([0; 16 * 1024], [0; 16 * 1024]);
        let mut lose_answer = false;
        loop {
            let frozen = *self.mode.borrow_and_update() == Mode::Frozen;
            tokio::select! {
                _ = self.cuts.changed() => return,
                _ = self.mode.changed() => {}
                read = client.read(&mut up), if !frozen => {
                    let Ok(length @ 1..) = read else { return };
                    lose_answer |= up.starts_with(b"POST /REST/2.0/ticket ") && self.takes_one_to_lose();
                    if server.write_all(&up[..length]).await.is_err() {
                        return;
                    }
                }
                read = server.read(&mut down), if !frozen => {
                    let Ok(length @ 1..) = read else {
                        let _ = client.shutdown().await;
                        return;
                    };
                    if lose_answer {
                        self.lost.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    if client.write_all(&down[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn takes_one_to_lose(&self) -> bool {
        self.answers_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}
