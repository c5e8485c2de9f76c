//! What an error says: nothing was changed, and only GONE means that there is no session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use cloakroom::config::HttpLimits;
use cloakroom::engine::{ChangeLog, EngineConfig, Position, Unavailable, Weight};
use cloakroom::model::Change;
use cloakroom_protocol::{
    Class, ContentType, Data, ErrorCode, Fields, KillMany, NewToken, PutMode, ReplyFlags, Request,
    Scope, Token,
};

use crate::requests::{
    create, get, json, kill, kill_many, list, peek, put, rotate, rotate_to, set, set_if, touch,
};
use crate::server::{Served, engine};
use crate::wire::{Got, Wire, raw};

/// A log that takes nothing down; the test says what it admits.
#[derive(Clone, Default)]
pub(crate) struct Switched(pub(crate) Arc<AtomicU8>);

pub(crate) const WELL: u8 = 0;
pub(crate) const FULL: u8 = 1;
pub(crate) const FAILED: u8 = 2;

impl ChangeLog for Switched {
    fn append(&self, _change: &Change<'_>) -> Option<Position> {
        None
    }

    fn admit(&self, weight: Weight) -> Result<(), Unavailable> {
        match (self.0.load(Ordering::Relaxed), weight) {
            (FAILED, _) => Err(Unavailable::Failed),
            (FULL, Weight::Grow) => Err(Unavailable::Full),
            _ => Ok(()),
        }
    }
}

/// All that can be seen of the session without leaving a trace.
fn state(wire: &mut Wire, token: &[u8]) -> Vec<u8> {
    let got = wire.ask(peek(token));
    let session = got.session();
    format!("{session:?} {:?}", session.data.0).into_bytes()
}

fn population(wire: &mut Wire) -> u64 {
    wire.ask(list(Scope::App, 0)).page().matching
}

#[test]
fn g3_an_error_has_changed_nothing() {
    let server = Served::start();
    let mut wire = server.connect();
    let user = Fields {
        user: Some("u"),
        ip: Some("1.2.3.4"),
        idle: Some(10_000),
        ..json(r#"{"n":1}"#)
    };
    wire.ask(put(b"t", PutMode::Create, user));
    wire.ask(put(b"other", PutMode::Create, json("{}")));
    let bytes = Fields {
        data: Some((ContentType::BYTES, Data(b"bytes"))),
        ..Fields::default()
    };
    wire.ask(put(b"bytes", PutMode::Create, bytes));
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat((1 << 20) - 12));
    let chosen = |token| NewToken::Chosen(Token(token));
    let long = Fields {
        data: Some((ContentType::JSON_OBJECT, Data(b"[]"))),
        user: Some("v"),
        ..Fields::default()
    };
    server.clock.advance(5_000);
    let (before, of_bytes) = (state(&mut wire, b"t"), state(&mut wire, b"bytes"));
    let refusals: [(Request<'_>, ErrorCode); 15] = [
        (put(b"t", PutMode::Create, json("{}")), ErrorCode::Exists),
        (
            put(b"t", PutMode::IfVersion(1), json("{}")),
            ErrorCode::VersionDiffers,
        ),
        (put(b"t", PutMode::Upsert, long), ErrorCode::BadJson),
        (put(b"no", PutMode::Update, json("{}")), ErrorCode::Gone),
        (create(json("{")), ErrorCode::BadJson),
        (set(b"t", "[]"), ErrorCode::BadJson),
        (set(b"t", r#"{"n":}"#), ErrorCode::BadJson),
        (set_if(b"t", Some(1), "{}"), ErrorCode::VersionDiffers),
        (set(b"t", &large), ErrorCode::DataTooLarge),
        (set(b"bytes", "{}"), ErrorCode::NotAnObject),
        (rotate_to(b"t", chosen(b"other"), 1_000), ErrorCode::Exists),
        (rotate_to(b"t", chosen(b"t"), 1_000), ErrorCode::Exists),
        (rotate(b"no", 0), ErrorCode::Gone),
        (touch(b"no", None, Some(1)), ErrorCode::Gone),
        (kill(&b"no"[..]), ErrorCode::Gone),
    ];
    for (request, error) in refusals {
        let got = wire.ask(request);
        assert_eq!(got.error(), Some(error), "{request:?}");
        assert!(!got.has(ReplyFlags::RETRYABLE | ReplyFlags::CLOSING));
        assert_eq!(state(&mut wire, b"t"), before, "{request:?}");
        assert_eq!(state(&mut wire, b"bytes"), of_bytes, "{request:?}");
        assert_eq!(population(&mut wire), 3);
    }
    // Malformed writes of the session, right up to their last byte.
    let whole = crate::wire::frame(1, None, set(b"t", r#"{"n":2}"#));
    for (opcode, payload) in [(0x23, &b"t1234567"[..]), (0x24, b"t12345"), (0x30, b"tx")] {
        wire.send(&raw(1, opcode, 0, 1, payload));
        assert_eq!(wire.reply().error(), Some(ErrorCode::Malformed));
    }
    wire.send(&raw(1, 0x22, 0x08, 1, &whole[12..]));
    assert_eq!(wire.reply().error(), Some(ErrorCode::UnknownFlags));
    assert_eq!(state(&mut wire, b"t"), before);
}

/// One of each request that makes or changes something; `t` lives.
fn changes() -> Vec<Request<'static>> {
    let except = Some(b"t".into());
    vec![
        create(Fields::default()),
        put(b"new", PutMode::Create, json("{}")),
        put(b"new", PutMode::Upsert, json("{}")),
        put(b"t", PutMode::Update, json(r#"{"n":2}"#)),
        set(b"t", r#"{"n":2}"#),
        touch(b"t", Some(1), None),
        rotate(b"t", 1_000),
        kill(b"t"),
        kill_many(Scope::App),
        kill_many(Scope::User("u")),
        Request::KillMany(KillMany {
            scope: Scope::User("u"),
            except,
        }),
        kill_many(Scope::Ip("1.2.3.4")),
    ]
}

fn assert_refused_for_now(got: &Got, error: ErrorCode) {
    assert_eq!(got.error(), Some(error));
    assert!(got.has(ReplyFlags::RETRYABLE) && !got.has(ReplyFlags::CLOSING));
    let class = Class::of_status(got.status());
    assert!(matches!(class, Some(Class::Capacity | Class::Server)));
}

#[test]
fn g6_gone_is_never_a_failure() {
    let log = Switched::default();
    let logged = engine(&EngineConfig::default()).with_log(Box::new(log.clone()));
    let server = Served::over(logged, HttpLimits::default(), 2);
    let mut wire = server.connect();
    let user = Fields {
        user: Some("u"),
        ip: Some("1.2.3.4"),
        ..json(r#"{"n":1}"#)
    };
    wire.ask(put(b"t", PutMode::Create, user));
    log.0.store(FAILED, Ordering::Relaxed);
    let before = state(&mut wire, b"t");
    for request in changes() {
        let got = wire.ask(request);
        assert_refused_for_now(&got, ErrorCode::LogFailed);
        assert_eq!(state(&mut wire, b"t"), before, "{request:?}");
    }
    // Also of one that nobody can know to be gone for good.
    let got = wire.ask(kill(&b"no"[..]));
    assert_refused_for_now(&got, ErrorCode::LogFailed);
    // Reads and touches go on.
    assert_eq!(wire.ask(get(b"t")).session().reads, 1);
    assert_eq!(wire.ask(touch(b"t", None, None)).error(), None);
    log.0.store(FULL, Ordering::Relaxed);
    assert_refused_for_now(&wire.ask(set(b"t", "{}")), ErrorCode::DiskFull);
    // What takes no room may be done.
    assert_eq!(wire.ask(kill_many(Scope::User("u"))).killed(), 1);
    assert_eq!(wire.refused(get(b"t")), ErrorCode::Gone);
    log.0.store(WELL, Ordering::Relaxed);
    let again = put(b"t", PutMode::Create, json("{}"));
    assert_eq!(wire.ask(again).error(), None);
}

#[test]
fn kill_of_many_that_fails_midway_hangs_up_and_claims_nothing() {
    let log = Switched::default();
    let logged = engine(&EngineConfig::default()).with_log(Box::new(log.clone()));
    let server = Served::over(logged, HttpLimits::default(), 1);
    let mut wire = server.connect();
    let user = Fields {
        user: Some("u"),
        ..Fields::default()
    };
    for n in 0..20_000_u32 {
        let token = n.to_le_bytes();
        wire.send(&crate::wire::frame(
            n,
            None,
            put(&token, PutMode::Create, user),
        ));
        if n % 500 == 499 {
            for _ in 0..500 {
                assert_eq!(wire.reply().error(), None);
            }
        }
    }
    let engine = Arc::clone(&server.engine);
    let breaking = log.clone();
    let breaker = std::thread::spawn(move || {
        while engine.memory_use().sessions == 20_000 {
            std::thread::yield_now();
        }
        breaking.0.store(FAILED, Ordering::Relaxed);
    });
    wire.send(&crate::wire::frame(1, None, kill_many(Scope::User("u"))));
    let got = wire.next();
    breaker.join().unwrap();
    let left = server.engine.memory_use().sessions;
    match got {
        // It was through before the log broke.
        Some(got) => assert_eq!((got.killed(), left), (20_000, 0)),
        None => assert!((1..20_000).contains(&left), "{left}"),
    }
}

#[test]
fn lack_of_memory_and_of_apps_is_said_and_passes() {
    let config = EngineConfig {
        max_memory: 100_000,
        max_apps: 1,
        ..EngineConfig::default()
    };
    let server = Served::over(engine(&config), HttpLimits::default(), 2);
    let mut wire = server.connect();
    wire.ask(put(b"t", PutMode::Create, json(r#"{"n":1}"#)));
    let got = wire.ask_in(Some("blog"), create(Fields::default()));
    assert_refused_for_now(&got, ErrorCode::TooManyApps);
    let mut made = 0;
    let refused = loop {
        let got = wire.ask(create(Fields::default()));
        if got.error().is_some() {
            break got;
        }
        made += 1;
        assert!(made < 100_000);
    };
    assert_refused_for_now(&refused, ErrorCode::MemoryFull);
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(1_000));
    assert_refused_for_now(&wire.ask(set(b"t", &large)), ErrorCode::MemoryFull);
    assert_eq!(wire.ask(get(b"t")).session().data.0, br#"{"n":1}"#);
    assert_eq!(wire.ask(kill(b"t")).error(), None);
}

#[test]
fn version_that_differs_is_named() {
    let server = Served::start();
    let mut wire = server.connect();
    let made = wire.ask(put(b"t", PutMode::Create, json("{}"))).receipt();
    let now = wire.ask(set(b"t", r#"{"n":1}"#)).receipt();
    assert_ne!(made.version, now.version);
    let got = wire.ask(set_if(b"t", Some(made.version), "{}"));
    assert_eq!(got.error(), Some(ErrorCode::VersionDiffers));
    assert_eq!(got.named_version(), now.version);
    let got = wire.ask(put(b"no", PutMode::IfVersion(now.version), json("{}")));
    assert_eq!(
        (got.error(), got.named_version()),
        (Some(ErrorCode::Gone), 0)
    );
}
