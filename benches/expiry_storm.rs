//! How long does a lock stay held while a million sessions go at once?
//!
//! One step of a sweep is one lock hold while sessions expire; while the memory of a killed app is
//! freed, and in the upkeep of time indexes, it is many holds of one entry. The thread CPU time of
//! each step is measured around it, so it includes the clock's own some 0.3 us. "Behind it" are the
//! steps that free memory while no lock is held, and upkeep. The goal: no hold over 256 entries or
//! 0.2 ms. Run it alone on one core: `taskset -c 0 cargo bench --bench expiry_storm`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a benchmark"
)]

#[path = "support/population.rs"]
mod population;

use cloakroom::clock::Millis;
use cloakroom::engine::Engine;
use cloakroom::model::Life;
use population::{START, app};
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SESSIONS: u64 = 1_000_000;
const ROUNDS: usize = 3;
/// Long enough that all sessions once move down a level of the wheel.
const LIFE_SECONDS: u64 = 3_600;
/// A step that takes longer is counted.
const GOAL_NANOS: u64 = 200_000;

/// Nanoseconds of CPU time that this thread has had.
fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Steps of one kind.
#[derive(Default)]
struct Steps {
    nanos: Vec<u64>,
    expired: u64,
    most_expired: u64,
}

/// The steps of sweeps: those in which sessions expired, and all others.
#[derive(Default)]
struct Sweeps {
    expiring: Steps,
    other: Steps,
}

impl Sweeps {
    /// Sweeps at `now` until nothing is left.
    fn sweep(&mut self, engine: &Engine, now: u64) {
        loop {
            let begin = cpu_nanos();
            let swept = engine.sweep(Millis(now), 1);
            let nanos = cpu_nanos() - begin;
            if swept.expired > 0 {
                self.expiring.add(nanos, swept.expired);
            } else {
                self.other.add(nanos, 0);
            }
            if !swept.more {
                return;
            }
        }
    }
}

impl Steps {
    fn add(&mut self, nanos: u64, expired: u64) {
        self.nanos.push(nanos);
        self.expired += expired;
        self.most_expired = self.most_expired.max(expired);
    }

    fn print(mut self, name: &str) {
        self.nanos.sort_unstable();
        let total: u64 = self.nanos.iter().sum();
        let at = |share: f64| {
            let place = (self.nanos.len() - 1) as f64 * share;
            self.nanos[place as usize] as f64 / 1e3
        };
        let over = self.nanos.iter().filter(|n| **n > GOAL_NANOS).count();
        println!(
            "{name:<28} {:>8} {:>8} {:>8} {:>9.1} {:>9.1} {:>9.1} {over:>7} {:>9.1}",
            self.nanos.len(),
            self.expired,
            self.most_expired,
            at(0.5),
            at(0.999),
            at(1.0),
            total as f64 / 1e6,
        );
    }
}

/// A million sessions that all expire in one second.
fn expire() {
    let engine = population::engine(true);
    population::populate(&engine, 0..SESSIONS, 1, Life::whole_seconds(LIFE_SECONDS));
    let end = START / 1_000 + LIFE_SECONDS + 1;
    let mut before = Sweeps::default();
    for second in START / 1_000..end {
        before.sweep(&engine, second * 1_000);
    }
    before.other.print("moving down the wheel");
    let mut storm = Sweeps::default();
    storm.sweep(&engine, end * 1_000);
    storm.expiring.print("expiring");
    storm.other.print("behind it");
    assert_eq!(engine.memory_use().sessions, 0, "all have expired");
}

/// A million sessions that were active in one minute, seen from two hours later.
fn keep_up() {
    let engine = population::engine(true);
    let life = Life::whole_seconds(86_400);
    population::populate(&engine, 0..SESSIONS, 60, life);
    let mut upkeep = Sweeps::default();
    upkeep.sweep(&engine, START + 7_200_000);
    upkeep.other.print("seconds become minutes");
}

/// A million sessions of one app, killed with it.
fn kill() {
    let engine = population::engine(true);
    let life = Life::whole_seconds(LIFE_SECONDS);
    population::populate(&engine, 0..SESSIONS, 60, life);
    let now = START + 60_000;
    Sweeps::default().sweep(&engine, now);
    let begin = cpu_nanos();
    let reply = engine.remove_app(Millis(now), app()).expect("admitted");
    let nanos = cpu_nanos() - begin;
    assert_eq!(reply.answer, SESSIONS, "all are killed");
    println!("reply to killall: {:.1} us", nanos as f64 / 1e3);
    let mut reaping = Sweeps::default();
    reaping.sweep(&engine, now);
    reaping.other.print("freeing a killed app");
    assert_eq!(engine.memory_use().sessions, 0, "all are gone");
}

fn main() {
    println!(
        "{:<28} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>7} {:>9}",
        "1 M sessions, thread CPU time",
        "steps",
        "expired",
        "most",
        "p50 us",
        "p99.9 us",
        "max us",
        "> 0.2ms",
        "total ms"
    );
    for _ in 0..ROUNDS {
        expire();
        kill();
        keep_up();
    }
}
