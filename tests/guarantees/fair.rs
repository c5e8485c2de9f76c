//! One client costs the others no more than a bounded piece of work, and the server bounded memory.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use cloakroom::config::HttpLimits;
use cloakroom::engine::EngineConfig;
use cloakroom_protocol::{ErrorCode, Fields, NOTICE, PutMode, ReplyFlags, Scope};

use crate::requests::{create, get, json, list, put};
use crate::server::{Served, engine};
use crate::wire::{Wire, frame, raw};

/// Sends the same bytes until the server has taken nothing for a while: how many went out.
fn send_until_stalled(wire: &mut Wire, bytes: &[u8], most: usize) -> usize {
    let pause = Some(Duration::from_millis(500));
    wire.stream.set_write_timeout(pause).unwrap();
    let mut sent = 0;
    while sent < most {
        match wire.stream.write(bytes) {
            // Only whole requests would be sent again.
            Ok(count) => {
                sent += count;
                if count < bytes.len() {
                    return sent;
                }
            }
            Err(error) => {
                let stalled = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                assert!(stalled.contains(&error.kind()), "{error}");
                return sent;
            }
        }
    }
    sent
}

#[test]
fn g16_one_client_does_not_starve_another() {
    const LISTS: u32 = 300;
    let engine = engine(&EngineConfig::default());
    // All clients on one thread.
    let server = Served::over(engine, HttpLimits::default(), 1);
    let (mut greedy, mut modest) = (server.connect(), server.connect());
    let request = frame(0, None, create(Fields::default()));
    for _ in 0..20 {
        greedy.send(&request.repeat(250));
        for _ in 0..250 {
            assert_eq!(greedy.reply().error(), None);
        }
    }
    let lists: Vec<u8> = (0..LISTS)
        .flat_map(|n| frame(n, None, list(Scope::App, 0)))
        .collect();
    greedy.send(&lists);
    assert_eq!(greedy.reply().page().matching, 5_000);
    // While the server counts for the one, the other gets answers.
    for _ in 0..10 {
        modest.assert_alive();
    }
    greedy.stream.set_nonblocking(true).unwrap();
    let mut room = [0; 65_536];
    let peeked = match greedy.stream.peek(&mut room) {
        Ok(count) => count,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            0
        }
    };
    greedy.stream.set_nonblocking(false).unwrap();
    // A reply without sessions has 48 bytes.
    let answered = peeked / 48;
    assert!(answered < LISTS as usize / 2, "{answered} came first");
    for _ in 1..LISTS {
        assert_eq!(greedy.reply().page().matching, 5_000);
    }
}

#[test]
fn server_stops_reading_while_its_replies_are_not_taken() {
    let server = Served::start();
    let mut wire = server.connect();
    let data = format!(r#"{{"a":"{}"}}"#, "x".repeat(100_000));
    wire.ask(put(b"t", PutMode::Create, json(&data)));
    let gets = frame(0, None, get(b"t")).repeat(1_000);
    let most = 256 << 20;
    let sent = send_until_stalled(&mut wire, &gets, most);
    assert!(sent < most, "all was read");
    // Nothing of what was sent is lost: the replies come as they are taken.
    for _ in 0..300 {
        assert_eq!(wire.reply().session().data.0.len(), data.len());
    }
    assert_eq!(server.connect().ask(get(b"t")).error(), None);
}

#[test]
fn half_a_frame_is_not_waited_for_longer_than_it_may_take() {
    let limits = HttpLimits {
        body: Duration::from_millis(50),
        ..HttpLimits::default()
    };
    let server = Served::over(engine(&EngineConfig::default()), limits, 1);
    for bytes in [
        &raw(1, 0x10, 0, 9, b"token-of-9")[..5],
        &raw(1, 0x21, 0, 9, &[0; 900])[..800],
    ] {
        let mut wire = server.connect();
        wire.send(bytes);
        assert!(wire.next().is_none());
    }
}

#[test]
fn what_all_connections_hold_is_bounded() {
    let limits = HttpLimits {
        held_bytes: 256 << 10,
        ..HttpLimits::default()
    };
    let server = Served::over(engine(&EngineConfig::default()), limits, 1);
    let mut wire = server.connect();
    wire.send(&raw(1, 0x21, 0, 9, &vec![0; 1 << 20])[..1 << 20]);
    let got = wire.reply();
    assert_eq!((got.reply().id, got.reply().opcode), (0, NOTICE));
    assert_eq!(got.error(), Some(ErrorCode::Busy));
    assert!(got.has(ReplyFlags::CLOSING) && got.has(ReplyFlags::RETRYABLE));
    assert!(wire.next().is_none());
    assert_eq!(server.connect().refused(get(b"t")), ErrorCode::Gone);
}
