//! The dialect from request to reply, over a real engine and a clock that is moved by hand.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use crate::clock::Millis;
use crate::engine::{Engine, EngineConfig};
use crate::limits;
use crate::model::{Keys, Randomness};
use crate::net::http::date::DateCache;
use crate::net::http::dialect::{
    BodyProblem, BodyRule, Context, DialectSettings, Handled, SlicedWork,
};
use crate::net::http::request::{Head, Request};
use crate::net::http::response::Response;
use crate::net::tarantool::{body_rule, handle, refuse_body};

/// Numbers that do not repeat within a test.
struct Sequence(AtomicU64);

impl Randomness for Sequence {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = ((x ^ x >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8;
        }
    }
}

struct Service {
    engine: Engine,
    now: Millis,
    settings: DialectSettings,
}

const START: Millis = Millis(1_795_163_283_400);
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const NOT_FOUND: &str =
    r#"{"status":"error","message":"token not found","code":"token_not_found"}"#;
const BAD_IP: &str = r#"{"status":"error","message":"invalid ip","code":"invalid_ip"}"#;
const BAD_NEW_USER: &str =
    r#"{"status":"error","message":"invalid userId","code":"invalid_user_id"}"#;
const BAD_LISTED_USER: &str =
    r#"{"status":"error","message":"invalid user id","code":"invalid_user_id"}"#;

#[derive(Debug)]
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    fn token(&self) -> String {
        let at = self.body.find("\"token\":\"").unwrap() + 9;
        self.body[at..at + 36].to_owned()
    }

    /// The value that stands behind a key of the session object, as text.
    fn shows(&self, member: &str) -> bool {
        self.body.contains(member)
    }
}

impl Service {
    fn new() -> Self {
        Self::with(EngineConfig::default())
    }

    fn with(config: EngineConfig) -> Self {
        let random = Box::new(Sequence(AtomicU64::new(1)));
        Self {
            engine: Engine::new(&config, Keys::new([7; 32]), random),
            now: START,
            settings: DialectSettings::default(),
        }
    }

    fn send(&self, method: &str, target: &str, content_type: &str, body: &[u8]) -> Answer {
        let fields = [httparse::Header {
            name: "Content-Type",
            value: content_type.as_bytes(),
        }];
        let fields = if content_type.is_empty() {
            &[][..]
        } else {
            &fields
        };
        let target = target.as_bytes();
        let at = target.iter().position(|b| *b == b'?');
        let head = Head {
            method,
            target,
            path: &target[..at.unwrap_or(target.len())],
            query: at.map_or(&[][..], |at| &target[at + 1..]),
            minor_version: 1,
            fields,
        };
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        let date = DateCache::new(self.now);
        let mut reply = Response::new(&mut out, &mut scratch, &date, 1, false);
        reply.set_head_only(method == "HEAD");
        let cx = Context {
            engine: &self.engine,
            now: self.now,
            settings: &self.settings,
        };
        let body = match body_rule(&head) {
            BodyRule::Collect { limit, .. } if body.len() > limit => {
                refuse_body(BodyProblem::TooLarge, &head, &mut reply);
                return answer(&out);
            }
            BodyRule::Collect { .. } => body,
            BodyRule::Ignore => &[],
        };
        if let Handled::InSlices(mut work) = handle(&cx, &Request { head, body }, &mut reply) {
            while SlicedWork::slice(&mut *work, &cx, &mut reply).is_none() {}
        }
        answer(&out)
    }

    fn get(&self, target: &str) -> Answer {
        self.send("GET", target, "", b"")
    }

    fn form(&self, target: &str, body: &str) -> Answer {
        self.send("POST", target, FORM, body.as_bytes())
    }

    fn json(&self, target: &str, body: &str) -> Answer {
        self.send("POST", target, JSON, body.as_bytes())
    }

    fn create(&self, user: &str, ip: &str) -> String {
        self.get(&format!("/new?user_id={user}&ip={ip}")).token()
    }
}

fn answer(out: &[u8]) -> Answer {
    let text = String::from_utf8(out.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.matches("HTTP/1.1 ").count(), 1, "{head}");
    Answer {
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

#[test]
fn life_of_a_session_is_that_of_the_readme() {
    let mut service = Service::new();
    let created = service.get("/new?user_id=1&ip=192.168.1.1");
    let token = created.token();
    let object = |activity: u64| {
        format!(
            "{{\"ip\":\"192.168.1.1\",\"extra\":null,\"user_id\":1,\"create\":1795163283,\
             \"activity\":{activity},\"token\":\"{token}\"}}"
        )
    };
    let success = |data: &str| format!("{{\"status\":\"success\",\"data\":{data}}}");
    assert_eq!(created.body, success(&object(1_795_163_283)));
    assert_eq!(created.status(), 200);
    assert!(
        created
            .head
            .contains("\r\nContent-Type: application/json; charset=utf-8\r\n")
    );
    assert!(created.head.contains("\r\nCache-Control: no-store\r\n"));

    service.now = START.plus(5_000);
    let listed = success(&format!("[{}]", object(1_795_163_283)));
    assert_eq!(service.get("/user?id=1").body, listed);
    assert_eq!(service.get("/ip?ip=192.168.1.1").body, listed);
    let touched = success(&object(1_795_163_288));
    assert_eq!(service.get(&format!("/get?token={token}")).body, touched);
    assert_eq!(service.get(&format!("/del?token={token}")).body, touched);
    for path in ["get", "del"] {
        assert_eq!(
            service.get(&format!("/{path}?token={token}")).body,
            NOT_FOUND
        );
    }
    assert_eq!(service.get("/user?id=1").body, success("[]"));
}

#[test]
fn five_methods_are_alike_and_the_others_change_nothing() {
    let service = Service::new();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let created = service.send(method, "/new?user_id=5&ip=1", "", b"");
        let deleted = service.send(method, &format!("/del?token={}", created.token()), "", b"");
        assert_eq!(deleted.token(), created.token());
    }
    for method in ["HEAD", "OPTIONS", "TRACE", "FOO", "get"] {
        let answer = service.send(method, "/new?user_id=5&ip=1", "", b"");
        let expected = if method == "OPTIONS" { 200 } else { 405 };
        assert_eq!(answer.status(), expected, "{method}");
        assert!(
            answer
                .head
                .contains("\r\nAllow: GET, POST, PUT, PATCH, DELETE, OPTIONS\r\n")
        );
    }
    assert!(service.get("/user?id=5").shows("\"data\":[]"));
    let token = service.create("5", "1");
    assert_eq!(
        service
            .send("HEAD", &format!("/del?token={token}"), "", b"")
            .status(),
        405
    );
    assert!(service.get("/user?id=5").shows(&token));
}

#[test]
fn head_is_answered_without_a_body_and_without_a_trace() {
    let mut service = Service::new();
    let token = service.create("5", "1");
    service.now = START.plus(3_000);
    let plain = service.get("/user?id=5");
    for target in [format!("/get?token={token}&ip=2"), "/user?id=5".to_owned()] {
        let head = service.send("HEAD", &target, FORM, b"a=1");
        assert_eq!((head.status(), head.body.as_str()), (200, ""), "{target}");
        assert!(!head.head.contains("Content-Length: 0"));
    }
    assert_eq!(service.get("/user?id=5").body, plain.body);
    assert_eq!(service.send("HEAD", "/nope", "", b"").status(), 404);
}

#[test]
fn unknown_and_unclean_paths_have_no_content_type() {
    let service = Service::new();
    for (target, status, body) in [
        ("/", 404, ""),
        ("/nope", 404, ""),
        ("//get", 404, ""),
        ("/get%3Ftoken=x", 404, ""),
        ("/./get", 400, "invalid uri"),
        ("*", 400, "invalid uri"),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = service.send(method, target, JSON, b"{bad");
            assert_eq!(
                (answer.status(), answer.body.as_str()),
                (status, body),
                "{target}"
            );
            assert!(!answer.head.contains("Content-Type"), "{target}");
        }
    }
    assert_eq!(service.get("/get/").body, NOT_FOUND);
    assert_eq!(service.get("/g%65t%2F?token=a?b").body, NOT_FOUND);
}

#[test]
fn user_id_is_checked_before_ip() {
    let service = Service::new();
    for query in [
        "",
        "?user_id=abc",
        "?user_id=&ip=1",
        "?user_id=1&user_id=2&ip=1",
        "?user_id=-1&ip=1",
        "?user_id=1e20&ip=1",
        "?user_id=inf&ip=1",
        "?User_id=5&ip=1",
        "?user_id[]=5&ip=1",
    ] {
        assert_eq!(
            service.get(&format!("/new{query}")).body,
            BAD_NEW_USER,
            "{query}"
        );
    }
    for query in [
        "",
        "&ip=",
        "&ip",
        "&IP=1",
        "&ip=1&ip=2",
        "&ip=&ip=",
        "&ip[]=1",
    ] {
        assert_eq!(
            service.get(&format!("/new?user_id=5{query}")).body,
            BAD_IP,
            "{query}"
        );
    }
    for ip in ["5", "true", "false", "{\"a\":1}", "[]"] {
        let body = format!("{{\"user_id\":5,\"ip\":{ip}}}");
        assert_eq!(service.json("/new", &body).body, BAD_IP, "{ip}");
    }
    let longest = "x".repeat(limits::IP_BYTES);
    assert!(
        service
            .get(&format!("/new?user_id=5&ip={longest}"))
            .shows(&longest)
    );
    assert_eq!(
        service.get(&format!("/new?user_id=5&ip={longest}x")).body,
        BAD_IP
    );
    assert!(
        service
            .get(&format!("/ip?ip={longest}x"))
            .shows("\"data\":[]")
    );
}

#[test]
fn body_becomes_extra_with_the_parameters_in_it() {
    let service = Service::new();
    let created = service.form(
        "/new?user_id=2&ip=2.2.2.2",
        "user_id=1&ip=1.1.1.1&device=x+y",
    );
    assert!(created.shows(
        r#"{"ip":"1.1.1.1","extra":{"user_id":"1","ip":"1.1.1.1","device":"x y"},"user_id":1,"#
    ));
    let created = service.json("/new?user_id=5", r#"{"user_id":null,"ip":"1"}"#);
    assert!(created.shows(r#""extra":{"user_id":null,"ip":"1"},"user_id":5,"#));
    let created = service.json("/new", r#"{"user_id":7.9,"ip":"1","big":9007199254740993}"#);
    assert!(created.shows(r#""big":9007199254740993},"user_id":7,"#));
    let created = service.json("/new", r#"{"user_id":100000000000000,"ip":"a\u002bb"}"#);
    assert!(created.shows(r#"{"ip":"a+b","#) && created.shows("\"user_id\":100000000000000,"));
    assert_eq!(service.form("/new?user_id=2&ip=2", "ip=").body, BAD_IP);
    assert_eq!(
        service.form("/new?user_id=2&ip=2", "user_id=").body,
        BAD_NEW_USER
    );
    let untyped = service.send("GET", "/new?user_id=5&ip=1", "", b"a=1+2");
    assert!(untyped.shows(r#""extra":{"a":"1 2"},"#));
    let untyped = service.send("GET", "/new?user_id=5", "text/plain", b"ip=1+2");
    assert!(untyped.shows(r#"{"ip":"1+2","extra":{"ip":"1 2"},"#));
    let capital = service.send(
        "POST",
        "/new?user_id=5&ip=1",
        "Application/JSON",
        b"{\"a\":1}",
    );
    assert!(capital.shows(r#""extra":{"{\"a\":1}":""},"#));
    let multipart = service.send(
        "POST",
        "/new?user_id=5&ip=1",
        "multipart/form-data; boundary=x",
        b"a=1",
    );
    assert!(multipart.shows(r#""extra":null,"#));
    for body in ["", "{}", "[]"] {
        assert!(
            service
                .json("/new?user_id=5&ip=1", body)
                .shows(r#""extra":null,"#)
        );
    }
    let array = service.json("/new?user_id=5&ip=1", "[1,null]");
    assert!(
        service
            .get(&format!("/get?token={}", array.token()))
            .shows(r#""extra":[1,null],"#)
    );
}

#[test]
fn get_replaces_extra_and_ip_only_when_given() {
    let service = Service::new();
    let token = service.form("/new?user_id=1&ip=1.1.1.1", "a=1").token();
    let target = format!("/get?token={token}");
    let shows = |answer: &Answer, ip: &str, extra: &str| {
        let start = format!("{{\"ip\":\"{ip}\",\"extra\":{extra},\"user_id\":1,");
        assert!(answer.shows(&start), "{start} in {}", answer.body);
    };
    shows(&service.get(&target), "1.1.1.1", r#"{"a":"1"}"#);
    shows(
        &service.send("GET", &target, FORM, b"b=2"),
        "1.1.1.1",
        r#"{"b":"2"}"#,
    );
    shows(&service.form(&target, ""), "1.1.1.1", r#"{"b":"2"}"#);
    shows(&service.json(&target, "{}"), "1.1.1.1", r#"{"b":"2"}"#);
    shows(&service.json(&target, "[]"), "1.1.1.1", r#"{"b":"2"}"#);
    shows(
        &service.get(&format!("{target}&x=1&user_id=9")),
        "1.1.1.1",
        r#"{"b":"2"}"#,
    );
    shows(
        &service.get(&format!("{target}&ip=2.2.2.2")),
        "2.2.2.2",
        r#"{"b":"2"}"#,
    );
    assert!(service.get("/ip?ip=2.2.2.2").shows(&token));
    assert!(service.get("/ip?ip=1.1.1.1").shows("\"data\":[]"));
    shows(
        &service.get(&format!("{target}&ip=")),
        "2.2.2.2",
        r#"{"b":"2"}"#,
    );
    shows(
        &service.form(&format!("{target}&ip=6"), "ip="),
        "2.2.2.2",
        r#"{"ip":""}"#,
    );
    shows(
        &service.form("/get", &format!("token={token}&ip=3")),
        "3",
        &format!("{{\"token\":\"{token}\",\"ip\":\"3\"}}"),
    );
    shows(
        &service.json(&target, r#"{"ip":false,"z":null}"#),
        "3",
        r#"{"ip":false,"z":null}"#,
    );
    shows(&service.json(&target, "[1]"), "3", "[1]");
    for (target, body) in [
        (format!("{target}&ip=7&ip=8"), ""),
        (target.clone(), r#"{"ip":7}"#),
    ] {
        assert_eq!(service.json(&target, body).body, BAD_IP);
    }
    shows(&service.get(&target), "3", "[1]");
    assert_eq!(service.get("/get?token=nope&ip=1&ip=2").body, NOT_FOUND);
}

#[test]
fn token_is_compared_byte_for_byte() {
    let service = Service::new();
    let token = service.create("1", "1");
    let encoded: String = token.bytes().map(|b| format!("%{b:02X}")).collect();
    assert_eq!(
        service.get(&format!("/get?a=1&token={encoded}")).token(),
        token
    );
    for query in [
        String::new(),
        "token".to_owned(),
        "token=".to_owned(),
        format!("Token={token}"),
        format!("token={}", token.to_uppercase()),
        format!("token={token}x"),
        format!("token=%20{token}"),
        format!("token={token}&token={token}"),
        format!("token={}", "x".repeat(5_000)),
        "token=%FF%00".to_owned(),
    ] {
        for path in ["get", "del"] {
            assert_eq!(
                service.get(&format!("/{path}?{query}")).body,
                NOT_FOUND,
                "{query}"
            );
        }
    }
    for value in ["5", "true", "[]", "\"\""] {
        assert_eq!(
            service.json("/del", &format!("{{\"token\":{value}}}")).body,
            NOT_FOUND
        );
    }
    assert_eq!(
        service
            .form(&format!("/del?token={token}"), "token=other")
            .body,
        NOT_FOUND
    );
    assert_eq!(
        service
            .json("/del", &format!("{{\"token\":\"{token}\"}}"))
            .token(),
        token
    );
}

#[test]
fn lists_are_ordered_by_token_descending_however_long() {
    let service = Service::new();
    let many = 3 * limits::ENTRIES_PER_HOLD + 7;
    let mut tokens: Vec<_> = (0..many).map(|_| service.create("7", "10.1.1.1")).collect();
    service.create("8", "10.1.1.2");
    tokens.sort_unstable_by(|a, b| b.cmp(a));
    for answer in [
        service.get("/user?id=7.9"),
        service.form("/user?id=8", "id=7"),
        service.json("/user", "{\"id\":7}"),
        service.get("/ip?ip=10.1.1.1"),
        service.form("/ip", "ip=10.1.1%2E1"),
    ] {
        let listed: Vec<_> = answer
            .body
            .match_indices("\"token\":\"")
            .map(|(at, _)| answer.body[at + 9..at + 45].to_owned())
            .collect();
        assert_eq!(listed, tokens);
        assert!(serde_json::from_str::<serde_json::Value>(&answer.body).is_ok());
    }
    for (target, expected) in [
        ("/user", BAD_LISTED_USER),
        ("/user?id=", BAD_LISTED_USER),
        ("/user?user_id=7", BAD_LISTED_USER),
        ("/user?id=7&id=7", BAD_LISTED_USER),
        ("/user?id=-1", BAD_LISTED_USER),
        ("/user?id=1e400", BAD_LISTED_USER),
        ("/user?id=1e20", r#"{"status":"success","data":[]}"#),
        ("/ip", BAD_IP),
        ("/ip?id=5", BAD_IP),
        ("/ip?ip=1&ip=2", BAD_IP),
        ("/ip?ip=", r#"{"status":"success","data":[]}"#),
        ("/ip?ip=10.1.1", r#"{"status":"success","data":[]}"#),
    ] {
        assert_eq!(service.get(target).body, expected, "{target}");
    }
    assert_eq!(service.json("/ip", "{\"ip\":5}").body, BAD_IP);
}

#[test]
fn unusable_bodies_are_refused_without_repeating_them() {
    let service = Service::new();
    let token = service.create("5", "secret-ip");
    for body in [
        "{bad-secret",
        "\"secret\"",
        "5",
        "null",
        "true",
        "{\"a\":1}{}",
        "{'secret':1}",
    ] {
        for target in [
            "/new?user_id=5&ip=1",
            "/get",
            "/del",
            "/user?id=5",
            "/ip?ip=1",
        ] {
            let target = format!(
                "{target}{}token={token}",
                if target.contains('?') { '&' } else { '?' }
            );
            let answer = service.json(&target, body);
            assert_eq!(answer.status(), 400, "{target} {body}");
            assert!(answer.shows("\"code\":\"invalid_body\"") && !answer.shows("secret"));
        }
    }
    assert!(service.get("/user?id=5").shows(&token));
    assert!(service.get("/ip?ip=1").shows("\"data\":[]"));
    for target in ["/new?user_id=5&ip=1", "/user?id=5"] {
        assert_eq!(service.send("GET", target, JSON, b"").status(), 200);
    }
    let large = service.form("/new?user_id=5&ip=1", &"x".repeat(limits::BODY_BYTES + 1));
    assert_eq!(large.status(), 413);
    assert!(large.shows("\"code\":\"body_too_large\""));
    let growing = service.form(
        "/new?user_id=5&ip=1",
        &format!("k={}", "\u{1}".repeat(1 << 19)),
    );
    assert_eq!(growing.status(), 413);
    assert!(growing.shows("\"code\":\"extra_too_large\""));
    let repaired = service.send("POST", "/new?user_id=5&ip=1", JSON, b"{\"a\":\"\xff\"}");
    assert!(repaired.shows("\"extra\":{\"a\":\"\u{fffd}\"},"));
}

#[test]
fn session_ends_180_days_after_its_last_get() {
    let mut service = Service::new();
    let token = service.create("5", "1");
    let day = 86_400_000;
    service.now = START.plus(180 * day - 1);
    assert_eq!(service.get(&format!("/get?token={token}")).token(), token);
    service.now = service.now.plus(180 * day - 1);
    assert!(service.get("/user?id=5").shows(&token));
    service.now = service.now.plus(1);
    assert!(service.get("/user?id=5").shows("\"data\":[]"));
    assert!(service.get("/ip?ip=1").shows("\"data\":[]"));
    assert_eq!(service.get(&format!("/get?token={token}")).body, NOT_FOUND);
    assert_eq!(service.get(&format!("/del?token={token}")).body, NOT_FOUND);
}

#[test]
fn full_server_says_so_and_keeps_what_it_has() {
    let service = Service::with(EngineConfig {
        max_memory: 0,
        ..EngineConfig::default()
    });
    let refused = service.get("/new?user_id=5&ip=1");
    assert_eq!(refused.status(), 503);
    assert!(
        refused.shows("{\"status\":\"error\",\"message\":\"")
            && refused.shows("\"code\":\"server_full\"}")
    );
}

#[test]
fn ip_is_stored_as_text_and_found_again() {
    let service = Service::new();
    for (sent, shown) in [
        ("2001:db8::1", "2001:db8::1"),
        ("%20", " "),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("%EB%94%B8", "\u{b538}"),
        ("\u{b538}", "\u{b538}"),
        ("%00%1F%0A", "\\u0000\\u001f\\n"),
        ("%22%5C%2F", "\\\"\\\\/"),
        ("%FF", "\u{fffd}"),
        ("a;b#c?d", "a;b#c?d"),
    ] {
        let created = service.get(&format!("/new?user_id=5&ip={sent}"));
        assert!(
            created.shows(&format!("{{\"ip\":\"{shown}\",")),
            "{}",
            created.body
        );
        assert!(
            service
                .get(&format!("/ip?ip={sent}"))
                .shows(&created.token()),
            "{sent}"
        );
    }
}

proptest! {
    #[test]
    fn no_request_panics(
        method in prop_oneof!["GET", "POST", "HEAD", "[A-Z]{1,4}"],
        path in prop_oneof!["/new", "/get", "/del", "/user", "/ip", "[/a-z.%0-9]{0,8}"],
        query in "(user_id|ip|token|id|a|=|&|%|\\+|[0-9a-f]|\u{e9}){0,12}",
        content_type in prop_oneof!["", FORM, JSON, "[ -~]{0,12}"],
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            "[\\[\\]{}\":,a0-9+%=&]{0,60}".prop_map(String::into_bytes),
        ],
    ) {
        let service = Service::new();
        service.send(&method, &format!("{path}?{query}"), &content_type, &body);
    }
}
