//! Connections over socket pairs: order of replies, slices, stop, a log that is behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::config::HttpLimits;
use crate::engine::Position;
use crate::net::connection::Connection;
use crate::net::exchange::Exchange;
use crate::net::http::dialect::{Context, SlicedWork};
use crate::net::http::exchange::{HttpExchange, Stage, Working};
use crate::net::http::response::Response;
use crate::net::log_watch::LogWatch;
use crate::net::scratch::wake_parked;
use crate::net::service::Service;
use crate::net::stream::{Peer, Stream};

const ASK: &[u8] = b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n";

fn connect(service: &Arc<Service>) -> (Connection<HttpExchange>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let stream = Stream::Unix(ours);
    let connection = Connection::new(
        stream,
        Peer::Unix,
        HttpExchange::new(None),
        Arc::clone(service),
    );
    (connection, theirs)
}

fn held(connection: &mut Connection<HttpExchange>, text: &str, position: Option<u64>) {
    let outbox = connection.exchange.outbox();
    let start = outbox.mark();
    outbox.end().extend_from_slice(text.as_bytes());
    if let Some(position) = position {
        outbox.hold(start, Position(position));
    }
}

async fn let_others_run() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn replies_are_sent_in_order_once_the_log_has_reached_their_positions() {
    let (positions, log) = watch::channel(Position(3));
    let log = LogWatch::of(log, Arc::new(|| false));
    let service = Arc::new(Service::for_tests(log.clone(), HttpLimits::default()));
    tokio::spawn(wake_parked(log));
    let (mut connection, mut client) = connect(&service);
    held(&mut connection, "a", Some(3));
    held(&mut connection, "b", Some(5));
    held(&mut connection, "c", None);
    held(&mut connection, "d", Some(6));
    tokio::spawn(connection);
    let mut room = [0; 8];
    assert_eq!(client.read(&mut room).await.unwrap(), 1);
    positions.send(Position(4)).unwrap();
    let_others_run().await;
    assert!(client.try_read(&mut room).is_err());
    positions.send(Position(5)).unwrap();
    assert_eq!(client.read(&mut room).await.unwrap(), 2);
    assert_eq!(&room[..2], b"bc");
    positions.send(Position(60)).unwrap();
    assert_eq!(client.read(&mut room).await.unwrap(), 1);
    assert_eq!(&room[..1], b"d");
}

#[tokio::test]
async fn reply_is_never_sent_when_the_log_has_ended_before_its_position() {
    let (positions, log) = watch::channel(Position(3));
    let limits = HttpLimits {
        write_stall: Duration::from_millis(30),
        ..HttpLimits::default()
    };
    let log = LogWatch::of(log, Arc::new(|| false));
    let service = Arc::new(Service::for_tests(log, limits));
    let (mut connection, mut client) = connect(&service);
    held(&mut connection, "a", Some(4));
    tokio::spawn(connection);
    drop(positions);
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert!(all.is_empty());
}

/// Takes `left` slices, then answers.
struct Slices(Arc<AtomicUsize>);

impl SlicedWork for Slices {
    fn slice(&mut self, _cx: &Context<'_>, reply: &mut Response<'_>) -> Option<Option<Position>> {
        if self.0.fetch_sub(1, Ordering::Relaxed) > 1 {
            return None;
        }
        reply.body().extend_from_slice(b"sliced");
        reply.send(200, &[]);
        Some(None)
    }
}

#[tokio::test]
async fn sliced_answer_lets_other_connections_run_and_keeps_its_place_in_the_order() {
    let service = Service::for_tests(LogWatch::memory_only(), HttpLimits::default());
    let service = Arc::new(service);
    let left = Arc::new(AtomicUsize::new(10_000));
    let (mut busy, mut busy_client) = connect(&service);
    busy.exchange.stage = Stage::Work(Box::new(Working {
        work: Box::new(Slices(Arc::clone(&left))),
        minor_version: 1,
        head_only: false,
        close: false,
        entry: None,
    }));
    busy_client.write_all(ASK).await.unwrap();
    tokio::spawn(busy);
    let (other, mut other_client) = connect(&service);
    tokio::spawn(other);
    other_client.write_all(ASK).await.unwrap();
    let mut room = [0; 512];
    assert!(other_client.read(&mut room).await.unwrap() > 0);
    assert!(left.load(Ordering::Relaxed) > 9_000);
    busy_client.shutdown().await.unwrap();
    let mut all = String::new();
    busy_client.read_to_string(&mut all).await.unwrap();
    let (sliced, next) = (all.find("sliced").unwrap(), all.find(" 404 ").unwrap());
    assert!(sliced < next);
}

#[tokio::test]
async fn stop_closes_an_idle_connection_and_lets_a_begun_request_finish() {
    let service = Service::for_tests(LogWatch::memory_only(), HttpLimits::default());
    let service = Arc::new(service);
    let (idle, mut idle_client) = connect(&service);
    let (begun, mut begun_client) = connect(&service);
    tokio::spawn(idle);
    tokio::spawn(begun);
    begun_client.write_all(&ASK[..10]).await.unwrap();
    let_others_run().await;
    service.stop.raise();
    let mut all = String::new();
    idle_client.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "");
    begun_client.write_all(&ASK[10..]).await.unwrap();
    begun_client.read_to_string(&mut all).await.unwrap();
    assert!(all.starts_with("HTTP/1.1 404 ") && all.contains("Connection: close"));
}

/// A log whose load the test sets.
struct Behind {
    positions: watch::Sender<Position>,
    backed_up: Arc<AtomicBool>,
    service: Arc<Service>,
}

impl Behind {
    fn start(limits: HttpLimits) -> Self {
        let (positions, seen) = watch::channel(Position(1));
        let backed_up = Arc::new(AtomicBool::new(true));
        let load = Arc::clone(&backed_up);
        let log = LogWatch::of(seen, Arc::new(move || load.load(Ordering::Relaxed)));
        tokio::spawn(wake_parked(log.clone()));
        Self {
            positions,
            backed_up,
            service: Arc::new(Service::for_tests(log, limits)),
        }
    }
}

const CREATE: &[u8] = b"PUT /app/create/u?ip=1 HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn request_that_may_change_something_stays_unread_while_the_log_is_backed_up() {
    let log = Behind::start(HttpLimits::default());
    let (connection, mut client) = connect(&log.service);
    tokio::spawn(connection);
    client
        .write_all(&[ASK, CREATE, ASK].concat())
        .await
        .unwrap();
    let (other, mut other_client) = connect(&log.service);
    tokio::spawn(other);
    other_client.write_all(ASK).await.unwrap();
    let mut room = [0; 2048];
    // A read on another connection is served, and so is what came before the create.
    assert!(other_client.read(&mut room).await.unwrap() > 0);
    let first = client.read(&mut room).await.unwrap();
    assert!(room[..first].starts_with(b"HTTP/1.1 404 "));
    for position in 2..5 {
        log.positions.send(Position(position)).unwrap();
        let_others_run().await;
        assert!(client.try_read(&mut room).is_err());
        assert_eq!(log.service.engine.memory_use().sessions, 0);
    }
    log.backed_up.store(false, Ordering::Relaxed);
    log.positions.send(Position(5)).unwrap();
    let mut replies = String::new();
    while replies.matches("HTTP/1.1 ").count() < 2 {
        let count = client.read(&mut room).await.unwrap();
        replies.push_str(std::str::from_utf8(&room[..count]).unwrap());
    }
    assert!(replies.starts_with("HTTP/1.1 200 ") && replies.contains("HTTP/1.1 404 "));
    assert_eq!(log.service.engine.memory_use().sessions, 1);
}

#[tokio::test]
async fn request_is_refused_when_the_log_stands_still_for_too_long() {
    let limits = HttpLimits {
        write_stall: Duration::from_millis(30),
        ..HttpLimits::default()
    };
    let log = Behind::start(limits);
    let (connection, mut client) = connect(&log.service);
    tokio::spawn(connection);
    client.write_all(CREATE).await.unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");
    assert_eq!(log.service.engine.memory_use().sessions, 0);
}
