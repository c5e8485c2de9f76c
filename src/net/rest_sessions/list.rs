//! Lists and kills of many sessions, in slices: the first at once, the others in later turns.

use crate::clock::Millis;
use crate::engine::{ListCursor, ListProgress, Position, Refusal, Scope};
use crate::limits;
use crate::model::AppName;
use crate::net::http::dialect::{Context, Handled, SlicedWork};
use crate::net::http::response::Response;
use crate::net::rest_sessions::problem::Problem;
use crate::net::rest_sessions::reply;

/// Which sessions of an app are meant.
pub(super) enum Which {
    /// Those active at or after this moment.
    ActiveSince(Millis),
    /// Those of this user.
    User(String),
}

impl Which {
    /// Those active in the last `seconds` whole seconds; more seconds than have passed are all.
    pub(super) fn active_within(seconds: u64, now: Millis) -> Self {
        let since = now.seconds().saturating_sub(seconds);
        Self::ActiveSince(Millis::from_seconds(since))
    }

    fn scope(&self) -> Scope<'_> {
        match self {
            Self::ActiveSince(moment) => Scope::ActiveSince(*moment),
            Self::User(user) => Scope::User(user),
        }
    }
}

/// A list in the making: `{"sessions":[...]}`.
pub(super) struct Listing {
    app: String,
    which: Which,
    cursor: ListCursor,
    text: Vec<u8>,
}

impl Listing {
    /// A list that is written into the reply's body.
    pub(super) fn new(app: AppName<'_>, which: Which, reply: &mut Response<'_>) -> Self {
        let mut text = std::mem::take(reply.body());
        text.extend_from_slice(b"{\"sessions\":[");
        Self {
            app: app.as_str().to_owned(),
            which,
            cursor: ListCursor::default(),
            text,
        }
    }

    /// Answers at once when one slice does; else asks for turns.
    pub(super) fn start(mut self, cx: &Context<'_>, reply: &mut Response<'_>) -> Handled {
        match self.slice(cx, reply) {
            Some(wait_for) => Handled::Done(wait_for),
            None => Handled::InSlices(Box::new(self)),
        }
    }

    fn read_slice(&mut self, cx: &Context<'_>) -> ListProgress {
        let Ok(app) = AppName::new(&self.app) else {
            return ListProgress::Done;
        };
        let text = &mut self.text;
        cx.engine.list(
            cx.now,
            app,
            self.which.scope(),
            &mut self.cursor,
            &mut |session| {
                if text.len() > limits::LIST_REPLY_BYTES {
                    return;
                }
                if text.last() == Some(&b'}') {
                    text.push(b',');
                }
                reply::write_session(session, text);
            },
        )
    }
}

impl SlicedWork for Listing {
    fn slice(&mut self, cx: &Context<'_>, reply: &mut Response<'_>) -> Option<Option<Position>> {
        let progress = self.read_slice(cx);
        if self.text.len() > limits::LIST_REPLY_BYTES {
            reply::problem(&Problem::ListTooLarge, reply);
            return Some(None);
        }
        match progress {
            ListProgress::More => None,
            ListProgress::Done => {
                self.text.extend_from_slice(b"]}");
                std::mem::swap(reply.body(), &mut self.text);
                reply::send(reply);
                Some(None)
            }
        }
    }
}

/// The kill of a user's sessions.
pub(super) struct KillUser {
    app: String,
    user: String,
    cursor: ListCursor,
    killed: u64,
    wait_for: Option<Position>,
}

impl KillUser {
    pub(super) fn new(app: AppName<'_>, user: &str) -> Self {
        Self {
            app: app.as_str().to_owned(),
            user: user.to_owned(),
            cursor: ListCursor::default(),
            killed: 0,
            wait_for: None,
        }
    }

    /// Answers at once when one slice does; else asks for turns.
    pub(super) fn start(mut self, cx: &Context<'_>, reply: &mut Response<'_>) -> Handled {
        match self.slice(cx, reply) {
            Some(wait_for) => Handled::Done(wait_for),
            None => Handled::InSlices(Box::new(self)),
        }
    }

    fn kill_slice(&mut self, cx: &Context<'_>) -> Result<ListProgress, Refusal> {
        let Ok(app) = AppName::new(&self.app) else {
            return Ok(ListProgress::Done);
        };
        let scope = Scope::User(&self.user);
        let (progress, killed) =
            cx.engine
                .remove_matching(cx.now, app, scope, None, &mut self.cursor)?;
        self.killed += killed.answer;
        self.wait_for = self.wait_for.max(killed.wait_for);
        Ok(progress)
    }
}

impl SlicedWork for KillUser {
    fn slice(&mut self, cx: &Context<'_>, reply: &mut Response<'_>) -> Option<Option<Position>> {
        match self.kill_slice(cx) {
            Ok(ListProgress::More) => None,
            Ok(ListProgress::Done) => {
                reply::number("kill", self.killed, reply);
                Some(self.wait_for)
            }
            Err(refusal) => {
                reply::problem(&Problem::from(refusal), reply);
                Some(None)
            }
        }
    }
}
