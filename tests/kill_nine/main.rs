//! R1, R2 and R8 with the real binary: clients create, set and kill over HTTP, the server is killed
//! with SIGKILL at a random moment, and the next one must know everything that was acknowledged and
//! nothing that was killed.
//!
//! What was acknowledged is recorded in this process, outside the server. `CLOAKROOM_KILLS` sets the
//! kills per policy (8 by default); a long run is `CLOAKROOM_KILLS=300 cargo test --test kill_nine`.
//! The seed of a run is printed when it fails; `CLOAKROOM_SEED` draws the same verbs and moments
//! again, as far as real threads let them be the same.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "a test stops at the first thing that is not as it should be"
)]

#[path = "../fault_disk/choice.rs"]
#[expect(dead_code, reason = "the faulty disk needs more of it")]
mod choice;
mod client;
mod process;
mod record;
mod worker;

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use cloakroom::engine::OsRandomness;
use cloakroom::model::Randomness;

use choice::Dice;
use process::Process;
use worker::Worker;

/// Clients at work at the same time.
const WORKERS: u64 = 5;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn any_seed() -> u64 {
    let mut bytes = [0; 4];
    OsRandomness::new().fill(&mut bytes);
    u32::from_le_bytes(bytes).into()
}

/// Lets others work for so long.
fn pause(time: Duration) {
    let (_nobody_sends, never) = sync_channel::<()>(0);
    assert!(never.recv_timeout(time).is_err());
}

/// Kills the server again and again. `durability` as the flag has it.
fn run(durability: &str) {
    let kills = setting("CLOAKROOM_KILLS").unwrap_or(8);
    let seed = setting("CLOAKROOM_SEED").unwrap_or_else(any_seed);
    eprintln!("CLOAKROOM_SEED={seed} CLOAKROOM_KILLS={kills}");
    let mut dice = Dice::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut workers: Vec<Worker> = (0..WORKERS).map(|n| Worker::new(n, dice.seed())).collect();
    let mut shared = None;
    let mut acknowledged = 0;
    for kill in 0..=kills {
        if dice.roll(3) == 0 {
            // Recovery is interrupted too.
            Process::spawn(&data, durability).kill_after(Duration::from_millis(dice.roll(40)));
        }
        let process = Process::start(&data, durability);
        for worker in &mut workers {
            worker.verify(process.address(), shared.as_deref());
        }
        if shared.is_none() {
            shared = Some(worker::create_shared(process.address()));
        }
        if kill == kills {
            process.stop();
            break;
        }
        let (address, token) = (process.address(), shared.as_deref());
        std::thread::scope(|scope| {
            for worker in &mut workers {
                scope.spawn(move || worker.work(address, token.unwrap()));
            }
            let moment = Duration::from_millis(5 + dice.roll(496));
            pause(moment);
            process.kill();
        });
        acknowledged = workers.iter().map(Worker::acknowledged).sum();
    }
    eprintln!("{acknowledged} changes were acknowledged between {kills} kills");
    assert!(acknowledged > 20 * kills, "the clients hardly got to work");
}

#[test]
fn r1_r2_changes_acknowledged_under_always_outlive_every_kill_and_nothing_killed_is_back() {
    run("always");
}

#[test]
fn r1_r2_changes_acknowledged_under_everysec_outlive_every_kill_and_nothing_killed_is_back() {
    run("everysec");
}
