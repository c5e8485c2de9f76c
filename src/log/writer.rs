//! The half of the log that writes: takes what is queued, writes and syncs it by policy, and says how
//! far it is. Synchronous: a thread steps it, or a test by hand.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Millis;
use crate::limits;
use crate::log::background::SpareState;
use crate::log::queue::Batch;
use crate::log::shared::Shared;
use crate::log::status::Admission;
use crate::log::tail::{Failure, Tail};
use crate::log::{Durability, LogConfig, Unavailable};
use crate::model::Position;

/// Milliseconds between two attempts to make a segment where there was no room for one.
const SPARE_RETRY_MILLIS: u64 = 1_000;

/// Writes the log. There is one, and nobody else writes to its files.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) durability: Durability,
    /// Told of every new position that is reached.
    publish: Box<dyn Fn(Position) + Send>,
    /// `None` while the log is failed.
    pub(super) tail: Option<Tail>,
    /// Blocks taken from the queue and not written yet; some are left only while the disk is full.
    pub(super) batch: Batch,
    /// The last block written.
    pub(super) written: Position,
    /// Everything up to here is known to be safe from power cuts.
    pub(super) synced: Position,
    /// The highest synced position that a block or header in the file names.
    pub(super) named: Position,
    /// The last block written that holds a record.
    pub(super) unnamed: Position,
    /// When the oldest write happened that no sync was begun for.
    pub(super) unsynced_since: Option<Millis>,
    /// This segment is nearly full, and a sync was wanted for that.
    pub(super) hurried: bool,
    /// When records were written last.
    pub(super) last_commit: Millis,
    full: Full,
}

/// What is known of the room for a further segment.
struct Full {
    /// The last attempt to make one failed.
    no_spare: bool,
    /// When the next attempt is due.
    retry: Millis,
    /// Bytes at the end of a segment that only removals may use then.
    reserve: u64,
}

/// Why a step did not come to its end.
pub(super) enum Trouble {
    /// There is no further segment; nothing is lost.
    NoSegment,
    /// The disk has refused a write or a sync.
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        config: &LogConfig,
        tail: Tail,
        publish: Box<dyn Fn(Position) + Send>,
    ) -> Self {
        let last = shared.status.head();
        let now = shared.around.clock.now();
        let reserve = limits::LOG_RESERVE_BYTES.min(config.segment_bytes / 8);
        Self {
            shared,
            durability: config.durability,
            publish,
            tail: Some(tail),
            batch: Batch::default(),
            written: last,
            synced: last,
            named: last,
            unnamed: last,
            unsynced_since: None,
            hurried: false,
            last_commit: now,
            full: Full {
                no_spare: false,
                retry: now,
                reserve,
            },
        }
    }

    /// Does all that is due now. Answers how long to wait for a kick before the next step; `None`:
    /// until there is one.
    pub fn step(&mut self) -> Option<Duration> {
        if self.tail.is_none() {
            self.resume_if_healed();
        }
        if self.tail.is_none() {
            return self.rest_while_failed();
        }
        let now = self.shared.around.clock.now();
        match self.work(now) {
            Ok(()) => {}
            Err(Trouble::NoSegment) => self.note_no_segment(now),
            Err(Trouble::Failed(failure)) => {
                self.fail(&failure);
                return self.rest_while_failed();
            }
        }
        self.shared.status.set_safe(match self.durability {
            Durability::Always | Durability::EverySecond => self.synced,
            Durability::Os => self.written,
        });
        self.look_after_spare(now);
        self.judge_room();
        self.wait()
    }

    /// Writes and syncs all that is queued, and names it as synced: the end of a graceful stop.
    /// Nothing may be appended any more.
    ///
    /// # Errors
    /// Why something of it is not safe.
    pub fn finish(&mut self) -> Result<Position, Unavailable> {
        if self.tail.is_none() {
            self.resume_if_healed();
        }
        let now = self.shared.around.clock.now();
        let committed = self.commit(now);
        let synced = match &committed {
            Err(Trouble::Failed(_)) => Ok(()),
            Ok(()) | Err(Trouble::NoSegment) => self
                .sync()
                .and_then(|()| self.name_synced())
                .and_then(|()| self.sync()),
        };
        self.shared.saving.stop();
        match committed.and(synced) {
            Ok(()) if self.tail.is_some() => {
                self.publish(self.written);
                Ok(self.synced)
            }
            Ok(()) => Err(Unavailable::Failed),
            Err(Trouble::NoSegment) => Err(Unavailable::Full),
            Err(Trouble::Failed(failure)) => {
                self.fail(&failure);
                Err(Unavailable::Failed)
            }
        }
    }

    fn work(&mut self, now: Millis) -> Result<(), Trouble> {
        self.believe_sync(self.shared.background.take_synced())?;
        let committed = self.commit(now);
        if let Err(Trouble::Failed(_)) = committed {
            return committed;
        }
        // What was written before the room ended is acknowledged, so it is synced all the same.
        self.sync_if_due(now)?;
        committed?;
        self.name_synced_if_due(now)?;
        self.begin_segment_if_wanted()
    }

    /// Tells that everything up to `position` is reached, if it is news.
    pub(super) fn publish(&self, position: Position) {
        if self.shared.status.reach(position) {
            (self.publish)(position);
        }
    }

    fn rest_while_failed(&self) -> Option<Duration> {
        // Healing wakes the writer. What is appended until then waits for it.
        self.shared.queue().rest();
        None
    }

    fn note_no_segment(&mut self, now: Millis) {
        if !self.full.no_spare {
            self.full.no_spare = true;
            self.full.retry = now.plus(SPARE_RETRY_MILLIS);
            let error = self.shared.background.spare_failure();
            tracing::error!(
                ?error,
                "no further segment of the log can be made: free some space"
            );
        }
    }

    /// Has the next segment made, and tries again where that failed.
    fn look_after_spare(&mut self, now: Millis) {
        let background = &self.shared.background;
        if !background.is_threaded() {
            background.work();
        }
        match background.spare_state() {
            SpareState::Unasked => background.want_spare(),
            SpareState::Coming => {}
            SpareState::Ready => {
                if self.full.no_spare && self.batch.blocks.is_empty() {
                    self.full.no_spare = false;
                    tracing::info!("there is room for the log again");
                }
            }
            SpareState::Failed if !self.full.no_spare => self.note_no_segment(now),
            SpareState::Failed if now >= self.full.retry => {
                self.full.retry = now.plus(SPARE_RETRY_MILLIS);
                background.want_spare();
            }
            SpareState::Failed => {}
        }
    }

    /// Says what is admitted, by the room that is left in this segment if it is the last one.
    fn judge_room(&self) {
        let room = self.tail.as_ref().map_or(0, Tail::room);
        let queued = u64::try_from(self.shared.status.unwritten()).unwrap_or(u64::MAX);
        let left = room.saturating_sub(queued);
        let admission = if !self.full.no_spare || left >= self.full.reserve {
            Admission::All
        } else if left >= self.full.reserve / 16 {
            Admission::ShrinkOnly
        } else {
            Admission::NothingFits
        };
        self.shared.status.set_admission(admission);
    }

    fn wait(&self) -> Option<Duration> {
        let now = self.shared.around.clock.now();
        let background = &self.shared.background;
        if !background.is_threaded() && background.spare_state() == SpareState::Coming {
            return Some(Duration::ZERO);
        }
        if !self.batch.blocks.is_empty() {
            let poll = Duration::from_millis(limits::LOG_POLL_MILLIS);
            let retry = Duration::from_millis(self.full.retry.0.saturating_sub(now.0));
            let is_ready = background.spare_state() == SpareState::Ready;
            return Some(if is_ready { poll } else { retry.max(poll) });
        }
        let quiet = self.last_commit.plus(limits::LOG_QUIET_MILLIS);
        let is_busy = now < quiet || self.has_unnamed();
        if is_busy || !self.shared.queue().rest() {
            return Some(Duration::from_millis(limits::LOG_POLL_MILLIS));
        }
        let sync = self.sync_due();
        let retry = self.full.no_spare.then_some(self.full.retry);
        let next = [sync, retry].into_iter().flatten().min()?;
        Some(Duration::from_millis(next.0.saturating_sub(now.0)))
    }
}
