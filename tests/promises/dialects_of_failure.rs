//! What callers hear over a socket when the log takes nothing: 503 in the style of their dialect, never
//! "no such session", and everything stays readable.

use cloakroom::engine::Unavailable;

use crate::admission::moody;
use crate::served::{Client, Served, request};

/// A session of each dialect, made while the log was well.
struct Sessions {
    rest: String,
    tarantool: String,
    back: String,
}

impl Sessions {
    fn create(client: &mut Client) -> Self {
        Self {
            rest: client.create_rest("shop", "u"),
            tarantool: client.create_tarantool(7, "1.1.1.1"),
            back: client.create_back("u"),
        }
    }

    fn creates(&self) -> Vec<(&'static str, String, Option<String>)> {
        vec![
            ("PUT", "/shop/create/u?ip=1".into(), None),
            ("GET", "/new?user_id=1&ip=1".into(), None),
            (
                "POST",
                "/a01/session".into(),
                Some(r#"{"user_id":"u"}"#.into()),
            ),
        ]
    }

    fn edits(&self) -> Vec<(&'static str, String, Option<String>)> {
        let object = || Some(r#"{"device_id":"e"}"#.to_owned());
        vec![
            ("POST", format!("/shop/set/{}", self.rest), object()),
            ("POST", format!("/get?token={}", self.tarantool), object()),
            ("PATCH", format!("/a01/session/{}", self.back), object()),
        ]
    }

    fn kills(&self) -> Vec<(&'static str, String, Option<String>)> {
        vec![
            ("DELETE", format!("/shop/kill/{}", self.rest), None),
            ("DELETE", "/shop/killsoid/u".into(), None),
            ("DELETE", "/shop/killall".into(), None),
            ("GET", format!("/del?token={}", self.tarantool), None),
            ("DELETE", format!("/a01/session/{}", self.back), None),
            ("DELETE", "/a01/session?user_id=u".into(), None),
        ]
    }

    fn assert_served(&self, client: &mut Client) {
        let (_, body) = client.ask("GET", &format!("/shop/get/{}", self.rest), None);
        assert!(body.contains(r#""id":"u""#), "{body}");
        let (_, body) = client.ask("GET", &format!("/get?token={}", self.tarantool), None);
        assert!(body.contains(r#""status":"success""#), "{body}");
        let (status, _) = client.ask("GET", &format!("/a01/session/{}", self.back), None);
        assert_eq!(status, 200);
    }
}

fn assert_refused(client: &mut Client, what: &[(&str, String, Option<String>)], code: &str) {
    for (method, target, body) in what {
        client.send(&request(method, target, body.as_deref()));
        let (head, body) = client.answer_with_head();
        assert!(
            head.starts_with("HTTP/1.1 503 "),
            "{method} {target}: {head}"
        );
        assert!(head.contains("\r\nRetry-After: 1\r\n"), "{head}");
        let style = if target.starts_with("/a01") {
            body.is_empty()
        } else if target.starts_with("/shop") {
            body.starts_with(r#"{"name":"unavailable","message":"#)
        } else {
            body.ends_with(&format!(r#","code":"{code}"}}"#))
        };
        assert!(style, "{method} {target}: {body}");
    }
}

#[test]
fn failed_log_is_503_in_every_dialect_and_reads_go_on() {
    let (engine, log) = moody();
    let server = Served::over(engine);
    let mut client = server.connect();
    let sessions = Sessions::create(&mut client);
    log.set(Some(Unavailable::Failed), Some(Unavailable::Failed));
    let changes = [sessions.creates(), sessions.edits(), sessions.kills()].concat();
    assert_refused(&mut client, &changes, "log_failed");
    sessions.assert_served(&mut client);
    assert_eq!(server.engine.memory_use().sessions, 3);
    log.set(None, None);
    for (method, target, body) in changes {
        let (status, _) = client.ask(method, &target, body.as_deref());
        assert!(status == 200 || status == 404, "{method} {target}");
    }
    server.assert_sound();
}

#[test]
fn full_disk_refuses_what_grows_with_503_and_lets_sessions_be_killed() {
    let (engine, log) = moody();
    let server = Served::over(engine);
    let mut client = server.connect();
    let sessions = Sessions::create(&mut client);
    log.set(Some(Unavailable::Full), None);
    let growing = [sessions.creates(), sessions.edits()].concat();
    assert_refused(&mut client, &growing, "disk_full");
    sessions.assert_served(&mut client);
    let kill = format!("/shop/kill/{}", sessions.rest);
    assert_eq!(client.ask("DELETE", &kill, None).1, r#"{"kill":1}"#);
    log.set(Some(Unavailable::Full), Some(Unavailable::Full));
    assert_refused(&mut client, &sessions.kills(), "disk_full");
}
