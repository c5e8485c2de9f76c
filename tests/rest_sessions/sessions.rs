//! How long sessions live, what is told of them, and what a set makes of their data.

use cloakroom::clock::Millis;
use cloakroom::engine::{NewSession, NewToken};
use cloakroom::model::{AppName, ContentType, Life};
use serde_json::Value;

use crate::door::{START, Server};

#[test]
fn session_lives_through_the_second_in_which_idle_equals_ttl() {
    for offset in [0, 1, 500, 999] {
        let mut server = Server::new();
        server.advance(offset);
        let kept = server.create("/app/create/u?ip=1&ttl=10");
        let read = server.create("/app/create/u?ip=1&ttl=10");
        server.advance(10_999 - offset);
        let soid = server.json("GET", "/app/soid/u", None);
        assert_eq!(soid["sessions"].as_array().unwrap().len(), 2);
        assert_eq!(
            server.json("GET", &format!("/app/get/{read}"), None)["idle"],
            10
        );
        server.advance(1);
        assert_eq!(
            server.send("GET", &format!("/app/get/{kept}"), None).body,
            "{}"
        );
        assert_eq!(
            server.json("GET", &format!("/app/get/{read}"), None)["idle"],
            1
        );
        assert_eq!(
            server.json("GET", "/app/activity?dt=600", None)["activity"],
            1
        );
        assert_eq!(server.json("DELETE", "/app/killsoid/u", None)["kill"], 1);
    }
}

#[test]
fn access_is_recorded_only_when_idle_is_above_one() {
    let mut server = Server::new();
    let token = server.create("/app/create/u?ip=1");
    let get = format!("/app/get/{token}");
    let mut idle = |millis: u64| {
        server.advance(millis);
        server.json("GET", &get, None)["idle"].as_u64().unwrap()
    };
    assert_eq!(
        [idle(0), idle(1000), idle(1000), idle(0), idle(3000)],
        [0, 1, 2, 0, 3]
    );
    assert_eq!(
        [idle(999), idle(1), idle(999), idle(1), idle(0)],
        [0, 1, 1, 2, 0]
    );
}

#[test]
fn set_merges_counts_and_answers_the_idle_before_it() {
    let mut server = Server::new();
    let token = server.create("/app/create/u?ip=1");
    server.advance(5_000);
    let set = format!("/app/set/{token}");
    let answer = server.send("POST", &set, Some(r#"{"b":1,"10":"x","a":null}"#));
    assert_eq!(
        answer.body,
        r#"{"id":"u","r":1,"w":2,"ttl":7200,"idle":5,"ip":"1","d":{"10":"x","b":1}}"#
    );
    let answer = server.send("POST", &set, Some(r#"{"b":null,"10":null}"#));
    assert_eq!(
        answer.body,
        r#"{"id":"u","r":1,"w":3,"ttl":7200,"idle":0,"ip":"1"}"#
    );
    let gone = format!("/app/set/{}", "a".repeat(64));
    assert_eq!(server.send("POST", &gone, Some(r#"{"a":1}"#)).body, "{}");
}

#[test]
fn window_reaches_back_whole_seconds_and_any_length() {
    let mut server = Server::new();
    server.advance(500);
    server.create("/app/create/u?ip=1");
    server.advance(10_499);
    for path in ["activity", "soapp"] {
        let within = |server: &Server, dt: &str| {
            let answer = server.json("GET", &format!("/app/{path}?dt={dt}"), None);
            answer["activity"].as_u64() == Some(1)
                || answer["sessions"]
                    .as_array()
                    .is_some_and(|list| list.len() == 1)
        };
        assert!(within(&server, "10"));
        server.advance(1);
        assert!(!within(&server, "10"));
        assert!(within(&server, "11"));
        for dt in ["9007199254740993", "99999999999999999999999", "1795000000"] {
            assert!(within(&server, dt), "{path} {dt}");
        }
        server.now = Millis(START + 10_999);
    }
}

#[test]
fn no_resave_ends_the_session_at_its_first_deadline() {
    let mut server = Server::new();
    let fixed = server.create("/app/create/u?ip=1&ttl=10&no_resave=1");
    let sliding = server.create("/app/create/u?ip=1&ttl=10&no_resave=true");
    for _ in 0..2 {
        server.advance(5_000);
        for token in [&fixed, &sliding] {
            assert_eq!(
                server.json("GET", &format!("/app/get/{token}"), None)["id"],
                "u"
            );
        }
    }
    server.advance(1_000);
    assert_eq!(
        server.send("GET", &format!("/app/get/{fixed}"), None).body,
        "{}"
    );
    assert_eq!(
        server.json("GET", &format!("/app/get/{sliding}"), None)["id"],
        "u"
    );
}

#[test]
fn data_of_another_door_is_not_shown_and_not_merged_into() {
    let server = Server::new();
    let token = "b".repeat(64);
    let new = NewSession {
        app: AppName::new("app").unwrap(),
        token: NewToken::Chosen(token.as_bytes()),
        keep_token: false,
        user: None,
        ip: None,
        life: Life::ENDLESS,
        no_resave: false,
        content_type: ContentType::BYTES,
        data: b"\xff{",
    };
    server.engine.create(server.now, &new).unwrap();
    let session = server.json("GET", &format!("/app/get/{token}"), None);
    assert_eq!((&session["id"], session.get("d")), (&Value::from(""), None));
    let refused = server.error("POST", &format!("/app/set/{token}"), Some(r#"{"a":1}"#));
    assert_eq!(refused, (500, "invalidValue".to_owned()));
}
