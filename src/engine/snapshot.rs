//! Saves all sessions while they change: as a snapshot behind which the log goes on, as the one that
//! heals a failed log, or as a backup.
//!
//! A snapshot begins with a cut, a position of the log: every change before it is in the snapshot,
//! later ones may be, and are carried out once more when it is read back. That does no harm, but the
//! log must have them: else a power cut would leave a snapshot that knows more than the log, and of a
//! kill of an app only half, since sessions walked over before it are in the snapshot and those after
//! are not. So a snapshot is complete only when the log is sure to have everything that it may show.

use std::io;

use super::Engine;
use crate::log::snapshot::{SnapshotHeader, SnapshotTotals, SnapshotWriter};
use crate::log::{
    Health, LastSnapshot, Log, SnapshotError, SnapshotJob, SnapshotStart, SnapshotTicket,
};
use crate::model::Position;

/// Sessions looked at under one hold of a lock.
const SLICE: usize = crate::limits::ENTRIES_PER_HOLD;
/// Bytes that are written at once.
const BATCH_BYTES: usize = 512 << 10;

/// A snapshot of all sessions in the making. Dropping it gives the snapshot up.
pub struct Saving {
    stage: Stage,
}

/// How far a step has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SavingStep {
    /// There is more to do.
    More,
    /// The log's writer has to do something first: step again in some milliseconds.
    Wait,
    /// It is complete.
    Done(LastSnapshot),
}

enum Stage {
    /// The writer is to begin a segment.
    Asked(SnapshotTicket),
    Walking(Walk),
    Walked(Walked),
    Over,
}

/// All sessions are in it.
struct Walked {
    job: SnapshotJob,
    /// The log is to hold everything up to this position first.
    head: Position,
    /// It may show half of a kill.
    is_overtaken: bool,
}

struct Walk {
    job: SnapshotJob,
    is_healing: bool,
    /// The newest epoch before the walk began: a later one is that of a kill beside it.
    epoch: u32,
    /// Where it goes on.
    place: u64,
}

impl Saving {
    /// Begins a snapshot of an engine whose changes `log` takes down.
    ///
    /// # Errors
    /// Why there cannot be one now.
    pub fn begin(log: &Log) -> Result<Self, SnapshotError> {
        let stage = Stage::Asked(log.begin_snapshot()?);
        Ok(Self { stage })
    }

    /// Begins the snapshot that heals a failed log.
    ///
    /// # Errors
    /// Why there is nothing to heal, or not now.
    pub fn begin_healing(engine: &Engine, log: &Log) -> Result<Self, SnapshotError> {
        let stage = begin_walk(engine, log.begin_healing()?)?;
        Ok(Self { stage })
    }

    /// Goes on: over at most `slices` slices of 256 sessions, none of which holds a lock while it
    /// writes. After an error the snapshot is given up.
    ///
    /// # Errors
    /// Why there is no snapshot.
    pub fn step(
        &mut self,
        engine: &Engine,
        log: &Log,
        slices: usize,
    ) -> Result<SavingStep, SnapshotError> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let (stage, step) = match stage {
            Stage::Asked(ticket) => match ticket.poll() {
                Err(ticket) => (Stage::Asked(ticket), SavingStep::Wait),
                Ok(start) => (begin_walk(engine, start?)?, SavingStep::More),
            },
            Stage::Walking(walk) => (walk.go_on(engine, log, slices)?, SavingStep::More),
            Stage::Walked(mut walked) => {
                // Tells when the log has failed meanwhile.
                walked.job.flush()?;
                if walked.may_be_complete(log)? {
                    return walked.job.complete().map(SavingStep::Done);
                }
                (Stage::Walked(walked), SavingStep::Wait)
            }
            Stage::Over => return Err(SnapshotError::Stopped),
        };
        self.stage = stage;
        Ok(step)
    }
}

impl Walk {
    fn go_on(mut self, engine: &Engine, log: &Log, slices: usize) -> Result<Stage, SnapshotError> {
        for _ in 0..slices {
            let job = &mut self.job;
            let next = engine.walk_states(self.place, SLICE, &mut |session| job.push(session));
            if job.unwritten() >= BATCH_BYTES {
                job.flush()?;
            }
            match next {
                Some(place) => self.place = place,
                None => return self.end(engine, log),
            }
        }
        Ok(Stage::Walking(self))
    }

    fn end(self, engine: &Engine, log: &Log) -> Result<Stage, SnapshotError> {
        let is_overtaken = engine.newest_epoch() != self.epoch;
        let head = if self.is_healing {
            // The log goes on behind this snapshot only, so it cannot be waited for. What it shows
            // had been let in before the log failed: the next attempt meets no kill.
            if is_overtaken {
                return Err(SnapshotError::Overtaken);
            }
            Position(0)
        } else {
            log.head()
        };
        Ok(Stage::Walked(Walked {
            job: self.job,
            head,
            is_overtaken,
        }))
    }
}

impl Walked {
    /// Whether the log has what the snapshot may show. One that is full may never have it; then the
    /// snapshot, behind which old segments are removed, is what makes room.
    fn may_be_complete(&self, log: &Log) -> Result<bool, SnapshotError> {
        match (log.safe() >= self.head, log.health()) {
            (true, _) => Ok(true),
            (false, Health::Healthy | Health::Failed) => Ok(false),
            (false, Health::Full) if self.is_overtaken => Err(SnapshotError::Overtaken),
            (false, Health::Full) => Ok(true),
        }
    }
}

fn begin_walk(engine: &Engine, start: SnapshotStart) -> Result<Stage, SnapshotError> {
    // A kill holds its app before it draws an epoch: one up to this is over once all is settled.
    let epoch = engine.newest_epoch();
    engine.settle_kills();
    let is_healing = start.is_healing();
    Ok(Stage::Walking(Walk {
        job: start.begin(engine.newest_epoch())?,
        is_healing,
        epoch,
        place: 0,
    }))
}

impl Engine {
    /// Hands a backup to `sink`, piece by piece: the file of a snapshot. Sessions may change
    /// meanwhile: one that lives all the time is in it once, as it was at some moment.
    /// `header.epochs` is filled in.
    ///
    /// # Errors
    /// Those of `sink`; what it got is useless then.
    pub fn write_backup(
        &self,
        header: SnapshotHeader,
        sink: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<SnapshotTotals> {
        self.settle_kills();
        let header = SnapshotHeader {
            epochs: self.newest_epoch(),
            ..header
        };
        let mut writer = SnapshotWriter::begin(&header, sink)?;
        let mut from = Some(0);
        while let Some(place) = from {
            from = self.walk_states(place, SLICE, &mut |session| writer.push(session));
            if writer.unwritten() >= BATCH_BYTES {
                writer.flush()?;
            }
        }
        writer.finish()
    }
}
