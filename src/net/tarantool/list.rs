//! `/user` and `/ip`: all sessions of one user or IP, by token, descending.

use std::collections::BTreeMap;

use crate::engine::{ListCursor, ListProgress, Position, Scope};
use crate::limits;
use crate::model::{AppName, Handle, SessionView};
use crate::net::http::dialect::{Context, Handled, SlicedWork};
use crate::net::http::response::Response;
use crate::net::tarantool::parameters::{Parameter, Parameters, to_text};
use crate::net::tarantool::reply::{Problem, SessionObject, close_success, open_success, refuse};
use crate::net::tarantool::user_id::{self, UserId};

/// Bytes of an answer around its objects.
const ENVELOPE_BYTES: usize = 64;

/// Whose sessions are listed.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Wanted {
    /// Those of a user.
    User(String),
    /// Those with an IP text.
    Ip(String),
}

impl Wanted {
    fn scope(&self) -> Scope<'_> {
        match self {
            Self::User(user) => Scope::User(user),
            Self::Ip(ip) => Scope::Ip(ip),
        }
    }
}

/// `/user`: the sessions of the user `id`.
pub(super) fn of_user(
    cx: &Context<'_>,
    parameters: &Parameters<'_>,
    reply: &mut Response<'_>,
) -> Handled {
    match user_id::of_parameter(&parameters.get("id")) {
        Some(UserId::Id(id)) => list(cx, Wanted::User(id.to_string()), reply),
        Some(UserId::TooLarge) => send_empty(reply),
        None => refuse(&Problem::LISTED_USER_ID, reply),
    }
}

/// `/ip`: the sessions whose IP text is exactly `ip`.
pub(super) fn of_ip(
    cx: &Context<'_>,
    parameters: &Parameters<'_>,
    reply: &mut Response<'_>,
) -> Handled {
    let Parameter::Text(ip) = parameters.get("ip") else {
        return refuse(&Problem::IP, reply);
    };
    let ip = to_text(ip);
    if ip.is_empty() || ip.len() > limits::IP_BYTES {
        // No session can have such an IP.
        return send_empty(reply);
    }
    list(cx, Wanted::Ip(ip.into_owned()), reply)
}

/// Answers a list: at once when one slice is enough.
fn list(cx: &Context<'_>, wanted: Wanted, reply: &mut Response<'_>) -> Handled {
    let mut work = List {
        wanted,
        stage: Stage::Finding(ListCursor::default()),
        found: BTreeMap::new(),
        found_bytes: 0,
    };
    match work.slice(cx, reply) {
        Some(wait_for) => Handled::Done(wait_for),
        None => Handled::InSlices(Box::new(work)),
    }
}

/// A list in the making. The handle keeps apart sessions whose token is not known.
struct List {
    wanted: Wanted,
    stage: Stage,
    found: BTreeMap<(Vec<u8>, Handle), Vec<u8>>,
    found_bytes: usize,
}

enum Stage {
    /// Sessions are found and written, each for itself.
    Finding(ListCursor),
    /// All are found; the last ones by token go to the body first.
    Ordering(Vec<u8>),
}

impl SlicedWork for List {
    fn slice(&mut self, cx: &Context<'_>, reply: &mut Response<'_>) -> Option<Option<Position>> {
        if let Stage::Finding(cursor) = &mut self.stage {
            let scope = self.wanted.scope();
            let (found, bytes) = (&mut self.found, &mut self.found_bytes);
            let progress = cx
                .engine
                .list(cx.now, AppName::TARANTOOL, scope, cursor, &mut |view| {
                    if *bytes <= limits::LIST_REPLY_BYTES {
                        *bytes += find(view, found);
                    }
                });
            if self.found_bytes > limits::LIST_REPLY_BYTES {
                Problem::LIST_SIZE.send(reply);
                return Some(None);
            }
            if progress == ListProgress::More {
                return None;
            }
            let mut body = Vec::with_capacity(self.found_bytes + ENVELOPE_BYTES);
            open_success(&mut body);
            body.push(b'[');
            self.stage = Stage::Ordering(body);
        }
        self.order(reply)
    }
}

impl List {
    /// Moves a bounded number of objects to the body; after the last one the reply is written.
    fn order(&mut self, reply: &mut Response<'_>) -> Option<Option<Position>> {
        let Stage::Ordering(body) = &mut self.stage else {
            return None;
        };
        for _ in 0..limits::ENTRIES_PER_HOLD {
            let Some((_, object)) = self.found.pop_last() else {
                break;
            };
            body.extend_from_slice(&object);
            if !self.found.is_empty() {
                body.push(b',');
            }
        }
        if !self.found.is_empty() {
            return None;
        }
        body.push(b']');
        std::mem::swap(reply.body(), body);
        close_success(reply);
        Some(None)
    }
}

/// Files a session under its token and tells how many bytes that took.
fn find(view: &SessionView<'_>, found: &mut BTreeMap<(Vec<u8>, Handle), Vec<u8>>) -> usize {
    let token = view.token();
    let token = token.as_ref().map(|token| token.as_bytes());
    let mut object = Vec::new();
    SessionObject::of_view(view, token).write(&mut object);
    let key = (token.unwrap_or_default().to_vec(), view.handle);
    let bytes = object.len() + key.0.len() + 1;
    found.insert(key, object);
    bytes
}

fn send_empty(reply: &mut Response<'_>) -> Handled {
    open_success(reply.body());
    reply.body().extend_from_slice(b"[]");
    close_success(reply);
    Handled::Done(None)
}
