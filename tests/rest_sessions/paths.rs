//! Which of several faults of a request is told, and what a path can do.

use crate::door::Server;

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
