//! What concerns all sessions of a user: the two lists, and the end of them all.

use super::attributes::{write_short, write_summary};
use super::reply::{Object, send_json, send_refused, send_status, write_text};
use super::{APP, status_of};
use crate::engine::{ListCursor, ListProgress, Position, Scope};
use crate::limits;
use crate::model::Token;
use crate::net::http::dialect::{Context, SlicedWork};
use crate::net::http::response::Response;

/// What a list looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// An object from session ids to dates and device, as the service answers.
    ByUser,
    /// User and sessions with their devices, as the service's README promises.
    Short,
}

/// The sessions of a user in the making, by id.
pub(super) struct Listing {
    user: String,
    shape: Shape,
    cursor: ListCursor,
    /// What is shown of the sessions, one behind the other as they were found.
    text: Vec<u8>,
    found: Vec<Found>,
}

struct Found {
    id: Token,
    start: usize,
    end: usize,
}

impl Listing {
    pub(super) fn new(user: String, shape: Shape) -> Self {
        Self {
            user,
            shape,
            cursor: ListCursor::default(),
            text: Vec::new(),
            found: Vec::new(),
        }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        self.found
            .sort_unstable_by(|a, b| a.id.as_bytes().cmp(b.id.as_bytes()));
        let shown = |found: &Found| self.text.get(found.start..found.end).unwrap_or_default();
        let mut object = Object::answered(out);
        match self.shape {
            Shape::ByUser => {
                for found in &self.found {
                    object
                        .value_of(found.id.as_str())
                        .extend_from_slice(shown(found));
                }
            }
            Shape::Short => {
                write_text(&self.user, object.value_of("user_id"));
                let out = object.value_of("sessions");
                out.push(b'[');
                for (place, found) in self.found.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(shown(found));
                }
                out.push(b']');
            }
        }
        object.close();
    }
}

impl SlicedWork for Listing {
    fn slice(&mut self, cx: &Context<'_>, reply: &mut Response<'_>) -> Option<Option<Position>> {
        let Self {
            user,
            shape,
            cursor,
            text,
            found,
        } = self;
        let progress = cx
            .engine
            .list(cx.now, APP, Scope::User(user), cursor, &mut |view| {
                // A session without its token came in by another door and cannot be named here.
                let Some(id) = view.token() else { return };
                let start = text.len();
                match shape {
                    Shape::ByUser => write_summary(view, text),
                    Shape::Short => write_short(view, id.as_str(), text),
                }
                let end = text.len();
                found.push(Found { id, start, end });
            });
        if self.text.len() > limits::LIST_REPLY_BYTES {
            send_status(503, reply);
            return Some(None);
        }
        match progress {
            ListProgress::More => None,
            ListProgress::Done => {
                self.write(reply.body());
                send_json(reply);
                Some(None)
            }
        }
    }
}

/// The end of all sessions of a user in the making.
pub(super) struct Removal {
    user: String,
    cursor: ListCursor,
    wait_for: Option<Position>,
}

impl Removal {
    pub(super) fn new(user: String) -> Self {
        Self {
            user,
            cursor: ListCursor::default(),
            wait_for: None,
        }
    }
}

impl SlicedWork for Removal {
    fn slice(&mut self, cx: &Context<'_>, reply: &mut Response<'_>) -> Option<Option<Position>> {
        let scope = Scope::User(&self.user);
        let removed = cx
            .engine
            .remove_matching(cx.now, APP, scope, None, &mut self.cursor);
        let (progress, removed) = match removed {
            Ok(removed) => removed,
            Err(refusal) => {
                send_refused(status_of(refusal, 404), reply);
                return Some(None);
            }
        };
        self.wait_for = self.wait_for.max(removed.wait_for);
        match progress {
            ListProgress::More => None,
            ListProgress::Done => {
                send_status(200, reply);
                Some(self.wait_for)
            }
        }
    }
}
