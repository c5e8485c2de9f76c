//! Whatever bytes come: an error or the end of the connection, and never harm to anybody else.

use cloakroom_protocol::{Answer, Class, ErrorCode, Header, PutMode, ReplyFlags};

use crate::golden_frames::{Dice, Vector, vectors};
use crate::requests::{get, json, peek, put, set};
use crate::server::Served;
use crate::wire::{Wire, raw};

fn header(bytes: &[u8]) -> Header {
    Header::read(bytes.first_chunk().unwrap())
}

/// Sends a vector on a connection of its own and holds what the server says against its kind.
fn replay(server: &Served, vector: &Vector) {
    let name = &vector.name;
    let is_hello = vector.bytes.get(8) == Some(&1);
    let early = is_hello || vector.limit == 1_024;
    let mut wire = if early {
        server.open()
    } else {
        server.connect()
    };
    wire.send(&vector.bytes);
    if vector.kind == "partial" {
        assert!(wire.finish().is_empty(), "{name}");
        return;
    }
    let got = wire.reply();
    let (reply, sent) = (got.reply(), header(&vector.bytes));
    assert_eq!(
        (reply.id, reply.opcode),
        (sent.id, sent.opcode & 0x7f),
        "{name}"
    );
    let error = got.error();
    match vector.kind.as_str() {
        "request" => {
            // What the session is not like, or a list never was, is for the server to say.
            let class = Class::of_status(got.status());
            let allowed = [ErrorCode::BadCursor, ErrorCode::BadJson];
            let fits = class != Some(Class::Request) || allowed.contains(&error.unwrap());
            assert!(fits, "{name}: {error:?}");
        }
        "refused-request" => assert_eq!(error.unwrap().name(), vector.error, "{name}"),
        "oversize" => assert_eq!(error, Some(ErrorCode::FrameTooLarge), "{name}"),
        // A reply is no request.
        _ => assert!(error.is_some(), "{name}"),
    }
    assert_eq!(
        got.has(ReplyFlags::CLOSING),
        error.is_some_and(ErrorCode::closes),
        "{name}"
    );
    if got.has(ReplyFlags::CLOSING) {
        assert!(wire.next().is_none(), "{name}");
    } else {
        wire.assert_alive();
    }
}

/// Every reply is a whole frame with a status that exists, and then the connection ends.
fn assert_answers_or_closes(wire: Wire, sent: &[u8]) {
    for got in wire.finish() {
        match got.reply().answer {
            Answer::Refusal(refusal) => {
                assert!(
                    ErrorCode::from_number(refusal.status).is_some(),
                    "{sent:02x?}"
                );
            }
            _ => assert_eq!(got.status(), 0),
        }
    }
}

#[test]
fn g15_no_bytes_do_harm() {
    let server = Served::start();
    let mut other = server.connect_for("other");
    other.ask(put(b"mine", PutMode::Create, json(r#"{"n":1}"#)));
    let vectors = vectors();
    for vector in &vectors {
        replay(&server, vector);
    }
    let mut dice = Dice(0x5eed);
    for round in 0..1_500 {
        let vector = &vectors[dice.roll(vectors.len())];
        let mut bytes = vector.bytes.clone();
        for _ in 0..=dice.roll(3) {
            match dice.roll(4) {
                0 if !bytes.is_empty() => bytes.truncate(dice.roll(bytes.len())),
                1 => bytes.extend_from_slice(&vectors[dice.roll(vectors.len())].bytes),
                _ if !bytes.is_empty() => {
                    let at = dice.roll(bytes.len().min(64));
                    bytes[at] ^= 1 << dice.roll(8);
                }
                _ => {}
            }
        }
        let mut wire = if dice.roll(4) == 0 {
            server.open()
        } else {
            server.connect()
        };
        wire.send(&bytes);
        assert_answers_or_closes(wire, &bytes);
        if round % 100 == 0 {
            let got = other.ask(set(b"mine", r#"{"n":1}"#));
            assert_eq!(got.error(), None);
        }
    }
    // Nobody but its owner has touched the other session, whose app no vector names.
    let got = other.ask(peek(&b"mine"[..]));
    let session = got.session();
    assert_eq!((session.reads, session.writes), (1, 16));
    assert_eq!(session.data.0, br#"{"n":1}"#);
}

#[test]
fn frames_that_are_no_requests_are_refused_and_the_connection_lives() {
    let server = Served::start();
    let mut wire = server.connect();
    wire.ask(put(b"t", PutMode::Create, json("{}")));
    for opcode in 0..=255 {
        for flags in [0x40, 0x80, 0xff] {
            wire.send(&raw(7, opcode, flags, 1, b"t"));
            let error = wire.reply().error();
            let known = cloakroom_protocol::Opcode::from_number(opcode).is_some();
            let expected = if known {
                ErrorCode::UnknownFlags
            } else {
                ErrorCode::UnknownOperation
            };
            assert_eq!(error, Some(expected), "{opcode:#04x}");
        }
    }
    assert_eq!(wire.ask(get(b"t")).session().reads, 1);
}
