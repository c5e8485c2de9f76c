//! A server with access keys: who gets in, and to which apps.

use cloakroom::config::AccessKeys;
use cloakroom::engine::EngineConfig;
use cloakroom_client::{ConnectError, Error, Write};
use cloakroom_protocol::{
    AccessKey, ActiveUsers, Answer, ErrorCode, Fields, Figure, Hello, KeysBuffer, MultiGet,
    PutMode, ReplyFlags, Request, Scope, Stats,
};

use crate::requests::{create, get, json, kill, kill_many, list, peek, put, rotate, set, touch};
use crate::server::{Served, engine};
use crate::wire::{Wire, frame};

const EVERY_APP: &str = "good-for-every-app";
const TWO_APPS: &str = "good:for@two/apps";

fn guarded() -> Served {
    let text = format!("# keys of the test\n{EVERY_APP}\n{TWO_APPS} shop,blog\n");
    let keys = AccessKeys::parse(text.as_bytes()).unwrap();
    Served::set_up(engine(&EngineConfig::default()), 2, |service| {
        service.access_keys = Some(keys);
    })
}

fn hello<'a>(key: &'a str, app: &'a str) -> Request<'a> {
    Request::Hello(Hello::new(app, AccessKey(key.as_bytes()), "test"))
}

fn admitted(server: &Served, key: &str, app: &str) -> Wire {
    let mut wire = server.open();
    assert_eq!(wire.ask(hello(key, app)).error(), None);
    wire
}

#[test]
fn hello_without_a_key_or_with_a_wrong_one_ends_the_connection() {
    let server = guarded();
    let mut wire = admitted(&server, EVERY_APP, "shop");
    wire.ask(put(b"t", PutMode::Create, json("{}")));
    let longer = format!("{EVERY_APP}1");
    for (key, error) in [
        ("", ErrorCode::KeyRequired),
        ("good-for-every-ap", ErrorCode::KeyRefused),
        (&longer, ErrorCode::KeyRefused),
        ("# keys of the test", ErrorCode::KeyRefused),
        ("\0", ErrorCode::KeyRefused),
    ] {
        let mut intruder = server.open();
        intruder.assert_alive();
        // What stands behind HELLO is not carried out.
        intruder.send(
            &[
                frame(1, None, hello(key, "shop")),
                frame(2, None, kill(b"t")),
            ]
            .concat(),
        );
        let got = intruder.reply();
        assert_eq!((got.reply().id, got.error()), (1, Some(error)), "{key}");
        assert!(got.has(ReplyFlags::CLOSING) && !got.has(ReplyFlags::RETRYABLE));
        assert!(intruder.next().is_none());
    }
    assert_eq!(wire.ask(get(b"t")).error(), None);
}

#[test]
fn without_hello_nothing_is_served_whatever_the_key_would_be() {
    let server = guarded();
    let mut wire = server.open();
    for request in [get(b"t"), list(Scope::App, 1), Request::Stats(Stats)] {
        assert_eq!(wire.refused(request), ErrorCode::HelloRequired);
    }
    let pipelined = frame(1, None, get(b"t")).repeat(40);
    wire.send(&pipelined);
    for _ in 0..40 {
        assert_eq!(wire.reply().error(), Some(ErrorCode::HelloRequired));
    }
}

/// One of each request that is about an app.
fn requests<'a>(keys: &'a KeysBuffer) -> Vec<Request<'a>> {
    let keys = keys.keys();
    let quiet = false;
    vec![
        get(b"t"),
        peek(&b"t"[..]),
        Request::MultiGet(MultiGet { keys, quiet }),
        create(Fields::default()),
        put(b"t", PutMode::Upsert, json("{}")),
        set(b"t", "{}"),
        touch(b"t", None, None),
        rotate(b"t", 0),
        kill(&b"t"[..]),
        kill_many(Scope::App),
        kill_many(Scope::User("u")),
        list(Scope::App, 1),
        list(Scope::User("u"), 0),
        Request::Activity(ActiveUsers { seconds: 60 }),
        Request::Stats(Stats),
    ]
}

#[test]
fn key_for_some_apps_is_refused_for_every_request_of_another() {
    let server = guarded();
    let mut keys = KeysBuffer::new();
    keys.push((&b"t"[..]).into()).unwrap();
    let mut owner = admitted(&server, EVERY_APP, "bank");
    let user = Fields {
        user: Some("u"),
        ..json(r#"{"n":1}"#)
    };
    owner.ask(put(b"t", PutMode::Create, user));
    for app in ["shop", ""] {
        let mut wire = admitted(&server, TWO_APPS, app);
        for request in requests(&keys) {
            let got = wire.ask_in(Some("bank"), request);
            assert_eq!(got.error(), Some(ErrorCode::AppRefused), "{request:?}");
            assert!(!got.has(ReplyFlags::CLOSING | ReplyFlags::RETRYABLE));
            // An app that is none yet is not to be told from one.
            let got = wire.ask_in(Some("new"), request);
            assert_eq!(got.error(), Some(ErrorCode::AppRefused), "{request:?}");
            let refused = wire.ask_in(Some("blog"), request).error();
            assert_ne!(refused, Some(ErrorCode::AppRefused), "{request:?}");
        }
    }
    let got = owner.ask(peek(&b"t"[..]));
    assert_eq!((got.session().reads, got.session().writes), (1, 1));
    assert_eq!(got.session().data.0, br#"{"n":1}"#);
    for request in requests(&keys) {
        let refused = owner.ask_in(Some("shop"), request).error();
        assert_ne!(refused, Some(ErrorCode::AppRefused), "{request:?}");
    }
}

#[test]
fn hello_for_an_app_that_the_key_is_not_good_for_may_be_said_again() {
    let server = guarded();
    let mut wire = server.open();
    let got = wire.ask(hello(TWO_APPS, "bank"));
    assert_eq!(got.error(), Some(ErrorCode::AppRefused));
    assert!(!got.has(ReplyFlags::CLOSING));
    // Nothing is agreed upon so far.
    wire.send(&frame(7, None, get(b"t")).repeat(20));
    for _ in 0..20 {
        assert_eq!(wire.reply().error(), Some(ErrorCode::HelloRequired));
    }
    assert_eq!(wire.ask(hello(TWO_APPS, "blog")).error(), None);
    assert_eq!(wire.refused(get(b"t")), ErrorCode::Gone);
    assert_eq!(
        wire.refused(hello(EVERY_APP, "bank")),
        ErrorCode::HelloTwice
    );
    let got = wire.ask_in(Some("bank"), get(b"t"));
    assert_eq!(got.error(), Some(ErrorCode::AppRefused));
}

#[test]
fn pipelined_gets_of_an_app_that_the_key_is_not_good_for_are_refused_among_others() {
    let server = guarded();
    let mut owner = admitted(&server, EVERY_APP, "bank");
    owner.ask(put(b"t", PutMode::Create, json(r#"{"of":"bank"}"#)));
    let mut wire = admitted(&server, TWO_APPS, "shop");
    wire.ask(put(b"t", PutMode::Create, json(r#"{"of":"shop"}"#)));
    wire.ask_in(
        Some("blog"),
        put(b"t", PutMode::Create, json(r#"{"of":"blog"}"#)),
    );
    let app_of =
        |n: u32| [None, None, Some("bank"), None, Some("blog"), Some("shop")][n as usize % 6];
    // Whole, and cut anywhere.
    for size in [1 << 20, 500, 7] {
        let frames: Vec<u8> = (0..300)
            .flat_map(|n| frame(n, app_of(n), get(b"t")))
            .collect();
        for piece in frames.chunks(size) {
            wire.send(piece);
        }
        for n in 0..300 {
            let got = wire.reply();
            assert_eq!(got.reply().id, n);
            let data = match app_of(n) {
                Some("bank") => {
                    assert_eq!(got.error(), Some(ErrorCode::AppRefused));
                    continue;
                }
                Some("blog") => r#"{"of":"blog"}"#,
                _ => r#"{"of":"shop"}"#,
            };
            assert_eq!(got.session().data.0, data.as_bytes());
        }
    }
    assert_eq!(owner.ask(peek(&b"t"[..])).session().reads, 1);
}

#[test]
fn figures_of_an_app_are_told_to_those_whose_key_is_good_for_it() {
    let server = guarded();
    let mut wire = admitted(&server, EVERY_APP, "bank");
    wire.ask(create(Fields::default()));
    let mut wire = admitted(&server, TWO_APPS, "");
    let got = wire.ask(Request::Stats(Stats));
    let Answer::Figures(figures) = got.reply().answer else {
        panic!("{:?}", got.reply());
    };
    assert_eq!(figures.get(Figure::SESSIONS), Some(1));
    assert_eq!(figures.get(Figure::APP_SESSIONS), None);
    let got = wire.ask_in(Some("shop"), Request::Stats(Stats));
    let Answer::Figures(figures) = got.reply().answer else {
        panic!("{:?}", got.reply());
    };
    assert_eq!(figures.get(Figure::APP_SESSIONS), Some(0));
}

#[tokio::test]
async fn client_shows_the_key_of_its_url() {
    let server = guarded();
    for key in [
        EVERY_APP,
        ":good-for-every-app",
        "good:for%40two%2Fapps",
        ":good:for%40two%2Fapps",
    ] {
        let client = server.client_with_key(key, "shop").await.unwrap();
        let made = client.create(&Write::json("{}")).await.unwrap();
        assert!(client.get(&made.token).await.unwrap().is_some(), "{key}");
    }
    let client = server
        .client_with_key("good:for%40two%2Fapps", "shop")
        .await;
    let refused = client.unwrap().app("bank").get("t").await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::AppRefused));
    for (key, app, code) in [
        ("", "shop", ErrorCode::KeyRequired),
        ("good-for-nothing-at-all", "shop", ErrorCode::KeyRefused),
        ("good:for%40two%2Fapps", "bank", ErrorCode::AppRefused),
    ] {
        let error = server.client_with_key(key, app).await.unwrap_err();
        let Error::Unavailable(cause) = &error else {
            panic!("{error:?}");
        };
        let ConnectError::Refused(refusal) = &**cause else {
            panic!("{cause:?}");
        };
        assert_eq!(refusal.code(), Some(code), "{key}");
    }
}
