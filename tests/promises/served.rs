//! Servers in this process on free ports, by a clock moved by hand, and a client of theirs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use cloakroom::clock::{Clock, ManualClock, Millis};
use cloakroom::config::{Address, Config, HttpLimits, HttpListen};
use cloakroom::engine::{Engine, EngineConfig};
use cloakroom::net::http;
use cloakroom::net::http::dialect::DialectSettings;
use cloakroom::net::log_watch::LogWatch;
use cloakroom::net::service::{HeldBytes, OpenConnections, Service, StopSignal};
use cloakroom::net::stream::{Peer, Stream};
use cloakroom::server::Server;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::engines::engine;

/// When the clocks start: a moment within a second.
pub(crate) const START: Millis = Millis(1_795_161_703_019);

/// A running server for all dialects on one listener.
pub(crate) struct Served {
    address: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<ManualClock>,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// The whole server, sweeps included, on two threads.
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            http: vec![HttpListen {
                dialect: None,
                address: Address::Inet("127.0.0.1:0".into()),
                allow: Vec::new(),
            }],
            threads: Some(2),
            ..Config::default()
        };
        change(&mut config);
        let clock = Arc::new(ManualClock::new(START));
        let server = Server::bind_on(config, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let address = server.addresses()[0].unwrap();
        let engine = server.engine();
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        Self {
            address,
            engine,
            clock,
            shutdown,
            thread: Some(std::thread::spawn(move || server.serve(token).unwrap())),
        }
    }

    /// Connections only: nobody ever sweeps.
    pub(crate) fn unswept() -> Self {
        Self::over(engine(&EngineConfig::default()))
    }

    /// The same over an engine whose log is the test's.
    pub(crate) fn over(engine: Engine) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let engine = Arc::new(engine);
        let service = Arc::new(Service {
            engine: Arc::clone(&engine),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            settings: DialectSettings::default(),
            limits: HttpLimits::default(),
            access_log: false,
            access_keys: None,
            log: LogWatch::memory_only(),
            durability: None,
            held: HeldBytes::default(),
            connections: OpenConnections::default(),
            started: START,
            run: 1,
            stop: StopSignal::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        Self {
            address,
            engine,
            clock,
            shutdown,
            thread: Some(std::thread::spawn(move || {
                accept(listener, &service, &stop)
            })),
        }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Client {
            stream,
            received: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now().0
    }

    /// Moves the clock forward to `moment`.
    pub(crate) fn advance_to(&self, moment: u64) {
        self.clock.advance(moment.checked_sub(self.now()).unwrap());
    }

    pub(crate) fn assert_sound(&self) {
        assert_eq!(self.engine.check_invariants(), Ok(()));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

fn accept(listener: std::net::TcpListener, service: &Arc<Service>, stop: &CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let serve = async {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                let (stream, peer) = (Stream::Tcp(stream), Peer::Inet(peer));
                tokio::spawn(http::serve(stream, peer, None, Arc::clone(service)));
            }
        };
        stop.run_until_cancelled(serve).await
    });
}

/// One keep-alive connection.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A request as bytes; the body, if any, is JSON.
pub(crate) fn request(method: &str, target: &str, body: Option<&str>) -> String {
    let fields = body.map_or(String::new(), |body| {
        let length = body.len();
        format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
    });
    let body = body.unwrap_or_default();
    format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

impl Client {
    /// Status and body of the answer to one request.
    pub(crate) fn ask(&mut self, method: &str, target: &str, body: Option<&str>) -> (u16, String) {
        self.send(&request(method, target, body));
        self.answer()
    }

    pub(crate) fn send(&mut self, requests: &str) {
        self.stream.write_all(requests.as_bytes()).unwrap();
    }

    /// Status and body of the next answer.
    pub(crate) fn answer(&mut self) -> (u16, String) {
        let (head, body) = self.answer_with_head();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body)
    }

    /// Head and body of the next answer.
    pub(crate) fn answer_with_head(&mut self) -> (String, String) {
        let end = loop {
            let found = self.received.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = found {
                break end + 4;
            }
            self.fill();
        };
        let head = String::from_utf8(self.received[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |n| n.parse::<usize>().unwrap());
        while self.received.len() < end + length {
            self.fill();
        }
        let body = String::from_utf8(self.received[end..end + length].to_vec()).unwrap();
        self.received.drain(..end + length);
        (head, body)
    }

    fn fill(&mut self) {
        let mut room = [0; 16_384];
        loop {
            match self.stream.read(&mut room) {
                Ok(count) => {
                    assert!(count > 0, "the server has closed");
                    self.received.extend_from_slice(&room[..count]);
                    return;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
            }
        }
    }

    /// The JSON of a 200.
    pub(crate) fn json(&mut self, method: &str, target: &str, body: Option<&str>) -> Value {
        let (status, body) = self.ask(method, target, body);
        assert_eq!(status, 200, "{method} {target}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Creates a rest-sessions session with a ttl of ten seconds.
    pub(crate) fn create_rest(&mut self, app: &str, user: &str) -> String {
        let target = format!("/{app}/create/{user}?ip=1.2.3.4&ttl=10");
        text(&self.json("PUT", &target, None)["token"])
    }

    pub(crate) fn create_tarantool(&mut self, user: u64, ip: &str) -> String {
        let target = format!("/new?user_id={user}&ip={ip}");
        text(&self.json("GET", &target, None)["data"]["token"])
    }

    pub(crate) fn create_back(&mut self, user: &str) -> String {
        let body = format!(r#"{{"user_id":"{user}","device_id":"d"}}"#);
        text(&self.json("POST", "/a01/session", Some(&body))["session_id"])
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
