//! `check` over whole directories: every generation, every kind of file, every kind of damage.

use cloakroom::log::check::{Finding, SegmentTotals, State, check};
use cloakroom::log::key::{KeyId, key_file_text};
use cloakroom::log::name::FileName;
use cloakroom::log::segment::SegmentHeader;
use cloakroom::log::snapshot::SnapshotHeader;
use cloakroom::model::Position;

use crate::memory_disk::MemoryDisk;
use crate::samples::{
    SECRET, SegmentBuilder, ordinary, remove, segment_header, snapshot, snapshot_header,
};

fn segment(number: u64) -> String {
    FileName::Segment(number).text()
}

fn put_segment(disk: &MemoryDisk, header: SegmentHeader, changes: &[u64]) -> SegmentBuilder {
    let mut builder = SegmentBuilder::new(header);
    for change in changes {
        let synced = builder.next - 1;
        builder.block(synced, &[remove(*change)]);
    }
    let name = segment(builder.header.number);
    disk.put(&name, &builder.padded(4096));
    builder
}

fn put_snapshot(disk: &MemoryDisk, number: u64, first: u64) {
    let header = snapshot_header(number, first);
    let bytes = snapshot(&header, (0..3_000).map(ordinary));
    disk.put(&FileName::Snapshot(number).text(), &bytes);
}

/// Two generations: snapshots 2 and 3, segments 2 (blocks 4 to 6), 3 (7 and 8) and 4 (9).
fn two_generations() -> MemoryDisk {
    let disk = MemoryDisk::default();
    disk.put("key", key_file_text(&SECRET).as_bytes());
    disk.put("lock", b"");
    put_snapshot(&disk, 2, 4);
    put_segment(&disk, segment_header(2, 4, 3), &[1, 2, 3]);
    put_snapshot(&disk, 3, 7);
    put_segment(&disk, segment_header(3, 7, 6), &[4, 5]);
    put_segment(&disk, segment_header(4, 9, 8), &[6]);
    disk
}

fn findings(disk: &MemoryDisk) -> Vec<Finding> {
    let mut done = 0;
    let found = check(disk, &mut |progress| {
        assert!(done <= progress.done && progress.done <= progress.total);
        done = progress.done;
    });
    found.unwrap()
}

fn state_of(disk: &MemoryDisk, name: &str) -> State {
    let found = findings(disk).into_iter().find(|f| f.file == name);
    found
        .unwrap_or_else(|| panic!("nothing was said of {name}"))
        .state
}

fn corrupt_files(disk: &MemoryDisk) -> Vec<String> {
    let found = findings(disk).into_iter().filter(Finding::is_corruption);
    found.map(|finding| finding.file).collect()
}

fn damage(disk: &MemoryDisk, name: &str, place: usize) {
    let mut bytes = disk.bytes(name);
    bytes[place] ^= 1;
    disk.put(name, &bytes);
}

#[test]
fn progress_reaches_the_bytes_of_all_segments_and_snapshots() {
    let disk = two_generations();
    let names = disk_names(&disk).into_iter().filter(|n| n.contains('-'));
    let total: usize = names.map(|name| disk.bytes(&name).len()).sum();
    let mut seen = Vec::new();
    check(&disk, &mut |p| {
        seen.push((p.file.to_string(), p.done, p.total))
    })
    .unwrap();
    assert!(seen.len() > 5);
    assert!(seen.iter().all(|(_, _, all)| *all == total as u64));
    let (file, done, _) = seen.last().unwrap();
    assert_eq!((file, *done), (&segment(4), total as u64));
}

#[test]
fn a_whole_directory_is_found_whole() {
    let disk = two_generations();
    let found = findings(&disk);
    let names: Vec<_> = found.iter().map(|finding| finding.file.as_str()).collect();
    assert_eq!(
        names,
        [
            "key",
            "segment-0000000000000002.log",
            "segment-0000000000000003.log",
            "segment-0000000000000004.log",
            "snapshot-0000000000000002.snap",
            "snapshot-0000000000000003.snap",
        ]
    );
    assert_eq!(found[0].state, State::Key(KeyId::of(&SECRET)));
    let totals = |blocks| SegmentTotals {
        blocks,
        records: blocks,
    };
    for (finding, blocks) in found[1..4].iter().zip([3, 2, 1]) {
        assert_eq!(finding.state, State::Segment(totals(blocks)));
    }
    assert_eq!(
        found[5].to_string(),
        "snapshot-0000000000000003.snap: ok, sessions: 3000"
    );
    assert!(!found.iter().any(Finding::is_corruption));
}

#[test]
fn an_empty_directory_and_a_backup_that_was_put_back_are_whole() {
    let disk = MemoryDisk::default();
    assert_eq!(check(&disk, &mut |_| ()).unwrap(), []);
    disk.put("key", key_file_text(&SECRET).as_bytes());
    put_snapshot(&disk, 7, 100);
    assert_eq!(corrupt_files(&disk), [segment(7)]);
    let header = SegmentHeader {
        own_snapshot: true,
        ..segment_header(7, 100, 99)
    };
    put_segment(&disk, header, &[]);
    assert_eq!(corrupt_files(&disk), [""; 0]);
    assert_eq!(findings(&disk).len(), 3);
}

#[test]
fn damage_is_found_in_every_generation_and_named_with_its_place() {
    for (name, place) in [
        ("key", 0),
        ("key", 30),
        ("segment-0000000000000002.log", 100),
        ("segment-0000000000000002.log", 4096 + 45),
        ("segment-0000000000000003.log", 4096 + 45),
        ("segment-0000000000000004.log", 17),
        ("snapshot-0000000000000002.snap", 300_000),
        ("snapshot-0000000000000003.snap", 10),
    ] {
        let disk = two_generations();
        damage(&disk, name, place);
        let corrupt = corrupt_files(&disk);
        if (name, place) == ("key", 30) {
            assert_eq!(corrupt.len(), 5, "another key: no file is of it");
        } else {
            assert_eq!(corrupt, [name], "it, and nothing else");
        }
    }
    let disk = two_generations();
    damage(&disk, &segment(3), 4096 + 45);
    let State::Corrupt { offset, sentence } = state_of(&disk, &segment(3)) else {
        panic!("the damage was not found");
    };
    assert_eq!(offset, 4096);
    let expected = "at byte 4096: the checksum of a block does not fit; \
                    blocks 7 to 8 were safe and are lost or damaged";
    assert_eq!(sentence, expected);
}

#[test]
fn the_end_of_the_last_segment_may_be_torn() {
    let disk = two_generations();
    damage(&disk, &segment(4), 4096 + 45);
    let State::TornTail(totals, tail) = state_of(&disk, &segment(4)) else {
        panic!("the torn tail was not found");
    };
    assert_eq!(totals.blocks, 0);
    assert_eq!((tail.start, tail.first), (4096, Position(9)));
    // Once a newer segment says that block 9 was safe, it is corruption, wherever it says so.
    put_segment(&disk, segment_header(5, 10, 9), &[]);
    assert_eq!(corrupt_files(&disk), [segment(4)]);
}

#[test]
fn a_torn_tail_in_front_of_a_newer_segment_is_no_part_of_the_log() {
    let disk = two_generations();
    damage(&disk, &segment(4), 4096 + 45);
    put_segment(&disk, segment_header(5, 9, 8), &[7]);
    disk.put(&FileName::Torn(4).text(), b"torn");
    assert_eq!(corrupt_files(&disk), [""; 0]);
    let name = FileName::Torn(4).text();
    assert_eq!(state_of(&disk, &name), State::SavedAside);
}

#[test]
fn leftovers_and_unknown_files_are_told_and_are_no_damage() {
    let disk = two_generations();
    for name in ["spare.tmp", "snapshot.tmp"] {
        disk.put(name, b"anything");
        assert_eq!(state_of(&disk, name), State::Leftover);
    }
    for name in [".DS_Store", "key.bak", "segment-5.log"] {
        disk.put(name, b"anything");
        assert_eq!(state_of(&disk, name), State::Unknown);
    }
    assert_eq!(corrupt_files(&disk), [""; 0]);
}

#[test]
fn missing_files_are_named() {
    for (removed, missing) in [
        ("key".to_string(), "key".to_string()),
        (segment(3), segment(3)),
        (segment(2), segment(2)),
    ] {
        let disk = two_generations();
        let mut names: Vec<_> = disk_names(&disk);
        names.retain(|name| *name != removed);
        let rest = MemoryDisk::default();
        for name in names {
            rest.put(&name, &disk.bytes(&name));
        }
        assert_eq!(state_of(&rest, &missing), State::Missing);
        assert_eq!(corrupt_files(&rest), [missing]);
    }
    // A snapshot without its segment, though older segments are there.
    let disk = two_generations();
    put_snapshot(&disk, 5, 10);
    assert_eq!(corrupt_files(&disk), [segment(5)]);
    // No snapshot yet: the log begins with segment 1.
    let disk = MemoryDisk::default();
    disk.put("key", key_file_text(&SECRET).as_bytes());
    put_segment(&disk, segment_header(2, 4, 3), &[1]);
    assert_eq!(corrupt_files(&disk), [segment(1)]);
}

fn disk_names(disk: &MemoryDisk) -> Vec<String> {
    cloakroom::log::disk::Disk::list(disk).unwrap()
}

#[test]
fn files_under_a_wrong_number_or_key_are_refused() {
    let disk = two_generations();
    disk.put(&segment(4), &disk.bytes(&segment(3)));
    assert_eq!(corrupt_files(&disk), [segment(4)]);
    let disk = two_generations();
    let other = SnapshotHeader {
        key_id: KeyId::of(&[1; 32]),
        ..snapshot_header(3, 7)
    };
    let name = FileName::Snapshot(3).text();
    disk.put(&name, &snapshot(&other, [ordinary(1)]));
    assert_eq!(corrupt_files(&disk), [name.as_str()]);
    let State::Corrupt { sentence, .. } = state_of(&disk, &name) else {
        panic!("the foreign key was not found");
    };
    assert!(sentence.contains("written under the key"), "{sentence}");
    let disk = two_generations();
    put_snapshot(&disk, 3, 8);
    assert_eq!(
        corrupt_files(&disk),
        [segment(3)],
        "they do not begin together"
    );
}

/// A failure after block 8 was synced; blocks 9 and 10 were written, and maybe damaged. Segment 5
/// begins with block 11, and snapshot 5 makes up for what came before.
fn healed(with_snapshot: bool, blocks: &[u64]) -> MemoryDisk {
    let disk = two_generations();
    let mut builder = SegmentBuilder::new(segment_header(4, 9, 8));
    builder.block(8, &[remove(1)]);
    builder.block(8, &[remove(2)]);
    disk.put(&segment(4), &builder.padded(64));
    damage(&disk, &segment(4), 4096 + 45);
    let header = SegmentHeader {
        own_snapshot: true,
        ..segment_header(5, 11, 8)
    };
    put_segment(&disk, header, blocks);
    if with_snapshot {
        put_snapshot(&disk, 5, 11);
    }
    disk
}

#[test]
fn a_healed_failure_leaves_a_torn_tail_behind_that_its_snapshot_makes_up_for() {
    let disk = healed(true, &[7]);
    assert_eq!(corrupt_files(&disk), [""; 0]);
    assert!(matches!(state_of(&disk, &segment(4)), State::TornTail(..)));
    assert!(matches!(state_of(&disk, &segment(5)), State::Segment(_)));
    // Without the snapshot the blocks are lost.
    let missing = FileName::Snapshot(5).text();
    assert_eq!(corrupt_files(&healed(false, &[7])), [missing]);
    // What was synced before the failure must be there all the same.
    damage(&disk, &segment(3), 4096 + 45);
    assert_eq!(corrupt_files(&disk), [segment(3)]);
}

#[test]
fn healing_that_was_cut_short_is_passed_over_however_often_it_was_tried() {
    let disk = healed(false, &[]);
    for tries in 0..2 {
        assert_eq!(corrupt_files(&disk), [""; 0], "after {tries} tries");
        assert_eq!(state_of(&disk, &segment(5)), State::Leftover);
        assert!(matches!(state_of(&disk, &segment(4)), State::TornTail(..)));
        let header = SegmentHeader {
            own_snapshot: true,
            ..segment_header(6, 11, 8)
        };
        put_segment(&disk, header, &[]);
    }
    // It still says what was safe by then: here block 9, which is damaged.
    let header = SegmentHeader {
        own_snapshot: true,
        ..segment_header(6, 11, 9)
    };
    put_segment(&disk, header, &[]);
    assert_eq!(corrupt_files(&disk), [segment(4)]);
}

#[test]
fn numbers_that_healing_passed_over_are_not_missed() {
    let disk = healed(true, &[7]);
    let header = SegmentHeader {
        own_snapshot: true,
        ..segment_header(9, 12, 11)
    };
    put_segment(&disk, header, &[8]);
    assert_eq!(corrupt_files(&disk), [FileName::Snapshot(9).text()]);
    put_snapshot(&disk, 9, 12);
    assert_eq!(corrupt_files(&disk), [""; 0]);
}

#[test]
fn a_valid_block_of_what_are_no_records_is_damage() {
    let disk = two_generations();
    let mut builder = SegmentBuilder::new(segment_header(4, 9, 8));
    let mut block = vec![0; 40];
    block.extend_from_slice(&[77, 0, 0]);
    let header = cloakroom::log::block::BlockHeader {
        position: Position(9),
        synced: Position(8),
        time: crate::samples::NOW,
        count: 1,
    };
    cloakroom::log::block::seal(&mut block, &header, &builder.header.salt);
    block.resize(48, 0);
    builder.bytes.extend_from_slice(&block);
    disk.put(&segment(4), &builder.padded(64));
    let State::Corrupt { offset, sentence } = state_of(&disk, &segment(4)) else {
        panic!("the wrong record was not found");
    };
    assert_eq!(offset, 4096);
    assert_eq!(
        sentence,
        "at byte 4096: block 9 is wrong: a record of the unknown kind 77"
    );
}
