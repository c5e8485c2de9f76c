//! Segments: the blocks that are in order, and what the end of them comes to.

use cloakroom::log::block::BadBlock;
use cloakroom::log::disk::Disk;
use cloakroom::log::reader::{
    BadSegment, Cause, Reason, Rest, Segment, SegmentEnd, TornTail, Verdict, disorder,
};
use cloakroom::log::segment::{BadHeader, SegmentHeader};
use cloakroom::model::{Change, Position};

use crate::memory_disk::MemoryDisk;
use crate::samples::{Owned, OwnedText, SegmentBuilder, remove, segment_header};

/// Blocks 10 to 14: of one, two, three changes, a long one, and an empty one that names `synced`.
fn sample(synced: u64) -> (SegmentBuilder, Vec<usize>) {
    let mut builder = SegmentBuilder::new(segment_header(3, 10, 9));
    let long = Owned::Update {
        handle: 1,
        time: 5,
        lag: false,
        counters: [1, 2],
        life: None,
        texts: [OwnedText::Keep, OwnedText::Keep],
        data: Some((0, vec![7; 20_000])),
    };
    let places = vec![
        builder.block(9, &[remove(1)]),
        builder.block(9, &[remove(2), remove(3)]),
        builder.block(10, &[remove(4), remove(5), remove(6)]),
        builder.block(10, &[long.change()]),
        builder.block(synced, &[]),
    ];
    (builder, places)
}

fn end_of(bytes: Vec<u8>, below: Option<u64>) -> SegmentEnd {
    let segment = Segment::from_bytes(bytes).unwrap();
    segment.blocks(below.map(Position)).end()
}

#[test]
fn blocks_come_in_order_and_end_clean_before_zeros_or_the_end_of_the_file() {
    let (builder, places) = sample(13);
    for zeros in [0, 8, 4096, 1 << 20] {
        let segment = builder.segment(zeros);
        assert_eq!(segment.header(), &builder.header);
        let mut blocks = segment.blocks(None);
        let (mut positions, mut starts, mut handles) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            starts.push(blocks.offset());
            let Some(block) = blocks.next() else { break };
            positions.push(block.header.position.0);
            for record in block.records() {
                if let Change::Remove { handle } = record.unwrap() {
                    handles.push(handle.0);
                }
            }
        }
        assert_eq!(positions, [10, 11, 12, 13, 14]);
        assert_eq!(handles, [1, 2, 3, 4, 5, 6]);
        assert_eq!(starts[..5], places);
        assert_eq!(starts[5], builder.bytes.len());
        let end = blocks.end();
        assert_eq!((end.next, end.synced), (Position(15), Position(13)));
        assert_eq!(end.rest, Rest::Zeros);
        let clean = Verdict::Clean {
            end: builder.bytes.len(),
        };
        assert_eq!(end.judge(Position(14)), clean);
    }
}

#[test]
fn an_empty_segment_ends_where_its_header_ends() {
    let builder = SegmentBuilder::new(segment_header(1, 1, 0));
    let end = end_of(builder.padded(100), None);
    assert_eq!((end.offset, end.next), (4096, Position(1)));
    assert_eq!(end.judge(Position(0)), Verdict::Clean { end: 4096 });
}

#[test]
fn damage_to_what_was_never_safe_is_a_torn_tail() {
    let (builder, places) = sample(10);
    for (index, place) in places.iter().enumerate().skip(1) {
        let mut bytes = builder.padded(4096);
        bytes[place + 25] ^= 0x10;
        let last_byte = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let end = end_of(bytes, None);
        let first = Position(10 + index as u64);
        assert_eq!((end.offset, end.next), (*place, first));
        let Verdict::Torn(tail) = end.judge(Position(10)) else {
            panic!("{end:?}");
        };
        // The empty block is all that stands behind, if it was not the one that was hit.
        let later = (index < 4).then_some(Position(14));
        let expected = TornTail {
            number: 3,
            start: *place,
            end: last_byte + 1,
            first,
            later,
        };
        assert_eq!(tail, expected);
    }
}

#[test]
fn damage_to_what_any_block_or_file_names_as_synced_is_corruption() {
    // The last block names 13 as synced, and stands behind all that is damaged here.
    let (builder, places) = sample(13);
    for (index, place) in places.iter().enumerate().take(4) {
        let mut bytes = builder.padded(4096);
        bytes[place + 41] ^= 0x10;
        let end = end_of(bytes, None);
        assert_eq!(end.synced, Position(13));
        let Verdict::Damage(damage) = end.judge(Position(0)) else {
            panic!("{end:?}");
        };
        let first = Position(10 + index as u64);
        assert_eq!((damage.number, damage.offset), (3, *place));
        assert_eq!((damage.first, damage.last), (first, Position(13)));
        let reason = Reason::Block(BadBlock::Checksum);
        assert_eq!(damage.cause, Cause::Reason(reason));
        let sentence = format!(
            "at byte {place}: the checksum of a block does not fit; \
             blocks {} to 13 were safe and are lost or damaged",
            first.0
        );
        assert_eq!(damage.to_string(), sentence);
    }
    // The same damage when only another file names the block as synced.
    let (builder, places) = sample(10);
    let mut bytes = builder.padded(4096);
    bytes[places[3] + 41] ^= 0x10;
    let end = end_of(bytes, None);
    assert!(matches!(end.judge(Position(12)), Verdict::Torn(_)));
    assert!(matches!(end.judge(Position(13)), Verdict::Damage(_)));
}

#[test]
fn zeros_where_a_safe_block_stood_are_corruption() {
    let (builder, places) = sample(13);
    let mut bytes = builder.padded(4096);
    bytes[places[3]..].fill(0);
    let end = end_of(bytes.clone(), None);
    assert_eq!(end.rest, Rest::Zeros);
    assert!(matches!(end.judge(Position(12)), Verdict::Clean { .. }));
    let Verdict::Damage(damage) = end.judge(Position(13)) else {
        panic!("{end:?}");
    };
    assert_eq!(damage.cause, Cause::Missing);
    bytes.truncate(places[3]);
    assert_eq!(
        end_of(bytes, None).judge(Position(13)),
        end.judge(Position(13))
    );
}

#[test]
fn every_cut_of_a_segment_is_clean_torn_or_damage_by_what_was_safe() {
    let (builder, places) = sample(10);
    for length in 4096..builder.bytes.len() {
        let end = end_of(builder.bytes[..length].to_vec(), None);
        let whole = places
            .iter()
            .filter(|place| **place <= length)
            .count()
            .max(1)
            - 1;
        assert_eq!(end.next.0, 10 + whole as u64, "{length} bytes");
        match end.judge(Position(0)) {
            Verdict::Clean { end } => assert_eq!(end, places[whole]),
            Verdict::Torn(tail) => assert_eq!(tail.start, places[whole]),
            Verdict::Damage(damage) => assert_eq!(damage.first, Position(10)),
        }
        assert!(matches!(end.judge(Position(13)), Verdict::Damage(_)) || whole > 3);
    }
}

#[test]
fn before_another_segment_only_blocks_below_its_first_count_and_must_all_be_there() {
    let (builder, places) = sample(10);
    let mut bytes = builder.padded(4096);
    // What stands behind the first block of the next segment is none of the log's, damaged or not.
    for damaged in [false, true] {
        if damaged {
            bytes[places[3] + 50] ^= 1;
        }
        let segment = Segment::from_bytes(bytes.clone()).unwrap();
        assert_eq!(segment.blocks(Some(Position(13))).count(), 3);
        let end = segment.blocks(Some(Position(13))).end();
        assert_eq!((end.rest, end.offset), (Rest::NextSegment, places[3]));
        let clean = Verdict::Clean { end: places[3] };
        assert_eq!(end.judge(Position(12)), clean);
    }
    let end = end_of(bytes.clone(), Some(15));
    assert_eq!(end.next, Position(13));
    assert!(matches!(end.judge(Position(14)), Verdict::Damage(_)));
    let (builder, _) = sample(10);
    let end = end_of(builder.padded(4096), Some(17));
    assert!(matches!(end.judge(Position(16)), Verdict::Damage(_)));
}

#[test]
fn a_block_of_another_position_ends_the_order() {
    let mut builder = SegmentBuilder::new(segment_header(3, 10, 9));
    builder.block(9, &[remove(1)]);
    builder.next = 12;
    let place = builder.block(9, &[remove(2)]);
    let end = end_of(builder.padded(64), None);
    assert_eq!((end.offset, end.next), (place, Position(11)));
    let Rest::Damage { reason, later, .. } = end.rest else {
        panic!("{end:?}");
    };
    assert_eq!(reason, Reason::Position(Position(12)));
    assert_eq!(later, Some(Position(12)));
    assert!(matches!(end.judge(Position(10)), Verdict::Torn(_)));
    // Had it been written when 11 was safe, 11 would have to be there.
    let mut builder = SegmentBuilder::new(segment_header(3, 10, 9));
    builder.block(9, &[remove(1)]);
    builder.next = 12;
    builder.block(11, &[remove(2)]);
    let end = end_of(builder.padded(64), None);
    assert!(matches!(end.judge(Position(0)), Verdict::Damage(_)));
}

#[test]
fn one_byte_in_64_mib_of_zeros_is_found() {
    let (builder, _) = sample(13);
    let mut bytes = builder.padded(64 << 20);
    assert_eq!(end_of(bytes.clone(), None).rest, Rest::Zeros);
    let last = bytes.len() - 1;
    bytes[last] = 1;
    let end = end_of(bytes, None);
    let Rest::Damage { written_end, .. } = end.rest else {
        panic!("{end:?}");
    };
    assert_eq!(written_end, last + 1);
    assert!(matches!(end.judge(Position(13)), Verdict::Torn(_)));
}

#[test]
fn segments_are_loaded_from_files_and_refused_without_a_header() {
    let disk = MemoryDisk::default();
    let (builder, _) = sample(13);
    let bytes = builder.padded(3 << 20);
    disk.put("whole", &bytes);
    disk.put("cut", &bytes[..4095]);
    disk.put("zeros", &[0; 8192]);
    let load = |name: &str| Segment::load(disk.open(name).unwrap().as_ref());
    assert_eq!(load("whole").unwrap().bytes(), bytes);
    let Err(BadSegment::Header(BadHeader::Short)) = load("cut") else {
        panic!("a header was found where there is half a page");
    };
    let Err(BadSegment::Header(BadHeader::Magic)) = load("zeros") else {
        panic!("a header was found in zeros");
    };
}

#[test]
fn segments_that_cannot_follow_each_other_are_told() {
    let header = segment_header(3, 10, 9);
    let next = segment_header(4, 10, 9);
    assert_eq!(disorder(&header, &next), None, "one without blocks");
    assert!(disorder(&header, &segment_header(4, 9, 8)).is_some());
    let foreign = SegmentHeader {
        key_id: cloakroom::log::key::KeyId::of(&[1; 32]),
        ..next
    };
    assert!(disorder(&header, &foreign).is_some());
}
