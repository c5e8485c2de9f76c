//! What a dialect is to the HTTP loop: it says how bodies are read, and answers requests.

use crate::clock::Millis;
use crate::engine::{Engine, Key, Located, Position};
use crate::model::AppName;
use crate::net::http::head::Fault;
use crate::net::http::request::{Head, Request};
use crate::net::http::response::Response;
use crate::net::{back_session, rest_sessions, tarantool};

/// The three services whose callers are served.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// smrchy/rest-sessions 2.x.
    RestSessions,
    /// 0x1991/sessions on Tarantool.
    Tarantool,
    /// snikiforov55/back-session.
    BackSession,
}

/// Settings of the dialects, fixed at start.
#[derive(Clone, Copy, Debug)]
pub struct DialectSettings {
    /// Seconds that a back-session session lives from its create; negative is for ever, 0 is dead
    /// at once (`SESSION_EXP_SEC`).
    pub back_session_seconds: i64,
}

impl Default for DialectSettings {
    fn default() -> Self {
        Self {
            back_session_seconds: back_session::DEFAULT_SECONDS,
        }
    }
}

/// What a dialect wants done with the body of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyRule {
    /// Collect at most `limit` bytes, after inflating when `inflate` and the request says so.
    Collect {
        /// Largest body, in bytes.
        limit: usize,
        /// Honour `Content-Encoding: gzip` and `deflate`. When false the encoding is ignored.
        inflate: bool,
    },
    /// Read and drop it; the dialect does not look at it.
    Ignore,
}

/// A request that the HTTP layer could not hand over whole. The dialect answers in its own style.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyProblem {
    /// More bytes than the rule's limit, before or after inflating.
    TooLarge,
    /// A `Content-Encoding` that nobody understands.
    UnknownEncoding,
    /// Bytes that do not inflate.
    BadEncoding,
}

/// What is at hand while one request is answered.
pub struct Context<'c> {
    /// The verbs.
    pub engine: &'c Engine,
    /// The moment of this request.
    pub now: Millis,
    /// Settings of the dialects.
    pub settings: &'c DialectSettings,
    /// The session whose token stands in the path, where that was found out ahead of the request.
    pub located: Option<&'c Located>,
}

impl<'c> Context<'c> {
    /// How to ask for the session whose token stands in the path of this request.
    #[must_use]
    pub fn key_in_path<'k>(&self, token: &'k [u8]) -> Key<'k>
    where
        'c: 'k,
    {
        self.located.map_or(Key::Token(token), Key::Located)
    }
}

/// How far a dialect came with a request.
pub enum Handled {
    /// The reply is written; it may be sent once the log has reached the position.
    Done(Option<Position>),
    /// Nothing is written yet: call the work in turns until it says so.
    InSlices(Box<dyn SlicedWork>),
}

/// A request too large for one turn: a long list or a kill of many sessions.
pub trait SlicedWork: Send {
    /// Does a bounded piece of work (at most [`crate::limits::ENTRIES_PER_HOLD`] entries). With the
    /// last piece it writes the reply and answers `Some`: the position to wait for, if any.
    fn slice(&mut self, cx: &Context<'_>, reply: &mut Response<'_>) -> Option<Option<Position>>;
}

impl Dialect {
    /// The name used in flags and in the `listening` line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RestSessions => "rest-sessions",
            Self::Tarantool => "tarantool",
            Self::BackSession => "back-session",
        }
    }

    /// The dialect that answers a path on a listener that serves all three: first segment `a01` is
    /// back-session, one segment is tarantool, anything else rest-sessions.
    #[must_use]
    pub fn of_path(path: &[u8]) -> Self {
        let trimmed = path.strip_prefix(b"/").unwrap_or(path);
        let mut segments = trimmed.split(|b| *b == b'/');
        let first = segments.next().unwrap_or_default();
        let single = segments.next().is_none_or(<[u8]>::is_empty) && segments.next().is_none();
        match (first, single) {
            (b"a01", _) => Self::BackSession,
            // The one path of rest-sessions that has one segment.
            (b"ping", true) => Self::RestSessions,
            (_, true) => Self::Tarantool,
            (_, false) => Self::RestSessions,
        }
    }

    /// App and token of the session that a GET of this path reads, where the path as sent says so
    /// plainly. A hint: `None` costs only time.
    #[must_use]
    pub fn foresee(self, path: &[u8]) -> Option<(AppName<'_>, &[u8])> {
        match self {
            Self::RestSessions => rest_sessions::foresee(path),
            Self::BackSession => back_session::foresee(path),
            // Its tokens stand in queries and bodies.
            Self::Tarantool => None,
        }
    }

    /// Whether a request may add to the log, as far as its head tells: `true` when in doubt. Touches
    /// do not count, as nobody waits for them.
    #[must_use]
    pub fn may_change(self, head: &Head<'_>) -> bool {
        match self {
            Self::RestSessions | Self::BackSession => {
                !matches!(head.method, "GET" | "HEAD" | "OPTIONS")
            }
            Self::Tarantool => tarantool::may_change(head),
        }
    }

    /// How the body of this request is to be read.
    #[must_use]
    pub fn body_rule(self, head: &Head<'_>) -> BodyRule {
        match self {
            Self::RestSessions => rest_sessions::body_rule(head),
            Self::Tarantool => tarantool::body_rule(head),
            Self::BackSession => back_session::body_rule(head),
        }
    }

    /// Answers a request.
    pub fn handle(
        self,
        cx: &Context<'_>,
        request: &Request<'_>,
        reply: &mut Response<'_>,
    ) -> Handled {
        match self {
            Self::RestSessions => rest_sessions::handle(cx, request, reply),
            Self::Tarantool => tarantool::handle(cx, request, reply),
            Self::BackSession => back_session::handle(cx, request, reply),
        }
    }

    /// Writes the body of the answer to what is no proper request.
    pub(super) fn write_fault(self, fault: Fault, body: &mut Vec<u8>) {
        match self {
            Self::BackSession if fault.status == 400 => {
                body.extend_from_slice(back_session::BAD_REQUEST);
            }
            Self::RestSessions | Self::Tarantool | Self::BackSession => fault.write(body),
        }
    }

    /// Answers a request whose body could not be read.
    pub fn refuse_body(self, problem: BodyProblem, head: &Head<'_>, reply: &mut Response<'_>) {
        match self {
            Self::RestSessions => rest_sessions::refuse_body(problem, head, reply),
            Self::Tarantool => tarantool::refuse_body(problem, head, reply),
            Self::BackSession => back_session::refuse_body(problem, head, reply),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;
    use crate::net::http::request::Head;

    #[test]
    fn shared_listener_finds_the_dialect_by_the_shape_of_the_path() {
        for (path, dialect) in [
            ("/a01/session", Dialect::BackSession),
            ("/a01", Dialect::BackSession),
            ("/new", Dialect::Tarantool),
            ("/get/", Dialect::Tarantool),
            ("/nope", Dialect::Tarantool),
            ("/", Dialect::Tarantool),
            ("/ping", Dialect::RestSessions),
            ("/app/get/token", Dialect::RestSessions),
            ("/app/activity", Dialect::RestSessions),
            ("//get", Dialect::RestSessions),
        ] {
            assert_eq!(Dialect::of_path(path.as_bytes()), dialect, "{path}");
        }
    }

    fn may_change(dialect: Dialect, method: &str, target: &str, fields: &[(&str, &str)]) -> bool {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| httparse::Header {
                name,
                value: value.as_bytes(),
            })
            .collect();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        dialect.may_change(&Head {
            method,
            target: target.as_bytes(),
            path: path.as_bytes(),
            query: query.as_bytes(),
            minor_version: 1,
            fields: &fields,
        })
    }

    #[test]
    fn head_tells_which_requests_may_add_to_the_log() {
        let form = ("Content-Length", "3");
        for (dialect, method, target, fields, expected) in [
            (Dialect::RestSessions, "GET", "/app/get/t", &[][..], false),
            (Dialect::RestSessions, "OPTIONS", "/app/set/t", &[], false),
            (Dialect::RestSessions, "POST", "/app/set/t", &[], true),
            (Dialect::RestSessions, "DELETE", "/app/kill/t", &[], true),
            (Dialect::BackSession, "GET", "/a01/session/t", &[], false),
            (Dialect::BackSession, "PATCH", "/a01/session", &[], true),
            (Dialect::Tarantool, "GET", "/get?token=t", &[], false),
            (
                Dialect::Tarantool,
                "POST",
                "/get?token=t",
                &[("content-length", "0")],
                false,
            ),
            (Dialect::Tarantool, "GET", "/get?token=t&ip=1", &[], true),
            (
                Dialect::Tarantool,
                "GET",
                "/get?token=t&%69%70=1",
                &[],
                true,
            ),
            (Dialect::Tarantool, "GET", "/get?token=t", &[form], true),
            (
                Dialect::Tarantool,
                "GET",
                "/get?token=t",
                &[("transfer-encoding", "chunked")],
                true,
            ),
            (
                Dialect::Tarantool,
                "HEAD",
                "/get?token=t&ip=1",
                &[form],
                false,
            ),
            (Dialect::Tarantool, "GET", "/new?user_id=1&ip=1", &[], true),
            (Dialect::Tarantool, "GET", "/d%65l?token=t", &[], true),
            (Dialect::Tarantool, "HEAD", "/del?token=t", &[], false),
            (Dialect::Tarantool, "POST", "/user?id=1", &[form], false),
            (Dialect::Tarantool, "GET", "/nope", &[form], false),
        ] {
            let found = may_change(dialect, method, target, fields);
            assert_eq!(found, expected, "{method} {target} {fields:?}");
        }
    }
}
