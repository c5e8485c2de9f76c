//! Where the verbs write their changes down: the seam between engine and log.

use crate::engine::Position;
use crate::log::{Log, Unavailable, Weight};
use crate::model::Change;
use crate::model::change::TouchChange;

/// Where changes are written down before they are carried out.
pub trait ChangeLog: Send + Sync {
    /// Takes a change down. Called under the session's lock, so it only appends to memory; the
    /// position says when the change is safe. `None`: nobody has to wait for it.
    fn append(&self, change: &Change<'_>) -> Option<Position>;

    /// Takes several changes down that a crash must not part.
    fn append_together(&self, changes: &[Change<'_>]) -> Option<Position> {
        let mut position = None;
        for change in changes {
            position = self.append(change);
        }
        position
    }

    /// Learns of a touch, for which nobody waits. A log takes touches down later, one per session and
    /// second, so by itself this does nothing.
    fn touched(&self, _touch: &TouchChange) {}

    /// Whether a change may be made now. A verb asks before it locks; what it appends thereafter is
    /// taken down in any case.
    ///
    /// # Errors
    /// [`Unavailable`] says why not.
    fn admit(&self, _weight: Weight) -> Result<(), Unavailable> {
        Ok(())
    }

    /// The newest position that any change has got: what an answer waits for that rests on changes
    /// of others. `None`: nobody has to wait.
    fn head(&self) -> Option<Position> {
        None
    }
}

/// The log of a server that keeps sessions in memory only.
#[derive(Clone, Copy, Debug)]
pub struct NoLog;

impl ChangeLog for NoLog {
    fn append(&self, _change: &Change<'_>) -> Option<Position> {
        None
    }
}

impl ChangeLog for Log {
    fn append(&self, change: &Change<'_>) -> Option<Position> {
        Some(Self::append(self, change))
    }

    fn append_together(&self, changes: &[Change<'_>]) -> Option<Position> {
        Some(Self::append_together(self, changes))
    }

    fn admit(&self, weight: Weight) -> Result<(), Unavailable> {
        Self::admit(self, weight)
    }

    fn head(&self) -> Option<Position> {
        Some(Self::head(self))
    }
}
