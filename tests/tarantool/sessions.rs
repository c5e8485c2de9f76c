//! The life of a session, and what paths, methods and tokens do to it.

use cloakroom::engine::EngineConfig;

use crate::service::{Buffers, FORM, JSON, NOT_FOUND, START, Service};

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
fn get_in_the_steady_state_does_not_allocate() {
    let service = Service::new();
    let token = service.form("/new?user_id=5&ip=1", "a=1").token();
    let target = format!("/get?token={token}");
    let mut buffers = Buffers::default();
    let mut get = || service.send_into(&mut buffers, "GET", &target, "", b"");
    get();
    let counted = allocation_counter::measure(get);
    assert_eq!(counted.count_total, 0);
    assert!(buffers.answer().shows("\"extra\":{\"a\":\"1\"},"));
}
