//! The rest-sessions dialect on a real engine with a clock moved by hand: what recorded traffic
//! does not show.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it should be"
)]

use cloakroom::clock::Millis;
use cloakroom::engine::{Engine, EngineConfig, NewSession, NewToken, OsRandomness};
use cloakroom::limits;
use cloakroom::model::{AppName, ContentType, Keys, Life};
use cloakroom::net::http::date::DateCache;
use cloakroom::net::http::dialect::{Context, Dialect, DialectSettings, Handled};
use cloakroom::net::http::request::{Head, Request};
use cloakroom::net::http::response::Response;
use serde_json::Value;

/// A moment at the start of a second.
const START: u64 = 1_795_000_000_000;

struct Server {
    engine: Engine,
    settings: DialectSettings,
    now: Millis,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
    slices: usize,
}

impl Server {
    fn new() -> Self {
        Self::with(&EngineConfig::default())
    }

    fn with(config: &EngineConfig) -> Self {
        let random = Box::new(OsRandomness::new());
        Self {
            engine: Engine::new(config, Keys::new([7; 32]), random),
            settings: DialectSettings::default(),
            now: Millis(START),
        }
    }

    fn advance(&mut self, millis: u64) {
        self.now = self.now.plus(millis);
    }

    fn send(&self, method: &str, target: &str, json: Option<&str>) -> Answer {
        let body = json.unwrap_or_default().as_bytes();
        let length = body.len().to_string();
        let fields = [
            field("Content-Type", "application/json"),
            field("Content-Length", &length),
        ];
        let fields = if json.is_some() { &fields[..] } else { &[] };
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        let slices = self.answer(
            &request(method, target, fields, body),
            &mut out,
            &mut scratch,
        );
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
            slices,
        }
    }

    /// Handles one request to its end and tells in how many slices.
    fn answer(&self, request: &Request<'_>, out: &mut Vec<u8>, scratch: &mut Vec<u8>) -> usize {
        let date = DateCache::new(Millis(START));
        let cx = Context {
            engine: &self.engine,
            now: self.now,
            settings: &self.settings,
        };
        let mut reply = Response::new(out, scratch, &date, 1, false);
        reply.set_head_only(request.head.method == "HEAD");
        match Dialect::RestSessions.handle(&cx, request, &mut reply) {
            Handled::Done(_) => 1,
            Handled::InSlices(mut work) => {
                assert_eq!(
                    reply.status(),
                    0,
                    "nothing is written before the last slice"
                );
                2 + (0..100_000)
                    .position(|_| work.slice(&cx, &mut reply).is_some())
                    .unwrap()
            }
        }
    }

    fn json(&self, method: &str, target: &str, json: Option<&str>) -> Value {
        let answer = self.send(method, target, json);
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    fn create(&self, target: &str) -> String {
        let token = &self.json("PUT", target, None)["token"];
        token.as_str().unwrap().to_owned()
    }

    fn error(&self, method: &str, target: &str, json: Option<&str>) -> (u16, String) {
        let answer = self.send(method, target, json);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        (answer.status, body["name"].as_str().unwrap().to_owned())
    }
}

fn field<'a>(name: &'a str, value: &'a str) -> httparse::Header<'a> {
    let value = value.as_bytes();
    httparse::Header { name, value }
}

fn request<'a>(
    method: &'a str,
    target: &'a str,
    fields: &'a [httparse::Header<'a>],
    body: &'a [u8],
) -> Request<'a> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let head = Head {
        method,
        target: target.as_bytes(),
        path: path.as_bytes(),
        query: query.as_bytes(),
        minor_version: 1,
        fields,
    };
    Request { head, body }
}

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
fn get_allocates_nothing_once_its_buffers_have_grown() {
    let server = Server::new();
    let token = server.json("PUT", "/app/create/u?ip=1", Some(r#"{"name":"x","n":12}"#));
    let target = format!("/app/get/{}", token["token"].as_str().unwrap());
    let fields = [field("Host", "a"), field("Accept", "*/*")];
    let request = request("GET", &target, &fields, &[]);
    let date = DateCache::new(Millis(START));
    let (mut out, mut scratch) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    let mut read = || {
        let cx = Context {
            engine: &server.engine,
            now: server.now,
            settings: &server.settings,
        };
        out.clear();
        let mut reply = Response::new(&mut out, &mut scratch, &date, 1, false);
        let handled = Dialect::RestSessions.handle(&cx, &request, &mut reply);
        assert!(matches!(handled, Handled::Done(None)));
    };
    for _ in 0..10 {
        read();
    }
    let seen = allocation_counter::measure(|| (0..100).for_each(|_| read()));
    assert_eq!(seen.count_total, 0);
    assert!(String::from_utf8(out).unwrap().contains("\"r\":110"));
}

#[test]
fn long_lists_and_kills_come_in_slices_and_miss_nothing() {
    let mut server = Server::new();
    for n in 0..1500 {
        let user = if n % 3 == 0 { "many" } else { "others" };
        server.create(&format!("/app/create/{user}?ip={n}"));
        if n % 100 == 99 {
            server.advance(1000);
        }
    }
    let numbers = |target: &str| {
        let answer = server.send("GET", target, None);
        assert!(answer.slices > 1);
        let list: Value = serde_json::from_str(&answer.body).unwrap();
        let ip = |session: &Value| session["ip"].as_str().unwrap().parse().unwrap();
        list["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(ip)
            .collect::<Vec<u32>>()
    };
    let recent = numbers("/app/soapp?dt=600");
    assert_eq!(recent.len(), 1500);
    assert!(recent.windows(2).all(|pair| pair[0] / 100 >= pair[1] / 100));
    assert_eq!(numbers("/app/soapp?dt=10").len(), 1000);
    let mut of_user = numbers("/app/soid/many");
    of_user.sort_unstable();
    assert!(of_user.iter().copied().eq((0..1500).step_by(3)));
    let killed = server.send("DELETE", "/app/killsoid/others", None);
    assert_eq!(
        (killed.body.as_str(), killed.slices > 1),
        (r#"{"kill":1000}"#, true)
    );
    assert_eq!(server.json("DELETE", "/app/killall", None)["kill"], 500);
    assert_eq!(
        server.send("GET", "/app/soapp?dt=600", None).body,
        r#"{"sessions":[]}"#
    );
    server.engine.check_invariants().unwrap();
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
fn full_server_says_503_and_keeps_serving_what_it_has() {
    let server = Server::with(&EngineConfig {
        max_apps: 1,
        ..EngineConfig::default()
    });
    let token = server.create("/app/create/u?ip=1");
    let refused = server.error("PUT", "/other/create/u?ip=1", None);
    assert_eq!(refused, (503, "unavailable".to_owned()));
    assert_eq!(
        server.json("GET", &format!("/app/get/{token}"), None)["r"],
        1
    );
    let server = Server::with(&EngineConfig {
        max_memory: 0,
        ..EngineConfig::default()
    });
    let refused = server.error("PUT", "/app/create/u?ip=1", None);
    assert_eq!(refused, (503, "unavailable".to_owned()));
}

#[test]
fn ids_have_at_most_1024_bytes_and_colons_are_nothing_special() {
    let server = Server::new();
    let longest = "x".repeat(limits::USER_BYTES);
    server.create(&format!("/app/create/{longest}?ip=1"));
    assert_eq!(
        server.json("DELETE", &format!("/app/killsoid/{longest}"), None)["kill"],
        1
    );
    let refused = server.error("PUT", &format!("/app/create/{longest}x?ip=1"), None);
    assert_eq!(refused, (500, "invalidFormat".to_owned()));
    assert_eq!(
        server
            .send("GET", &format!("/app/soid/{longest}x"), None)
            .body,
        r#"{"sessions":[]}"#
    );
    server.create("/app/create/a:b:c?ip=1");
    assert_eq!(server.json("DELETE", "/app/killall", None)["kill"], 1);
    assert_eq!(
        server.json("GET", "/app/activity?dt=600", None)["activity"],
        0
    );
}

#[test]
fn ttl_beyond_what_is_stored_saturates() {
    let server = Server::new();
    for ttl in [
        "281474976710",
        "281474976711",
        "9007199254740993",
        "99999999999999999999",
    ] {
        let token = server.create(&format!("/app/create/u?ip=1&ttl={ttl}"));
        let session = server.json("GET", &format!("/app/get/{token}"), None);
        assert_eq!(session["ttl"], 281_474_976_710_u64, "{ttl}");
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

#[test]
fn data_that_would_outgrow_its_bound_is_refused_and_nothing_changes() {
    let server = Server::new();
    let token = server.create("/app/create/u?ip=1");
    let set = format!("/app/set/{token}");
    let text = "x".repeat(59_000);
    let refused_at = (0..40)
        .position(|n| {
            server
                .send("POST", &set, Some(&format!("{{\"k{n}\":\"{text}\"}}")))
                .status
                == 500
        })
        .unwrap();
    assert_eq!(refused_at, limits::DATA_BYTES / 59_007);
    let session = server.json("GET", &format!("/app/get/{token}"), None);
    assert_eq!(session["w"], refused_at + 1);
    assert_eq!(session["d"].as_object().unwrap().len(), refused_at);
}

#[test]
fn body_is_judged_before_the_path_and_the_path_before_the_method() {
    let server = Server::new();
    for (method, target, json, status, name) in [
        ("GET", "/ping", Some("{bad"), 400, "badBody"),
        ("GET", "/nope/%", Some("5"), 400, "badBody"),
        ("OPTIONS", "/app/get/x", Some("nul"), 400, "badBody"),
        ("GET", "/app/get/%zz", None, 400, "badPath"),
        ("POST", "/%FF/activity", None, 400, "badPath"),
        ("OPTIONS", "/app/soid/%", None, 400, "badPath"),
        ("POST", "/app/get/x", None, 404, "notFound"),
        ("HEAD", "/app/create/u?ip=1", Some("{}"), 404, "notFound"),
        ("TRACE", "/app/activity?dt=10", None, 404, "notFound"),
        ("get", "/ping", None, 404, "notFound"),
        ("OPTIONS", "*", None, 404, "notFound"),
        (
            "GET",
            "/app/get/short",
            Some("{\"a\":[]}"),
            500,
            "invalidFormat",
        ),
    ] {
        let answer = server.send(method, target, json);
        assert_eq!(answer.status, status, "{method} {target}");
        assert!(
            answer
                .head
                .contains("Content-Type: application/json; charset=utf-8\r\n")
        );
        let told = format!("{{\"name\":\"{name}\",");
        assert!(
            answer.body.starts_with(&told) || method == "HEAD",
            "{}",
            answer.body
        );
    }
}

#[test]
fn options_list_the_methods_and_head_counts_as_a_read() {
    let server = Server::new();
    for (target, methods) in [
        ("/ping", "GET,HEAD"),
        ("/a/get/x", "GET,HEAD"),
        ("/a/create/x", "PUT"),
        ("/a/set/x/", "POST"),
        ("/a/KILLALL", "DELETE"),
    ] {
        let answer = server.send("OPTIONS", target, None);
        assert_eq!((answer.status, answer.body.as_str()), (200, methods));
        assert!(answer.head.contains(&format!("Allow: {methods}\r\n")));
    }
    let token = server.create("/app/create/u?ip=1");
    let get = format!("/app/get/{token}");
    let head = server.send("HEAD", &get, None);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("Cache-Control: no-store\r\n"));
    assert_eq!(server.json("GET", &get, None)["r"], 2);
}
