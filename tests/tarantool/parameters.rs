//! What parameters and bodies come to.

use cloakroom::limits;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use crate::service::{Answer, BAD_IP, BAD_NEW_USER, FORM, JSON, NOT_FOUND, Service};

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
