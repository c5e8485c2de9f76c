//! Any bytes as records, as a segment, and as damage to one: nothing panics, what is read is what was
//! written, and a safe block that is gone or altered is never passed over.
//!
//! The first byte chooses what the others are.

#![no_main]

use cloakroom::clock::Millis;
use cloakroom::log::block::{BlockHeader, HEADER, padded, seal};
use cloakroom::log::key::KeyId;
use cloakroom::log::reader::{Rest, Segment, Verdict};
use cloakroom::log::record::{decode, encode};
use cloakroom::log::segment::{HEADER_PAGE, SegmentHeader};
use cloakroom::model::{Change, Handle, Position};
use libfuzzer_sys::fuzz_target;

const TIME: Millis = Millis(1_795_000_000_000);
const FIRST: u64 = 10;

fn header() -> SegmentHeader {
    SegmentHeader {
        number: 3,
        first: Position(FIRST),
        synced: Position(FIRST - 1),
        created: TIME,
        salt: [7; 16],
        key_id: KeyId::of(&[7; 32]),
        own_snapshot: false,
    }
}

fn add_block(bytes: &mut Vec<u8>, position: u64, synced: u64, count: u32, body: &[u8]) {
    let mut block = vec![0; HEADER];
    block.extend_from_slice(body);
    let header = BlockHeader {
        position: Position(position),
        synced: Position(synced),
        time: TIME,
        count,
    };
    seal(&mut block, &header, &[7; 16]);
    block.resize(padded(body.len()), 0);
    bytes.extend_from_slice(&block);
}

/// Bytes as records of a valid block: whatever is read would be written the same.
fn records(data: &[u8]) {
    let (mut rest, mut count) = (data, 0);
    let mut written = Vec::new();
    while let Ok(change) = decode(&mut rest, TIME) {
        encode(&change, TIME, &mut written);
        count += 1;
        assert_eq!(written, data[..data.len() - rest.len()], "one spelling");
    }
    if data.is_empty() || data.len() > 1 << 20 {
        return;
    }
    let mut bytes = header().encode().to_vec();
    let said = u32::from(data[0]).clamp(1, u32::try_from(data.len()).expect("bounded"));
    add_block(&mut bytes, FIRST, FIRST - 1, said, data);
    let segment = Segment::from_bytes(bytes).expect("the header is valid");
    let block = segment.blocks(None).next().expect("the block is valid");
    let good = block.records().take_while(Result::is_ok).count();
    assert!(good <= said as usize);
    let is_whole = block.records().all(|record| record.is_ok());
    assert_eq!(is_whole, said == count && written.len() == data.len());
}

/// Bytes behind a valid header.
fn segment(data: &[u8]) {
    drop(Segment::from_bytes(data.to_vec()));
    let mut bytes = header().encode().to_vec();
    bytes.extend_from_slice(data);
    let length = bytes.len();
    let segment = Segment::from_bytes(bytes).expect("the header is valid");
    for below in [None, Some(Position(FIRST)), Some(Position(FIRST + 2))] {
        let mut blocks = segment.blocks(below);
        for block in blocks.by_ref() {
            block.records().for_each(drop);
        }
        let end = blocks.end();
        assert!(end.offset <= length);
        let behind = &segment.bytes()[end.offset..];
        match end.rest {
            Rest::Zeros => assert!(behind.iter().all(|byte| *byte == 0)),
            Rest::Damage { written_end, .. } => {
                assert!(end.offset < written_end && written_end <= length);
            }
            Rest::NextSegment => assert!(below.is_some_and(|below| end.next >= below)),
        }
        drop(end.judge(Position(u64::from(data.first().copied().unwrap_or(0)))));
    }
}

/// Bytes as blocks and then as damage to them: each block takes one byte, up to a zero; then come
/// pairs of a place and a byte to be put there.
fn damage(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (shape, edits) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let mut bytes = header().encode().to_vec();
    let (mut ends, mut synced) = (vec![HEADER_PAGE], FIRST - 1);
    for (position, byte) in (FIRST..).zip(shape.iter().take(16)) {
        let mut body = Vec::new();
        let count = u32::from(byte % 4);
        for handle in 0..u64::from(count) {
            let handle = Handle(position << 32 | handle);
            encode(&Change::Remove { handle }, TIME, &mut body);
        }
        // A quarter of the blocks say that all before them were synced.
        if byte / 4 % 4 == 0 {
            synced = position - 1;
        }
        add_block(&mut bytes, position, synced, count, &body);
        ends.push(bytes.len());
    }
    let whole = bytes.clone();
    bytes.resize(bytes.len() + 64, 0);
    let mut first_damaged = usize::MAX;
    for edit in edits.chunks_exact(3) {
        let place = HEADER_PAGE + usize::from(u16::from_le_bytes([edit[0], edit[1]]));
        if let Some(byte) = bytes.get_mut(place).filter(|byte| **byte != edit[2]) {
            *byte = edit[2];
        }
    }
    for (place, byte) in bytes.iter().enumerate() {
        if *byte != whole.get(place).copied().unwrap_or(0) {
            first_damaged = place;
            break;
        }
    }
    let segment = Segment::from_bytes(bytes).expect("the header is valid");
    let mut blocks = segment.blocks(None);
    let read = blocks.by_ref().count();
    let untouched = ends
        .iter()
        .skip(1)
        .filter(|end| **end <= first_damaged)
        .count();
    assert_eq!(
        read, untouched,
        "all blocks before the damage, and none behind"
    );
    let is_safe_gone = FIRST + untouched as u64 <= synced;
    match blocks.end().judge(Position(synced)) {
        Verdict::Damage(damage) => {
            assert!(is_safe_gone);
            assert_eq!(damage.offset, ends[untouched]);
        }
        Verdict::Torn(tail) => {
            assert!(!is_safe_gone && first_damaged != usize::MAX);
            assert!(tail.start <= first_damaged);
        }
        Verdict::Clean { end } => {
            assert!(!is_safe_gone);
            assert_eq!(end, ends[untouched]);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    match choice % 3 {
        0 => records(data),
        1 => segment(data),
        _ => damage(data),
    }
});
