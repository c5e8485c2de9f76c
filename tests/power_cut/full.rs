//! A disk without room: what takes room is refused, kills go on for a while, reads always, and all is
//! well without a restart once there is room again.

use cloakroom::engine::Refusal;
use cloakroom::log::{Durability, Health};

use crate::audit::{NoAuditor, PowerCutter};
use crate::fault_disk::{Choice, CutRules, Dice};
use crate::history::History;
use crate::process::SEGMENT_BYTES;
use crate::{seeded, seeds, setting};

/// Milliseconds after which the log has seen that there is room again.
const NOTICE_MILLIS: u64 = 3_000;

/// Kills, each committed by itself, that a full disk must take: an eighth of a segment is kept for
/// them but for the last create, and one takes 56 bytes.
const KILLS: u64 = SEGMENT_BYTES / 8 / 128;

fn assert_all_is_safe(history: &History, dice: &mut Dice) {
    let log = &history.process.log;
    assert_eq!(log.health(), Health::Healthy);
    assert!(log.reached() >= log.head(), "everything is acknowledged");
    let image = history.process.disk.cut().image(CutRules::JOURNALED, dice);
    let expected = history.expectation();
    expected.verify(&image, expected.durable, dice.seed());
}

fn fill_and_free(policy: Durability, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut cutter = PowerCutter::new(seed, CutRules::JOURNALED, 10);
    let mut history = History::begin(seed, policy);
    history.run_alive(40, &mut NoAuditor);
    let disk = history.process.disk.clone();
    disk.set_capacity(disk.used() + dice.roll(3 * SEGMENT_BYTES));
    // A record must be smaller than what is kept for kills.
    history.most_data = 60;
    let mut created = 0;
    while history.create() != Err(Refusal::DiskFull) {
        created += 1;
        history.commit(&mut cutter);
        assert!(created < 1_000, "the disk is never full");
    }
    assert_eq!(history.process.log.health(), Health::Full);
    let living = history.chronicle.all_newest(history.now().0);
    assert!(living.len() as u64 > KILLS, "there are too few to kill");
    for name in living.keys().take(KILLS as usize) {
        assert_eq!(history.remove(name), Ok(()), "a full disk takes kills");
        history.commit(&mut cutter);
        let log = &history.process.log;
        assert!(log.reached() >= log.head(), "and acknowledges them");
    }
    history.wait(2_500, &mut cutter);
    let (served, now) = (history.process.sessions(), history.now().0);
    assert_eq!(served, history.chronicle.all_newest(now), "reads go on");
    disk.set_capacity(u64::MAX);
    history.wait(NOTICE_MILLIS, &mut cutter);
    let refused = history.refused;
    history.run_alive(20, &mut cutter);
    assert_eq!(history.refused, refused, "there is room again");
    history.wait(NOTICE_MILLIS, &mut cutter);
    assert_all_is_safe(&history, &mut dice);
}

#[test]
fn full_disk_refuses_creates_takes_kills_and_is_well_again_without_a_restart() {
    for seed in seeds().take(setting("CLOAKROOM_HISTORIES").unwrap_or(20) as usize) {
        for policy in [Durability::Always, Durability::EverySecond, Durability::Os] {
            seeded(seed, || fill_and_free(policy, seed));
        }
    }
}

/// How often the log was full, and refused something.
fn come_and_go(policy: Durability, seed: u64) -> (u64, u64) {
    let mut dice = Dice::new(seed);
    let mut cutter = PowerCutter::new(seed, CutRules::JOURNALED, 10);
    let mut history = History::begin(seed, policy);
    let disk = history.process.disk.clone();
    let mut full = 0;
    for _ in 0..10 {
        let room = [0, 2_000, 8_000, 30_000][dice.choose(4)];
        disk.set_capacity(disk.used() + room);
        history.run_alive(30, &mut cutter);
        full += u64::from(history.process.log.health() == Health::Full);
    }
    let refused = history.refused;
    disk.set_capacity(u64::MAX);
    history.wait(40_000, &mut cutter);
    history.run_alive(20, &mut cutter);
    assert_eq!(history.refused, refused, "there is room again");
    history.wait(NOTICE_MILLIS, &mut cutter);
    assert_all_is_safe(&history, &mut dice);
    (full, refused)
}

#[test]
fn r1_r2_r5_r7_r8_hold_while_room_on_the_disk_comes_and_goes() {
    let (mut full, mut refused) = (0, 0);
    for seed in seeds().take(setting("CLOAKROOM_HISTORIES").unwrap_or(20) as usize) {
        for policy in [Durability::Always, Durability::EverySecond] {
            let found = seeded(seed, || come_and_go(policy, seed));
            full += found.0;
            refused += found.1;
        }
    }
    eprintln!("{full} times full, {refused} refused");
    assert!(full > 10 && refused > 10);
}
