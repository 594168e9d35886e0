//! HTTP/1.1 as far as scripted servers need it, over blocking streams: so that a test can also break it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use serde_json::Value;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
use url::form_urlencoded;

/// One connection, by TLS or not.
pub trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// Listens on a free loopback port, by `tls` if it is given, and has `serve` see to each connection on a thread of its
/// own, until `is_over`; whoever makes it so connects once more.
pub fn listen(
    tls: Option<Arc<ServerConfig>>,
    is_over: impl Fn() -> bool + Send + 'static,
    serve: impl Fn(Box<dyn Stream>) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if is_over() {
                break;
            }
            let (serve, tls) = (Arc::clone(&serve), tls.clone());
            thread::spawn(move || match tls {
                None => serve(Box::new(stream)),
                Some(tls) => {
                    let connection = ServerConnection::new(tls).expect("valid TLS");
                    serve(Box::new(StreamOwned::new(connection, stream)));
                }
            });
        }
    });
    address
}

/// The URL of what listens at `address`.
pub fn base_url(address: SocketAddr, by_tls: bool) -> String {
    // A name, since certificates are made out to one.
    let (scheme, host) = if by_tls { ("https", "localhost") } else { ("http", "127.0.0.1") };
    format!("{scheme}://{host}:{}", address.port())
}

/// Answers `http_status` with a body of one `piece` after the other that has no end, until `pause`, which waits between them, says that it
/// is over.
pub fn pour(
    stream: &mut impl Write,
    http_status: u16,
    piece: &[u8],
    mut pause: impl FnMut() -> bool,
) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {http_status} Scripted\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")?;
    while !pause() {
        stream.write_all(piece)?;
        stream.flush()?;
    }
    Ok(())
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The path below RT's base URL, decoded: `/REST/2.0/ticket/1`.
    pub path: String,
    /// The target as it stood in the request.
    pub target: String,
    /// The parameters of the query.
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The next request of a connection; `None` at its end or where it breaks off.
    pub fn read(stream: &mut BufReader<impl Read>) -> Option<Self> {
        let line = read_line(stream)?;
        let (method, target) = line.split_once(' ')?;
        let target = target.rsplit_once(' ')?.0.to_owned();
        let mut headers = Vec::new();
        loop {
            let line = read_line(stream)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        // RT may live below a path, and a proxy gets whole URLs.
        let base = path.find("/REST/2.0").or(path.find("/NoAuth/")).unwrap_or(0);
        let path = percent_decode(&path[base..]);
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut request = Self { method: method.to_owned(), path, query, target, headers, body: Vec::new() };
        let length = request.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        request.body = vec![0; length];
        stream.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// One parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// An error page that shows all of it.
    pub fn echo(&self, http_status: u16) -> Answer {
        let headers = self.headers.iter().map(|(name, value)| format!("<li>{name}: {value}</li>"));
        Answer::html(http_status, &(headers.collect::<String>() + &String::from_utf8_lossy(&self.body)))
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// One field of a body that a form sends.
    pub fn form(&self, name: &str) -> String {
        let fields = form_urlencoded::parse(&self.body);
        fields.into_owned().find(|(given, _)| given == name).map(|(_, value)| value).unwrap_or_default()
    }
}

/// What RT answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub http_status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(http_status: u16, body: &Value) -> Self {
        let headers = vec![("Content-Type", "application/json; charset=utf-8".to_owned())];
        Self { http_status, headers, body: body.to_string().into_bytes() }
    }

    /// RT's JSON of an error.
    pub fn message(http_status: u16, message: &str) -> Self {
        Self::json(http_status, &serde_json::json!({ "message": message }))
    }

    pub fn html(http_status: u16, body: &str) -> Self {
        let headers = vec![("Content-Type", "text/html; charset=utf-8".to_owned())];
        Self { http_status, headers, body: body.as_bytes().to_vec() }
    }

    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn write(&self, stream: &mut impl Write) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        write!(bytes, "HTTP/1.1 {} Scripted\r\n", self.http_status)?;
        for (name, value) in &self.headers {
            write!(bytes, "{name}: {value}\r\n")?;
        }
        // These two have no body.
        if matches!(self.http_status, 204 | 304) {
            write!(bytes, "\r\n")?;
        } else {
            write!(bytes, "Content-Length: {}\r\n\r\n", self.body.len())?;
            bytes.extend_from_slice(&self.body);
        }
        stream.write_all(&bytes)?;
        stream.flush()
    }
}

fn read_line(stream: &mut BufReader<impl Read>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    Some(line.trim_end().to_owned())
}

/// Decodes as a form does, but for what only means something in a form.
fn percent_decode(path: &str) -> String {
    let path = path.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(path.as_bytes()).next().map(|(path, _)| path.into_owned()).unwrap_or_default()
}
