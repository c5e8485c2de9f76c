//! A server in this process on a free port, and a client that sends bytes as they are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use cloakroom::config::{Address, Config, DialectName, HttpListen};
use cloakroom::server::Server;
use tokio_util::sync::CancellationToken;

/// A running server. It stops when it is dropped.
pub(crate) struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Serves one dialect or, with `None`, all three.
    pub(crate) fn start(dialect: Option<DialectName>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            http: vec![HttpListen {
                dialect,
                address: Address::Inet("127.0.0.1:0".into()),
                allow: Vec::new(),
            }],
            ..Config::default()
        };
        change(&mut config);
        let server = Server::bind(config).unwrap();
        let address = server.addresses()[0].unwrap();
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let thread = std::thread::spawn(move || server.serve(token).unwrap());
        Self {
            address,
            shutdown,
            thread: Some(thread),
        }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Client {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends one request on a connection of its own; the answer, and whether the server closed.
    pub(crate) fn ask(&self, request: &[u8]) -> (Answer, bool) {
        let mut client = self.connect();
        client.send(request);
        let answer = client.answer();
        let closed = answer.head.contains("\r\nConnection: close");
        if closed {
            assert_eq!(client.rest(), "");
        }
        (answer, closed)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// One end of a connection.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A reply.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    /// Sends as much as the server takes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            let kind = error.kind();
            assert!(
                kind == std::io::ErrorKind::BrokenPipe
                    || kind == std::io::ErrorKind::ConnectionReset,
                "{error}"
            );
        }
    }

    /// The next reply, which is not the one to a HEAD.
    pub(crate) fn answer(&mut self) -> Answer {
        let head = loop {
            let end = self.received.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = end {
                let rest = self.received.split_off(end + 4);
                break String::from_utf8(std::mem::replace(&mut self.received, rest)).unwrap();
            }
            self.fill();
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |n| n.parse::<usize>().unwrap());
        while self.received.len() < length {
            self.fill();
        }
        let rest = self.received.split_off(length);
        let body = String::from_utf8(std::mem::replace(&mut self.received, rest)).unwrap();
        Answer {
            status: head[9..12].parse().unwrap(),
            head,
            body,
        }
    }

    fn fill(&mut self) {
        let mut room = [0; 65_536];
        let count = self.stream.read(&mut room).unwrap();
        assert!(
            count > 0,
            "closed behind {:?}",
            String::from_utf8_lossy(&self.received)
        );
        self.received.extend_from_slice(&room[..count]);
    }

    /// All that comes until the server closes the connection.
    pub(crate) fn rest(&mut self) -> String {
        if let Err(error) = self.stream.read_to_end(&mut self.received) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        String::from_utf8(std::mem::take(&mut self.received)).unwrap()
    }
}
