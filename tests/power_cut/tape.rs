//! Stands between engine and log and notes what was written down where.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use cloakroom::engine::{ChangeLog, Position, Unavailable, Weight};
use cloakroom::model::Change;
use cloakroom::model::change::TouchChange;

/// A change as the log took it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Noted {
    /// A create or an edit of the session with this handle.
    Change(u64),
    /// A session's end.
    End(u64),
    /// A touch, written down later than it was made.
    Harvest(u64),
    /// The end of an app's sessions.
    EndApp,
    /// A touch that was made, and not written down.
    Touch(u64),
}

/// What was noted since the last look, with positions; touches that were made have none.
#[derive(Clone, Default)]
pub(crate) struct Tape {
    noted: Arc<Mutex<Vec<(Noted, u64)>>>,
    held: Arc<Mutex<Option<Held>>>,
}

/// What the thread that is held does: tell that it has come, and wait until it may go.
type Held = (SyncSender<()>, Receiver<()>);

/// Holds the thread that ends an app, between writing it down and carrying it out.
pub(crate) struct Hold {
    has_come: Receiver<()>,
    may_go: SyncSender<()>,
}

impl Hold {
    /// Waits until the end is written down.
    pub(crate) fn await_end(&self) {
        self.has_come.recv().unwrap();
    }

    pub(crate) fn go_on(&self) {
        self.may_go.send(()).unwrap();
    }
}

impl Tape {
    pub(crate) fn take(&self) -> Vec<(Noted, u64)> {
        std::mem::take(&mut self.noted.lock().unwrap())
    }

    /// Holds the next end of an app.
    pub(crate) fn hold_next_end(&self) -> Hold {
        let ((come, has_come), (may_go, go)) = (sync_channel(1), sync_channel(1));
        *self.held.lock().unwrap() = Some((come, go));
        Hold { has_come, may_go }
    }

    fn note(&self, noted: Noted, position: Position) {
        self.noted.lock().unwrap().push((noted, position.0));
        if noted != Noted::EndApp {
            return;
        }
        let held = self.held.lock().unwrap().take();
        if let Some((come, go)) = held {
            come.send(()).unwrap();
            go.recv().unwrap();
        }
    }
}

/// A log with a tape.
pub(crate) struct Taped<L> {
    pub(crate) log: L,
    pub(crate) tape: Tape,
}

impl<L: ChangeLog> ChangeLog for Taped<L> {
    fn append(&self, change: &Change<'_>) -> Option<Position> {
        let position = self.log.append(change)?;
        let noted = match change {
            Change::Create(create) => Noted::Change(create.tag.high),
            Change::Update(update) => Noted::Change(update.handle.0),
            Change::Touch(touch) => Noted::Harvest(touch.handle.0),
            Change::Remove { handle } => Noted::End(handle.0),
            Change::RemoveApp { .. } => Noted::EndApp,
        };
        self.tape.note(noted, position);
        Some(position)
    }

    fn touched(&self, touch: &TouchChange) {
        self.log.touched(touch);
        self.tape.note(Noted::Touch(touch.handle.0), Position(0));
    }

    fn admit(&self, weight: Weight) -> Result<(), Unavailable> {
        self.log.admit(weight)
    }

    fn head(&self) -> Option<Position> {
        self.log.head()
    }
}
