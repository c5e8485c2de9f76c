//! What is answered: JSON with the keys in the order of the old service.

use crate::model::json::string;
use crate::model::{ContentType, SessionView, Token};
use crate::net::http::response::Response;
use crate::net::rest_sessions::problem::Problem;
use crate::net::rest_sessions::route::Methods;

const NO_STORE: &str = "Cache-Control: no-store";
const JSON: [&str; 2] = ["Content-Type: application/json; charset=utf-8", NO_STORE];

/// Sends what stands in the body.
pub(super) fn send(reply: &mut Response<'_>) {
    reply.send(200, &JSON);
}

pub(super) fn problem(problem: &Problem, reply: &mut Response<'_>) {
    reply.body().clear();
    problem.write(reply.body());
    if problem.status() == 503 && *problem != Problem::ListTooLarge {
        reply.ask_to_retry();
    }
    reply.send(problem.status(), &JSON);
}

/// `{"token":...}`
pub(super) fn token(token: &Token, reply: &mut Response<'_>) {
    let body = reply.body();
    body.extend_from_slice(b"{\"token\":\"");
    body.extend_from_slice(token.as_bytes());
    body.extend_from_slice(b"\"}");
    send(reply);
}

/// `{"<key>":<value>}`
pub(super) fn number(key: &str, value: u64, reply: &mut Response<'_>) {
    let body = reply.body();
    body.extend_from_slice(b"{\"");
    body.extend_from_slice(key.as_bytes());
    body.extend_from_slice(b"\":");
    write_number(value, body);
    body.push(b'}');
    send(reply);
}

/// The answer to OPTIONS: the methods of the path.
pub(super) fn options(methods: Methods, reply: &mut Response<'_>) {
    let (list, allow) = match methods {
        Methods::GetHead => ("GET,HEAD", "Allow: GET,HEAD"),
        Methods::Put => ("PUT", "Allow: PUT"),
        Methods::Post => ("POST", "Allow: POST"),
        Methods::Delete => ("DELETE", "Allow: DELETE"),
    };
    reply.body().extend_from_slice(list.as_bytes());
    reply.send(
        200,
        &[allow, "Content-Type: text/html; charset=utf-8", NO_STORE],
    );
}

/// Appends a session as `get`, `set`, `soid` and `soapp` show it. Data that is no JSON object, put
/// there through another door, is left out.
pub(super) fn write_session(session: &SessionView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    string::write_text(session.user().unwrap_or_default(), out);
    out.extend_from_slice(b",\"r\":");
    write_number(session.reads, out);
    out.extend_from_slice(b",\"w\":");
    write_number(session.writes, out);
    out.extend_from_slice(b",\"ttl\":");
    write_number(session.life.idle_seconds(), out);
    out.extend_from_slice(b",\"idle\":");
    write_number(session.idle_seconds, out);
    out.extend_from_slice(b",\"ip\":");
    string::write_text(session.ip().unwrap_or_default(), out);
    if session.content_type == ContentType::JSON_OBJECT && !session.data().is_empty() {
        out.extend_from_slice(b",\"d\":");
        out.extend_from_slice(session.data());
    }
    out.push(b'}');
}

fn write_number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
