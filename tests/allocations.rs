//! A GET in the steady state of a connection allocates nothing, one at a time or pipelined, alone or
//! together with those of other connections, through any door.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::sync::Arc;

use allocation_counter::measure;
use cloakroom::clock::{Clock, ManualClock, Millis};
use cloakroom::config::HttpLimits;
use cloakroom::engine::{Engine, EngineConfig, OsRandomness};
use cloakroom::model::Keys;
use cloakroom::net::http::dialect::DialectSettings;
use cloakroom::net::log_watch::LogWatch;
use cloakroom::net::service::{HeldBytes, OpenConnections, Service, StopSignal};
use cloakroom::net::stream::{Peer, Stream};
use cloakroom::net::{binary, http};
use cloakroom_protocol::{
    AccessKey, Call, ContentType, Data, Fields, Get, Hello, Put, PutMode, Request, Token,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Connections that send at the same time: more than are needed for them to wait for each other.
const CONNECTIONS: usize = 8;

/// Clients and the server's side of their connections on one runtime.
struct Pair {
    runtime: Runtime,
    clients: Vec<TcpStream>,
    clock: Arc<ManualClock>,
    room: Vec<u8>,
}

/// What the server's side speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Http,
    Binary,
}

impl Pair {
    fn new(door: Door, connections: usize) -> Self {
        let clock = Arc::new(ManualClock::new(Millis(1_795_161_703_019)));
        let random = Box::new(OsRandomness::new());
        let engine = Engine::new(&EngineConfig::default(), Keys::new([7; 32]), random);
        let service = Arc::new(Service {
            engine: Arc::new(engine),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            settings: DialectSettings::default(),
            limits: HttpLimits::default(),
            access_log: false,
            access_keys: None,
            log: LogWatch::memory_only(),
            durability: None,
            held: HeldBytes::default(),
            connections: OpenConnections::default(),
            started: Millis(1_795_161_703_019),
            run: 1,
            stop: StopSignal::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(cloakroom::net::rest)
            .build()
            .unwrap();
        let clients = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut clients = Vec::new();
            for service in std::iter::repeat_n(service, connections) {
                let (client, accepted) =
                    tokio::join!(TcpStream::connect(address), listener.accept());
                let (stream, peer) = accepted.unwrap();
                let (stream, peer) = (Stream::Tcp(stream), Peer::Inet(peer));
                match door {
                    Door::Http => drop(tokio::spawn(http::serve(stream, peer, None, service))),
                    Door::Binary => drop(tokio::spawn(binary::serve(stream, peer, service))),
                }
                clients.push(client.unwrap());
            }
            clients
        });
        Self {
            runtime,
            clients,
            clock,
            room: vec![0; 1 << 16],
        }
    }

    /// Sends `requests` on all connections and reads `length` bytes on each.
    fn exchange(&mut self, requests: &[u8], length: usize) {
        let room = &mut self.room[..length];
        self.runtime.block_on(async {
            for client in &mut self.clients {
                client.write_all(requests).await.unwrap();
            }
            for client in &mut self.clients {
                client.read_exact(room).await.unwrap();
            }
        });
    }

    /// Sends `request` on the first connection and reads whatever comes: how many bytes.
    fn ask(&mut self, request: &[u8]) -> usize {
        let client = &mut self.clients[0];
        self.runtime.block_on(async {
            client.write_all(request).await.unwrap();
            client.read(&mut self.room).await.unwrap()
        })
    }

    /// What stands between `start` and `"` in the last replies.
    fn found(&self, received: usize, start: &str) -> String {
        let text = str::from_utf8(&self.room[..received]).unwrap();
        let from = text.find(start).unwrap() + start.len();
        text[from..].split('"').next().unwrap().to_owned()
    }
}

fn assert_allocates_nothing(create: &str, start: &str, get: impl Fn(&str) -> String) {
    for (connections, depth) in [(1, 1), (1, 16), (CONNECTIONS, 1), (CONNECTIONS, 16)] {
        let mut pair = Pair::new(Door::Http, connections);
        let created = pair.ask(create.as_bytes());
        let token = pair.found(created, start);
        let requests = get(&token).repeat(depth);
        let mut length = 0;
        // Counters of five digits from here on, so that all replies have one length.
        for _ in 0..11_000 / depth {
            length = pair.ask(requests.as_bytes());
        }
        for _ in 0..100 {
            pair.exchange(requests.as_bytes(), length);
        }
        let counted = measure(|| {
            for _ in 0..200 {
                pair.clock.advance(1);
                pair.exchange(requests.as_bytes(), length);
            }
        });
        let what = format!("{depth} at a time on {connections} connections, for {create}");
        assert_eq!(counted.count_total, 0, "{what}");
        // The one exception: the first activity in a second opens the second in the app's time index.
        pair.clock.advance(1_000);
        let opened = measure(|| {
            pair.ask(get(&token).as_bytes());
        });
        assert!((1..=8).contains(&opened.count_total), "{opened:?}");
    }
}

#[test]
fn get_of_rest_sessions_allocates_nothing() {
    assert_allocates_nothing(
        "PUT /app/create/u?ip=1.2.3.4 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: 7\r\n\r\n{\"a\":1}",
        "{\"token\":\"",
        |token| format!("GET /app/get/{token} HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
}

#[test]
fn get_of_tarantool_allocates_nothing() {
    assert_allocates_nothing(
        "GET /new?user_id=1&ip=1.2.3.4 HTTP/1.1\r\n\r\n",
        "\"token\":\"",
        |token| format!("GET /get?token={token} HTTP/1.1\r\n\r\n"),
    );
}

#[test]
fn get_of_back_session_allocates_nothing() {
    assert_allocates_nothing(
        "POST /a01/session HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n{\"user_id\":\"u\"}",
        "{\"session_id\":\"",
        |token| format!("GET /a01/session/{token} HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
}

fn frame(request: Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Call::new(7, request).encode(&mut bytes).unwrap();
    bytes
}

/// The requests stand where sixteen are looked up ahead: one, as many, and one more.
#[test]
fn get_of_the_binary_protocol_allocates_nothing() {
    for (connections, depth) in [
        (1, 1),
        (1, 16),
        (1, 17),
        (CONNECTIONS, 1),
        (CONNECTIONS, 16),
    ] {
        let hello = frame(Request::Hello(Hello::new("app", AccessKey(b""), "")));
        let welcome = Pair::new(Door::Binary, 1).ask(&hello);
        assert!(welcome > 12);
        let mut pair = Pair::new(Door::Binary, connections);
        pair.exchange(&hello, welcome);
        let fields = Fields {
            user: Some("u"),
            ip: Some("1.2.3.4"),
            data: Some((ContentType::JSON_OBJECT, Data(br#"{"a":1}"#))),
            ..Fields::default()
        };
        let token = Token(b"0123456789abcdef0123456789abcdef");
        let put = Put {
            token,
            mode: PutMode::Create,
            quiet: false,
            fields,
        };
        assert_eq!(pair.ask(&frame(Request::Put(put))), 12 + 24);
        // Header, fixed fields, user, IP and data.
        let length = 12 + 82 + 1 + 7 + 7;
        let plain = Get::touch(token);
        let unless_version = Some(1);
        let gets = [
            plain,
            Get::peek(plain.key),
            Get {
                unless_version,
                ..plain
            },
        ];
        for get in gets {
            let requests = frame(Request::Get(get)).repeat(depth);
            for _ in 0..100 {
                pair.exchange(&requests, depth * length);
            }
            let counted = measure(|| {
                for _ in 0..200 {
                    pair.exchange(&requests, depth * length);
                }
            });
            let what = format!("{depth} at a time on {connections} connections of {get:?}");
            assert_eq!(counted.count_total, 0, "{what}");
        }
    }
}
