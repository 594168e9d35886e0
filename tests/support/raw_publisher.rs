//! Publishes what lapin would refuse to write: frames as bytes on a TCP connection.

use std::io::{Read, Write};
use std::net::TcpStream;

use url::Url;

use super::frames::{frame, header, long, method, short};

/// A connection with one channel that confirms.
pub struct RawPublisher(TcpStream);

/// A message as its bytes.
#[derive(Clone)]
pub struct RawMessage {
    pub routing_key: Vec<u8>,
    pub flags: u16,
    /// By the order of their flags.
    pub properties: Vec<u8>,
}

const DELIVERY_MODE: u16 = 1 << 12;

impl RawMessage {
    /// Persistent, with one more property that comes before the delivery mode, or behind it.
    pub fn with(flag: u16, property: &[u8]) -> Self {
        let properties = if flag > DELIVERY_MODE { [property, &[2]].concat() } else { [&[2], property].concat() };
        Self { routing_key: b"alert.test.high".to_vec(), flags: DELIVERY_MODE | flag, properties }
    }

    pub fn with_headers(fields: &[u8]) -> Self {
        Self::with(1 << 13, &long(fields))
    }
}

impl RawPublisher {
    pub fn connect(url: &str) -> Self {
        let url = Url::parse(url).unwrap();
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
        let vhost = decoded(url.path().trim_start_matches('/'));
        let vhost = if vhost.is_empty() { b"/".to_vec() } else { vhost };
        let login = [b"\0", &*decoded(url.username()), b"\0", &decoded(url.password().unwrap())].concat();
        let address = (url.host_str().unwrap(), url.port().unwrap_or(5672));
        let mut publisher = Self(TcpStream::connect(address).expect("RabbitMQ answers"));
        publisher.0.write_all(b"AMQP\0\0\x09\x01").unwrap();
        publisher.awaits(10, 10);
        publisher.says(0, 10, 11, &[long(b""), short(b"PLAIN"), long(&login), short(b"en_US")].concat());
        let tune = publisher.awaits(10, 30);
        // What the broker wants, without heartbeats.
        publisher.says(0, 10, 31, &[&tune[..6], &[0, 0]].concat());
        publisher.says(0, 10, 40, &[short(&vhost), short(b""), vec![0]].concat());
        publisher.awaits(10, 41);
        publisher.says(1, 20, 10, &short(b""));
        publisher.awaits(20, 11);
        publisher.says(1, 85, 10, &[0]);
        publisher.awaits(85, 11);
        publisher
    }

    /// Publishes and waits until the broker has stored it.
    pub fn publish(&mut self, exchange: &str, message: &RawMessage, body: &[u8]) {
        let mandatory = 1;
        let arguments = [&[0, 0], &*short(exchange.as_bytes()), &short(&message.routing_key), &[mandatory]].concat();
        self.says(1, 60, 40, &arguments);
        self.0.write_all(&header(1, body.len(), message.flags, &message.properties)).unwrap();
        self.0.write_all(&frame(3, 1, body)).unwrap();
        self.awaits(60, 80);
    }

    fn says(&mut self, channel: u16, class: u16, number: u16, arguments: &[u8]) {
        self.0.write_all(&method(channel, class, number, arguments)).unwrap();
    }

    /// The arguments of the next method, which has to be this one.
    fn awaits(&mut self, class: u16, number: u16) -> Vec<u8> {
        let mut prefix = [0; 7];
        self.0.read_exact(&mut prefix).expect("the broker goes on");
        let [_, _, _, size @ ..] = prefix;
        let mut payload = vec![0; u32::from_be_bytes(size) as usize + 1];
        self.0.read_exact(&mut payload).unwrap();
        let ids = [class.to_be_bytes(), number.to_be_bytes()].concat();
        assert!(payload.starts_with(&ids), "not {class}.{number}: {}", payload.escape_ascii());
        payload[4..payload.len() - 1].to_vec()
    }
}
