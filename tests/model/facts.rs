//! What of a session both sides must agree on.

use cloakroom::clock::Millis;
use cloakroom::model::SessionView;

use crate::twin::Session;

/// Everything comparable of a session, from either side.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Facts {
    pub(super) user: Option<String>,
    pub(super) ip: Option<String>,
    pub(super) created: u64,
    pub(super) last: u64,
    pub(super) idle_seconds: u64,
    pub(super) deadline: u64,
    pub(super) reads: u64,
    pub(super) writes: u64,
    pub(super) version: u64,
    pub(super) data: String,
}

impl Facts {
    pub(super) fn of_view(view: &SessionView<'_>) -> Self {
        Self {
            user: view.user().map(str::to_owned),
            ip: view.ip().map(str::to_owned),
            created: view.created().0,
            last: view.last_active.0,
            idle_seconds: view.idle_seconds,
            deadline: view.deadline.0,
            reads: view.reads,
            writes: view.writes,
            version: view.version(),
            data: String::from_utf8(view.data().to_vec()).unwrap(),
        }
    }

    pub(super) fn of_twin(session: &Session, now: u64) -> Self {
        Self {
            user: session.user.clone(),
            ip: session.ip.clone(),
            created: session.created,
            last: session.last,
            idle_seconds: session.idle_seconds(now),
            deadline: session.deadline().min(Millis::NEVER.0),
            reads: session.reads,
            writes: session.writes,
            version: session.version(),
            data: session.data(),
        }
    }
}
