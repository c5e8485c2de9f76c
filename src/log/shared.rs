//! What the handles, the writer and the threads of the log share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use crate::clock::Clock;
use crate::clock::Millis;
use crate::log::background::Background;
use crate::log::disk::Disk;
use crate::log::key::KeyId;
use crate::log::queue::Queue;
use crate::log::saving::Saving;
use crate::log::status::Status;
use crate::model::{Position, Randomness};

/// The world of a log: its files, its time, its randomness, and the key it is written under.
#[derive(Clone)]
pub struct Surroundings {
    /// Where its files are.
    pub disk: Arc<dyn Disk>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where the salt of each file comes from.
    pub random: Arc<dyn Randomness>,
    /// Which secret the tags and sealed tokens were made with.
    pub key_id: KeyId,
}

impl Surroundings {
    /// Random bytes for a new file.
    pub(super) fn salt(&self) -> [u8; 16] {
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        salt
    }
}

/// What belongs to all of them.
///
/// Locks: `queue` may be taken under any lock of the store; `saving` and the background's are taken
/// by no thread that holds another lock. None is held during I/O.
pub(super) struct Shared {
    pub(super) around: Surroundings,
    /// Held for one record, or for a swap.
    queue: Mutex<Queue>,
    pub(super) status: Status,
    pub(super) background: Background,
    pub(super) saving: Saving,
    /// Something was appended since the last kick.
    unkicked: AtomicBool,
    /// The thread that writes; none while the writer is stepped by hand.
    thread: OnceLock<Thread>,
}

/// What a log starts from.
pub(super) struct Beginning {
    /// The last position there is.
    pub(super) last: Position,
    /// Bytes of log that are in no snapshot.
    pub(super) replayed: u64,
    /// The number of the newest segment.
    pub(super) segment: u64,
    /// The number of the newest snapshot; 0 when there is none.
    pub(super) snapshot: u64,
    /// When that was begun; 0 when there is none.
    pub(super) snapshot_created: Millis,
}

impl Shared {
    pub(super) fn new(
        around: Surroundings,
        queue: Queue,
        background: Background,
        start: &Beginning,
    ) -> Self {
        Self {
            around,
            queue: Mutex::new(queue),
            status: Status::new(start.last, start.replayed),
            background,
            saving: Saving::new(start.segment, start.snapshot, start.snapshot_created),
            unkicked: AtomicBool::new(false),
            thread: OnceLock::new(),
        }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the thread that [`Shared::wake`] wakes.
    pub(super) fn set_thread(&self, thread: Thread) {
        // A log has one writer, which has one thread for its life.
        let _first = self.thread.set(thread);
    }

    /// Wakes the writer, or keeps it from going to sleep.
    pub(super) fn wake(&self) {
        self.unkicked.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Wakes the writer if something was appended since that happened last.
    pub(super) fn kick(&self) {
        if self.unkicked.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Something was appended that a kick is to tell of.
    pub(super) fn note_appended(&self) {
        // Looked at first: the line is written once a kick, not once a change.
        if !self.unkicked.load(Ordering::Relaxed) {
            self.unkicked.store(true, Ordering::Relaxed);
        }
    }
}
