//! A server at one of its bounds refuses what is new, says so, and keeps serving what it has.

use crate::served::{Client, Served};

/// What each dialect says when the server is full.
fn assert_refuses_creates(client: &mut Client) {
    let (status, body) = client.ask("PUT", "/shop/create/u?ip=1", None);
    assert_eq!(status, 503);
    assert!(
        body.starts_with(r#"{"name":"unavailable","message":"#),
        "{body}"
    );
    let (status, body) = client.ask("GET", "/new?user_id=1&ip=1", None);
    assert_eq!(status, 503);
    assert!(
        body.starts_with(r#"{"status":"error","message":"#),
        "{body}"
    );
    assert!(body.ends_with(r#","code":"server_full"}"#), "{body}");
    let refused = client.ask("POST", "/a01/session", Some(r#"{"user_id":"u"}"#));
    assert_eq!(refused, (503, String::new()));
}

#[test]
fn server_at_max_memory_refuses_creates_and_growth_with_503_and_drops_nothing() {
    let server = Served::start(|config| config.max_memory = 200_000);
    let mut client = server.connect();
    let rest = client.create_rest("app", "u");
    let tarantool = client.create_tarantool(7, "1.1.1.1");
    let back = client.create_back("u");
    let set = format!("/app/set/{rest}");
    assert_eq!(client.ask("POST", &set, Some(r#"{"n":11}"#)).0, 200);
    let mut others = Vec::new();
    while server.engine.memory_use().accounted < 200_000 {
        let (status, body) = client.ask("PUT", "/app/create/other?ip=1", None);
        assert_eq!(status, 200);
        others.push(body.split('"').nth(3).unwrap().to_owned());
    }
    let held = server.engine.memory_use();
    assert!(others.len() > 500 && held.accounted < 201_000, "{held:?}");
    assert_refuses_creates(&mut client);
    // Everybody is still served, and may be changed where that takes no more room.
    for token in others.iter().chain([&rest]) {
        let target = format!("/app/get/{token}");
        assert_eq!(client.json("GET", &target, None)["r"], 1);
    }
    let session = client.json("POST", &set, Some(r#"{"n":22}"#));
    assert_eq!((&session["d"]["n"], &session["w"]), (&22.into(), &3.into()));
    let get = format!("/get?token={tarantool}");
    assert_eq!(client.ask("GET", &get, None).0, 200);
    assert_eq!(
        client.ask("GET", &format!("/a01/session/{back}"), None).0,
        200
    );
    // What would grow is refused and changes nothing.
    let large = format!(r#"{{"large":"{}"}}"#, "x".repeat(1_000));
    let (status, body) = client.ask("POST", &set, Some(&large));
    assert!(status == 503 && body.contains("unavailable"), "{body}");
    let (status, body) = client.ask("POST", &get, Some(&large));
    assert!(status == 503 && body.contains("server_full"), "{body}");
    let patch = format!(r#"{{"session_id":"{back}","session_attributes":{large}}}"#);
    assert_eq!(
        client.ask("PATCH", "/a01/session", Some(&patch)),
        (503, String::new())
    );
    let session = client.json("GET", &format!("/app/get/{rest}"), None);
    assert_eq!(
        (&session["d"], &session["w"]),
        (&serde_json::json!({"n":22}), &3.into())
    );
    assert_eq!(server.engine.memory_use(), held);
    // Killing makes room.
    for token in &others[..20] {
        let (_, body) = client.ask("DELETE", &format!("/app/kill/{token}"), None);
        assert_eq!(body, r#"{"kill":1}"#);
    }
    assert_eq!(client.ask("POST", &set, Some(&large)).0, 200);
    client.create_rest("app", "u");
    client.create_tarantool(7, "1.1.1.1");
    client.create_back("u");
    server.assert_sound();
}

#[test]
fn server_at_max_apps_refuses_new_apps_with_503_and_makes_place_with_the_last_session() {
    let server = Served::start(|config| config.max_apps = 1);
    let mut client = server.connect();
    let token = client.create_rest("app", "u");
    assert_refuses_creates(&mut client);
    client.create_rest("app", "another");
    let (_, body) = client.ask("GET", &format!("/app/get/{token}"), None);
    assert!(body.contains(r#""r":1"#));
    assert_eq!(
        client.ask("DELETE", "/app/killsoid/another", None).1,
        r#"{"kill":1}"#
    );
    assert_refuses_creates(&mut client);
    assert_eq!(
        client.ask("DELETE", &format!("/app/kill/{token}"), None).1,
        r#"{"kill":1}"#
    );
    let token = client.create_tarantool(1, "1");
    assert_eq!(
        client.ask("GET", &format!("/del?token={token}"), None).0,
        200
    );
    let id = client.create_back("u");
    let (status, _) = client.ask("PUT", "/app/create/u?ip=1", None);
    assert_eq!(status, 503);
    assert_eq!(
        client.ask("DELETE", &format!("/a01/session/{id}"), None).0,
        200
    );
    client.create_rest("shop", "u");
    server.assert_sound();
}

#[test]
fn nothing_but_a_create_makes_an_app() {
    let server = Served::start(|config| config.max_apps = 1);
    let mut client = server.connect();
    let token = "x".repeat(64);
    for n in 0..50 {
        for (method, verb, body) in [
            ("GET", format!("get/{token}"), None),
            ("POST", format!("set/{token}"), Some(r#"{"a":1}"#)),
            ("GET", "activity?dt=600".to_owned(), None),
            ("GET", "soapp?dt=600".to_owned(), None),
            ("GET", "soid/u".to_owned(), None),
            ("DELETE", format!("kill/{token}"), None),
            ("DELETE", "killsoid/u".to_owned(), None),
            ("DELETE", "killall".to_owned(), None),
        ] {
            let (status, _) = client.ask(method, &format!("/app{n}/{verb}"), body);
            assert_eq!(status, 200, "{verb}");
        }
    }
    for (method, target, body) in [
        ("GET", "/get?token=t", None),
        ("POST", "/get?token=t&ip=1", Some(r#"{"a":1}"#)),
        ("GET", "/del?token=t", None),
        ("GET", "/user?id=1", None),
        ("GET", "/ip?ip=1", None),
        ("GET", "/a01/session/t", None),
        ("DELETE", "/a01/session/t", None),
        ("GET", "/a01/session/user/u", None),
        ("DELETE", "/a01/session?user_id=u", None),
        ("PATCH", "/a01/session/t", Some(r#"{"device_id":"e"}"#)),
        // Refused creates.
        ("PUT", "/refused/create/u", None),
        ("GET", "/new?user_id=1", None),
        ("POST", "/a01/session", Some("{}")),
    ] {
        client.ask(method, target, body);
        assert_eq!(server.engine.memory_use().apps, 0, "{method} {target}");
    }
    client.create_rest("app", "u");
    assert_eq!(server.engine.memory_use().apps, 1);
}
