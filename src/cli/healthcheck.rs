//! `rtir-relay healthcheck`

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::output::say;
use super::{Exit, output, report};
use crate::config::{Config, Environment};

/// How long connecting, asking and each piece of the answer may take: the relay answers from memory.
const TIMEOUT: Duration = Duration::from_secs(3);
/// No answer is longer.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// What to ask.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtir-relay healthcheck\n  rtir-relay healthcheck --ready | jq -r .rt.cause\n\n\
    Asks the relay that listens on HTTP_LISTEN and needs no other setting.\n\
    Exit codes: 0 it is well; 1 it is not, or does not answer; 78 HTTP_LISTEN is wrong.")]
pub(super) struct Healthcheck {
    /// Ask whether it takes alerts (/readyz) instead of whether it hangs (/livez)
    #[arg(long)]
    ready: bool,
}

impl Healthcheck {
    pub(super) fn execute(&self, environment: &Environment) -> Exit {
        let address = match Config::load_http_listen(environment) {
            Ok(Some(address)) => reachable(address),
            Ok(None) => {
                say!("HTTP_LISTEN is off: there is nobody to ask");
                return Exit::Failed;
            }
            Err(faults) => return report(&faults),
        };
        let path = if self.ready { "/readyz" } else { "/livez" };
        match ask(address, path) {
            Ok((well, state)) => {
                let printed = output::print(format!("{}\n", state.trim_end()).as_bytes());
                if well { printed } else { Exit::Failed }
            }
            Err(error) => {
                say!("http://{address}{path} does not answer: {error}");
                Exit::Failed
            }
        }
    }
}

/// Where a relay that listens on `address` is reached: one that listens on all addresses, on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether the answer is 200, and what it says. By hand, since a container asks every few seconds and an HTTP client
/// with TLS would cost more than all the rest.
fn ask(address: SocketAddr, path: &str) -> std::io::Result<(bool, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: the answer is not chunked and ends with the connection. Source: RFC 1945.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    if !head.starts_with("HTTP/") {
        return Err(std::io::Error::other("what answers is no relay"));
    }
    Ok((head.split(' ').nth(1) == Some("200"), body.to_owned()))
}
