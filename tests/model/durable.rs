//! A data directory under the engine, in memory: log, snapshots, stops, crashes, recoveries.

use std::sync::{Arc, Mutex};

use cloakroom::clock::{ManualClock, Millis};
use cloakroom::engine::{Engine, OsRandomness, RecoveryOptions, Saving, SavingStep};
use cloakroom::log::disk::Disk;
use cloakroom::log::key::KeyId;
use cloakroom::log::name::FileName;
use cloakroom::log::{
    Durability, Health, Log, LogConfig, Recovered, Recovery, SnapshotError, Surroundings, Writer,
};
use cloakroom::model::Position;

use crate::fault_disk::{CutRules, Dice, Fault, FaultDisk, FaultKind};

/// Small, so that segments come and go.
const SEGMENT_BYTES: u64 = 64 << 10;
const KEY: KeyId = KeyId::from_bytes([7; 16]);
/// Slices that are as good as no bound.
const ALL: usize = 1 << 20;

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It stops, and has time to write everything down.
    Stop,
    /// It is killed: what it has written stays.
    Kill,
    /// The power fails: what it has synced stays.
    PowerCut,
}

/// The directory and the log that is open in it.
pub(crate) struct Durable {
    disk: FaultDisk,
    clock: Arc<ManualClock>,
    log: Log,
    writer: Writer,
    saving: Option<Saving>,
    durability: Durability,
    recovered: Recovered,
    published: Arc<Mutex<Position>>,
    /// Snapshots taken, for the test to know that there were some.
    pub(crate) snapshots: u64,
}

impl Durable {
    /// Begins in an empty directory.
    pub(crate) fn new(engine: Engine, now: u64, durability: Durability) -> (Engine, Self) {
        Self::open(FaultDisk::new(), engine, now, durability)
    }

    /// Recovers what is on `disk` into `engine` and goes on behind it.
    fn open(disk: FaultDisk, engine: Engine, now: u64, durability: Durability) -> (Engine, Self) {
        let recovery = Recovery::begin(Arc::new(disk.clone()), KEY).unwrap();
        let how = RecoveryOptions {
            now: Millis(now),
            threads: 1 + now as usize % 3,
        };
        let recovered = engine.recover(&recovery, &how, &|_, _| {}).unwrap();
        let clock = Arc::new(ManualClock::new(Millis(now)));
        let around = Surroundings {
            disk: Arc::new(disk.clone()),
            clock: clock.clone(),
            random: Arc::new(OsRandomness::new()),
            key_id: KEY,
        };
        let config = LogConfig {
            durability,
            segment_bytes: SEGMENT_BYTES,
        };
        let published = Arc::new(Mutex::new(recovered.last));
        let told = Arc::clone(&published);
        let publish = Box::new(move |position| *told.lock().unwrap() = position);
        let (log, writer) = Log::open(around, &config, &recovered, publish).unwrap();
        let engine = engine.with_log(Box::new(log.clone()));
        engine.start_harvest(Millis(now));
        let durable = Self {
            disk,
            clock,
            log,
            writer,
            saving: None,
            durability,
            recovered,
            published,
            snapshots: 0,
        };
        (engine, durable)
    }

    /// The newest position that a change has got.
    pub(crate) fn head(&self) -> Position {
        self.log.head()
    }

    /// Lets `millis` pass, and the log do what it does meanwhile.
    pub(crate) fn pass(&mut self, engine: &Engine, now: u64, millis: u64) {
        self.clock.advance(millis);
        while engine.harvest(Millis(now), ALL) {}
        self.write();
    }

    /// Writes all that waits.
    pub(crate) fn write(&mut self) {
        for _ in 0..1_000 {
            match self.writer.step() {
                Some(wait) if wait.is_zero() => {}
                _ => break,
            }
        }
        assert_eq!(*self.published.lock().unwrap(), self.log.head());
    }

    /// The number of the newest snapshot.
    pub(crate) fn newest_snapshot(&self) -> u64 {
        self.log.last_snapshot().number
    }

    /// The number of the snapshot that the sessions came from; 0 for none.
    pub(crate) fn recovered_from(&self) -> u64 {
        self.recovered.snapshot.unwrap_or(0)
    }

    /// Gives a snapshot another name, so that nobody takes it for one.
    pub(crate) fn move_aside(&self, number: u64) {
        let name = FileName::Snapshot(number).text();
        self.disk.rename(&name, "aside").unwrap();
        self.disk.sync_names().unwrap();
    }

    /// Goes on with a snapshot, or begins one. True: it is complete.
    pub(crate) fn save(&mut self, engine: &Engine) -> bool {
        let saving = match self.saving.take() {
            Some(saving) => Ok(saving),
            None => Saving::begin(&self.log),
        };
        let stepped = saving.and_then(|mut saving| {
            let step = saving.step(engine, &self.log, 1)?;
            Ok((saving, step))
        });
        match stepped {
            Ok((_, SavingStep::Done(_))) => {
                self.snapshots += 1;
                true
            }
            Ok((saving, SavingStep::More | SavingStep::Wait)) => {
                self.saving = Some(saving);
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// The log that changes are written to.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Lets the disk refuse the next write, and the log fail. Something must wait to be written.
    pub(crate) fn fail(&mut self) {
        let next = self.disk.calls() + 1;
        self.disk.inject(Fault::once(FaultKind::Eio, next), next);
        self.writer.step();
        assert_eq!(self.log.health(), Health::Failed);
    }

    /// Lets `millis` pass, then goes on with the snapshot that heals a failed log, or begins it. True:
    /// it is complete.
    pub(crate) fn heal(&mut self, engine: &Engine, millis: u64) -> Result<bool, SnapshotError> {
        self.clock.advance(millis);
        let mut saving = match self.saving.take() {
            Some(saving) => saving,
            None => Saving::begin_healing(engine, &self.log)?,
        };
        match saving.step(engine, &self.log, 1)? {
            SavingStep::Done(_) => Ok(true),
            SavingStep::More | SavingStep::Wait => {
                self.saving = Some(saving);
                Ok(false)
            }
        }
    }

    /// Ends this process and starts the next one in the same directory, with `fresh` for its engine.
    /// The answer says up to which position the log was still there.
    pub(crate) fn restart(
        mut self,
        end: End,
        engine: &Engine,
        fresh: Engine,
        now: u64,
    ) -> (Engine, Self, Position) {
        self.saving = None;
        let reached = *self.published.lock().unwrap();
        let disk = match end {
            End::Stop => {
                engine.harvest_all(Millis(now));
                let head = self.log.head();
                assert!(self.writer.finish().unwrap() >= head);
                self.disk.fork()
            }
            End::Kill => self.disk.fork(),
            End::PowerCut => {
                let mut dice = Dice::new(now);
                self.disk.cut().image(CutRules::JOURNALED, &mut dice)
            }
        };
        let (engine, durable) = Self::open(disk, fresh, now, self.durability);
        let last = durable.recovered.last;
        if end != End::PowerCut || self.durability == Durability::Always {
            assert!(last >= reached, "lost what was acknowledged");
        }
        let durable = Self {
            snapshots: self.snapshots,
            ..durable
        };
        (engine, durable, last)
    }
}
