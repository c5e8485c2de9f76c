//! When what is written, synced, reached and named as synced, under each policy.

use std::time::Duration;

use super::memory_disk::Verb::{Sync, Write};
use super::{SEGMENT, World, recover};
use crate::log::Durability::{Always, EverySecond, Os};
use crate::log::name::FileName::{self, Segment};
use crate::log::reader;
use crate::model::Position;

/// The writes to and syncs of segments since this was asked last.
fn segment_calls(world: &World) -> Vec<(super::memory_disk::Verb, FileName)> {
    let mut calls = world.disk.take_calls();
    calls.retain(|(verb, name)| matches!(verb, Write | Sync) && matches!(name, Segment(_)));
    calls
}

/// Position, synced position and count of each block of a segment.
fn blocks(world: &World, number: u64) -> Vec<(u64, u64, u32)> {
    let segment = reader::Segment::from_bytes(world.disk.bytes(Segment(number))).unwrap();
    segment
        .blocks(None)
        .map(|b| (b.header.position.0, b.header.synced.0, b.header.count))
        .collect()
}

#[test]
fn always_writes_once_syncs_once_and_then_says_so() {
    let mut world = World::new(Always);
    world.settle();
    segment_calls(&world);
    let position = world.create(1);
    assert_eq!(world.create(2), position);
    assert_eq!(world.log.reached(), Position(0));
    world.settle();
    let calls = segment_calls(&world);
    assert_eq!(calls, [(Write, Segment(1)), (Sync, Segment(1))]);
    assert_eq!(world.log.reached(), position);
    assert_eq!(*world.published.lock().unwrap(), [position]);
    assert_eq!(world.log.unwritten(), 0);
    let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
}

#[test]
fn every_second_says_what_is_written_and_syncs_a_second_later() {
    let mut world = World::new(EverySecond);
    world.settle();
    segment_calls(&world);
    let position = world.create(1);
    world.settle();
    assert_eq!(segment_calls(&world), [(Write, Segment(1))]);
    assert_eq!(world.log.reached(), position);
    let (sessions, _) = recover(&world.disk.after_kill()).unwrap();
    assert_eq!(sessions, world.sessions);
    world.pass(500);
    world.create(2);
    world.pass(499);
    assert_eq!(segment_calls(&world), [(Write, Segment(1))]);
    world.pass(1);
    // The sync, and the empty block that says so.
    let calls = segment_calls(&world);
    assert_eq!(calls, [(Sync, Segment(1)), (Write, Segment(1))]);
    assert_eq!(blocks(&world, 1), [(1, 0, 1), (2, 0, 1), (3, 2, 0)]);
    let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
    world.pass(5_000);
    assert_eq!(segment_calls(&world), [], "an empty block is not synced");
}

#[test]
fn os_syncs_a_segment_before_the_next_begins_and_at_the_end() {
    let mut world = World::new(Os);
    world.settle();
    segment_calls(&world);
    world.create(1);
    world.pass(5_000);
    assert_eq!(segment_calls(&world), [(Write, Segment(1))]);
    assert_eq!(world.log.reached(), Position(1));
    for handle in 2.. {
        world.create(handle);
        world.settle();
        if world.disk.files().contains(&Segment(2)) {
            break;
        }
    }
    let calls = segment_calls(&world);
    let synced = calls.iter().position(|call| *call == (Sync, Segment(1)));
    let next = calls.iter().position(|(_, name)| *name == Segment(2));
    assert!(synced.unwrap() < next.unwrap(), "{calls:?}");
    let last = world.create(u64::MAX);
    assert_eq!(world.writer.finish(), Ok(Position(last.0 + 1)));
    let calls = segment_calls(&world);
    let tail = [Write, Sync, Write, Sync].map(|verb| (verb, Segment(2)));
    assert_eq!(calls, tail, "the block, and the empty one that names it");
    let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
}

#[test]
fn every_second_syncs_a_segment_once_before_it_is_full() {
    let mut world = World::new(EverySecond);
    world.settle();
    segment_calls(&world);
    let mut written = 0;
    for handle in 0.. {
        world.create(handle);
        world.settle();
        if world.disk.files().contains(&Segment(2)) {
            break;
        }
        written += 1;
    }
    let calls = segment_calls(&world);
    let syncs: Vec<usize> = calls
        .iter()
        .enumerate()
        .filter(|(_, call)| **call == (Sync, Segment(1)))
        .map(|(place, _)| place)
        .collect();
    assert_eq!(syncs.len(), 2, "{calls:?}");
    assert!(syncs[0] > 3 && syncs[0] < written, "{syncs:?} of {written}");
}

#[test]
fn an_empty_block_names_what_is_synced_ten_milliseconds_after_the_last_commit() {
    let mut world = World::new(Always);
    world.create(1);
    world.settle();
    world.pass(9);
    world.create(2);
    world.settle();
    assert_eq!(blocks(&world, 1), [(1, 0, 1), (2, 1, 1)]);
    world.pass(9);
    assert_eq!(blocks(&world, 1), [(1, 0, 1), (2, 1, 1)]);
    world.pass(1);
    assert_eq!(blocks(&world, 1), [(1, 0, 1), (2, 1, 1), (3, 2, 0)]);
    assert_eq!(
        world.log.head(),
        Position(2),
        "nobody waits for an empty block"
    );
    world.pass(100);
    assert_eq!(blocks(&world, 1).len(), 3, "it is not named itself");
    world.create(3);
    world.settle();
    assert_eq!(blocks(&world, 1)[3], (4, 2, 1));
}

#[test]
fn a_writer_with_nothing_to_do_sleeps_until_somebody_appends() {
    let mut world = World::new(EverySecond);
    world.settle();
    world.create(1);
    world.settle();
    let poll = Some(Duration::from_millis(1));
    assert_eq!(world.writer.step(), poll, "more may come");
    world.pass(10);
    let wait = world.writer.step();
    assert_eq!(wait, Some(Duration::from_millis(990)), "until the sync");
    world.pass(990);
    assert_eq!(world.writer.step(), None);
}

#[test]
fn segments_follow_each_other_without_a_gap() {
    let mut world = World::new(EverySecond);
    for handle in 0..200 {
        world.create(handle);
        if handle % 3 == 0 {
            world.settle();
        }
        if handle % 7 == 0 {
            world.remove(handle);
        }
    }
    world.settle();
    let segments = world.disk.files();
    let segments = segments.iter().filter(|f| matches!(f, Segment(_))).count();
    assert!(segments > 5, "{segments} segments");
    let last = world.log.head();
    let (sessions, recovered) = recover(&world.disk.after_kill()).unwrap();
    assert_eq!(sessions, world.sessions);
    assert_eq!((recovered.last, recovered.torn), (last, None));
    assert_eq!(recovered.next_segment, segments as u64 + 1);
    assert!(world.log.bytes_since_snapshot() >= recovered.bytes);
}

#[test]
fn a_block_larger_than_a_segment_gets_a_larger_segment() {
    let mut world = World::new(Always);
    let data = vec![b' '; 3 * usize::try_from(SEGMENT).unwrap()];
    let mut create = super::create_of(1);
    create.data = &data;
    world.create(0);
    world.settle();
    world.log.append(&crate::model::Change::Create(create));
    world.create(2);
    world.sessions.insert(1);
    world.settle();
    assert_eq!(world.log.reached(), world.log.head());
    let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, world.sessions);
}

#[test]
fn the_queue_says_when_too_much_waits() {
    let mut world = World::new(Os);
    let data = vec![b' '; 1 << 20];
    let mut create = super::create_of(1);
    create.data = &data;
    let change = crate::model::Change::Create(create);
    for _ in 0..16 {
        assert!(!world.log.is_backed_up());
        world.log.append(&change);
    }
    assert!(world.log.is_backed_up());
    world.settle();
    assert!(!world.log.is_backed_up());
    assert_eq!(world.log.reached(), world.log.head());
}
