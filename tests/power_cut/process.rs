//! One process over the faulty disk: engine, log and writer, stepped by one thread under a clock that
//! is moved by hand, with what the server's threads do between the steps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::clock::{Clock, ManualClock, Millis};
use cloakroom::engine::{Engine, EngineConfig, Position, RecoveryOptions};
use cloakroom::log::key::KeyId;
use cloakroom::log::{
    Durability, Log, LogConfig, Recovered, Recovery, RecoveryError, Surroundings, Unavailable,
    Writer,
};
use cloakroom::model::{Keys, Randomness};

use crate::chronicle::{Name, State};
use crate::fault_disk::{Choice, Dice, FaultDisk};
use crate::tape::{Tape, Taped};
use crate::verbs::{APPS, app_name, peek};

const KEY: KeyId = KeyId::from_bytes([7; 16]);
/// Small, so that segments come and go; a block may be larger.
pub(crate) const SEGMENT_BYTES: u64 = 4096 + 2048;
/// Milliseconds between two looks of the server's ticker.
const TICK_MILLIS: u64 = 250;
/// Milliseconds between two sweeps.
const SWEEP_MILLIS: u64 = 2_000;

struct SeededRandomness(Mutex<Dice>);

impl Randomness for SeededRandomness {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock().unwrap();
        bytes
            .iter_mut()
            .for_each(|byte| *byte = dice.choose(256) as u8);
    }
}

fn random(seed: u64) -> SeededRandomness {
    SeededRandomness(Mutex::new(Dice::new(seed)))
}

/// The process.
pub(crate) struct Process {
    pub(crate) disk: FaultDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) log: Log,
    pub(crate) tape: Tape,
    pub(crate) recovered: Recovered,
    writer: Writer,
    pause: Option<Duration>,
    swept: u64,
}

impl Process {
    /// Recovers what is on the disk and goes on behind it. `reached` is told how far the log is safe.
    pub(crate) fn start(
        disk: &FaultDisk,
        now: Millis,
        durability: Durability,
        seed: u64,
        reached: &Arc<AtomicU64>,
    ) -> Result<Self, RecoveryError> {
        let clock = Arc::new(ManualClock::new(now));
        let config = EngineConfig {
            ip_indexed_apps: vec![APPS[1].to_owned()],
            token_shards: 4,
            name_shards: 3,
            ..EngineConfig::default()
        };
        let engine = Engine::new(&config, Keys::new([7; 32]), Box::new(random(seed)));
        let recovery = Recovery::begin(Arc::new(disk.clone()), KEY)?;
        let options = RecoveryOptions {
            now,
            threads: 1 + usize::from(seed.is_multiple_of(8)),
        };
        let recovered = engine.recover(&recovery, &options, &|_, _| {})?;
        let around = Surroundings {
            disk: Arc::new(disk.clone()),
            clock: clock.clone(),
            random: Arc::new(random(!seed)),
            key_id: KEY,
        };
        let config = LogConfig {
            durability,
            segment_bytes: SEGMENT_BYTES,
        };
        let told = reached.clone();
        let publish = Box::new(move |position: Position| told.store(position.0, Ordering::SeqCst));
        let (log, writer) = Log::open(around, &config, &recovered, publish)?;
        reached.store(recovered.last.0, Ordering::SeqCst);
        let tape = Tape::default();
        let taped = Taped {
            log: log.clone(),
            tape: tape.clone(),
        };
        let engine = Arc::new(engine.with_log(Box::new(taped)));
        engine.start_harvest(now);
        Ok(Self {
            disk: disk.clone(),
            clock,
            engine,
            log,
            tape,
            recovered,
            writer,
            pause: None,
            swept: now.0,
        })
    }

    /// Engine, log and writer, for threads.
    pub(crate) fn into_parts(self) -> (Arc<Engine>, Log, Writer) {
        (self.engine, self.log, self.writer)
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    pub(crate) fn head(&self) -> Option<Position> {
        Some(self.log.head())
    }

    /// Lets the writer do all that is due now.
    pub(crate) fn step(&mut self) {
        for _ in 0..1_000 {
            self.pause = self.writer.step();
            if self.pause != Some(Duration::ZERO) {
                return;
            }
        }
        unreachable!("the writer never comes to rest");
    }

    /// Milliseconds after which something is due.
    pub(crate) fn pause(&self) -> u64 {
        let pause = self
            .pause
            .map_or(TICK_MILLIS, |pause| pause.as_millis() as u64);
        pause.min(TICK_MILLIS)
    }

    /// What the server's ticker does: harvests touches, and sweeps now and then.
    pub(crate) fn tick(&mut self) {
        while self.engine.harvest(self.now(), 2) {}
        if self.now().0 >= self.swept + SWEEP_MILLIS {
            self.swept = self.now().0;
            self.engine.sweep(self.now(), 2);
        }
    }

    /// Ends in good order: writes all touches down and syncs everything.
    pub(crate) fn stop(&mut self) -> Result<Position, Unavailable> {
        self.engine.harvest_all(self.now());
        self.writer.finish()
    }

    pub(crate) fn peek(&self, name: &Name) -> Option<State> {
        peek(&self.engine, self.now(), name)
    }

    /// All sessions that a walk shows, as a peek shows them.
    pub(crate) fn sessions(&self) -> BTreeMap<Name, State> {
        let (now, mut names, mut from) = (self.now(), Vec::new(), Some(0));
        while let Some(place) = from {
            from = self.engine.walk(now, place, 64, &mut |app, view| {
                let app = (0..APPS.len()).find(|number| app_name(*number) == app);
                names.push((app.unwrap(), view.token().unwrap().as_bytes().to_vec()));
            });
        }
        let count = names.len();
        let shown = names.into_iter().map(|name| {
            let state = self.peek(&name).unwrap();
            (name, state)
        });
        let shown: BTreeMap<_, _> = shown.collect();
        assert_eq!(shown.len(), count, "a session is there twice");
        shown
    }
}
