//! Where a request ends: everything that two readers could frame differently is refused.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod served;

use std::io::Write;

use cloakroom::config::DialectName;
use served::Served;

fn all_dialects() -> Served {
    Served::start(None, |_| {})
}

/// Asserts the status of each request, and that the server closes behind it.
fn assert_refused(served: &Served, cases: &[(u16, &str)]) {
    for (status, request) in cases {
        let (answer, closed) = served.ask(request.as_bytes());
        assert_eq!((answer.status, closed), (*status, true), "{request:?}");
        assert!(
            answer.body.ends_with('\n') || answer.body == "400 Bad Request",
            "{request:?}"
        );
    }
}

/// Asserts the status of each request, and that the connection may be used again.
fn assert_answered(served: &Served, cases: &[(u16, &str)]) {
    for (status, request) in cases {
        let (answer, closed) = served.ask(request.as_bytes());
        assert_eq!((answer.status, closed), (*status, false), "{request:?}");
    }
}

#[test]
fn length_that_is_not_one_plain_number_is_refused() {
    let post = |fields: &str| format!("POST /a/b/c HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\nabcde");
    let served = all_dialects();
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5.0",
        "Content-Length: five",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
    ] {
        assert_refused(&served, &[(400, &post(fields))]);
    }
}

#[test]
fn transfer_encoding_other_than_one_chunked_is_refused() {
    let post = |version: &str, fields: &str| {
        format!("POST /a/b/c HTTP/{version}\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n")
    };
    let served = all_dialects();
    for (status, version, fields) in [
        (501, "1.1", "Transfer-Encoding: gzip"),
        (501, "1.1", "Transfer-Encoding: identity"),
        (501, "1.1", "Transfer-Encoding: xchunked"),
        (501, "1.1", "Transfer-Encoding: chunked;q=1"),
        (400, "1.1", "Transfer-Encoding: gzip, chunked"),
        (400, "1.1", "Transfer-Encoding: chunked, chunked"),
        (400, "1.1", "Transfer-Encoding: chunked, identity"),
        (
            400,
            "1.1",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        ),
        (400, "1.0", "Transfer-Encoding: chunked"),
    ] {
        assert_refused(&served, &[(status, &post(version, fields))]);
    }
}

#[test]
fn malformed_heads_are_refused() {
    let served = all_dialects();
    assert_refused(
        &served,
        &[
            (400, "garbage\r\n\r\n"),
            (400, "GET /a/b\r\n\r\n"),
            (400, "GET  /a/b  HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, " GET /a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "G@T /a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET /a\u{1}b HTTP/1.1\r\nHost: a\r\n\r\n"),
            (
                400,
                "GET /a/b HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
            ),
            (400, "GET /a/b HTTP/1.1\r\n Host: a\r\n\r\n"),
            (400, "GET /a/b HTTP/1.1\r\nHost : a\r\n\r\n"),
            (400, "GET /a/b HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"),
            (400, "GET /a/b HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n"),
            (400, "GET /a/b HTTP/1.1\r\nHost: a\r\nX(: 1\r\n\r\n"),
            (400, "GET /a/b HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n"),
            (400, "GET /a/b HTTP/1.1\rHost: a\r\r"),
            (400, "GET /a/b HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
            (400, "GET /a/b HTTP/1.1\nHost: a\n\n"),
            (400, "GET /a/b HTTP/1.1\r\nHost: a\n\r\n"),
            (400, "GET /a/b HTTP/1.1\r\nHost: a\r\n\n"),
            (400, "\nGET /a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "GET http:///a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
    );
    let (answer, closed) = served.ask(b"GET /a/\xff HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.status, closed), (400, true));
}

#[test]
fn other_versions_and_expectations_are_refused_by_name() {
    let get = |version: &str| format!("GET /a/b {version}\r\nHost: a\r\n\r\n");
    let served = all_dialects();
    for (status, version) in [
        (505, "HTTP/2.0"),
        (505, "HTTP/1.2"),
        (505, "HTTP/0.9"),
        (400, "HTTP/1.1x"),
        (505, "HTTP/1"),
        (505, "HTTP/x.y"),
        (400, "http/1.1"),
        (400, "FOO/1.1"),
    ] {
        assert_refused(&served, &[(status, &get(version))]);
    }
    let expect = "GET /ping HTTP/1.1\r\nHost: a\r\nExpect: something\r\n\r\n";
    assert_refused(&served, &[(417, expect)]);
}

#[test]
fn host_is_required_once_except_by_tarantool_and_http_1_0() {
    let served = all_dialects();
    assert_refused(
        &served,
        &[
            (400, "GET /ping HTTP/1.1\r\n\r\n"),
            (400, "GET /a01/session/x HTTP/1.1\r\n\r\n"),
            (400, "GET /ping HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
            (
                400,
                "GET /get?token=x HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
            ),
        ],
    );
    assert_answered(
        &served,
        &[
            (200, "GET /get?token=x HTTP/1.1\r\n\r\n"),
            (200, "GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            (200, "GET /ping HTTP/1.1\r\nHost:\r\n\r\n"),
        ],
    );
    let tarantool = Served::start(Some(DialectName::Tarantool), |_| {});
    assert_answered(&tarantool, &[(404, "GET /a/b HTTP/1.1\r\n\r\n")]);
}

#[test]
fn unusual_but_sound_heads_are_accepted() {
    let served = all_dialects();
    assert_answered(
        &served,
        &[
            (200, "\r\n\r\nGET /ping HTTP/1.1\r\nHost: a\r\n\r\n"),
            (200, "GET /ping HTTP/1.1\r\nhOST:\ta \t\r\nX-Empty:\r\n\r\n"),
            (200, "GET /ping HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\n\r\n"),
            (200, "GET http://a.example/ping HTTP/1.1\r\nHost: b\r\n\r\n"),
            (
                200,
                "GET HTTPS://a.example/ping?x HTTP/1.1\r\nHost: b\r\n\r\n",
            ),
            (404, "GET http://a.example HTTP/1.1\r\nHost: b\r\n\r\n"),
            (404, "GET http://a.example?a=b HTTP/1.1\r\nHost: b\r\n\r\n"),
            (200, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
            (200, "GET /abc/soid/\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n"),
            (404, "BREW /abc/pot HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
    );
}

#[test]
fn connection_stays_open_as_version_and_field_say() {
    let served = all_dialects();
    for (version, field, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        ("1.1", "Connection: upgrade\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let request = format!("GET /ping HTTP/{version}\r\nHost: a\r\n{field}\r\n");
        let (answer, closed) = served.ask(request.as_bytes());
        assert_eq!((answer.status, closed), (200, !stays), "{request:?}");
        let told = answer.head.contains("\r\nConnection: keep-alive\r\n");
        assert_eq!(told, stays && version == "1.0", "{request:?}");
    }
}

#[test]
fn head_request_is_answered_with_the_length_but_without_the_body() {
    let served = all_dialects();
    let mut client = served.connect();
    client.send(b"HEAD /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let rest = client.rest();
    assert!(rest.starts_with("HTTP/1.1 200 "), "{rest}");
    assert!(rest.contains("\r\nContent-Length: 4\r\n") && rest.ends_with("\r\n\r\n"));
}

/// Creates a session with a body framed as `fields` and `body` say, and shows its data.
fn stored(served: &Served, fields: &str, body: &[u8]) -> (u16, String) {
    let mut request = format!(
        "PUT /app/create/u?ip=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         {fields}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    let (created, _) = served.ask(&request);
    let Some(token) = created.body.strip_prefix("{\"token\":\"") else {
        return (created.status, created.body);
    };
    let get = format!("GET /app/get/{} HTTP/1.1\r\nHost: a\r\n\r\n", &token[..64]);
    let (got, _) = served.ask(get.as_bytes());
    let data = got.body.split("\"d\":").nth(1).unwrap_or_default();
    (created.status, data.trim_end_matches('}').to_owned() + "}")
}

#[test]
fn chunks_are_put_together_and_their_ornaments_dropped() {
    let served = all_dialects();
    for body in [
        "7\r\n{\"a\":1}\r\n0\r\n\r\n",
        "1\r\n{\r\n3\r\n\"a\"\r\n003\r\n:1}\r\n000\r\n\r\n",
        "7;name=value\r\n{\"a\":1}\r\n0;x=\"y z\"\r\n\r\n",
        "00000007\r\n{\"a\":1}\r\n0\r\nTrailer: dropped\r\nContent-Length: 7\r\n\r\n",
    ] {
        let got = stored(&served, "Transfer-Encoding: Chunked", body.as_bytes());
        assert_eq!(got, (200, "{\"a\":1}".to_owned()), "{body:?}");
    }
    let upper = "A\r\n{\"a\":1234}\r\n0\r\n\r\n";
    let got = stored(&served, "Transfer-Encoding: chunked", upper.as_bytes());
    assert_eq!(got.1, "{\"a\":1234}");
}

#[test]
fn malformed_chunks_are_refused() {
    let served = all_dialects();
    for body in [
        "\r\n",
        "x\r\n",
        "0x7\r\n{\"a\":1}\r\n0\r\n\r\n",
        "-7\r\n{\"a\":1}\r\n0\r\n\r\n",
        " 7\r\n{\"a\":1}\r\n0\r\n\r\n",
        "7 \r\n{\"a\":1}\r\n0\r\n\r\n",
        "7\n{\"a\":1}\r\n0\r\n\r\n",
        "7\r{\"a\":1}\r\n0\r\n\r\n",
        "000000007\r\n{\"a\":1}\r\n0\r\n\r\n",
        "6\r\n{\"a\":1}\r\n0\r\n\r\n",
        "7\r\n{\"a\":1}\n0\r\n\r\n",
        "7\r\n{\"a\":1}0\r\n\r\n",
        "7;a\nb\r\n{\"a\":1}\r\n0\r\n\r\n",
        "7;\0\r\n{\"a\":1}\r\n0\r\n\r\n",
        "7\r\n{\"a\":1}\r\n0\r\nX: 1\n\r\n",
        "7\r\n{\"a\":1}\r\n0\r\nX: \0\r\n\r\n",
        "7\r\n{\"a\":1}\r\n0\r\nX: 1\rY: 2\r\n\r\n",
    ] {
        let (status, reason) = stored(&served, "Transfer-Encoding: chunked", body.as_bytes());
        assert_eq!(status, 400, "{body:?} {reason}");
    }
}

#[test]
fn compressed_bodies_are_inflated() {
    fn packed<W: Write>(mut to: W, finish: impl FnOnce(W) -> Vec<u8>) -> Vec<u8> {
        to.write_all(b"{\"a\":1}").unwrap();
        finish(to)
    }
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    let best = Compression::best();
    let gzip = packed(GzEncoder::new(Vec::new(), best), |e| e.finish().unwrap());
    let zlib = packed(ZlibEncoder::new(Vec::new(), best), |e| e.finish().unwrap());
    let raw = packed(DeflateEncoder::new(Vec::new(), best), |e| {
        e.finish().unwrap()
    });
    let served = all_dialects();
    let ask = |encoding: &str, body: &[u8]| {
        let length = body.len();
        let fields = format!("Content-Encoding: {encoding}\r\nContent-Length: {length}");
        stored(&served, &fields, body)
    };
    for (encoding, body) in [
        ("gzip", gzip.as_slice()),
        ("GZip", &gzip),
        ("deflate", &zlib),
        ("deflate", &raw),
        ("identity", b"{\"a\":1}"),
    ] {
        assert_eq!(
            ask(encoding, body),
            (200, "{\"a\":1}".to_owned()),
            "{encoding}"
        );
    }
    assert_eq!(ask("br", &gzip).0, 415);
    assert_eq!(ask("gzip, gzip", &gzip).0, 415);
    assert_eq!(ask("gzip", &zlib).0, 400);
    assert_eq!(ask("gzip", &gzip[..gzip.len() - 1]).0, 400);
    assert_eq!(ask("deflate", &[8; 9]).0, 400);
}

#[test]
fn continue_is_sent_only_when_the_body_is_awaited_and_welcome() {
    let head = |version: &str, length: usize| {
        format!(
            "PUT /app/create/u?ip=1 HTTP/{version}\r\nHost: a\r\nConnection: keep-alive\r\n\
             Content-Type: application/json\r\nExpect: 100-Continue\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let served = all_dialects();
    let mut client = served.connect();
    client.send(head("1.1", 7).as_bytes());
    assert_eq!(client.answer().status, 100);
    client.send(b"{\"a\":1}");
    assert_eq!(client.answer().status, 200);
    client.send(format!("{}{{\"a\":1}}", head("1.1", 7)).as_bytes());
    assert_eq!(client.answer().status, 200);
    client.send(head("1.0", 7).as_bytes());
    client.send(b"{\"a\":1}");
    assert_eq!(client.answer().status, 200);
    client.send(head("1.1", 60_001).as_bytes());
    let refused = client.answer();
    assert_eq!(refused.status, 413);
    assert!(
        refused.head.contains("\r\nConnection: close\r\n"),
        "{refused:?}"
    );
    assert_eq!(client.rest(), "");
}

/// Four requests of all kinds in a row.
const CONVERSATION: &str = "PUT /app/create/u?ip=1 HTTP/1.1\r\nHost: a\r\n\
    Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}\
    GET /ping HTTP/1.1\r\nHost: a\r\n\r\n\
    POST /nope/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n\
    \r\nGET /get?token=x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn assert_conversation(client: &mut served::Client, how: &str) {
    let statuses = [(); 4].map(|()| client.answer().status);
    assert_eq!(statuses, [200, 200, 404, 200], "{how}");
    assert_eq!(client.rest(), "");
}

#[test]
fn requests_are_the_same_wherever_the_bytes_are_cut() {
    let served = all_dialects();
    let bytes = CONVERSATION.as_bytes();
    for cut in 0..bytes.len() {
        let mut client = served.connect();
        client.send(&bytes[..cut]);
        std::thread::yield_now();
        client.send(&bytes[cut..]);
        assert_conversation(&mut client, &format!("cut at {cut}"));
    }
    let mut client = served.connect();
    for byte in bytes {
        client.send(&[*byte]);
    }
    assert_conversation(&mut client, "byte by byte");
}
