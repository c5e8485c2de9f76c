//! Each call of the disk fails in turn, once or for a while: nothing is acknowledged that is not safe,
//! reads go on, changes are refused while the log is failed, and it heals without a restart.

use cloakroom::log::{Durability, Health};

use crate::audit::{Auditor, Expectation, NoAuditor, PowerCutter};
use crate::fault_disk::{Choice, Cut, CutRules, Dice, Fault, FaultDisk, FaultKind};
use crate::history::History;
use crate::process::Process;
use crate::{seeded, seeds, setting, told};

/// Random things of one history.
const STEPS: u64 = 70;
/// Milliseconds in which a log heals when the disk is well again: the longest pause between two
/// attempts, and some more.
const HEALING_MILLIS: u64 = 40_000;
/// How many calls fail in a row.
const COUNTS: [u64; 5] = [1, 1, 2, 9, 80];

/// What came of all runs.
#[derive(Default)]
struct Sum {
    runs: u64,
    /// Faults that hit a call.
    hit: u64,
    /// Runs in which changes were refused.
    refusing: u64,
    /// Runs in which the log was healed.
    healed: u64,
}

fn histories() -> u64 {
    setting("CLOAKROOM_HISTORIES").unwrap_or(2)
}

/// Calls of the disk in a history without faults.
fn calls(seed: u64, policy: Durability) -> u64 {
    let mut history = History::begin(seed, policy);
    let before = history.process.disk.calls();
    history.run_alive(STEPS, &mut NoAuditor);
    assert_eq!(history.refused, 0);
    history.process.disk.calls() - before
}

fn run_with(seed: u64, policy: Durability, fault: Fault, sum: &mut Sum) {
    let mut cutter = PowerCutter::new(seed ^ fault.from, CutRules::JOURNALED, 30);
    let mut history = History::begin(seed, policy);
    let disk = history.process.disk.clone();
    let from = disk.calls() + fault.from;
    disk.inject(Fault { from, ..fault }, seed + fault.from);
    history.run_alive(STEPS, &mut cutter);
    disk.mend();
    history.wait(HEALING_MILLIS, &mut cutter);
    assert_eq!(history.process.log.health(), Health::Healthy);
    let refused = history.refused;
    history.run_alive(15, &mut cutter);
    assert_eq!(history.refused, refused, "all is well again");
    history.wait(2_000, &mut cutter);
    let (log, cut) = (&history.process.log, disk.cut());
    assert!(log.reached() >= log.head(), "everything is acknowledged");
    let image = cut.image(CutRules::JOURNALED, &mut Dice::new(seed));
    let expected = history.expectation();
    expected.verify(&image, expected.durable, seed);
    sum.runs += 1;
    sum.hit += u64::from(disk.injected() > 0);
    sum.refusing += u64::from(history.refused > 0);
    sum.healed += u64::from(history.saver.healed > 0);
}

fn fail_each_call(policy: Durability) {
    let mut sum = Sum::default();
    for seed in seeds().take(histories() as usize) {
        seeded(seed, || {
            let mut dice = Dice::new(seed);
            for from in 1..=calls(seed, policy) {
                for kind in FaultKind::ALL {
                    let count = COUNTS[dice.choose(COUNTS.len())];
                    let fault = Fault { kind, from, count };
                    let run = || run_with(seed, policy, fault, &mut sum);
                    told(|| format!("{fault:?}"), run);
                }
            }
        });
    }
    let Sum {
        runs,
        hit,
        refusing,
        healed,
    } = sum;
    eprintln!("{runs} runs, {hit} hit, {refusing} refusing, {healed} healed");
    assert!(hit > runs * 9 / 10 && healed > runs / 5 && refusing > runs / 10);
}

#[test]
fn r1_r2_hold_when_any_call_of_the_disk_fails_under_always_and_the_log_heals() {
    fail_each_call(Durability::Always);
}

#[test]
fn r1_r2_hold_when_any_call_of_the_disk_fails_under_everysec_and_the_log_heals() {
    fail_each_call(Durability::EverySecond);
}

/// Lets each call of a recovery fail, at some moments of a history.
struct FailingRecovery {
    dice: Dice,
    one_in: u64,
    refused: u64,
    done: u64,
}

impl FailingRecovery {
    fn try_all(&mut self, cut: &Cut, expected: &Expectation<'_>) {
        let untouched = cut.survivor();
        expected.verify(&untouched, expected.reached, 1);
        for call in 1..=untouched.calls() {
            let kind = FaultKind::ALL[self.dice.choose(3)];
            let disk = cut.survivor();
            disk.inject(Fault::once(kind, call), self.dice.seed());
            self.try_one(&disk, expected);
        }
    }

    fn try_one(&mut self, disk: &FaultDisk, expected: &Expectation<'_>) {
        let (seed, reached) = (self.dice.seed(), std::sync::Arc::default());
        let started = Process::start(disk, expected.now, expected.policy, seed, &reached);
        match started {
            Ok(_) => self.done += 1,
            Err(error) => {
                assert!(
                    !error.is_damage(),
                    "a disk that refuses is no damage: {error}"
                );
                self.refused += 1;
            }
        }
        // The next attempt comes to the end, and what it found is safe. What was only written may be
        // gone with a sync that failed.
        let disk = disk.fork();
        let found = expected.verify(&disk, expected.durable, seed);
        let image = disk.cut().image(CutRules::JOURNALED, &mut self.dice);
        expected.verify(&image, found.last, seed);
    }
}

impl Auditor for FailingRecovery {
    fn audit(&mut self, cut: &Cut, expected: &Expectation<'_>) {
        if self.dice.roll(self.one_in) == 0 {
            self.try_all(cut, expected);
        }
    }
}

#[test]
fn r8_recovery_that_any_call_of_the_disk_fails_in_is_refused_or_whole_and_can_be_repeated() {
    let (mut refused, mut done) = (0, 0);
    for seed in seeds().take(6 * histories() as usize) {
        seeded(seed, || {
            let policy = [Durability::Always, Durability::EverySecond][seed as usize % 2];
            let mut failing = FailingRecovery {
                dice: Dice::new(seed),
                one_in: 30,
                refused: 0,
                done: 0,
            };
            History::begin(seed, policy).run(100, &mut failing);
            refused += failing.refused;
            done += failing.done;
        });
    }
    eprintln!("{refused} recoveries refused, {done} came to their ends");
    assert!(refused > 100);
}
