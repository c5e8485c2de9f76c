//! A write or a sync of the log fails: nothing is acknowledged that is not safe, and the log heals.

use std::collections::BTreeSet;

use super::memory_disk::Verb::{self, Rename, Sync, SyncNames, Write};
use super::memory_disk::{EIO, ENOSPC, Fault};
use super::{World, recover};
use crate::log::Durability::{Always, EverySecond, Os};
use crate::log::name::FileName::{self, Segment, Snapshot, SnapshotTmp, Spare, Unknown};
use crate::log::{Health, SnapshotError, Unavailable, Weight};
use crate::model::Position;

/// Every change acknowledged so far, as the sessions that there are then.
fn assert_recovers(world: &World, acknowledged: &BTreeSet<u64>, what: &str) {
    let (sessions, _) = recover(&world.disk.after_kill()).expect(what);
    assert!(sessions.is_superset(acknowledged), "{what}, after a kill");
    if world.writer.durability == Always {
        let (sessions, _) = recover(&world.disk.after_power_cut()).expect(what);
        assert!(sessions.is_superset(acknowledged), "{what}, after a cut");
    }
}

/// The log has failed with something unacknowledged in hand; it refuses, heals and loses nothing.
fn assert_fails_and_heals(mut world: World, acknowledged: &BTreeSet<u64>, what: &str) {
    assert_eq!(world.log.health(), Health::Failed, "{what}");
    assert!(world.log.failure().is_some());
    for weight in [Weight::Grow, Weight::Shrink] {
        assert_eq!(world.log.admit(weight), Err(Unavailable::Failed), "{what}");
    }
    assert_recovers(&world, acknowledged, what);
    world.disk.take_calls();
    // Admitted before, appended now.
    world.create(1_000);
    let reached = world.log.reached();
    world.pass(5_000);
    assert_eq!(world.log.reached(), reached, "{what}: acknowledged nothing");
    assert_eq!(world.disk.take_calls(), [], "{what}: touched nothing");
    assert_recovers(&world, acknowledged, what);

    world.heal().expect(what);
    assert_eq!(world.log.health(), Health::Healthy, "{what}");
    assert_eq!(world.log.failure(), None);
    assert_eq!(world.log.admit(Weight::Grow), Ok(()));
    assert_eq!(world.log.reached(), world.log.head(), "{what}");
    assert_eq!(world.log.unwritten(), 0, "{what}");
    let (sessions, recovered) = recover(&world.disk.after_power_cut()).expect(what);
    assert_eq!(sessions, world.sessions, "{what}");
    assert_eq!(recovered.segments, 1, "{what}");
    let position = world.create(1_001);
    world.pass(1_000);
    assert_eq!(world.log.reached(), position);
    world.snapshot().expect(what);
    let (sessions, _) = recover(&world.disk.after_power_cut()).expect(what);
    assert_eq!(sessions, world.sessions, "{what}");
}

#[test]
fn a_failed_write_fails_the_log_under_every_policy_however_much_was_written() {
    for durability in [Always, EverySecond, Os] {
        for (error, partial) in [(EIO, 0), (EIO, 60), (ENOSPC, 60), (ENOSPC, 0)] {
            let mut world = World::new(durability);
            let acknowledged = world.create(1);
            world.settle();
            let safe = world.sessions.clone();
            world.disk.fail(Fault {
                verb: Some(Write),
                name: Some(Segment(1)),
                after: 0,
                error,
                partial,
            });
            world.create(2);
            world.settle();
            assert_eq!(world.log.reached(), acknowledged);
            let what = format!("{durability:?}, {error}, {partial} bytes");
            assert_fails_and_heals(world, &safe, &what);
        }
    }
}

#[test]
fn a_failed_sync_fails_the_log_and_acknowledges_nothing() {
    let mut world = World::new(Always);
    world.create(1);
    world.settle();
    let safe = world.sessions.clone();
    world.disk.fail_next(Sync, Some(Segment(1)));
    world.create(2);
    world.settle();
    assert_eq!(world.log.reached(), Position(1));
    assert_fails_and_heals(world, &safe, "always");

    let mut world = World::new(EverySecond);
    world.create(1);
    world.settle();
    let safe = world.sessions.clone();
    world.disk.fail_next(Sync, Some(Segment(1)));
    world.pass(1_000);
    assert_fails_and_heals(world, &safe, "every second");
}

#[test]
fn failures_between_two_segments_fail_the_log() {
    for (verb, name) in [
        (Write, Spare),
        (Sync, Spare),
        (Rename, Segment(2)),
        (SyncNames, Unknown),
    ] {
        let what = format!("{verb:?} {name:?}");
        let mut world = World::new(Always);
        world.create(0);
        world.settle();
        // The spare is there by now, so what fails is its header.
        world.disk.fail_next(verb, Some(name));
        let mut safe = BTreeSet::new();
        for handle in 1.. {
            world.create(handle);
            world.settle();
            if world.log.health() == Health::Failed {
                break;
            }
            safe.clone_from(&world.sessions);
            assert!(handle < 100, "{what} is never called");
        }
        assert!(safe.len() > 5, "{what}");
        assert_fails_and_heals(world, &safe, &what);
    }
}

#[test]
fn a_sync_before_the_next_segment_that_fails_fails_the_log() {
    let mut world = World::new(Os);
    let mut safe = BTreeSet::new();
    world.disk.fail_next(Sync, Some(Segment(1)));
    for handle in 1..100 {
        world.create(handle);
        world.settle();
        if world.log.health() == Health::Failed {
            break;
        }
        safe.clone_from(&world.sessions);
    }
    assert!(safe.len() > 5);
    assert_fails_and_heals(world, &safe, "the last sync");
}

#[test]
fn healing_is_tried_at_once_and_then_after_longer_and_longer_times() {
    let mut world = World::new(Always);
    assert_eq!(world.log.healing_due(), None);
    world.create(1);
    world.disk.fail_next(Sync, Some(Segment(1)));
    world.settle();
    let mut waited = Vec::new();
    for _ in 0..8 {
        let wait = world.log.healing_due().unwrap();
        if !wait.is_zero() {
            let early = world.log.begin_healing().err().unwrap();
            assert!(matches!(early, SnapshotError::NotYet(_)), "{early}");
        }
        waited.push(wait.as_secs());
        world.pass(u64::try_from(wait.as_millis()).unwrap());
        world.disk.fail_next(Sync, Some(SnapshotTmp));
        world.heal().unwrap_err();
    }
    assert_eq!(waited, [0, 1, 2, 4, 8, 16, 30, 30]);
    world.pass(30_000);
    world.heal().unwrap();
    // Failing again soon does not begin anew with an attempt at once.
    world.create(2);
    world.disk.fail_next(Write, None);
    world.settle();
    assert_eq!(world.log.health(), Health::Failed);
    assert_eq!(world.log.healing_due().unwrap().as_secs(), 30);
    world.pass(30_000);
    world.heal().unwrap();
    world.pass(60_000);
    world.create(3);
    world.disk.fail_next(Write, None);
    world.settle();
    assert!(world.log.healing_due().unwrap().is_zero());
}

/// Every step of healing fails once, then healing succeeds; before and behind it the files that a
/// crash would leave are read back.
#[test]
fn healing_that_fails_at_any_step_loses_nothing_and_succeeds_later() {
    let steps: [(Verb, FileName); 9] = [
        (Verb::Create, SnapshotTmp),
        (Write, SnapshotTmp),
        (Sync, SnapshotTmp),
        (Write, Spare),
        (Sync, Spare),
        (Rename, Segment(2)),
        (SyncNames, Unknown),
        (Rename, Snapshot(2)),
        (Verb::Create, Spare),
    ];
    for (verb, name) in steps {
        let what = format!("{verb:?} {name:?}");
        let mut world = World::new(Always);
        world.create(1);
        world.settle();
        let safe = world.sessions.clone();
        world.create(2);
        world.disk.fail_next(Sync, Some(Segment(1)));
        world.settle();
        if (verb, name) == (Verb::Create, Spare) {
            // The spare that there is fails first, so that another has to be made.
            world.disk.fail_next(Write, Some(Spare));
            world.heal().unwrap_err();
            world.pass(1_000);
        }
        world.disk.fail_next(verb, Some(name));
        world.heal().expect_err(&what);
        assert_eq!(world.disk.faults_left(), 0, "{what}: it was never called");
        assert_recovers(&world, &safe, &what);
        world.create(3);
        world.heal_at_last();
        assert_eq!(world.log.reached(), world.log.head(), "{what}");
        let (sessions, _) = recover(&world.disk.after_power_cut()).expect(&what);
        assert_eq!(sessions, world.sessions, "{what}");
    }
}

#[test]
fn changes_made_while_healing_is_under_way_are_in_the_new_segment() {
    let mut world = World::new(Always);
    world.create(1);
    world.disk.fail_next(Sync, Some(Segment(1)));
    world.settle();
    let start = world.log.begin_healing().unwrap();
    assert!(start.is_healing());
    let saved = world.sessions.clone();
    let position = world.create(2);
    assert_eq!(position, start.first());
    let mut job = start.begin(1).unwrap();
    for handle in saved {
        job.push(&super::create_of(handle));
    }
    job.flush().unwrap();
    job.complete().unwrap();
    assert_eq!(world.log.reached(), Position(0), "the writer was not there");
    world.settle();
    assert_eq!(world.log.reached(), position);
    let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
}

/// A short history with everything in it, in which the n-th call of the disk fails, for every n.
#[test]
fn whatever_call_fails_nothing_acknowledged_is_lost() {
    for durability in [Always, EverySecond] {
        for after in 0.. {
            let disk = super::MemoryDisk::default();
            disk.fail(Fault {
                verb: None,
                name: None,
                after,
                error: if after % 2 == 0 { EIO } else { ENOSPC },
                partial: after % 50,
            });
            let world = World::on(disk.clone(), durability);
            let Ok(mut world) = world.or_else(|_| World::on(disk.clone(), durability)) else {
                panic!("a start does not succeed at the second attempt");
            };
            let mut safe = BTreeSet::new();
            for handle in 0..40 {
                if world.log.admit(Weight::Grow).is_ok() {
                    world.create(handle);
                }
                world.pass(if handle % 10 == 9 { 1_100 } else { 1 });
                if world.log.reached() >= world.log.head() {
                    safe.clone_from(&world.sessions);
                }
                if handle % 4 == 0 {
                    assert_recovers(&world, &safe, &format!("{durability:?} {after} {handle}"));
                }
                if handle == 20 {
                    drop(world.snapshot());
                }
                if handle % 7 == 0 && world.log.healing_due().is_some_and(|due| due.is_zero()) {
                    drop(world.heal());
                }
            }
            world.heal_at_last();
            world.pass(1_100);
            let what = format!("{durability:?} {after}");
            assert_eq!(world.log.health(), Health::Healthy, "{what}");
            assert!(world.log.reached() >= world.log.head(), "{what}");
            let (sessions, _) = recover(&world.disk.after_power_cut()).expect(&what);
            assert_eq!(sessions, world.sessions, "{what}");
            if disk.faults_left() > 0 {
                assert!(after > 80, "the history has {after} calls only");
                break;
            }
        }
    }
}
