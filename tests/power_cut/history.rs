//! A random history of one data directory: verbs, time, commits, snapshots, restarts. Every moment at
//! which the disk changes is handed to an [`Auditor`], who may cut the power there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cloakroom::clock::Millis;
use cloakroom::log::{Durability, Health};

use crate::audit::{Auditor, Expectation};
use crate::chronicle::Chronicle;
use crate::fault_disk::{Choice, Cut, CutRules, Dice, FaultDisk};
use crate::process::Process;
use crate::saver::Saver;

/// Where the clock stands at first.
pub(crate) const START: Millis = Millis(1_795_000_000_123);
/// Milliseconds after which everything written under `everysec` is synced.
const SYNC_MILLIS: u64 = 1_000;

/// A history under way.
pub(crate) struct History {
    pub(crate) dice: Dice,
    pub(crate) process: Process,
    pub(crate) chronicle: Chronicle,
    pub(crate) saver: Saver,
    policy: Durability,
    /// Bytes that the data of a session may have.
    pub(crate) most_data: u64,
    /// Verbs that the log has refused.
    pub(crate) refused: u64,
    /// Processes before this one.
    pub(crate) restarts: u64,
    /// The app that is being killed by the present verb.
    pub(crate) end_app: Option<usize>,
    /// When which position had been reached, for the last second.
    reached: VecDeque<(u64, u64)>,
    durable: u64,
    /// The log has not taken everything at some time.
    has_been_unwell: bool,
    /// The log was failed during the last step, or before it.
    is_failed: bool,
}

impl History {
    /// A history that begins on an empty disk.
    pub(crate) fn begin(seed: u64, policy: Durability) -> Self {
        let mut dice = Dice::new(seed);
        let (disk, reached) = (FaultDisk::new(), Arc::new(AtomicU64::new(0)));
        disk.watch(reached.clone());
        let process = Process::start(&disk, START, policy, dice.seed(), &reached);
        Self {
            process: process.unwrap_or_else(|error| unreachable!("{error}")),
            dice,
            chronicle: Chronicle::default(),
            policy,
            most_data: u64::MAX,
            refused: 0,
            restarts: 0,
            end_app: None,
            reached: VecDeque::new(),
            durable: 0,
            has_been_unwell: false,
            is_failed: false,
            saver: Saver::default(),
        }
    }

    /// Does `steps` random things, over as many processes as it takes.
    pub(crate) fn run(&mut self, steps: u64, auditor: &mut dyn Auditor) {
        for _ in 0..steps {
            if self.dice.roll(50) == 0 {
                self.restart(auditor);
            } else {
                self.step(auditor);
            }
        }
        self.commit(auditor);
    }

    /// Does `steps` random things with the present process.
    pub(crate) fn run_alive(&mut self, steps: u64, auditor: &mut dyn Auditor) {
        for _ in 0..steps {
            self.step(auditor);
        }
        self.commit(auditor);
    }

    fn step(&mut self, auditor: &mut dyn Auditor) {
        match self.dice.roll(100) {
            0..56 => self.verb(),
            56..76 => self.commit(auditor),
            76..86 => self.advance(auditor),
            _ => {
                let slices = self.dice.choose(5);
                let Process { engine, log, .. } = &self.process;
                self.saver.save(engine, log, slices);
                self.show_cuts(auditor);
            }
        }
    }

    /// Lets the writer write what waits.
    pub(crate) fn commit(&mut self, auditor: &mut dyn Auditor) {
        self.process.step();
        self.show_cuts(auditor);
    }

    /// Lets time pass: mostly less than a second, sometimes many.
    fn advance(&mut self, auditor: &mut dyn Auditor) {
        let millis = match self.dice.roll(20) {
            0..10 => self.dice.roll(40),
            10..16 => self.dice.roll(1_200),
            16..19 => self.dice.roll(4_000),
            _ => self.dice.roll(20_000),
        };
        self.wait(millis, auditor);
    }

    /// Lets `millis` pass, in which everything happens that is due.
    pub(crate) fn wait(&mut self, millis: u64, auditor: &mut dyn Auditor) {
        let end = self.now().0 + millis;
        while self.now().0 < end {
            let pause = self.process.pause().min(end - self.now().0);
            self.process.clock.advance(pause.max(1));
            self.process.step();
            self.show_cuts(auditor);
            self.process.tick();
            self.note(None);
            self.assert_touches_are_written_down();
            let Process { engine, log, .. } = &self.process;
            self.saver.heal(engine, log, 2);
            self.process.step();
            self.show_cuts(auditor);
        }
    }

    /// Touches may be lost for two seconds, unless the log takes none.
    fn assert_touches_are_written_down(&mut self) {
        self.has_been_unwell |= self.process.log.health() != Health::Healthy;
        if !self.has_been_unwell {
            assert_eq!(self.chronicle.overdue(self.now().0), None);
        }
    }

    /// Ends the process and starts the next on the same disk: asked to stop, killed, or without power.
    fn restart(&mut self, auditor: &mut dyn Auditor) {
        let way = self.dice.roll(3);
        if way == 0 {
            self.saver.give_up();
        }
        if way == 0 && self.process.stop().is_ok() {
            self.note(None);
            self.show_cuts(auditor);
            let expected = self.expectation();
            let all = Expectation {
                durable: expected.reached,
                ..expected
            };
            let newest = self.chronicle.all_newest(self.now().0);
            self.start_next(self.process.disk.fork(), all.reached, all.durable, auditor);
            let found = self.process.sessions();
            assert_eq!(found, newest, "a stop loses nothing");
            return;
        }
        self.show_cuts(auditor);
        let (reached, durable) = (self.expectation().reached, self.expectation().durable);
        if way == 2 {
            let cut = self.process.disk.cut();
            let image = cut.image(CutRules::JOURNALED, &mut self.dice);
            self.start_next(image, durable, durable, auditor);
        } else {
            self.start_next(self.process.disk.fork(), reached, durable, auditor);
        }
    }

    /// Goes on with another process on `disk`, where all positions up to `floor` must be found, and
    /// those up to `durable` also when the power is cut meanwhile.
    fn start_next(&mut self, disk: FaultDisk, floor: u64, durable: u64, auditor: &mut dyn Auditor) {
        let seed = self.dice.seed();
        let found = self.expectation().verify(&disk, floor, seed);
        for cut in disk.take_cuts() {
            let expected = Expectation {
                reached: floor,
                durable,
                ..self.expectation()
            };
            auditor.audit(&cut, &expected);
        }
        self.chronicle.begin_anew(&found.sessions);
        self.process = found.process;
        self.reached.clear();
        self.is_failed = false;
        self.saver.end();
        self.durable = found.last;
        self.restarts += 1;
    }

    /// What must be there if the process ends now.
    pub(crate) fn expectation(&self) -> Expectation<'_> {
        let reached = self.process.log.reached().0;
        Expectation {
            chronicle: &self.chronicle,
            policy: self.policy,
            reached,
            durable: self.durable_of(reached),
            head: self.process.log.head().0,
            walks: &self.saver.walks,
            now: self.now(),
        }
    }

    fn durable_of(&self, reached: u64) -> u64 {
        match self.policy {
            Durability::Always => reached,
            Durability::EverySecond | Durability::Os => self.durable,
        }
    }

    /// Hands the cuts of the last step to the auditor.
    fn show_cuts(&mut self, auditor: &mut dyn Auditor) {
        let is_failed = self.process.log.health() == Health::Failed;
        self.is_failed |= is_failed;
        for cut in self.process.disk.take_cuts() {
            self.note_reached(&cut);
            let durable = self.durable_of(cut.reached);
            let expected = Expectation {
                // What a failed sync has lost may be gone from the cache as well.
                reached: if self.is_failed { durable } else { cut.reached },
                durable,
                ..self.expectation()
            };
            auditor.audit(&cut, &expected);
        }
        self.is_failed = is_failed;
    }

    /// What had been written more than a second ago is synced under `everysec`, unless a sync has
    /// failed and the log is not healed yet.
    fn note_reached(&mut self, cut: &Cut) {
        let now = self.now().0;
        self.reached.push_back((now, cut.reached));
        if self.is_failed {
            return;
        }
        while let Some((at, reached)) = self.reached.front().copied() {
            if at + SYNC_MILLIS >= now {
                break;
            }
            if self.policy == Durability::EverySecond {
                self.durable = self.durable.max(reached);
            }
            self.reached.pop_front();
        }
    }
}
