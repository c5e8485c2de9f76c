//! Where the log stands, as connections see it: replies wait until it has reached their position.

use tokio::sync::watch;

use crate::engine::Position;

/// A view of the log's position. Cheap to clone; each connection reads it, each thread waits on it.
#[derive(Clone, Debug)]
pub struct LogWatch(watch::Receiver<Position>);

impl LogWatch {
    /// The view of a log that announces its position through the other end of `positions`. When
    /// that end is dropped nothing is released any more, and replies that wait are never sent.
    #[must_use]
    pub fn of(positions: watch::Receiver<Position>) -> Self {
        Self(positions)
    }

    /// The view without a log: nothing ever waits.
    #[must_use]
    pub fn memory_only() -> Self {
        Self(watch::channel(Position(u64::MAX)).1)
    }

    /// The position that the log has reached.
    #[must_use]
    pub fn reached(&self) -> Position {
        *self.0.borrow()
    }

    /// Waits until the log has moved on since the last call; `None` when it never will.
    pub(super) async fn moved(&mut self) -> Option<Position> {
        self.0.changed().await.ok()?;
        Some(*self.0.borrow_and_update())
    }
}
