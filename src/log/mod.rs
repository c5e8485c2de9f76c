//! The log: what was acknowledged is written down here, and read back after a crash. Knows changes
//! and files, no sessions: the engine feeds it and is fed by it. FORMAT.md draws every byte.

pub mod block;
pub mod check;
pub mod disk;
pub mod key;
pub mod name;
pub mod reader;
pub mod record;
mod search;
pub mod segment;
pub mod snapshot;
mod varint;

mod queue;
mod status;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

pub use status::{Health, SnapshotTotals, Unavailable, Weight};

use crate::clock::Clock;
use crate::limits;
use crate::model::{Change, Position};
use queue::Queue;
use status::Status;

/// When a change counts as safe, so that its reply may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// Written and synced: survives a power cut.
    Always,
    /// Written, and synced at most a second later: survives the death of the process; a power cut
    /// takes at most the last second and one sync.
    #[default]
    EverySecond,
    /// Written: survives the death of the process; when it is synced is the system's business.
    Os,
}

/// What a log is made with.
#[derive(Clone, Copy, Debug)]
pub struct LogConfig {
    /// When a change counts as safe.
    pub durability: Durability,
    /// Bytes of a segment, header included. A block that is larger gets a larger segment.
    pub segment_bytes: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            segment_bytes: limits::LOG_SEGMENT_BYTES,
        }
    }
}

/// A handle on the log. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

/// What the handles and the writer share.
pub(crate) struct Shared {
    /// Held for one record, or for a swap; never during I/O. Comes after every lock of the store.
    queue: Mutex<Queue>,
    status: Status,
    clock: Arc<dyn Clock>,
    /// Something was appended since the last kick.
    unkicked: AtomicBool,
    /// The thread that writes; none while the writer is stepped by hand.
    thread: OnceLock<Thread>,
}

impl Log {
    /// A log whose first change will stand behind `last`.
    #[must_use]
    pub fn new(config: &LogConfig, clock: Arc<dyn Clock>, last: Position) -> Self {
        let next = Position(last.0 + 1);
        let block_bytes = block_bytes(config.segment_bytes);
        let queue = Queue::new(next, block_bytes, limits::LOG_WAKE_BYTES);
        Self {
            shared: Arc::new(Shared {
                queue: Mutex::new(queue),
                status: Status::new(last),
                clock,
                unkicked: AtomicBool::new(false),
                thread: OnceLock::new(),
            }),
        }
    }

    /// Takes a change down in memory and says where it stands. Always succeeds, never waits; whoever
    /// holds the lock of the change's session may call it. Ask [`Log::admit`] before that lock.
    pub fn append(&self, change: &Change<'_>) -> Position {
        let shared = &*self.shared;
        let mut queue = shared.queue();
        let appended = queue.append(change, || shared.clock.now());
        shared.status.appended(appended.position, appended.bytes);
        drop(queue);
        if appended.wake {
            shared.wake();
        } else if !shared.unkicked.load(Ordering::Relaxed) {
            shared.unkicked.store(true, Ordering::Relaxed);
        }
        appended.position
    }

    /// Whether a change of this weight may be made now.
    ///
    /// # Errors
    /// Why not. Nothing was appended.
    pub fn admit(&self, weight: Weight) -> Result<(), Unavailable> {
        self.shared.status.admit(weight)
    }

    /// The newest position appended. Who finds that a session is not there waits for this, so that
    /// it is not said before its removal is safe.
    #[must_use]
    pub fn head(&self) -> Position {
        self.shared.status.head()
    }

    /// The position up to which changes are safe by the log's [`Durability`].
    #[must_use]
    pub fn reached(&self) -> Position {
        self.shared.status.reached()
    }

    /// So much waits to be written that no request should begin that may change something.
    #[must_use]
    pub fn is_backed_up(&self) -> bool {
        self.shared.status.is_backed_up()
    }

    /// Bytes of changes that wait to be written.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.shared.status.unwritten()
    }

    /// Lets the writer write now, if something was appended since the last kick. Called when a
    /// thread has nothing left to run.
    pub fn kick(&self) {
        if self.shared.unkicked.load(Ordering::Relaxed) {
            self.shared.wake();
        }
    }

    /// How the log is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.status.health()
    }

    /// Bytes of log written since the last snapshot began: what recovery would have to read.
    #[must_use]
    pub fn bytes_since_snapshot(&self) -> u64 {
        self.shared.status.written_since_snapshot()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.unkicked.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Bytes of a body beyond which a block is closed: small segments get small blocks.
fn block_bytes(segment_bytes: u64) -> usize {
    let quarter = usize::try_from(segment_bytes / 4).unwrap_or(usize::MAX);
    limits::LOG_BLOCK_BYTES.min(quarter)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Health, Log, LogConfig, Weight};
    use crate::clock::{ManualClock, Millis};
    use crate::model::{Change, Handle, Position};

    #[test]
    fn changes_of_one_block_share_its_position() {
        let clock = Arc::new(ManualClock::new(Millis(1_795_000_000_000)));
        let log = Log::new(&LogConfig::default(), clock, Position(41));
        assert_eq!((log.head(), log.reached()), (Position(41), Position(41)));
        let change = Change::Remove { handle: Handle(7) };
        assert_eq!(log.append(&change), Position(42));
        assert_eq!(log.append(&change), Position(42));
        assert_eq!((log.head(), log.reached()), (Position(42), Position(41)));
        assert!(log.unwritten() > 0 && !log.is_backed_up());
        assert_eq!(log.health(), Health::Healthy);
        assert_eq!(log.admit(Weight::Grow), Ok(()));
    }
}
