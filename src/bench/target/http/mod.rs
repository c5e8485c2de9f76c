//! The HTTP target: one of the three dialects, or a plain GET of one path.

use clap::ValueEnum;

mod back_session;
mod reply;
mod rest_sessions;
mod tarantool;

use crate::bench::stopwatch::SECOND;
use crate::bench::target::template::Template;
use crate::bench::target::{Awaited, Contents, Frame, Life, Malformed, Meaning, Refusal, Reply};
use crate::bench::target::{Request, Target, TargetSettings, Verb};

/// The dialect of HTTP that the server under load speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::bench) enum Dialect {
    /// smrchy/rest-sessions
    RestSessions,
    /// 0x1991/sessions on Tarantool
    Tarantool,
    /// snikiforov55/back-session
    BackSession,
}

impl Dialect {
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::RestSessions => "rest-sessions",
            Self::Tarantool => "tarantool",
            Self::BackSession => "back-session",
        }
    }

    fn token_bytes(self) -> usize {
        match self {
            Self::RestSessions | Self::BackSession => 64,
            Self::Tarantool => 36,
        }
    }
}

/// A request without a body.
fn bare(settings: &TargetSettings, method_and_target: &str) -> Template {
    Template::new(&format!(
        "{method_and_target} HTTP/1.1\r\nHost: {}\r\n\r\n",
        settings.host
    ))
}

/// A request with a JSON body.
fn with_json(settings: &TargetSettings, method_and_target: &str, body: &str) -> Template {
    let length = Template::new(body).length(settings.dialect.token_bytes());
    Template::new(&format!(
        "{method_and_target} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}",
        settings.host
    ))
}

/// Prepared requests of one dialect.
struct Prepared {
    create: Template,
    get: Template,
    set: Template,
    /// One for each slot of the dialect.
    marked_sets: Vec<Template>,
    kill: Template,
}

/// A service behind HTTP/1.1.
pub(in crate::bench) struct HttpTarget {
    dialect: Dialect,
    prepared: Prepared,
    fetch: Template,
    ttl: Option<u64>,
}

impl HttpTarget {
    pub(in crate::bench) fn new(settings: &TargetSettings) -> Self {
        let prepared = match settings.dialect {
            Dialect::RestSessions => rest_sessions::prepare(settings),
            Dialect::Tarantool => tarantool::prepare(settings),
            Dialect::BackSession => back_session::prepare(settings),
        };
        Self {
            dialect: settings.dialect,
            prepared,
            fetch: bare(settings, &format!("GET {}", settings.path)),
            ttl: settings.ttl,
        }
    }
}

impl Target for HttpTarget {
    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Awaited {
        let prepared = &self.prepared;
        let marked = request.mark.and_then(|m| prepared.marked_sets.get(m.slot));
        let template = match request.verb {
            Verb::Create => &prepared.create,
            // No dialect has touches, rotations and pages; the command line refuses them.
            Verb::Get | Verb::Touch | Verb::Rotate => &prepared.get,
            Verb::Set => marked.unwrap_or(&prepared.set),
            Verb::Kill => &prepared.kill,
            Verb::List | Verb::Fetch => &self.fetch,
        };
        template.write(request, out);
        Awaited::one(request)
    }

    fn read<'i>(&self, _awaited: Awaited, input: &'i [u8]) -> Result<Option<Reply<'i>>, Malformed> {
        reply::read(input)
    }

    fn meaning<'f>(&self, awaited: Awaited, frame: &'f Frame<'_>) -> Meaning<'f> {
        let verb = awaited.verb;
        if verb == Verb::Fetch {
            return match frame.status {
                200..300 => Meaning::Served,
                status => refused(status),
            };
        }
        match self.dialect {
            Dialect::RestSessions => rest_sessions::meaning(verb, frame),
            Dialect::Tarantool => tarantool::meaning(verb, frame),
            Dialect::BackSession => back_session::meaning(verb, frame),
        }
    }

    fn contents(&self, body: &[u8]) -> Option<Contents> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        match self.dialect {
            Dialect::RestSessions => rest_sessions::contents(&value),
            Dialect::Tarantool => tarantool::contents(&value),
            Dialect::BackSession => back_session::contents(&value),
        }
    }

    fn token_bytes(&self) -> usize {
        self.dialect.token_bytes()
    }

    fn slots(&self) -> usize {
        self.prepared.marked_sets.len()
    }

    fn life(&self) -> Life {
        let (default, sliding, lag) = match self.dialect {
            // The service records an access only when the one before is two seconds old.
            Dialect::RestSessions => (rest_sessions::TTL, true, 2),
            Dialect::Tarantool => (tarantool::TTL, true, 1),
            Dialect::BackSession => (back_session::TTL, false, 0),
        };
        Life {
            span: self.ttl.unwrap_or(default).saturating_mul(SECOND),
            sliding,
            lag: lag * SECOND,
            rounding: SECOND,
        }
    }
}

/// The text behind `"name":"` in a JSON text that a service wrote without blanks.
fn text_member<'b>(body: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let key = memchr::memmem::find(body, name.as_bytes())?;
    let after = body.get(key + name.len()..)?.strip_prefix(b"\":\"")?;
    let end = memchr::memchr(b'"', after)?;
    after.get(..end)
}

/// The reply to a create whose body carries the token under `name`.
fn created<'f>(frame: &'f Frame<'_>, name: &str) -> Meaning<'f> {
    match frame.status {
        200 => text_member(&frame.body, name)
            .map_or(refused(200), |token| Meaning::Created(Some(token))),
        status => refused(status),
    }
}

fn refused(status: u16) -> Meaning<'static> {
    Meaning::Refused(Refusal::Status(status))
}
