//! Every bound of an HTTP connection: at it, one below, one beyond; slow peers, greedy peers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test stops at the first thing that is not as it should be, and measures time"
)]

mod served;

use std::io::Write;
use std::time::{Duration, Instant};

use cloakroom::config::{Config, DialectName};
use cloakroom::limits;
use served::{Client, Served};

const PING: &[u8] = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n";

fn default_limits() -> Served {
    Served::start(None, |_| {})
}

/// A head of exactly `bytes` bytes.
fn head_of(bytes: usize) -> Vec<u8> {
    let frame = "GET /ping HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    let filler = "x".repeat(bytes - frame);
    format!("GET /ping HTTP/1.1\r\nHost: a\r\nX: {filler}\r\n\r\n").into_bytes()
}

#[test]
fn head_larger_than_the_bound_is_refused() {
    let served = default_limits();
    for (bytes, status) in [
        (limits::HEAD_BYTES - 1, 200),
        (limits::HEAD_BYTES, 200),
        (limits::HEAD_BYTES + 1, 431),
        (10 * limits::HEAD_BYTES, 431),
    ] {
        let head = head_of(bytes);
        let (answer, closed) = served.ask(&head);
        assert_eq!((answer.status, closed), (status, status != 200), "{bytes}");
        let mut client = served.connect();
        for piece in head.chunks(1000) {
            client.send(piece);
        }
        assert_eq!(client.answer().status, status, "{bytes} in pieces");
    }
    let mut endless = served.connect();
    endless.send(&head_of(limits::HEAD_BYTES)[..limits::HEAD_BYTES - 2]);
    endless.send(b"xxxx");
    assert_eq!(endless.answer().status, 431);
}

#[test]
fn request_line_larger_than_the_bound_is_refused_as_such() {
    let served = default_limits();
    let line = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes));
    let (answer, closed) = served.ask(line(limits::HEAD_BYTES).as_bytes());
    assert_eq!((answer.status, closed), (414, true));
    let (answer, _) = served.ask(line(limits::HEAD_BYTES - 100).as_bytes());
    assert_eq!(answer.status, 404);
}

#[test]
fn more_fields_than_the_bound_are_refused() {
    let served = default_limits();
    for (fields, status) in [
        (limits::HEADERS - 1, 200),
        (limits::HEADERS, 200),
        (limits::HEADERS + 1, 431),
    ] {
        let more = "X: 1\r\n".repeat(fields - 1);
        let request = format!("GET /ping HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        let (answer, closed) = served.ask(request.as_bytes());
        assert_eq!((answer.status, closed), (status, status != 200), "{fields}");
    }
}

/// A JSON object of exactly `bytes` bytes.
fn object_of(bytes: usize) -> String {
    format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8))
}

fn create(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "PUT /app/create/u?ip=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         {fields}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn body_larger_than_the_bound_is_refused_and_the_connection_stays() {
    let served = default_limits();
    let bound = limits::REST_SESSIONS_BODY_BYTES;
    for (bytes, status) in [(bound - 1, 200), (bound, 200), (bound + 1, 413)] {
        let body = object_of(bytes);
        let chunks = format!("1\r\n{{\r\n{:x}\r\n{}\r\n0\r\n\r\n", bytes - 1, &body[1..]);
        for request in [
            create(&format!("Content-Length: {bytes}"), body.as_bytes()),
            create("Transfer-Encoding: chunked", chunks.as_bytes()),
        ] {
            let mut client = served.connect();
            client.send(&request);
            client.send(PING);
            assert_eq!(client.answer().status, status, "{bytes}");
            assert_eq!(client.answer().body, "PONG", "{bytes}");
        }
    }
}

#[test]
fn inflated_body_is_held_to_the_same_bound() {
    let served = default_limits();
    let bound = limits::REST_SESSIONS_BODY_BYTES;
    for (bytes, status) in [
        (bound - 1, 200),
        (bound, 200),
        (bound + 1, 413),
        (1 << 24, 413),
    ] {
        let best = flate2::Compression::best();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), best);
        gzip.write_all(object_of(bytes).as_bytes()).unwrap();
        let body = gzip.finish().unwrap();
        let fields = format!("Content-Encoding: gzip\r\nContent-Length: {}", body.len());
        let mut client = served.connect();
        client.send(&create(&fields, &body));
        client.send(PING);
        assert_eq!(client.answer().status, status, "{bytes}");
        assert_eq!(client.answer().body, "PONG", "{bytes}");
    }
}

#[test]
fn refused_body_is_dropped_up_to_its_bound_and_beyond_ends_the_connection() {
    let served = default_limits();
    let bound = usize::try_from(limits::DISCARD_BYTES).unwrap();
    for (bytes, stays) in [(bound - 1, true), (bound, true), (bound + 1, false)] {
        let mut client = served.connect();
        client.send(&create(
            &format!("Content-Length: {bytes}"),
            &vec![b'x'; bytes],
        ));
        client.send(PING);
        let answer = client.answer();
        assert_eq!(answer.status, 413, "{bytes}");
        assert_eq!(answer.head.contains("Connection: close"), !stays, "{bytes}");
        if stays {
            assert_eq!(client.answer().body, "PONG", "{bytes}");
        } else {
            assert_eq!(client.rest(), "", "{bytes}");
        }
    }
}

#[test]
fn body_of_the_other_dialects_may_have_a_mebibyte() {
    for (dialect, path) in [
        (DialectName::BackSession, "/a01/session"),
        (DialectName::Tarantool, "/new"),
    ] {
        let served = Served::start(Some(dialect), |_| {});
        let bound = limits::BODY_BYTES;
        for (bytes, fits) in [(bound - 1, true), (bound, true), (bound + 1, false)] {
            let head =
                format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
            let mut client = served.connect();
            client.send(head.as_bytes());
            client.send(&vec![b' '; bytes]);
            assert_eq!(client.answer().status != 413, fits, "{path} {bytes}");
        }
    }
}

#[test]
fn chunk_lines_and_trailers_beyond_their_bounds_are_refused() {
    let served = default_limits();
    let bound = limits::CHUNK_LINE_BYTES;
    for (line, status) in [(bound - 1, 200), (bound, 200), (bound + 1, 400)] {
        let name = "x".repeat(line - 2);
        let body = format!("7;{name}\r\n{{\"a\":1}}\r\n0\r\n\r\n");
        let (answer, _) = served.ask(&create("Transfer-Encoding: chunked", body.as_bytes()));
        assert_eq!(answer.status, status, "{line}");
    }
    let bound = limits::TRAILER_BYTES;
    for (trailer, status) in [(bound - 1, 200), (bound, 200), (bound + 1, 431)] {
        let (first, second) = ("x".repeat(trailer / 2), "y".repeat(trailer - trailer / 2));
        let body = format!("7\r\n{{\"a\":1}}\r\n0\r\n{first}\r\n{second}\r\n\r\n");
        let (answer, _) = served.ask(&create("Transfer-Encoding: chunked", body.as_bytes()));
        assert_eq!(answer.status, status, "{trailer}");
    }
    let tiny = format!(" \r\n0\r\n\r\n{}", "");
    let wasteful = format!("1;{}\r\n{{\r\n", "x".repeat(250)).repeat(100);
    let body = format!("{wasteful}1\r\n{tiny}");
    let (answer, closed) = served.ask(&create("Transfer-Encoding: chunked", body.as_bytes()));
    assert_eq!((answer.status, closed), (400, true));
}

#[test]
fn pipelined_requests_are_all_answered_in_order_however_many() {
    let served = default_limits();
    for count in [
        limits::REQUESTS_PER_TURN - 1,
        limits::REQUESTS_PER_TURN,
        limits::REQUESTS_PER_TURN + 1,
        5 * limits::REQUESTS_PER_TURN,
    ] {
        let (created, _) = served.ask(&create("Content-Length: 2", b"{}"));
        let token = &created.body["{\"token\":\"".len()..][..64];
        let mut client = served.connect();
        let request = format!("GET /app/get/{token} HTTP/1.1\r\nHost: a\r\n\r\n");
        client.send(request.repeat(count).as_bytes());
        for n in 1..=count {
            let body = client.answer().body;
            assert!(
                body.contains(&format!("\"r\":{n},")),
                "{n} of {count}: {body}"
            );
        }
    }
}

#[test]
fn connection_beyond_the_bound_is_closed_at_once() {
    let served = Served::start(None, |config| config.max_connections = 3);
    let mut open: Vec<Client> = (0..3).map(|_| served.connect()).collect();
    for client in &mut open {
        client.send(PING);
        assert_eq!(client.answer().body, "PONG");
    }
    assert_eq!(served.connect().rest(), "");
    open.pop();
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let mut client = served.connect();
        client.send(b"GET /ping HTTP/1.0\r\n\r\n");
        if client.rest().ends_with("PONG") {
            break;
        }
        assert!(Instant::now() < patience, "the place never came free");
    }
}

/// Short time-outs, so that tests need not wait long.
fn hasty(config: &mut Config) {
    config.http_limits.head = Duration::from_millis(200);
    config.http_limits.body = Duration::from_millis(300);
    config.http_limits.keep_alive = Duration::from_millis(400);
    config.http_limits.write_stall = Duration::from_millis(300);
    config.http_limits.linger = Duration::from_millis(200);
}

#[test]
fn slow_head_and_slow_body_are_cut_off_in_time() {
    let served = Served::start(None, hasty);
    for (request, least) in [
        (b"GET /ping HT".as_slice(), 200),
        (b"\r", 200),
        (
            b"PUT /app/create/u HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
            300,
        ),
        (
            b"PUT /a/b/c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1",
            300,
        ),
    ] {
        let since = Instant::now();
        let mut client = served.connect();
        client.send(request);
        let answer = client.answer();
        assert_eq!(answer.status, 408);
        assert_eq!(client.rest(), "");
        let took = since.elapsed();
        assert!(took >= Duration::from_millis(least), "{took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn client_that_sends_a_byte_now_and_then_is_cut_off_too() {
    let served = Served::start(None, hasty);
    let mut client = served.connect();
    let since = Instant::now();
    for byte in b"GET /ping HTTP/1.1\r\nHost: a\r\nX: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" {
        client.send(&[*byte]);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(client.answer().status, 408);
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[test]
fn idle_connection_is_closed_without_a_word() {
    let served = Served::start(None, hasty);
    let mut fresh = served.connect();
    let mut used = served.connect();
    used.send(PING);
    assert_eq!(used.answer().body, "PONG");
    let since = Instant::now();
    assert_eq!(used.rest(), "");
    let took = since.elapsed();
    assert!(
        took >= Duration::from_millis(350) && took < Duration::from_secs(5),
        "{took:?}"
    );
    assert_eq!(fresh.rest(), "");
}

#[test]
fn client_that_never_reads_is_cut_off_and_disturbs_nobody() {
    let served = Served::start(None, |config| {
        hasty(config);
        config.threads = Some(1);
    });
    let mut greedy = served.connect();
    let mut other = served.connect();
    let request = format!("GET /{}/x HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(8000));
    let flood = request.repeat(100);
    let reader = std::thread::spawn(move || {
        for _ in 0..300 {
            greedy.send(flood.as_bytes());
        }
        greedy
    });
    let since = Instant::now();
    let mut asked = 0;
    while since.elapsed() < Duration::from_millis(800) {
        let sent = Instant::now();
        other.send(PING);
        assert_eq!(other.answer().body, "PONG");
        assert!(sent.elapsed() < Duration::from_millis(200));
        asked += 1;
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert!(asked > 20, "{asked}");
    let mut greedy = reader
        .join()
        .unwrap_or_else(|_| panic!("the greedy client failed"));
    let replies = greedy.rest();
    assert!(replies.len() < 100 << 20, "cut off before all was answered");
}

#[test]
fn unfinished_requests_may_not_hold_more_than_their_bound_together() {
    let served = Served::start(None, |config| {
        config.http_limits.held_bytes = 100_000;
        config.threads = Some(1);
    });
    let body = object_of(50_000);
    let request = create("Content-Length: 50000", body.as_bytes());
    let mut waiting: Vec<Client> = (0..3).map(|_| served.connect()).collect();
    let mut cut_off = 0;
    for client in &mut waiting {
        client.send(&request[..request.len() - 5000]);
        // An answer on another connection shows that the bytes have been read.
        assert_eq!(served.ask(PING).0.body, "PONG");
    }
    for mut client in waiting {
        client.send(&request[request.len() - 5000..]);
        match client.answer().status {
            200 => {}
            503 => cut_off += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(cut_off, 1);
}

#[test]
fn stop_waits_no_longer_than_its_bound_for_a_request_that_does_not_end() {
    let served = Served::start(None, |config| config.stop = Duration::from_millis(300));
    let mut begun = served.connect();
    begun.send(&PING[..9]);
    assert_eq!(served.ask(PING).0.body, "PONG");
    let since = Instant::now();
    drop(served);
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(begun.rest(), "");
}
