//! Bounds: what is refused beyond them, and what large requests and small ones cost.

use cloakroom::clock::Millis;
use cloakroom::engine::EngineConfig;
use cloakroom::limits;
use cloakroom::net::http::date::DateCache;
use cloakroom::net::http::dialect::{Context, Dialect, Handled};
use cloakroom::net::http::response::Response;
use serde_json::Value;

use crate::door::{START, Server, field, request};

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
            located: None,
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
