//! The log, stepped by hand over a disk in memory, under a clock that is moved by hand.

mod failures;
mod filling;
mod memory_disk;
mod policies;
mod recoveries;
mod snapshots;
mod threads;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use memory_disk::MemoryDisk;

use crate::clock::{ManualClock, Millis};
use crate::log::disk::Disk;
use crate::log::key::KeyId;
use crate::log::{
    Durability, LastSnapshot, Log, LogConfig, Recovered, Recovery, RecoveryError, SnapshotError,
    SnapshotStart, Surroundings, Writer,
};
use crate::model::change::CreateChange;
use crate::model::{AppName, Change, ContentType, Handle, Life, Position, Randomness, Tag};

const START: Millis = Millis(1_795_000_000_000);
const KEY: KeyId = KeyId::from_bytes([7; 16]);
/// Small, so that segments come and go.
const SEGMENT: u64 = 4096 + 1024;

/// Bytes that never repeat.
struct Counting(Mutex<u64>);

impl Randomness for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let mut count = self.0.lock().unwrap();
        *count += 1;
        for (place, byte) in bytes.iter_mut().zip(count.to_le_bytes()) {
            *place = byte;
        }
    }
}

/// A log, and the sessions that somebody keeps whom it serves: just their handles.
struct World {
    disk: MemoryDisk,
    clock: Arc<ManualClock>,
    log: Log,
    writer: Writer,
    sessions: BTreeSet<u64>,
    published: Arc<Mutex<Vec<Position>>>,
    recovered: Recovered,
}

fn create_of(handle: u64) -> CreateChange<'static> {
    CreateChange {
        app: AppName::TARANTOOL,
        epoch: 1,
        tag: Tag {
            high: handle,
            low: 0,
        },
        user: Some("u"),
        ip: None,
        created: START,
        last_active: START,
        lag: false,
        life: Life::ENDLESS,
        no_resave: false,
        reads: 1,
        writes: 1,
        content_type: ContentType::JSON_OBJECT,
        data: b"{}",
        sealed: b"",
        alias: false,
    }
}

impl World {
    fn new(durability: Durability) -> Self {
        Self::on(MemoryDisk::default(), durability).unwrap()
    }

    /// Recovers what is on `disk` and begins a log behind it.
    fn on(disk: MemoryDisk, durability: Durability) -> Result<Self, RecoveryError> {
        let around = Surroundings {
            disk: Arc::new(disk.clone()),
            clock: Arc::new(ManualClock::new(START)),
            random: Arc::new(Counting(Mutex::new(disk.used() as u64))),
            key_id: KEY,
        };
        let clock = Arc::new(ManualClock::new(START));
        let around = Surroundings {
            clock: clock.clone(),
            ..around
        };
        let (sessions, recovered) = recover(&disk)?;
        let published = Arc::new(Mutex::new(Vec::new()));
        let config = LogConfig {
            durability,
            segment_bytes: SEGMENT,
        };
        let told = Arc::clone(&published);
        let publish = Box::new(move |position| told.lock().unwrap().push(position));
        let (log, writer) = Log::open(around, &config, &recovered, publish)?;
        Ok(Self {
            disk,
            clock,
            log,
            writer,
            sessions,
            published,
            recovered,
        })
    }

    fn create(&mut self, handle: u64) -> Position {
        self.sessions.insert(handle);
        self.log.append(&Change::Create(create_of(handle)))
    }

    fn remove(&mut self, handle: u64) -> Position {
        self.sessions.remove(&handle);
        let handle = Handle(handle);
        self.log.append(&Change::Remove { handle })
    }

    /// Steps until nothing is left to do at this moment.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            match self.writer.step() {
                Some(wait) if wait.is_zero() => {}
                _ => return,
            }
        }
        panic!("the writer never comes to rest");
    }

    /// Moves the clock, millisecond by millisecond, and steps.
    fn pass(&mut self, millis: u64) {
        for _ in 0..millis {
            self.clock.advance(1);
            self.settle();
        }
    }

    /// Feeds a snapshot with all sessions there are.
    fn save(&self, start: SnapshotStart) -> Result<LastSnapshot, SnapshotError> {
        let mut job = start.begin(1)?;
        for handle in &self.sessions {
            job.push(&create_of(*handle));
            job.flush()?;
        }
        job.complete()
    }

    fn snapshot(&mut self) -> Result<LastSnapshot, SnapshotError> {
        let ticket = self.log.begin_snapshot()?;
        self.settle();
        let answer = ticket.poll().unwrap_or_else(|_| panic!("no answer"));
        let start = answer?;
        self.save(start)
    }

    /// Heals as often as it takes, as the engine would.
    fn heal_at_last(&mut self) {
        for _ in 0..20 {
            let Some(wait) = self.log.healing_due() else {
                return;
            };
            self.pass(u64::try_from(wait.as_millis()).unwrap());
            drop(self.heal());
        }
        panic!("never healed: {:?}", self.log.failure());
    }

    fn heal(&mut self) -> Result<LastSnapshot, SnapshotError> {
        let start = self.log.begin_healing()?;
        let saved = self.save(start);
        self.settle();
        saved
    }
}

/// The sessions that a start would find, and where the log would go on.
fn recover(disk: &MemoryDisk) -> Result<(BTreeSet<u64>, Recovered), RecoveryError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let recovery = Recovery::begin(disk, KEY)?;
    let mut sessions = BTreeSet::new();
    if let Some(snapshot) = recovery.snapshot() {
        let mut buffer = Vec::new();
        for place in snapshot.places() {
            let place = place.map_err(|e| recovery.bad_snapshot(e))?;
            let chunk = snapshot.load(&place, &mut buffer);
            for create in chunk.map_err(|e| recovery.bad_snapshot(e))?.creates() {
                sessions.insert(create.unwrap().tag.high);
            }
        }
    }
    let recovered = recovery.read_log(&mut |segment| {
        for block in segment.blocks() {
            for change in block.records() {
                match change.unwrap() {
                    Change::Create(create) => sessions.insert(create.tag.high),
                    Change::Remove { handle } => sessions.remove(&handle.0),
                    Change::Update(_) | Change::Touch(_) | Change::RemoveApp { .. } => {
                        panic!("nobody wrote this")
                    }
                };
            }
        }
        Ok(())
    })?;
    Ok((sessions, recovered))
}
