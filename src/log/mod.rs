//! The log: what was acknowledged is written down here, and read back after a crash. Knows changes
//! and files, no sessions: the engine feeds it and is fed by it. FORMAT.md draws every byte.
//!
//! A change goes from [`Log::append`] into `queue`; `writer` takes all that waits, `commit` writes and
//! syncs it by policy at the end of the segment (`tail`), and tells how far the log is (`status`).
//! Beside it `background` syncs once a second and makes the next segment (`spare`). Snapshots go
//! through `job`, under the rules of `saving`, and `retire` removes what they make superfluous. What
//! fails goes through `heal`. `recovery` reads it all back. [`Writer::step`] needs no thread;
//! [`LogThread`] is the one that steps it in a server.

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

mod background;
mod commit;
mod heal;
mod job;
mod queue;
pub mod recovery;
mod retire;
mod saving;
mod shared;
mod spare;
mod status;
mod tail;
#[cfg(test)]
mod tests;
mod thread;
mod writer;

use std::sync::Arc;
use std::time::Duration;

pub use job::{SnapshotJob, SnapshotStart, SnapshotTicket};
pub use recovery::{Recovered, Recovery, RecoveryError};
pub use saving::{LastSnapshot, SnapshotError};
pub use shared::Surroundings;
pub use status::{Health, Unavailable, Weight};
pub use tail::Failure;
pub use thread::LogThread;
pub use writer::Writer;

use crate::limits;
use crate::log::background::Background;
use crate::log::name::FileName;
use crate::log::queue::Queue;
use crate::log::reader::SEGMENT_BYTES_MAX;
use crate::log::segment::SegmentHeader;
use crate::log::shared::{Beginning, Shared};
use crate::log::tail::Tail;
use crate::model::{Change, Position};

/// Bytes of a segment at least: the header and a few records.
const SEGMENT_BYTES_MIN: u64 = 4_096 + 512;

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
    /// Bytes of a segment, header included; from 4.5 KiB to 2 GiB. A block that is larger gets a
    /// larger segment, and the first segment after a start is smaller.
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

impl Log {
    /// Begins a new segment behind what was recovered. `publish` is told of every position that is
    /// reached, by the thread that steps the writer; it must not wait.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn open(
        around: Surroundings,
        config: &LogConfig,
        recovered: &Recovered,
        publish: Box<dyn Fn(Position) + Send>,
    ) -> Result<(Self, Writer), RecoveryError> {
        let last = recovered.last;
        let first = Position(last.0 + 1);
        let bytes = config
            .segment_bytes
            .clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let background = Background::new(Arc::clone(&around.disk), bytes);
        let spare = background
            .take_first_spare(bytes.min(limits::LOG_FIRST_SEGMENT_BYTES), bytes)
            .map_err(|error| RecoveryError::disk("make", FileName::Spare, error))?;
        let header = SegmentHeader {
            number: recovered.next_segment,
            first,
            synced: last,
            created: around.clock.now(),
            salt: around.salt(),
            key_id: around.key_id,
            own_snapshot: false,
        };
        let tail = Tail::begin(&*around.disk, spare, header)?;
        let queue = Queue::new(first, block_bytes(bytes), limits::LOG_WAKE_BYTES);
        let start = Beginning {
            last,
            replayed: recovered.bytes,
            segment: recovered.next_segment,
            snapshot: recovered.snapshot.unwrap_or(0),
            snapshot_created: recovered.snapshot_created,
        };
        let shared = Arc::new(Shared::new(around, queue, background, &start));
        let writer = Writer::new(Arc::clone(&shared), config, tail, publish);
        Ok((Self { shared }, writer))
    }

    /// Takes a change down in memory and says where it stands. Always succeeds, never waits; whoever
    /// holds the lock of the change's session may call it. Ask [`Log::admit`] before that lock.
    pub fn append(&self, change: &Change<'_>) -> Position {
        self.append_together(std::slice::from_ref(change))
    }

    /// The same for several changes, of which a crash takes all or none: two at most, so that they fit
    /// a block.
    pub fn append_together(&self, changes: &[Change<'_>]) -> Position {
        debug_assert!(
            changes.len() <= 2,
            "a block holds what was open and two records"
        );
        let shared = &*self.shared;
        let mut queue = shared.queue();
        let appended = queue.append(changes, || shared.around.clock.now());
        shared.status.appended(appended.position, appended.queued);
        drop(queue);
        if appended.wake {
            shared.wake();
        } else {
            shared.note_appended();
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

    /// The position up to which changes survive whatever this log's [`Durability`] guards against:
    /// synced, but for [`Durability::Os`], where they are written.
    #[must_use]
    pub fn safe(&self) -> Position {
        self.shared.status.safe()
    }

    /// So much waits to be written that no request should begin that may change something.
    #[must_use]
    pub fn is_backed_up(&self) -> bool {
        self.shared.status.is_backed_up()
    }

    /// Bytes of records that wait to be written.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.shared.status.unwritten()
    }

    /// Lets the writer write now, if something was appended since the last kick. Called when a
    /// thread has nothing left to run.
    pub fn kick(&self) {
        self.shared.kick();
    }

    /// How the log is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.status.health()
    }

    /// What has failed, in words, while the log is [`Health::Failed`].
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.saving.failure()
    }

    /// Bytes of log that are in no snapshot: what recovery would have to read.
    #[must_use]
    pub fn bytes_since_snapshot(&self) -> u64 {
        self.shared.status.written_since_snapshot()
    }

    /// The newest complete snapshot.
    #[must_use]
    pub fn last_snapshot(&self) -> LastSnapshot {
        self.shared.saving.last()
    }

    /// Asks the writer to begin a segment for a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::Busy`], [`SnapshotError::LogFailed`] or [`SnapshotError::Stopped`].
    pub fn begin_snapshot(&self) -> Result<SnapshotTicket, SnapshotError> {
        self.shared.saving.request()?;
        self.shared.wake();
        Ok(SnapshotTicket::new(Arc::clone(&self.shared)))
    }

    /// How long until a failed log may be healed; `None` while it needs no healing.
    #[must_use]
    pub fn healing_due(&self) -> Option<Duration> {
        let now = self.shared.around.clock.now();
        let due = self.shared.saving.healing_due(now);
        due.map(Duration::from_millis)
    }

    /// Begins the snapshot of all sessions with which a failed log goes on. What is queued is dropped:
    /// whoever looks at the sessions from now on sees it.
    ///
    /// # Errors
    /// [`SnapshotError::LogHealthy`], [`SnapshotError::NotYet`], [`SnapshotError::Busy`] or
    /// [`SnapshotError::Stopped`].
    pub fn begin_healing(&self) -> Result<SnapshotStart, SnapshotError> {
        heal::begin(&self.shared)
    }
}

/// Bytes of a body beyond which a block is closed: small segments get small blocks.
fn block_bytes(segment_bytes: u64) -> usize {
    let quarter = usize::try_from(segment_bytes / 4).unwrap_or(usize::MAX);
    limits::LOG_BLOCK_BYTES.min(quarter)
}
