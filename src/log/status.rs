//! What everybody may know of the log without a lock: how far it is, how it is, what it has waiting.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use crate::limits;
use crate::model::Position;

/// How the log is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// It takes everything down.
    Healthy,
    /// There is no room for a further segment: what grows is refused, and at last removals too.
    Full,
    /// A write or a sync has failed: nothing is taken down until a snapshot has been saved elsewhere.
    Failed,
}

/// What a change does to the room that the log needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// Creates and edits.
    Grow,
    /// Removals: they may use the reserve of a full disk.
    Shrink,
}

/// Why the log takes no further change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unavailable {
    /// It has failed and heals itself; see [`Health::Failed`].
    Failed,
    /// The disk is full; see [`Health::Full`].
    Full,
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Failed => "the log could not be written; the server tries to save all anew",
            Self::Full => "the disk is full: free some space",
        })
    }
}

impl std::error::Error for Unavailable {}

/// What the writer has found, in the order of how much is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    All = 0,
    ShrinkOnly = 1,
    NothingFits = 2,
    Failed = 3,
}

/// Numbers that change while others look.
#[derive(Debug)]
pub(super) struct Status {
    head: AtomicU64,
    reached: AtomicU64,
    safe: AtomicU64,
    admission: AtomicU8,
    /// Bytes of records in the queue; written under its mutex only.
    queued: AtomicUsize,
    /// Bytes of records that the writer has taken and not written.
    in_hand: AtomicUsize,
    /// Bytes of log written, from the oldest that recovery would read.
    written: AtomicU64,
    /// What `written` was when the newest snapshot began.
    in_snapshot: AtomicU64,
}

impl Status {
    /// Of a log whose newest position is `last`, all of it safe, of which `replayed` bytes are in no
    /// snapshot.
    pub(super) fn new(last: Position, replayed: u64) -> Self {
        Self {
            head: AtomicU64::new(last.0),
            reached: AtomicU64::new(last.0),
            safe: AtomicU64::new(last.0),
            admission: AtomicU8::new(Admission::All as u8),
            queued: AtomicUsize::new(0),
            in_hand: AtomicUsize::new(0),
            written: AtomicU64::new(replayed),
            in_snapshot: AtomicU64::new(0),
        }
    }

    pub(super) fn head(&self) -> Position {
        Position(self.head.load(Ordering::Acquire))
    }

    /// The change at `position` was appended to a queue that now holds `queued` bytes. Called under
    /// its mutex, so that the head only grows.
    pub(super) fn appended(&self, position: Position, queued: usize) {
        self.head.store(position.0, Ordering::Release);
        self.queued.store(queued, Ordering::Relaxed);
    }

    /// The queue is empty: the writer has taken `taken` bytes. Called under the queue's mutex.
    pub(super) fn taken(&self, taken: usize) {
        self.queued.store(0, Ordering::Relaxed);
        self.in_hand.fetch_add(taken, Ordering::Relaxed);
    }

    pub(super) fn reached(&self) -> Position {
        Position(self.reached.load(Ordering::Acquire))
    }

    /// Answers whether this is news.
    pub(super) fn reach(&self, position: Position) -> bool {
        self.reached.fetch_max(position.0, Ordering::AcqRel) < position.0
    }

    /// Up to where a snapshot may count on the log: what it shows of changes, the log still has when
    /// the snapshot is read back.
    pub(super) fn safe(&self) -> Position {
        Position(self.safe.load(Ordering::Acquire))
    }

    pub(super) fn set_safe(&self, position: Position) {
        self.safe.fetch_max(position.0, Ordering::AcqRel);
    }

    /// `bytes` that the writer had taken are written, or dropped.
    pub(super) fn settled(&self, bytes: usize) {
        self.in_hand.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn unwritten(&self) -> usize {
        self.queued.load(Ordering::Relaxed) + self.in_hand.load(Ordering::Relaxed)
    }

    pub(super) fn is_backed_up(&self) -> bool {
        self.unwritten() > limits::LOG_QUEUE_BYTES
    }

    pub(super) fn set_admission(&self, admission: Admission) {
        self.admission.store(admission as u8, Ordering::Release);
    }

    pub(super) fn admission(&self) -> Admission {
        match self.admission.load(Ordering::Acquire) {
            0 => Admission::All,
            1 => Admission::ShrinkOnly,
            2 => Admission::NothingFits,
            _ => Admission::Failed,
        }
    }

    pub(super) fn admit(&self, weight: Weight) -> Result<(), Unavailable> {
        match (self.admission(), weight) {
            (Admission::All, _) | (Admission::ShrinkOnly, Weight::Shrink) => Ok(()),
            (Admission::ShrinkOnly, Weight::Grow) | (Admission::NothingFits, _) => {
                Err(Unavailable::Full)
            }
            (Admission::Failed, _) => Err(Unavailable::Failed),
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.admission() {
            Admission::All => Health::Healthy,
            Admission::ShrinkOnly | Admission::NothingFits => Health::Full,
            Admission::Failed => Health::Failed,
        }
    }

    pub(super) fn wrote(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// A snapshot is complete that holds all that the first `written` bytes of the log say.
    pub(super) fn in_snapshot(&self, written: u64) {
        self.in_snapshot.store(written, Ordering::Relaxed);
    }

    pub(super) fn written_since_snapshot(&self) -> u64 {
        self.written()
            .saturating_sub(self.in_snapshot.load(Ordering::Relaxed))
    }
}
