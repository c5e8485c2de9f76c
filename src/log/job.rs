//! Making a snapshot: the turn, the segment it begins with, the sessions, the name.
//!
//! The engine drives it: [`SnapshotTicket`] until the writer has begun a segment, then
//! [`SnapshotStart::begin`] with the newest epoch, then [`SnapshotJob::push`] for every session and
//! [`SnapshotJob::flush`] between the locks, then [`SnapshotJob::complete`]. Dropping any of them
//! gives the snapshot up.

use std::sync::Arc;

use crate::log::disk::DiskFile;
use crate::log::heal;
use crate::log::name::FileName;
use crate::log::retire::retire;
use crate::log::saving::{Begun, LastSnapshot, SnapshotError};
use crate::log::shared::Shared;
use crate::log::snapshot::{SnapshotHeader, SnapshotTotals, SnapshotWriter};
use crate::log::tail::Failure;
use crate::model::Position;
use crate::model::change::CreateChange;

/// Bytes of a snapshot that may be unsynced: the log's own syncs must not wait for a storm.
const SYNC_EVERY: u64 = 8 << 20;

type Sink = Box<dyn FnMut(&[u8]) -> std::io::Result<()> + Send>;

/// The right to make the one snapshot under way. Given back when dropped.
pub(super) struct Turn {
    shared: Arc<Shared>,
    healing: Option<Healing>,
    done: bool,
}

/// What a snapshot knows that heals a failed log.
#[derive(Clone, Copy)]
pub(super) struct Healing {
    /// The last position that was known to be synced before the failure.
    pub(super) synced: Position,
}

impl Turn {
    pub(super) fn new(shared: Arc<Shared>, healing: Option<Healing>) -> Self {
        Self {
            shared,
            healing,
            done: false,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.healing.is_some() && !self.done {
            let now = self.shared.around.clock.now();
            self.shared.saving.healing_failed(now);
        }
        self.shared.saving.end_turn();
    }
}

/// Waits until the writer has begun a segment for the snapshot.
pub struct SnapshotTicket {
    turn: Turn,
}

impl SnapshotTicket {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            turn: Turn::new(shared, None),
        }
    }

    /// What came of it, without waiting; the ticket again while the writer has not been there.
    ///
    /// # Errors
    /// Why no snapshot can be made now.
    pub fn poll(self) -> Result<Result<SnapshotStart, SnapshotError>, Self> {
        match self.turn.shared.saving.take_answer() {
            None => Err(self),
            Some(answer) => Ok(answer.map(|begun| SnapshotStart::new(self.turn, begun))),
        }
    }

    /// Waits for the writer's thread.
    ///
    /// # Errors
    /// Why no snapshot can be made now.
    pub fn wait(self) -> Result<SnapshotStart, SnapshotError> {
        let begun = self.turn.shared.saving.await_answer()?;
        Ok(SnapshotStart::new(self.turn, begun))
    }
}

/// A snapshot whose number and first position are fixed. Every change before that position can be
/// seen by who takes its session's lock from now on, and has to be in the snapshot; later ones may be.
pub struct SnapshotStart {
    turn: Turn,
    begun: Begun,
}

impl SnapshotStart {
    pub(super) fn new(turn: Turn, begun: Begun) -> Self {
        Self { turn, begun }
    }

    /// The snapshot's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.begun.number
    }

    /// The position of the first block of the segment of that number.
    #[must_use]
    pub fn first(&self) -> Position {
        self.begun.first
    }

    /// It heals a failed log.
    #[must_use]
    pub fn is_healing(&self) -> bool {
        self.turn.healing.is_some()
    }

    /// Begins the file. `epochs` is the newest epoch of any app, looked up after this start was got.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn begin(self, epochs: u32) -> Result<SnapshotJob, SnapshotError> {
        let around = &self.turn.shared.around;
        let disk = &around.disk;
        let name = FileName::SnapshotTmp;
        let file: Arc<dyn DiskFile> = disk
            .create(&name.text())
            .map(Arc::from)
            .map_err(|error| failure("make", name, error))?;
        let header = SnapshotHeader {
            number: self.begun.number,
            first: self.begun.first,
            epochs,
            created: around.clock.now(),
            salt: around.salt(),
            key_id: around.key_id,
            bundled_key: None,
        };
        let writer = SnapshotWriter::begin(&header, paced(Arc::clone(&file)))
            .map_err(|error| failure("write to", name, error))?;
        Ok(SnapshotJob {
            turn: self.turn,
            begun: self.begun,
            file,
            writer,
        })
    }
}

/// A snapshot under way.
pub struct SnapshotJob {
    turn: Turn,
    begun: Begun,
    file: Arc<dyn DiskFile>,
    writer: SnapshotWriter<Sink>,
}

impl SnapshotJob {
    /// Adds a session, in memory: may be called under a lock.
    pub fn push(&mut self, create: &CreateChange<'_>) {
        self.writer.push(create);
    }

    /// Bytes that wait for [`SnapshotJob::flush`].
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.writer.unwritten()
    }

    /// Writes what waits, and syncs now and then. Never under a lock.
    ///
    /// # Errors
    /// What the disk refuses; [`SnapshotError::LogFailed`] when the log has failed meanwhile, so that
    /// healing comes first.
    pub fn flush(&mut self) -> Result<(), SnapshotError> {
        if self.turn.healing.is_none() && self.turn.shared.saving.has_failed() {
            return Err(SnapshotError::LogFailed);
        }
        self.writer
            .flush()
            .map_err(|error| failure("write to", FileName::SnapshotTmp, error).into())
    }

    /// Makes the snapshot safe, gives it its name and removes what it makes superfluous. One that
    /// heals also begins the segment with which the log goes on; the writer has to be there once
    /// more until changes are admitted again.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn complete(self) -> Result<LastSnapshot, SnapshotError> {
        let Self {
            mut turn,
            begun,
            file,
            writer,
        } = self;
        let name = FileName::SnapshotTmp;
        let totals = writer
            .finish()
            .map_err(|error| failure("write to", name, error))?;
        file.sync().map_err(|error| failure("sync", name, error))?;
        let shared = Arc::clone(&turn.shared);
        let last = match turn.healing {
            None => {
                give_name(&shared, begun.number)?;
                shared.status.in_snapshot(begun.written);
                note(&shared, begun, totals)
            }
            Some(healing) => {
                let number = shared.saving.next_segment();
                debug_assert_eq!(
                    number, begun.number,
                    "nobody else begins segments meanwhile"
                );
                let tail = heal::begin_segment(&shared, number, begun.first, healing.synced)?;
                give_name(&shared, number)?;
                shared.status.in_snapshot(begun.written);
                let last = note(&shared, begun, totals);
                heal::resume(&shared, tail, begun.first);
                last
            }
        };
        turn.done = true;
        // The snapshot is safe; what could not be removed now is removed behind the next one.
        if let Err(failure) = retire(&*shared.around.disk) {
            tracing::warn!(%failure, "old files of the log are still there");
        }
        Ok(last)
    }
}

fn note(shared: &Shared, begun: Begun, totals: SnapshotTotals) -> LastSnapshot {
    let last = LastSnapshot {
        number: begun.number,
        bytes: totals.bytes,
        sessions: totals.records,
        at: shared.around.clock.now(),
    };
    shared.saving.completed(last);
    last
}

/// Renames the file, whose bytes are safe, and makes the name safe.
fn give_name(shared: &Shared, number: u64) -> Result<(), Failure> {
    let name = FileName::Snapshot(number);
    let disk = &shared.around.disk;
    disk.rename(&FileName::SnapshotTmp.text(), &name.text())
        .map_err(|error| failure("give snapshot.tmp the name", name, error))?;
    disk.sync_names()
        .map_err(|error| failure("sync the name", name, error))
}

/// Writes piece after piece, and syncs often enough that there is never much to sync.
fn paced(file: Arc<dyn DiskFile>) -> Sink {
    let (mut offset, mut unsynced) = (0, 0);
    Box::new(move |bytes| {
        file.write_at(offset, bytes)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        offset += length;
        unsynced += length;
        if unsynced >= SYNC_EVERY {
            file.sync()?;
            unsynced = 0;
        }
        Ok(())
    })
}

fn failure(verb: &'static str, name: FileName, error: std::io::Error) -> Failure {
    Failure { verb, name, error }
}
