//! Where the log stands, as connections see it: replies wait until it has reached their position,
//! and requests that would add to it wait while it has too much to write.

use std::sync::Arc;

use tokio::sync::watch;

use crate::engine::Position;

/// Tells whether the log has so much to write that nothing more should be begun for it.
pub type IsBackedUp = Arc<dyn Fn() -> bool + Send + Sync>;

/// A view of the log. Cheap to clone; each connection reads it, each thread waits on it.
#[derive(Clone)]
pub struct LogWatch {
    positions: watch::Receiver<Position>,
    /// `None`: it never is.
    is_backed_up: Option<IsBackedUp>,
}

impl LogWatch {
    /// The view of a log that announces its position through the other end of `positions`, and
    /// whenever `is_backed_up` has become false. When that end is dropped nothing is released any
    /// more, and replies that wait are never sent.
    #[must_use]
    pub fn of(positions: watch::Receiver<Position>, is_backed_up: IsBackedUp) -> Self {
        Self {
            positions,
            is_backed_up: Some(is_backed_up),
        }
    }

    /// The view without a log: nothing ever waits.
    #[must_use]
    pub fn memory_only() -> Self {
        let (_, positions) = watch::channel(Position(u64::MAX));
        Self {
            positions,
            is_backed_up: None,
        }
    }

    /// The position that the log has reached.
    #[must_use]
    pub fn reached(&self) -> Position {
        *self.positions.borrow()
    }

    /// Whether a request is to wait, if it may change something. That is asked first: it costs less
    /// than numbers that other threads change all the time.
    pub(super) fn holds_up(&self, may_change: impl FnOnce() -> bool) -> bool {
        let asked = self.is_backed_up.as_ref();
        asked.is_some_and(|is_backed_up| may_change() && is_backed_up())
    }

    /// Waits for an announcement since the last call; `None` when there will be none.
    pub(super) async fn moved(&mut self) -> Option<Position> {
        self.positions.changed().await.ok()?;
        Some(*self.positions.borrow_and_update())
    }
}
