//! Snapshots: what they hold, what they make superfluous, and what happens when the disk refuses.

use super::memory_disk::Verb::{Create, List, Remove, Rename, Sync, SyncNames, Write};
use super::{World, recover};
use crate::log::name::FileName::{self, Segment, Snapshot, SnapshotTmp};
use crate::log::{Durability, Health, SnapshotError};
use crate::model::Position;

fn numbered(world: &World) -> Vec<FileName> {
    let mut files = world.disk.files();
    files.retain(|file| matches!(file, Segment(_) | Snapshot(_)));
    files.sort();
    files
}

#[test]
fn a_snapshot_holds_what_was_before_and_the_log_what_comes_then() {
    let mut world = World::new(Durability::Always);
    for handle in 0..5 {
        world.create(handle);
    }
    world.settle();
    let ticket = world.log.begin_snapshot().unwrap();
    let ticket = ticket.poll().err().expect("the writer was not there yet");
    world.create(5);
    world.settle();
    let start = ticket.poll().ok().unwrap().unwrap();
    assert_eq!((start.number(), start.first()), (2, Position(3)));
    assert!(!start.is_healing());
    world.create(6);
    world.remove(0);
    world.settle();
    let before = world.log.bytes_since_snapshot();
    let last = world.save(start).unwrap();
    assert_eq!((last.number, last.sessions), (2, 6));
    assert_eq!(last.bytes, world.disk.bytes(Snapshot(2)).len() as u64);
    assert_eq!(world.log.last_snapshot(), last);
    assert!(world.log.bytes_since_snapshot() < before / 2);
    world.create(7);
    world.settle();
    let (sessions, recovered) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
    assert_eq!((recovered.snapshot, recovered.segments), (Some(2), 1));
}

#[test]
fn two_generations_are_kept() {
    let mut world = World::new(Durability::EverySecond);
    for round in 1..=4 {
        world.create(round);
        world.settle();
        assert_eq!(world.snapshot().unwrap().number, round + 1);
    }
    assert_eq!(
        numbered(&world),
        [Segment(4), Segment(5), Snapshot(4), Snapshot(5)]
    );
    // The older generation alone is whole as well.
    let disk = world.disk.after_kill();
    crate::log::disk::Disk::remove(&disk, &Snapshot(5).text()).unwrap();
    assert_eq!(recover(&disk).unwrap().0, world.sessions);
}

#[test]
fn an_empty_segment_serves_as_it_is() {
    let mut world = World::new(Durability::Always);
    world.settle();
    let last = world.snapshot().unwrap();
    assert_eq!((last.number, last.sessions), (1, 0));
    assert_eq!(numbered(&world), [Segment(1), Snapshot(1)]);
    // It has its snapshot now, so the next one begins another.
    assert_eq!(world.snapshot().unwrap().number, 2);
}

#[test]
fn one_snapshot_is_made_at_a_time_and_giving_up_gives_the_turn_back() {
    let mut world = World::new(Durability::Always);
    world.create(1);
    let ticket = world.log.begin_snapshot().unwrap();
    let refused = world.log.begin_snapshot().err().unwrap();
    assert!(matches!(refused, SnapshotError::Busy), "{refused}");
    world.settle();
    let start = ticket.poll().ok().unwrap().unwrap();
    let job = start.begin(1).unwrap();
    assert!(world.log.begin_snapshot().is_err());
    drop(job);
    drop(world.log.begin_snapshot().unwrap());
    world.settle();
    let healthy = world.log.begin_healing().err().unwrap();
    assert!(matches!(healthy, SnapshotError::LogHealthy), "{healthy}");
    world.snapshot().unwrap();
    world.writer.finish().unwrap();
    let stopped = world.log.begin_snapshot().err().unwrap();
    assert!(matches!(stopped, SnapshotError::Stopped), "{stopped}");
}

#[test]
fn a_snapshot_that_the_disk_refuses_harms_nothing() {
    for (verb, name) in [
        (Create, SnapshotTmp),
        (Write, SnapshotTmp),
        (Sync, SnapshotTmp),
        (Rename, Snapshot(2)),
        (SyncNames, FileName::Unknown),
    ] {
        let mut world = World::new(Durability::Always);
        world.create(1);
        world.settle();
        let ticket = world.log.begin_snapshot().unwrap();
        world.settle();
        let start = ticket.poll().ok().unwrap().unwrap();
        world.disk.fail_next(verb, Some(name));
        let error = world.save(start).unwrap_err();
        assert!(matches!(error, SnapshotError::Disk(_)), "{verb:?}: {error}");
        assert_eq!(world.log.health(), Health::Healthy);
        assert_eq!(world.log.last_snapshot().number, 0);
        world.create(2);
        world.settle();
        for disk in [world.disk.after_kill(), world.disk.after_power_cut()] {
            assert_eq!(recover(&disk).unwrap().0, world.sessions, "{verb:?}");
        }
        assert_eq!(world.snapshot().unwrap().number, 3, "{verb:?}");
        let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
        assert_eq!(sessions, world.sessions, "{verb:?}");
    }
}

#[test]
fn what_could_not_be_removed_is_removed_behind_the_next_snapshot() {
    for verb in [List, Remove] {
        let mut world = World::new(Durability::Always);
        for handle in 1..=2 {
            world.create(handle);
            world.settle();
            world.snapshot().unwrap();
        }
        world.create(3);
        world.settle();
        world.disk.fail_next(verb, None);
        world.snapshot().unwrap();
        assert!(numbered(&world).len() > 4, "{verb:?}");
        world.create(4);
        world.settle();
        world.snapshot().unwrap();
        let kept = [Segment(4), Segment(5), Snapshot(4), Snapshot(5)];
        assert_eq!(numbered(&world), kept, "{verb:?}");
    }
}

/// A crash in between must leave two generations, and no snapshot without the segments behind it.
#[test]
fn older_snapshots_go_behind_the_name_of_the_newest_and_before_their_segments() {
    let mut world = World::new(Durability::Always);
    for handle in 1..=3 {
        world.create(handle);
        world.settle();
        world.snapshot().unwrap();
    }
    world.create(4);
    world.settle();
    world.disk.take_calls();
    world.snapshot().unwrap();
    let mut calls = world.disk.take_calls();
    calls.retain(|(verb, _)| matches!(verb, Rename | Remove | SyncNames));
    let newest = (Rename, Snapshot(5));
    let first = calls.iter().position(|call| *call == newest).unwrap();
    let removal = [
        newest,
        (SyncNames, FileName::Unknown),
        (Remove, Snapshot(3)),
        (SyncNames, FileName::Unknown),
        (Remove, Segment(3)),
    ];
    assert_eq!(calls[first..], removal);
}

#[test]
fn a_snapshot_gives_way_to_healing_when_the_log_fails() {
    let mut world = World::new(Durability::Always);
    world.create(1);
    let ticket = world.log.begin_snapshot().unwrap();
    world.settle();
    let start = ticket.poll().ok().unwrap().unwrap();
    let mut job = start.begin(1).unwrap();
    world.disk.fail_next(Sync, Some(Segment(2)));
    world.create(2);
    world.settle();
    let error = job.flush().unwrap_err();
    assert!(matches!(error, SnapshotError::LogFailed), "{error}");
    assert!(matches!(
        world.log.begin_healing(),
        Err(SnapshotError::Busy)
    ));
    drop(job);
    let refused = world.log.begin_snapshot().err().unwrap();
    assert!(matches!(refused, SnapshotError::LogFailed), "{refused}");
    world.heal().unwrap();
    assert_eq!(world.log.health(), Health::Healthy);
    let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
}

#[test]
fn who_waits_for_a_snapshot_is_told_when_the_log_fails() {
    let mut world = World::new(Durability::Always);
    world.create(1);
    let ticket = world.log.begin_snapshot().unwrap();
    world.disk.fail_next(Sync, Some(Segment(1)));
    world.settle();
    let refused = ticket.poll().ok().unwrap().err().unwrap();
    assert!(matches!(refused, SnapshotError::LogFailed), "{refused}");
}
