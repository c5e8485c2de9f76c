//! How long sessions live, and that nothing brings them back.

use cloakroom_protocol::{
    Attributes, ErrorCode, Fields, KeysBuffer, MultiGet, NEVER, PutMode, Request, Scope,
};

use crate::requests::{create, get, json, kill, list, peek, put, rotate, set, set_if, touch};
use crate::server::{START, Served};
use crate::wire::Wire;

fn idle(millis: u64) -> Fields<'static> {
    Fields {
        idle: Some(millis),
        ..Fields::default()
    }
}

/// Asks for a session that is not there in every way that never makes one.
fn assert_gone(wire: &mut Wire, token: &[u8], handle: u64) {
    let handle = cloakroom_protocol::Handle(handle);
    let requests = [
        get(token),
        peek(token),
        peek(handle),
        set(token, "{}"),
        set_if(token, Some(1), "{}"),
        touch(token, Some(1_000_000), Some(NEVER)),
        rotate(token, 60_000),
        put(token, PutMode::Update, json("{}")),
        put(token, PutMode::IfVersion(1), json("{}")),
        kill(token),
        kill(handle),
    ];
    for request in requests {
        assert_eq!(wire.refused(request), ErrorCode::Gone, "{request:?}");
    }
    let mut keys = KeysBuffer::new();
    keys.push(token.into()).unwrap();
    let many = MultiGet {
        keys: keys.keys(),
        quiet: false,
    };
    let got = wire.ask(Request::MultiGet(many));
    assert!(got.sessions().iter().eq([None]));
    assert_eq!(wire.ask(list(Scope::App, 0)).page().matching, 0);
    assert!(wire.ask(list(Scope::App, 10)).page().sessions.is_empty());
}

#[test]
fn g7_nothing_brings_a_session_back() {
    let server = Served::start();
    let mut wire = server.connect();
    assert_gone(&mut wire, b"never-was", 7);
    for end in ["killed", "expired", "ended by its limits"] {
        let made = wire.ask(put(b"t", PutMode::Create, idle(1_000))).receipt();
        match end {
            "killed" => assert_eq!(wire.ask(kill(b"t")).receipt(), made),
            "expired" => server.clock.advance(1_000),
            _ => {
                let ended = wire.ask(touch(b"t", None, Some(server.now())));
                assert_eq!(ended.receipt().deadline, server.now());
            }
        }
        assert_gone(&mut wire, b"t", made.handle);
        server.clock.advance(10_000);
        assert_gone(&mut wire, b"t", made.handle);
    }
    // These two do make one.
    for mode in [PutMode::Create, PutMode::Upsert] {
        let got = wire.ask(put(b"t", mode, json("{}")));
        assert!(got.has(cloakroom_protocol::ReplyFlags::CREATED));
        assert_eq!(wire.ask(kill(b"t")).error(), None);
    }
}

#[test]
fn g10_a_session_lives_exactly_to_its_deadline() {
    let server = Served::start();
    let mut wire = server.connect();
    // Idle, until, and the smaller of the two.
    for (idle, until, lives) in [
        (Some(10_000), None, 10_000),
        (None, Some(7_500), 7_500),
        (Some(10_000), Some(2_000), 2_000),
        (Some(1), Some(2_000), 1),
    ] {
        let start = server.now();
        let fields = Fields {
            idle,
            until: until.map(|after| start + after),
            ..Fields::default()
        };
        let got = wire.ask(put(b"t", PutMode::Create, fields));
        let made = got.receipt();
        assert_eq!(made.deadline, start + lives);
        server.advance_to(made.deadline - 1);
        let got = wire.ask(peek(&b"t"[..]));
        assert_eq!(got.receipt(), made);
        server.advance_to(made.deadline);
        assert_gone(&mut wire, b"t", made.handle);
    }
    // Reads, merges, writes and touches prolong it from their own moment on, quiet ones do not.
    let start = server.now();
    wire.ask(put(b"t", PutMode::Create, idle(1_000)));
    let requests = [
        get(b"t"),
        set(b"t", "{}"),
        touch(b"t", None, None),
        put(b"t", PutMode::Update, json("{}")),
    ];
    for (n, request) in (1..).zip(requests) {
        server.advance_to(start + n * 999);
        let deadline = wire.ask(request).receipt().deadline;
        assert_eq!(deadline, server.now() + 1_000);
    }
    server.clock.advance(999);
    assert_eq!(wire.ask(peek(&b"t"[..])).error(), None);
    server.clock.advance(1);
    assert_eq!(wire.refused(peek(&b"t"[..])), ErrorCode::Gone);
}

#[test]
fn session_in_whole_seconds_lives_through_its_last_second() {
    let server = Served::start();
    let mut wire = server.connect();
    let fields = Fields {
        idle: Some(10_999),
        attributes: Attributes(Attributes::WHOLE_SECONDS),
        ..Fields::default()
    };
    let deadline = wire
        .ask(put(b"t", PutMode::Create, fields))
        .receipt()
        .deadline;
    assert_eq!(deadline, (START / 1_000 + 10 + 1) * 1_000);
    server.advance_to(deadline - 1);
    assert_eq!(wire.ask(peek(&b"t"[..])).error(), None);
    server.advance_to(deadline);
    assert_eq!(wire.refused(get(b"t")), ErrorCode::Gone);
}

#[test]
fn session_without_resave_is_not_prolonged_by_use() {
    let server = Served::start();
    let mut wire = server.connect();
    let fields = Fields {
        attributes: Attributes(Attributes::NO_RESAVE),
        ..idle(10_000)
    };
    let made = wire.ask(put(b"t", PutMode::Create, fields)).receipt();
    assert_eq!(made.deadline, START + 10_000);
    server.clock.advance(9_000);
    let got = wire.ask(get(b"t"));
    assert_eq!(got.session().until, made.deadline);
    assert_eq!(got.receipt().deadline, made.deadline);
    assert_eq!(wire.ask(touch(b"t", None, None)).receipt(), made);
    server.clock.advance(1_000);
    assert_eq!(wire.refused(get(b"t")), ErrorCode::Gone);
}

#[test]
fn touch_gives_other_limits_where_they_are_named() {
    let server = Served::start();
    let mut wire = server.connect();
    wire.ask(put(b"t", PutMode::Create, idle(10_000)));
    let mut deadline_of = |idle, until| {
        let got = wire.ask(touch(b"t", idle, until));
        let seen = wire.ask(peek(&b"t"[..]));
        assert_eq!(seen.receipt(), got.receipt());
        let session = seen.session();
        (session.idle, session.until, session.receipt.deadline)
    };
    let later = START + 50_000;
    assert_eq!(deadline_of(None, None), (10_000, NEVER, START + 10_000));
    assert_eq!(
        deadline_of(Some(20_000), None),
        (20_000, NEVER, START + 20_000)
    );
    assert_eq!(
        deadline_of(None, Some(later)),
        (20_000, later, START + 20_000)
    );
    assert_eq!(deadline_of(Some(NEVER), None), (NEVER, later, later));
    // More than 48 bits is never.
    let above = u64::MAX - 1;
    assert_eq!(deadline_of(Some(above), Some(above)), (NEVER, NEVER, NEVER));
    assert_eq!(
        deadline_of(Some(5), Some(START + 9)),
        (5, START + 9, START + 5)
    );
    // A life that is over ends at once.
    let got = wire.ask(touch(b"t", Some(0), None));
    assert_eq!(got.receipt().deadline, START);
    assert_eq!(wire.refused(get(b"t")), ErrorCode::Gone);
}

#[test]
fn session_made_without_a_life_is_answered_and_gone() {
    let server = Served::start();
    let mut wire = server.connect();
    let got = wire.ask(create(idle(0)));
    assert_eq!(got.receipt().deadline, START);
    assert_gone(&mut wire, &got.token(), got.receipt().handle);
}
