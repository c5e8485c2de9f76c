//! Draws random verbs, does each to engine and twin, and compares.

mod bulk;
mod facts;
mod restart;
mod verbs;

use cloakroom::engine::{Engine, EngineConfig};
use cloakroom::model::{AppName, Keys, Life, Randomness};
use facts::Facts;

use crate::durable::Durable;
use crate::recorder::Recorder;
use crate::twin::{Twin, at};

/// How large the population is and how often everything is checked.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) steps_per_seed: u64,
    most_sessions: usize,
    users: u64,
    check_every: u64,
}

impl Shape {
    pub(crate) const FEW: Self = Self {
        steps_per_seed: 4_000,
        most_sessions: 64,
        users: 6,
        check_every: 1,
    };
    pub(crate) const MANY: Self = Self {
        steps_per_seed: 60_000,
        most_sessions: 1_500,
        users: 300,
        check_every: 1_000,
    };
}

const APPS: [&str; 3] = ["shop", "indexed", "@sessions"];
const START: u64 = 1_795_000_000_123;

/// xorshift64*: reproducible, and good enough to choose steps.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % below
    }
}

struct SeededRandomness(std::sync::Mutex<Dice>);

impl Randomness for SeededRandomness {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock().unwrap();
        bytes
            .iter_mut()
            .for_each(|byte| *byte = dice.roll(256) as u8);
    }
}

pub(crate) struct Driver {
    shape: Shape,
    seed: u64,
    dice: Dice,
    engine: Engine,
    recorder: Recorder,
    /// The data directory, where there is one.
    durable: Option<Durable>,
    restarts: u64,
    twin: Twin,
    now: u64,
    /// Tokens seen, living or dead.
    tokens: Vec<(usize, Vec<u8>)>,
}

fn engine(seed: u64) -> Engine {
    let config = EngineConfig {
        ip_indexed_apps: vec!["indexed".to_owned()],
        token_shards: 4,
        name_shards: 3,
        ..EngineConfig::default()
    };
    let random = SeededRandomness(std::sync::Mutex::new(Dice(seed | 1)));
    Engine::new(&config, Keys::new([7; 32]), Box::new(random))
}

impl Driver {
    pub(crate) fn new(shape: Shape, seed: u64) -> Self {
        let recorder = Recorder::default();
        Self {
            shape,
            seed,
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            engine: engine(seed).with_log(Box::new(recorder.clone())),
            recorder,
            durable: None,
            restarts: 0,
            twin: Twin::default(),
            now: START,
            tokens: Vec::new(),
        }
    }

    /// Answers how many restarts and snapshots there were.
    pub(crate) fn run(mut self, steps: u64) -> (u64, u64) {
        for step in 1..=steps {
            let before = (self.dice.0, self.now);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.step();
                if step % self.shape.check_every == 0 {
                    assert_eq!(self.engine.check_invariants(), Ok(()));
                }
            }));
            if result.is_err() {
                // Where a snapshot under way was given up by the panic, its turn may be poisoned.
                std::mem::forget(self.durable.take());
                panic!(
                    "CLOAKROOM_SEED={} step {step}, before it {before:?}",
                    self.seed
                );
            }
        }
        if self.durable.is_some() {
            return self.end_durable();
        }
        self.compare_replay();
        (0, 0)
    }

    fn step(&mut self) {
        let roll = self.dice.roll(100);
        if roll < 88 {
            self.verb(roll);
        } else if self.durable.is_some() && self.dice.roll(8) == 0 {
            self.look_after_data();
        } else {
            self.advance();
        }
    }

    /// Something that takes no time.
    fn verb(&mut self, roll: u64) {
        let full = self.twin.sessions.len() >= self.shape.most_sessions;
        match roll {
            0..18 if !full => self.create(),
            0..45 => self.read(),
            45..60 => self.edit(),
            60..67 => self.remove(),
            67..70 => self.rotate(),
            70..74 => self.remove_matching(),
            74..75 if self.dice.roll(6) == 0 => self.remove_app(),
            75..80 => self.list(),
            80..84 => self.activity(),
            _ => {
                let holds = 1 + self.dice.roll(30) as usize;
                self.engine.sweep(at(self.now), holds);
            }
        }
    }

    fn app(&mut self) -> usize {
        self.dice.roll(APPS.len() as u64) as usize
    }

    fn name(app: usize) -> AppName<'static> {
        AppName::new(APPS[app]).unwrap()
    }

    fn advance(&mut self) {
        let millis = match self.dice.roll(100) {
            0..50 => self.dice.roll(40),
            50..80 => 1_000 - self.now % 1_000 - self.dice.roll(2),
            80..95 => self.dice.roll(5_000),
            95..99 => self.dice.roll(120_000),
            _ => match self.dice.roll(4) {
                0 => self.dice.roll(86_400_000 * 40),
                _ => self.dice.roll(7_200_000),
            },
        };
        self.pass(millis);
    }

    fn life(&mut self) -> Life {
        match self.dice.roll(8) {
            0..3 => Life::whole_seconds(10 + self.dice.roll(20)),
            3 => Life::whole_seconds(3_600 * (1 + self.dice.roll(30))),
            4 => Life::sliding(1 + self.dice.roll(9_000)),
            5 => Life::fixed(at(self.now + self.dice.roll(30_000))),
            6 => Life {
                until: at(self.now + 20_000),
                ..Life::sliding(self.dice.roll(9_000))
            },
            _ => Life::ENDLESS,
        }
    }

    fn user(&mut self) -> Option<String> {
        (self.dice.roll(8) > 0).then(|| format!("user-{}", self.dice.roll(self.shape.users)))
    }

    fn ip(&mut self) -> Option<String> {
        (self.dice.roll(5) > 0).then(|| format!("10.0.0.{}", self.dice.roll(5)))
    }

    /// The changes alone make the same sessions, also when each of them is carried out twice.
    fn compare_replay(&self) {
        for times in [1, 2] {
            let copy = engine(self.seed);
            self.recorder.replay(&copy, times);
            assert_eq!(
                copy.check_invariants(),
                Ok(()),
                "CLOAKROOM_SEED={}",
                self.seed
            );
            assert_eq!(
                self.walk(&copy),
                self.walk(&self.engine),
                "CLOAKROOM_SEED={}",
                self.seed
            );
        }
    }

    fn walk(&self, engine: &Engine) -> Vec<(String, Facts)> {
        let mut seen = Vec::new();
        let mut from = Some(0);
        while let Some(position) = from {
            from = engine.walk(at(self.now), position, 7, &mut |app, view| {
                seen.push((app.as_str().to_owned(), Facts::of_view(view)));
            });
        }
        seen.sort();
        assert_eq!(
            seen.len(),
            (0..3)
                .map(|a| self.twin.living(a, self.now).count())
                .sum::<usize>()
        );
        seen
    }
}
