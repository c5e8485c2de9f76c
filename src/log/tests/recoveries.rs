//! Reading back: what counts, where the log ends, what is refused, and that it can be repeated.

use super::memory_disk::Verb::{Read, Sync, Write};
use super::memory_disk::{EIO, Fault};
use super::{KEY, MemoryDisk, World, recover};
use crate::log::Durability::{Always, EverySecond, Os};
use crate::log::disk::Disk;
use crate::log::key::KeyId;
use crate::log::name::FileName::{Segment, Snapshot, SnapshotTmp, Spare, Torn};
use crate::log::recovery::Remedy;
use crate::log::{Recovery, RecoveryError};
use crate::model::Position;

/// Where the blocks of a segment end.
fn end_of_blocks(disk: &MemoryDisk, number: u64) -> usize {
    let bytes = disk.bytes(Segment(number));
    bytes.iter().rposition(|b| *b != 0).unwrap() + 1
}

fn refusal(disk: &MemoryDisk) -> RecoveryError {
    match recover(disk) {
        Ok(recovered) => panic!("read back {recovered:?}"),
        Err(error) => error,
    }
}

/// A world with two snapshots and something behind them: segments 1 to 3 and more.
fn with_two_snapshots() -> World {
    let mut world = World::new(Always);
    for handle in 1..=2 {
        world.create(handle);
        world.settle();
        world.snapshot().unwrap();
    }
    for handle in 3..40 {
        world.create(handle);
        world.settle();
    }
    world.writer.finish().unwrap();
    world
}

#[test]
fn a_fresh_directory_is_an_empty_log() {
    let world = World::new(Os);
    assert_eq!(world.recovered.last, Position(0));
    assert_eq!(world.recovered.next_segment, 1);
    assert_eq!(
        (world.recovered.snapshot, world.recovered.segments),
        (None, 0)
    );
}

#[test]
fn a_log_goes_on_behind_the_old_one_start_after_start() {
    let mut world = World::new(EverySecond);
    let mut last = Position(0);
    for start in 1..6 {
        world.create(start);
        world.remove(start - 1);
        world.settle();
        assert!(world.log.head() > last);
        last = world.log.head();
        let sessions = world.sessions.clone();
        let disk = if start % 2 == 0 {
            world.writer.finish().unwrap();
            world.disk.after_power_cut()
        } else {
            world.disk.after_kill()
        };
        world = World::on(disk, EverySecond).unwrap();
        assert_eq!(world.sessions, sessions);
        assert_eq!(world.recovered.next_segment, start + 1);
    }
}

#[test]
fn a_write_cut_short_is_saved_aside_and_no_part_of_the_log() {
    let mut world = World::new(Os);
    world.create(1);
    world.settle();
    let whole = end_of_blocks(&world.disk, 1);
    world.create(2);
    world.settle();
    let end = end_of_blocks(&world.disk, 1);
    let disk = world.disk.after_kill();
    disk.alter(Segment(1), |bytes| bytes[end - 9..end].fill(0));
    for attempt in 0..2 {
        let (sessions, recovered) = recover(&disk).unwrap();
        assert_eq!(sessions, [1].into(), "attempt {attempt}");
        let torn = recovered.torn.unwrap();
        assert_eq!((torn.first, torn.number), (Position(2), 1));
        assert_eq!(torn.start, whole.next_multiple_of(8));
        let saved = disk.bytes(Torn(1));
        assert_eq!(saved, disk.bytes(Segment(1))[torn.start..torn.end]);
    }
    // The next start knows the end by the segment that follows.
    let world = World::on(disk, Os).unwrap();
    let (sessions, recovered) = recover(&world.disk.after_power_cut()).unwrap();
    assert_eq!(sessions, [1].into());
    assert_eq!((recovered.torn, recovered.last), (None, Position(1)));
}

#[test]
fn damage_to_what_was_named_as_synced_is_refused_with_its_place() {
    let mut world = World::new(Always);
    world.create(1);
    world.settle();
    let end = end_of_blocks(&world.disk, 1);
    let torn = world.disk.after_power_cut();
    torn.alter(Segment(1), |bytes| bytes[end - 1] ^= 1);
    let (sessions, recovered) = recover(&torn).unwrap();
    assert!(
        sessions.is_empty() && recovered.torn.is_some(),
        "nothing says it was safe"
    );
    world.pass(20);
    // The empty block names the first as synced.
    let disk = world.disk.after_kill();
    disk.alter(Segment(1), |bytes| bytes[end - 1] ^= 1);
    let error = refusal(&disk);
    assert!(error.is_damage());
    let text = error.to_string();
    let place = "segment-0000000000000001.log: at byte 4096";
    assert!(text.contains(place), "{text}");
}

#[test]
fn damage_before_the_next_segment_is_refused() {
    let world = with_two_snapshots();
    for number in [3, 4] {
        let disk = world.disk.after_power_cut();
        let end = end_of_blocks(&disk, number);
        disk.alter(Segment(number), |bytes| bytes[end - 8..].fill(0));
        let error = refusal(&disk);
        assert!(matches!(error, RecoveryError::Damage(_)), "{error}");
    }
}

#[test]
fn missing_files_are_named() {
    let world = with_two_snapshots();
    for (number, snapshot) in [(3, Some(3)), (4, Some(3))] {
        let disk = world.disk.after_power_cut();
        disk.remove(&Segment(number).text()).unwrap();
        let error = refusal(&disk);
        let expected = matches!(
            error,
            RecoveryError::Missing { number: n, snapshot: s } if (n, s) == (number, snapshot)
        );
        assert!(expected && error.is_damage(), "{error}");
    }
    let disk = world.disk.after_power_cut();
    disk.remove(&Snapshot(2).text()).unwrap();
    disk.remove(&Snapshot(3).text()).unwrap();
    disk.remove(&Segment(1).text()).unwrap_err();
    let error = refusal(&disk);
    assert!(
        matches!(error, RecoveryError::Missing { number: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_file_under_another_name_is_refused() {
    let world = with_two_snapshots();
    for (from, to) in [(Segment(2), Segment(3)), (Snapshot(2), Snapshot(3))] {
        let disk = world.disk.after_power_cut();
        disk.rename(&from.text(), &to.text()).unwrap();
        let error = refusal(&disk);
        assert!(
            matches!(error, RecoveryError::Order(name) if name == to),
            "{error}"
        );
    }
}

#[test]
fn another_key_is_refused_before_anything_is_read() {
    let world = with_two_snapshots();
    let disk = std::sync::Arc::new(world.disk.after_power_cut());
    let other = KeyId::from_bytes([8; 16]);
    let error = Recovery::begin(disk, other).err().unwrap();
    assert!(!error.is_damage());
    let text = error.to_string();
    assert!(
        text.contains(&KEY.to_string()) && text.contains(&other.to_string()),
        "{text}"
    );
}

#[test]
fn a_damaged_snapshot_is_refused_and_what_the_refusal_says_helps() {
    let world = with_two_snapshots();
    let disk = world.disk.after_power_cut();
    for (newest, expected) in [(3, Remedy::OlderSnapshot(2)), (2, Remedy::Backup)] {
        disk.alter(Snapshot(newest), |bytes| bytes[4096 + 40] ^= 1);
        let error = refusal(&disk);
        let RecoveryError::Snapshot { number, remedy, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((number, remedy), (newest, expected));
        disk.remove(&Snapshot(newest).text()).unwrap();
        if expected != Remedy::Backup {
            assert_eq!(recover(&disk).unwrap().0, world.sessions);
        }
    }

    let mut world = World::new(Always);
    world.create(1);
    world.settle();
    world.snapshot().unwrap();
    let disk = world.disk.after_power_cut();
    disk.alter(Snapshot(2), |bytes| bytes[0] ^= 1);
    let error = refusal(&disk);
    let helps = matches!(
        error,
        RecoveryError::Snapshot {
            remedy: Remedy::WholeLog,
            ..
        }
    );
    assert!(helps, "{error}");
    disk.remove(&Snapshot(2).text()).unwrap();
    assert_eq!(recover(&disk).unwrap().0, world.sessions);
}

#[test]
fn behind_a_failure_the_older_generation_is_no_remedy() {
    let mut world = World::new(Always);
    world.create(1);
    world.settle();
    world.snapshot().unwrap();
    world.disk.fail_next(Sync, Some(Segment(2)));
    world.create(2);
    world.settle();
    world.heal().unwrap();
    world.create(3);
    world.settle();
    let disk = world.disk.after_power_cut();
    disk.alter(Snapshot(3), |bytes| bytes[0] ^= 1);
    let error = refusal(&disk);
    let told = matches!(
        error,
        RecoveryError::Snapshot {
            remedy: Remedy::Backup,
            ..
        }
    );
    assert!(told, "{error}");
    disk.remove(&Snapshot(3).text()).unwrap();
    let error = refusal(&disk);
    assert!(
        matches!(error, RecoveryError::MissingSnapshot(3)),
        "{error}"
    );
}

#[test]
fn temporary_files_go_and_strangers_stay() {
    let world = World::new(Always);
    for name in [
        Spare.text(),
        SnapshotTmp.text(),
        "letter".into(),
        "key".into(),
    ] {
        world.disk.create(&name).unwrap();
    }
    recover(&world.disk).unwrap();
    let names = world.disk.list().unwrap();
    let expected = ["key", "letter", "segment-0000000000000001.log"];
    assert_eq!(names, expected);
}

/// The sync of a segment fails, so that its pages count as clean; then the process is killed. What
/// the next start has read back must be there after a power cut.
#[test]
fn what_was_read_back_is_safe_though_an_earlier_sync_had_failed() {
    for durability in [Always, EverySecond] {
        let mut world = World::new(durability);
        world.create(1);
        world.pass(1_100);
        world.disk.fail_next(Sync, Some(Segment(1)));
        world.create(2);
        world.pass(1_100);
        let world = World::on(world.disk.after_kill(), durability).unwrap();
        assert_eq!(world.sessions, [1, 2].into());
        let (sessions, _) = recover(&world.disk.after_power_cut()).unwrap();
        assert_eq!(sessions, world.sessions, "{durability:?}");
    }
}

/// Recovery and the beginning of the next segment are cut short at every call, then repeated.
#[test]
fn recovery_cut_short_anywhere_finds_the_same_when_repeated() {
    let mut torn = World::new(Always);
    torn.create(1);
    torn.settle();
    torn.disk.fail(Fault {
        verb: Some(Write),
        name: Some(Segment(1)),
        after: 0,
        error: EIO,
        partial: 70,
    });
    torn.create(2);
    torn.settle();
    let healed = {
        let mut world = World::new(Always);
        world.create(1);
        world.disk.fail_next(Sync, Some(Segment(1)));
        world.settle();
        world
            .disk
            .fail_next(super::memory_disk::Verb::Rename, Some(Snapshot(2)));
        world.heal().unwrap_err();
        assert!(world.disk.files().contains(&Segment(2)));
        world
    };
    for world in [&torn, &healed, &with_two_snapshots()] {
        let (sessions, recovered) = recover(&world.disk.after_kill()).unwrap();
        let (safe, _) = recover(&world.disk.after_power_cut()).unwrap();
        for after in 0.. {
            let disk = world.disk.after_kill();
            disk.fail(Fault {
                verb: None,
                name: None,
                after,
                error: EIO,
                partial: after % 64,
            });
            let cut = World::on(disk.clone(), Always);
            let done = disk.faults_left() > 0;
            drop(cut);
            let again = World::on(disk.after_kill(), Always).unwrap();
            assert_eq!(again.sessions, sessions, "call {after}");
            assert_eq!(again.recovered.last, recovered.last, "call {after}");
            let again = World::on(disk.after_power_cut(), Always).unwrap();
            let expected = if done { &sessions } else { &safe };
            assert!(again.sessions.is_superset(expected), "call {after}");
            if done {
                assert!(after > 8, "{after} calls");
                break;
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_damage() {
    let world = with_two_snapshots();
    for name in [Segment(3), Segment(4), Snapshot(3)] {
        let disk = world.disk.after_power_cut();
        disk.fail_next(Read, Some(name));
        let error = refusal(&disk);
        assert!(!error.is_damage(), "{error}");
        assert!(error.to_string().contains(&name.text()), "{error}");
    }
}
