//! Other ids for sessions: the old one answers for its grace, and nobody gets two.

use std::sync::Barrier;

use cloakroom_protocol::{
    ErrorCode, Fields, Handle, NewToken, PutMode, ReplyFlags, Request, Rotate, Scope, Token,
    TokenStyle,
};

use crate::requests::{get, json, kill, list, peek, put, rotate, rotate_to, set, touch};
use crate::server::Served;
use crate::wire::Wire;

fn chosen(token: &[u8]) -> NewToken<'_> {
    NewToken::Chosen(Token(token))
}

/// What each request about the old id says within the grace.
fn assert_answers_by_old_id(wire: &mut Wire, old: &[u8], handle: u64) {
    let requests = [
        get(old),
        peek(old),
        set(old, r#"{"n":2}"#),
        touch(old, None, None),
        put(old, PutMode::Update, json(r#"{"n":3}"#)),
        put(old, PutMode::Upsert, json(r#"{"n":4}"#)),
    ];
    for request in requests {
        let got = wire.ask(request);
        assert!(got.has(ReplyFlags::OLD_ID), "{request:?}");
        assert!(!got.has(ReplyFlags::CREATED), "{request:?}");
        assert_eq!(got.receipt().handle, handle, "{request:?}");
    }
    let again = put(old, PutMode::Create, json("{}"));
    assert_eq!(wire.refused(again), ErrorCode::Exists);
    assert_eq!(wire.refused(rotate(old, 1_000)), ErrorCode::Rotated);
}

fn handles(wire: &mut Wire) -> Vec<u64> {
    let got = wire.ask(list(Scope::App, 100));
    let page = got.page();
    page.sessions
        .iter()
        .map(|session| session.unwrap().receipt.handle)
        .collect()
}

#[test]
fn g11_an_old_id_answers_for_its_grace() {
    let server = Served::start();
    let mut wire = server.connect();
    let made = wire
        .ask(put(b"old", PutMode::Create, json(r#"{"n":1}"#)))
        .receipt();
    for (grace, style) in [
        (1, TokenStyle::Alphanumeric64),
        (1_500, TokenStyle::UuidV4),
        (300_000, TokenStyle::Base64Url47),
    ] {
        let start = server.now();
        let got = wire.ask(rotate_to(b"old", NewToken::Draw(style), grace));
        let (new, receipt) = (got.token(), got.receipt());
        assert_eq!(new.len(), if style == TokenStyle::UuidV4 { 36 } else { 64 });
        assert_ne!(receipt.handle, made.handle);
        // Once in lists, under the new handle; the old handle is gone at once.
        assert_eq!(handles(&mut wire), [receipt.handle]);
        assert_eq!(wire.refused(peek(Handle(made.handle))), ErrorCode::Gone);
        assert_eq!(wire.refused(kill(Handle(made.handle))), ErrorCode::Gone);
        for now in [start, start + u64::from(grace) - 1] {
            server.advance_to(now);
            assert_answers_by_old_id(&mut wire, b"old", receipt.handle);
            assert!(!wire.ask(get(&new)).has(ReplyFlags::OLD_ID));
        }
        server.advance_to(start + u64::from(grace));
        for request in [
            get(b"old"),
            set(b"old", "{}"),
            rotate(b"old", 0),
            kill(b"old"),
        ] {
            assert_eq!(wire.refused(request), ErrorCode::Gone, "{request:?}");
        }
        // What was written by the old id is there, and the id is free again.
        assert_eq!(wire.ask(get(&new)).session().data.0, br#"{"n":4}"#);
        assert_eq!(wire.ask(rotate_to(&new, chosen(b"old"), 0)).token(), b"old");
    }
    assert_eq!(handles(&mut wire), [made.handle]);
    race_for_one_token(&server);
}

/// Two clients rotate one token at the same moment, again and again.
fn race_for_one_token(server: &Served) {
    const ROUNDS: usize = 200;
    let barrier = Barrier::new(2);
    let racer = |wire: &mut Wire, round: usize| {
        let token = format!("race-{round}");
        barrier.wait();
        let grace = if round.is_multiple_of(2) { 60_000 } else { 0 };
        let got = wire.ask(rotate(token.as_bytes(), grace));
        match got.error() {
            None => Some(got.token()),
            Some(error) => {
                let lost = [ErrorCode::Rotated, ErrorCode::Gone];
                assert!(lost.contains(&error), "{error:?}");
                None
            }
        }
    };
    let mut wires = [server.connect(), server.connect()];
    let mut owner = server.connect();
    for round in 0..ROUNDS {
        let token = format!("race-{round}");
        owner.ask(put(token.as_bytes(), PutMode::Create, json("{}")));
        let won: Vec<_> = std::thread::scope(|scope| {
            let racer = &racer;
            let racing = wires
                .each_mut()
                .map(|wire| scope.spawn(move || racer(wire, round)));
            racing
                .into_iter()
                .filter_map(|t| t.join().unwrap())
                .collect()
        });
        assert_eq!(won.len(), 1, "round {round}");
        assert_eq!(owner.ask(get(&won[0])).session().reads, 1);
    }
}

#[test]
fn rotation_without_grace_leaves_the_old_id_at_once() {
    let server = Served::start();
    let mut wire = server.connect();
    let fields = Fields {
        user: Some("u"),
        ip: Some("1.2.3.4"),
        idle: Some(10_000),
        ..json(r#"{"n":1}"#)
    };
    wire.ask(put(b"old", PutMode::Create, fields));
    let before = wire.ask(get(b"old"));
    server.clock.advance(700);
    let got = wire.ask(rotate_to(b"old", chosen(b"new"), 0));
    assert_eq!(got.receipt().deadline, server.now() + 10_000);
    assert_eq!(wire.refused(get(b"old")), ErrorCode::Gone);
    let after = wire.ask(peek(&b"new"[..]));
    let (mut expected, seen) = (before.session(), after.session());
    expected.receipt = seen.receipt;
    expected.last_active += 700;
    expected.reads += 1;
    assert_eq!(seen, expected);
    assert_eq!(seen.receipt, got.receipt());
    assert_eq!(seen.receipt.version, before.receipt().version);
}

#[test]
fn rotation_with_a_user_is_a_log_in() {
    let server = Served::start();
    let mut wire = server.connect();
    let made = wire
        .ask(put(b"anon", PutMode::Create, json("{}")))
        .receipt();
    let login = |token, user| {
        Request::Rotate(Rotate {
            token: Token(token),
            new: NewToken::Draw(TokenStyle::Alphanumeric64),
            grace: 1_000,
            user: Some(user),
        })
    };
    let got = wire.ask(login(b"anon", "alice"));
    assert_ne!(got.receipt().version, made.version);
    assert_eq!(wire.ask(get(&got.token())).session().user, "alice");
    assert_eq!(wire.ask(get(b"anon")).session().user, "alice");
    assert_eq!(wire.ask(list(Scope::User("alice"), 0)).page().matching, 1);
    let out = wire.ask(login(&got.token(), ""));
    assert_eq!(wire.ask(get(&out.token())).session().user, "");
    assert_eq!(wire.ask(list(Scope::User("alice"), 0)).page().matching, 0);
}

#[test]
fn old_id_ends_with_its_session() {
    let server = Served::start();
    let mut wire = server.connect();
    for (end, old) in [b"old-a", b"old-b", b"old-c"].into_iter().enumerate() {
        let fields = Fields {
            idle: Some(1_000),
            user: Some("u"),
            ..Fields::default()
        };
        wire.ask(put(old, PutMode::Create, fields));
        let new = wire.ask(rotate(old, 300_000)).token();
        match end {
            0 => {
                let got = wire.ask(kill(old));
                assert!(got.has(ReplyFlags::OLD_ID));
            }
            1 => assert_eq!(wire.ask(kill(&new)).error(), None),
            _ => server.clock.advance(1_000),
        }
        assert_eq!(wire.refused(get(&new)), ErrorCode::Gone);
        assert_eq!(wire.refused(get(old)), ErrorCode::Gone);
        assert_eq!(wire.refused(rotate(old, 0)), ErrorCode::Gone);
    }
}

#[test]
fn grace_is_bounded() {
    let server = Served::start();
    let mut wire = server.connect();
    wire.ask(put(b"t", PutMode::Create, json("{}")));
    let mut bytes = crate::wire::frame(1, None, rotate(b"t", 300_000));
    // The grace stands behind the header and the token.
    bytes[13..17].copy_from_slice(&300_001_u32.to_le_bytes());
    wire.send(&bytes);
    assert_eq!(wire.reply().error(), Some(ErrorCode::GraceTooLong));
    assert_eq!(wire.ask(get(b"t")).session().reads, 1);
    assert_eq!(wire.ask(rotate(b"t", 300_000)).error(), None);
}
