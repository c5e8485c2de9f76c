//! A GET in the steady state of a connection allocates nothing, one at a time or pipelined, through
//! any door.
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

/// A client and the server's side of its connection on one runtime.
struct Pair {
    runtime: Runtime,
    client: TcpStream,
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
    fn new(door: Door) -> Self {
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
            .build()
            .unwrap();
        let client = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            let (stream, peer) = accepted.unwrap();
            let (stream, peer) = (Stream::Tcp(stream), Peer::Inet(peer));
            match door {
                Door::Http => drop(tokio::spawn(http::serve(stream, peer, None, service))),
                Door::Binary => drop(tokio::spawn(binary::serve(stream, peer, service))),
            }
            client.unwrap()
        });
        Self {
            runtime,
            client,
            clock,
            room: vec![0; 1 << 16],
        }
    }

    /// Sends `requests` and reads `length` bytes, or whatever comes for `None`.
    fn exchange(&mut self, requests: &[u8], length: Option<usize>) -> usize {
        self.runtime.block_on(async {
            self.client.write_all(requests).await.unwrap();
            match length {
                Some(length) => {
                    let room = &mut self.room[..length];
                    self.client.read_exact(room).await.unwrap()
                }
                None => self.client.read(&mut self.room).await.unwrap(),
            }
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
    let mut pair = Pair::new(Door::Http);
    let created = pair.exchange(create.as_bytes(), None);
    let token = pair.found(created, start);
    for depth in [1, 16] {
        let requests = get(&token).repeat(depth);
        // Counters of four digits from here on, so that all replies have one length.
        let mut length = 0;
        for _ in 0..1_100 {
            length = pair.exchange(requests.as_bytes(), None);
        }
        let counted = measure(|| {
            for _ in 0..200 {
                pair.clock.advance(1);
                pair.exchange(requests.as_bytes(), Some(length));
            }
        });
        assert_eq!(counted.count_total, 0, "{depth} at a time, for {create}");
    }
    // The one exception: the first activity in a second opens the second in the app's time index.
    pair.clock.advance(1_000);
    let opened = measure(|| {
        pair.exchange(get(&token).as_bytes(), None);
    });
    assert!((1..=8).contains(&opened.count_total), "{opened:?}");
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
    let mut pair = Pair::new(Door::Binary);
    let hello = frame(Request::Hello(Hello::new("app", AccessKey(b""), "")));
    assert!(pair.exchange(&hello, None) > 12);
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
    assert_eq!(pair.exchange(&frame(Request::Put(put)), None), 12 + 24);
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
        for depth in [1, 16, 17] {
            let requests = frame(Request::Get(get)).repeat(depth);
            for _ in 0..100 {
                pair.exchange(&requests, Some(depth * length));
            }
            let counted = measure(|| {
                for _ in 0..200 {
                    pair.exchange(&requests, Some(depth * length));
                }
            });
            assert_eq!(counted.count_total, 0, "{depth} at a time of {get:?}");
        }
    }
}
