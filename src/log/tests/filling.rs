//! The disk is full: room for removals is kept, and all goes on once there is space.

use super::memory_disk::Verb::Create;
use super::{SEGMENT, World, recover};
use crate::log::name::FileName::{self, Segment, Snapshot, Spare};
use crate::log::{Durability, Health, SnapshotError, Unavailable, Weight};

/// A world with no room for a further segment, filled until creates are refused.
fn filled(durability: Durability) -> World {
    let mut world = World::new(durability);
    world.disk.set_capacity(Some(world.disk.used()));
    for handle in 0.. {
        if world.log.admit(Weight::Grow).is_err() {
            return world;
        }
        world.create(handle);
        world.settle();
        assert!(handle < 100, "creates are never refused");
    }
    world
}

#[test]
fn a_full_disk_refuses_what_grows_and_keeps_a_reserve_for_removals() {
    let mut world = filled(Durability::Always);
    assert_eq!(world.log.health(), Health::Full);
    assert_eq!(world.log.admit(Weight::Grow), Err(Unavailable::Full));
    assert_eq!(world.log.admit(Weight::Shrink), Ok(()));
    let kept = world.sessions.len();
    for handle in 0.. {
        if world.log.admit(Weight::Shrink).is_err() {
            break;
        }
        let position = world.remove(handle);
        world.settle();
        assert_eq!(
            world.log.reached(),
            position,
            "a removal within the reserve"
        );
    }
    assert!(world.sessions.len() < kept, "no removal was taken");
    assert_eq!(world.log.admit(Weight::Shrink), Err(Unavailable::Full));
    let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
}

#[test]
fn a_segment_is_tried_for_every_second_until_there_is_space() {
    let mut world = filled(Durability::Always);
    world.disk.take_calls();
    world.pass(3_000);
    let calls = world.disk.take_calls();
    let tries = calls.iter().filter(|call| **call == (Create, Spare));
    assert_eq!(tries.count(), 3);
    assert!(
        !world.disk.files().contains(&Spare),
        "what was begun is given back"
    );
    world.disk.set_capacity(None);
    world.pass(1_000);
    assert_eq!(world.log.health(), Health::Healthy);
    assert_eq!(world.log.admit(Weight::Grow), Ok(()));
    for handle in 200..260 {
        world.create(handle);
        world.settle();
    }
    let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
}

#[test]
fn what_was_admitted_before_waits_for_space_and_is_not_acknowledged() {
    for durability in [Durability::Always, Durability::EverySecond, Durability::Os] {
        let mut world = filled(durability);
        let reached = world.create(400);
        world.settle();
        let written = world.sessions.clone();
        for handle in 500..540 {
            world.create(handle);
        }
        world.pass(2_000);
        assert_eq!(world.log.reached(), reached);
        assert_eq!(world.log.health(), Health::Full);
        assert_eq!(world.log.admit(Weight::Shrink), Err(Unavailable::Full));
        if durability != Durability::Os {
            // What was acknowledged before is synced all the same.
            let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
            assert_eq!(sessions, written, "{durability:?}");
        }
        world.disk.set_capacity(None);
        world.pass(2_000);
        assert_eq!(world.log.reached(), world.log.head());
        assert_eq!(world.log.health(), Health::Healthy);
        let (sessions, _) = recover(&world.disk.after_kill()).unwrap();
        assert_eq!(sessions, world.sessions, "{durability:?}");
    }
}

#[test]
fn an_ordinary_error_of_the_spare_is_like_a_full_disk() {
    let mut world = World::new(Durability::Always);
    for _ in 0..5 {
        world.disk.fail_next(Create, Some(Spare));
    }
    world.pass(3_000);
    assert_eq!(
        world.log.health(),
        Health::Healthy,
        "there is room in this segment"
    );
    world.pass(3_000);
    for handle in 0..50 {
        world.create(handle);
        world.settle();
    }
    assert_eq!(world.log.health(), Health::Healthy);
    assert_eq!(world.log.reached(), world.log.head());
}

#[test]
fn a_snapshot_on_a_full_disk_begins_with_the_segment_that_there_is() {
    let mut world = filled(Durability::Always);
    // There is room for a snapshot, not for a segment.
    let room = usize::try_from(SEGMENT).unwrap() - 1;
    world.disk.set_capacity(Some(world.disk.used() + room));
    world.remove(0);
    let last = world.snapshot().unwrap();
    assert_eq!(last.number, 1);
    assert!(world.disk.files().contains(&Snapshot(1)));
    let (sessions, recovered) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
    assert_eq!((recovered.snapshot, recovered.segments), (Some(1), 1));
    // Once more would be of no use.
    let refused = world.snapshot().unwrap_err();
    assert!(matches!(refused, SnapshotError::NoSegment(_)), "{refused}");
}

#[test]
fn a_snapshot_frees_the_space_of_old_generations() {
    let mut world = World::new(Durability::Always);
    let mut handle = 0;
    for _ in 0..2 {
        while world.disk.files().len() % 7 != 6 {
            handle += 1;
            world.create(handle);
            world.settle();
        }
        world.snapshot().unwrap();
    }
    world.create(handle + 1);
    world.settle();
    let segments = |world: &World| {
        let files = world.disk.files();
        let is_segment = |file: &&FileName| matches!(file, Segment(_));
        files.iter().filter(is_segment).count()
    };
    let before = segments(&world);
    // Room for the snapshot and little more.
    let room = 4096 + 200 * world.sessions.len();
    world.disk.set_capacity(Some(world.disk.used() + room));
    world.snapshot().unwrap();
    assert!(segments(&world) < before, "{before} segments before");
    world.pass(1_000);
    for handle in 1_000..1_030 {
        assert_eq!(world.log.admit(Weight::Grow), Ok(()));
        world.create(handle);
        world.settle();
    }
    assert_eq!(world.log.reached(), world.log.head());
}

#[test]
fn a_stop_on_a_full_disk_keeps_what_was_acknowledged_and_says_that_something_was_not() {
    for durability in [Durability::Always, Durability::EverySecond, Durability::Os] {
        let mut world = filled(durability);
        world.create(400);
        world.settle();
        let written = world.sessions.clone();
        for handle in 500..540 {
            world.create(handle);
        }
        assert_eq!(world.writer.finish(), Err(Unavailable::Full));
        let (sessions, recovered) = recover(&world.disk.after_power_cut()).unwrap();
        assert_eq!(sessions, written, "{durability:?}");
        assert_eq!(recovered.torn, None);
    }
}
