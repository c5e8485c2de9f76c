//! A read or change that races the end of its session never brings it back.

use std::sync::Barrier;
use std::thread;

use crate::engines::Dice;
use crate::served::{Client, Served};

const RACES: u64 = 400;

/// Who takes part in a race: makes a session, ends it, and bothers it meanwhile.
struct Race {
    create: fn(&mut Client) -> String,
    end: fn(&mut Client, &str),
    bother: fn(&mut Client, &str),
    is_gone: fn(&mut Client, &str) -> bool,
}

impl Race {
    /// Runs the races, two clients bothering at a time, and leaves a server that must be empty.
    fn run(&self) -> Served {
        let server = Served::start(|_| {});
        let mut client = server.connect();
        let start = Barrier::new(3);
        let token = std::sync::Mutex::new(String::new());
        thread::scope(|scope| {
            for seed in [1, 2] {
                let (server, start, token) = (&server, &start, &token);
                scope.spawn(move || {
                    let mut client = server.connect();
                    let mut dice = Dice::new(seed);
                    for _ in 0..RACES {
                        start.wait();
                        let token = token.lock().unwrap().clone();
                        dice.dawdle();
                        (self.bother)(&mut client, &token);
                        start.wait();
                    }
                });
            }
            let mut dice = Dice::new(3);
            for _ in 0..RACES {
                let made = (self.create)(&mut client);
                token.lock().unwrap().clone_from(&made);
                start.wait();
                dice.dawdle();
                (self.end)(&mut client, &made);
                assert!((self.is_gone)(&mut client, &made));
                start.wait();
                assert!((self.is_gone)(&mut client, &made));
            }
        });
        server.assert_sound();
        let left = server.engine.memory_use();
        assert_eq!((left.sessions, left.apps, left.accounted), (0, 0, 0));
        server
    }
}

fn end_rest(client: &mut Client, token: &str) {
    let killed = client.ask("DELETE", &format!("/app/kill/{token}"), None);
    assert_eq!(killed, (200, r#"{"kill":1}"#.to_owned()));
}

fn is_gone_rest(client: &mut Client, token: &str) -> bool {
    client.ask("GET", &format!("/app/get/{token}"), None) == (200, "{}".to_owned())
}

fn assert_nothing_listed_rest(server: &Served) {
    let mut client = server.connect();
    for (method, target, nothing) in [
        ("GET", "/app/activity?dt=600", r#"{"activity":0}"#),
        ("GET", "/app/soapp?dt=600", r#"{"sessions":[]}"#),
        ("GET", "/app/soid/u", r#"{"sessions":[]}"#),
        ("DELETE", "/app/killsoid/u", r#"{"kill":0}"#),
        ("DELETE", "/app/killall", r#"{"kill":0}"#),
    ] {
        assert_eq!(client.ask(method, target, None).1, nothing, "{target}");
    }
}

#[test]
fn get_of_rest_sessions_racing_a_kill_brings_nothing_back() {
    let server = Race {
        create: |client| client.create_rest("app", "u"),
        end: end_rest,
        bother: |client, token| {
            let (status, body) = client.ask("GET", &format!("/app/get/{token}"), None);
            assert!(status == 200 && (body == "{}" || body.starts_with(r#"{"id":"u","#)));
        },
        is_gone: is_gone_rest,
    }
    .run();
    assert_nothing_listed_rest(&server);
}

#[test]
fn set_of_rest_sessions_racing_a_kill_brings_nothing_back() {
    let server = Race {
        create: |client| client.create_rest("app", "u"),
        end: end_rest,
        bother: |client, token| {
            let target = format!("/app/set/{token}");
            let (status, body) = client.ask("POST", &target, Some(r#"{"a":1}"#));
            assert!(status == 200 && (body == "{}" || body.contains(r#""d":{"a":1}"#)));
        },
        is_gone: is_gone_rest,
    }
    .run();
    assert_nothing_listed_rest(&server);
}

#[test]
fn patch_of_back_session_racing_a_delete_brings_nothing_back() {
    let server = Race {
        create: |client| client.create_back("u"),
        end: |client, id| {
            let deleted = client.ask("DELETE", &format!("/a01/session/{id}"), None);
            assert_eq!(deleted, (200, String::new()));
        },
        bother: |client, id| {
            let attributes = r#"{"access_token":"t","other":"x"}"#;
            let body = format!(r#"{{"session_id":"{id}","session_attributes":{attributes}}}"#);
            let (status, body) = client.ask("PATCH", "/a01/session", Some(&body));
            assert!(status == 200 && body == attributes || status == 400 && body.is_empty());
            let (status, body) = client.ask("GET", &format!("/a01/session/{id}"), None);
            assert!(status == 200 && body.contains(r#""user_id":"u""#) || status == 404);
        },
        is_gone: |client, id| client.ask("GET", &format!("/a01/session/{id}"), None).0 == 404,
    }
    .run();
    let listed = server.connect().ask("GET", "/a01/session/user/u", None);
    assert_eq!(listed, (200, "{}".to_owned()));
}

#[test]
fn get_with_extra_of_tarantool_racing_a_del_brings_nothing_back() {
    let server = Race {
        create: |client| client.create_tarantool(7, "1.1.1.1"),
        end: |client, token| {
            let (_, body) = client.ask("GET", &format!("/del?token={token}"), None);
            assert!(body.contains(r#""status":"success""#), "{body}");
        },
        bother: |client, token| {
            let target = format!("/get?token={token}&ip=2.2.2.2");
            let (_, body) = client.ask("POST", &target, Some(r#"{"a":1}"#));
            assert!(body.contains(r#""extra":{"a":1}"#) || body.contains("token_not_found"));
        },
        is_gone: |client, token| {
            let (_, body) = client.ask("GET", &format!("/get?token={token}"), None);
            body.contains("token_not_found")
        },
    }
    .run();
    let mut client = server.connect();
    for target in ["/user?id=7", "/ip?ip=1.1.1.1", "/ip?ip=2.2.2.2"] {
        let (_, body) = client.ask("GET", target, None);
        assert_eq!(body, r#"{"status":"success","data":[]}"#, "{target}");
    }
}
