//! The socket by which systemd hears from its services.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use super::eventually::eventually;

/// A socket in systemd's place, removed when dropped.
pub struct NotifySocket {
    socket: UnixDatagram,
    directory: tempfile::TempDir,
}

impl NotifySocket {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, directory }
    }

    /// What `NOTIFY_SOCKET` is to be.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("notify")
    }

    /// The next datagram, if there is one.
    fn next(&self) -> Option<BTreeMap<String, String>> {
        let mut datagram = [0; 4096];
        let length = self.socket.recv(&mut datagram).ok()?;
        let text = std::str::from_utf8(&datagram[..length]).expect("text");
        let notice = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(text.lines().map(|line| notice(line).expect("NAME=VALUE")).collect())
    }

    /// Waits for a datagram with this in it, and gives all notices up to then: the last of each name.
    pub async fn hears(&self, name: &str, value: &str) -> BTreeMap<String, String> {
        let mut heard = BTreeMap::new();
        eventually(&format!("{name}={value}"), async || {
            while let Some(datagram) = self.next() {
                let found = datagram.get(name).is_some_and(|heard| heard.starts_with(value));
                heard.extend(datagram);
                if found {
                    return Some(());
                }
            }
            None
        })
        .await;
        heard
    }
}
