//! One reply for each request, in whatever pieces they come; requests take effect in order.

use cloakroom_protocol::{Class, ErrorCode, Fields, KeysBuffer, MultiGet, PutMode, Request, Scope};
use cloakroom_protocol::{Key, Opcode, Ping, ReplyFlags, Stats, Token};

use crate::requests::{
    create, get, json, kill, kill_many, list, peek, put, rotate, set, set_if, touch,
};
use crate::server::Served;
use crate::wire::{Got, Wire, frame, raw};

/// One request of each kind, with its number: 14 operations, errors among the replies.
fn one_of_each(keys: &MultiGet<'_>) -> Vec<Vec<u8>> {
    let requests = [
        Request::Ping(Ping { echo: b"" }),
        Request::Stats(Stats),
        put(b"a", PutMode::Create, json(r#"{"n":1}"#)),
        put(b"a", PutMode::Create, json("{}")),
        get(b"a"),
        get(b"nobody"),
        Request::MultiGet(*keys),
        create(Fields::default()),
        set(b"a", r#"{"n":2}"#),
        set_if(b"a", Some(77), "{}"),
        touch(b"a", None, None),
        list(Scope::App, 10),
        kill_many(Scope::User("u")),
        rotate(b"a", 1_000),
        rotate(b"a", 1_000),
        kill(b"a"),
        kill(b"a"),
    ];
    let mut frames: Vec<_> = (100..)
        .zip(requests)
        .map(|(id, request)| frame(id, None, request))
        .collect();
    frames.push(raw(200, 0x7f, 0, 0, b"unknown"));
    frames.push(raw(201, 0x10, 0x80, 1, b"a"));
    frames.push(raw(202, 0x10, 0, 9, b"short"));
    frames.push(raw(203, 0x41, 0, 0, &[60, 0, 0, 0, 0, 0, 0, 0]));
    frames
}

fn seen(replies: &[Got]) -> Vec<(u32, u8, u16)> {
    let reply = |got: &Got| (got.reply().id, got.reply().opcode, got.status());
    replies.iter().map(reply).collect()
}

#[test]
fn g1_every_request_gets_exactly_one_reply() {
    let mut keys = KeysBuffer::new();
    for token in [&b"a"[..], b"nobody", b"a"] {
        keys.push(Key::Token(Token(token))).unwrap();
    }
    let many = MultiGet {
        keys: keys.keys(),
        quiet: false,
    };
    let frames = one_of_each(&many);
    let expected: Vec<_> = frames
        .iter()
        .map(|frame| {
            (
                u32::from_le_bytes(frame[4..8].try_into().unwrap()),
                frame[8],
            )
        })
        .collect();
    let bytes = frames.concat();
    let mut first = None;
    // All at once, byte by byte, and cut in two at every byte.
    let pieces = std::iter::once(vec![bytes.len()])
        .chain(std::iter::once(vec![1; bytes.len()]))
        .chain((1..bytes.len()).map(|at| vec![at, bytes.len() - at]));
    let server = Served::start();
    for pieces in pieces {
        let mut wire = server.connect();
        let mut rest = bytes.as_slice();
        let bytewise = pieces.len() > 2;
        for length in pieces {
            let (piece, later) = rest.split_at(length);
            wire.send(piece);
            rest = later;
            if !bytewise && !later.is_empty() {
                // The first piece has been read by itself when another connection has been served.
                server.open().assert_alive();
            }
        }
        let replies = wire.finish();
        let seen = seen(&replies);
        let ids: Vec<_> = seen.iter().map(|(id, opcode, _)| (*id, *opcode)).collect();
        assert_eq!(ids, expected);
        assert_eq!(first.get_or_insert_with(|| seen.clone()), &seen);
        server.connect().ask(kill_many(Scope::App));
    }
}

#[test]
fn requests_before_hello_are_refused_but_ping() {
    let server = Served::start();
    let mut wire = server.open();
    wire.assert_alive();
    for request in [get(b"a"), Request::Stats(Stats), list(Scope::App, 1)] {
        assert_eq!(wire.refused(request), ErrorCode::HelloRequired);
    }
    // Also what would be refused anyway.
    for (opcode, flags, payload) in [(0x7f, 0, &b""[..]), (0x10, 0x80, b"a"), (0x41, 0, b"")] {
        wire.send(&raw(9, opcode, flags, 0, payload));
        assert_eq!(wire.reply().error(), Some(ErrorCode::HelloRequired));
    }
    wire.hello("shop");
    let hello = cloakroom_protocol::Hello::new("shop", cloakroom_protocol::AccessKey(b""), "");
    assert_eq!(wire.refused(Request::Hello(hello)), ErrorCode::HelloTwice);
    assert_eq!(wire.refused(get(b"a")), ErrorCode::Gone);
    // Without an app in HELLO each request has to name one.
    let mut wire = server.open();
    wire.hello("");
    assert_eq!(wire.refused(get(b"a")), ErrorCode::AppRequired);
    let got = wire.ask_in(Some("shop"), get(b"a"));
    assert_eq!(got.error(), Some(ErrorCode::Gone));
}

#[test]
fn hello_that_cannot_be_agreed_upon_ends_the_connection() {
    let server = Served::start();
    let hello = cloakroom_protocol::Hello::new("shop", cloakroom_protocol::AccessKey(b""), "");
    let later = cloakroom_protocol::Hello {
        min_version: 2,
        max_version: 9,
        ..hello
    };
    let with_key = cloakroom_protocol::Hello {
        access_key: cloakroom_protocol::AccessKey(b"secret"),
        ..hello
    };
    for (hello, error) in [
        (later, ErrorCode::VersionUnsupported),
        (with_key, ErrorCode::KeyRefused),
    ] {
        let mut wire = server.open();
        let got = wire.ask(Request::Hello(hello));
        assert_eq!(got.error(), Some(error));
        assert!(got.has(ReplyFlags::CLOSING));
        assert!(wire.next().is_none());
    }
    let both = cloakroom_protocol::Hello {
        min_version: 0,
        max_version: 9,
        later: b"room for later versions",
        ..hello
    };
    let mut wire = server.open();
    assert_eq!(wire.ask(Request::Hello(both)).error(), None);
}

/// GETs of sessions that hold their number, so many in one write.
fn pipeline(wire: &mut Wire, sessions: usize, gets: usize) {
    let bytes: Vec<u8> = (0..gets)
        .flat_map(|n| {
            let token = format!("session-{}", n % (sessions + 1));
            frame(n as u32, None, get(token.as_bytes()))
        })
        .collect();
    wire.send(&bytes);
    for n in 0..gets {
        let got = wire.reply();
        assert_eq!(got.reply().id, n as u32);
        if n % (sessions + 1) == sessions {
            assert_eq!(got.error(), Some(ErrorCode::Gone));
        } else {
            let expected = format!(r#"{{"n":{}}}"#, n % (sessions + 1));
            assert_eq!(got.session().data.0, expected.as_bytes());
        }
    }
}

#[test]
fn pipelined_gets_are_answered_each_with_its_session_however_many_there_are() {
    let server = Served::start();
    let mut wire = server.connect();
    for n in 0..23 {
        let (token, data) = (format!("session-{n}"), format!(r#"{{"n":{n}}}"#));
        let made = wire.ask(put(token.as_bytes(), PutMode::Create, json(&data)));
        assert_eq!(made.error(), None);
    }
    for gets in [1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, 1_000, 3_000] {
        pipeline(&mut wire, 23, gets);
    }
}

#[test]
fn g2_requests_of_a_connection_take_effect_in_order() {
    let server = Served::start();
    let mut wire = server.connect();
    let mut bytes = Vec::new();
    let mut id = 0;
    let mut add = |request: Request<'_>| {
        bytes.extend(frame(id, None, request));
        id += 1;
    };
    let mut expected: Vec<Result<String, ErrorCode>> = Vec::new();
    let user = Fields {
        user: Some("u"),
        ..json("{}")
    };
    // Plain GETs are looked up ahead of their turn: what stands between them must count all the same.
    for round in 0..40 {
        let data = format!(r#"{{"n":{round}}}"#);
        add(get(b"t"));
        expected.push(Err(ErrorCode::Gone));
        add(put(b"t", PutMode::Create, user));
        add(set(b"t", &data));
        for _ in 0..round {
            add(get(b"t"));
            expected.push(Ok(data.clone()));
        }
        // One that ends at once, and one that is answered in slices.
        if round % 2 == 0 {
            add(kill(b"t"));
        } else {
            add(kill_many(Scope::User("u")));
        }
        add(get(b"t"));
        expected.push(Err(ErrorCode::Gone));
    }
    wire.send(&bytes);
    let replies: Vec<_> = (0..id).map(|_| wire.reply()).collect();
    let ids: Vec<_> = replies.iter().map(|got| got.reply().id).collect();
    assert_eq!(ids, (0..id).collect::<Vec<_>>());
    let gets = replies
        .iter()
        .filter(|got| got.reply().opcode == Opcode::Get.number());
    let seen: Vec<_> = gets
        .map(|got| match got.error() {
            Some(error) => Err(error),
            None => Ok(String::from_utf8(got.session().data.0.to_vec()).unwrap()),
        })
        .collect();
    assert_eq!(seen, expected);
    let others = replies
        .iter()
        .filter(|got| got.reply().opcode != Opcode::Get.number());
    assert!(others.into_iter().all(|got| got.error().is_none()));
}

#[test]
fn retryable_is_said_of_capacity_and_server_alone() {
    let server = Served::start();
    let mut wire = server.connect();
    let got = wire.ask(peek(&b"nobody"[..]));
    assert_eq!(Class::of_status(got.status()), Some(Class::State));
    assert!(!got.has(ReplyFlags::RETRYABLE));
}
