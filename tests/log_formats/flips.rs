//! Every single flipped bit: refused, or inside a reported torn tail, or without any effect.

use cloakroom::log::key::{KeyId, key_file_text, parse_key_file};
use cloakroom::log::reader::{Segment, Verdict};
use cloakroom::log::snapshot::{SnapshotHeader, SnapshotReader};
use cloakroom::model::Position;

use crate::samples::{
    SECRET, SegmentBuilder, ordinary, remove, segment_header, snapshot, snapshot_header,
};

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// What recovery would take from a segment: every change, in order, and whether a torn tail was
/// reported. `Err` when it is refused.
fn answers(
    bytes: Vec<u8>,
    below: Option<Position>,
    required: u64,
) -> Result<(String, bool), String> {
    let segment = Segment::from_bytes(bytes).map_err(|e| e.to_string())?;
    let mut blocks = segment.blocks(below);
    let mut changes = Vec::new();
    for block in blocks.by_ref() {
        for record in block.records() {
            changes.push(format!("{:?}", record.map_err(|e| e.to_string())?));
        }
    }
    match blocks.end().judge(Position(required)) {
        Verdict::Clean { .. } => Ok((changes.join("\n"), false)),
        Verdict::Torn(_) => Ok((changes.join("\n"), true)),
        Verdict::Damage(damage) => Err(damage.to_string()),
    }
}

fn small_segment() -> (SegmentBuilder, Vec<usize>) {
    let mut builder = SegmentBuilder::new(segment_header(2, 5, 4));
    let create = cloakroom::model::Change::Create(ordinary(9));
    let places = vec![
        builder.block(4, &[create.clone(), remove(1)]),
        builder.block(5, &[remove(2), remove(3), remove(4)]),
        builder.block(6, &[create]),
        builder.block(6, &[remove(6)]),
    ];
    (builder, places)
}

#[test]
fn every_flipped_bit_of_the_last_segment_is_refused_or_reported() {
    let (builder, places) = small_segment();
    let bytes = builder.padded(256);
    let (whole, torn) = answers(bytes.clone(), None, 6).unwrap();
    assert!(!torn);
    let mut counts = [0; 3];
    for bit in 0..bytes.len() * 8 {
        match answers(flipped(&bytes, bit), None, 6) {
            Err(_) => {
                counts[0] += 1;
                assert!(bit / 8 < places[2], "bit {bit} was never safe, but refused");
            }
            Ok((changes, true)) => {
                counts[1] += 1;
                assert!(bit / 8 >= places[2], "bit {bit} was safe, but given up");
                assert!(whole.starts_with(&changes), "bit {bit}");
            }
            Ok((changes, false)) => {
                counts[2] += 1;
                assert_eq!(changes, whole, "bit {bit}");
            }
        }
    }
    // All of the header and the two blocks that were safe; all of the rest.
    let safe = places[2] * 8;
    assert_eq!(counts, [safe, bytes.len() * 8 - safe, 0]);
}

#[test]
fn every_flipped_bit_of_a_segment_before_another_is_refused_or_changes_nothing() {
    let (builder, _) = small_segment();
    let bytes = builder.padded(256);
    let below = Some(Position(9));
    let (whole, _) = answers(bytes.clone(), below, 8).unwrap();
    for bit in 0..bytes.len() * 8 {
        let found = answers(flipped(&bytes, bit), below, 8);
        if bit / 8 < builder.bytes.len() {
            assert!(found.is_err(), "bit {bit}");
        } else {
            assert_eq!(found, Ok((whole.clone(), false)), "bit {bit}");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_snapshot_is_refused() {
    for bundled_key in [None, Some(SECRET)] {
        let header = SnapshotHeader {
            bundled_key,
            ..snapshot_header(1, 1)
        };
        let bytes = snapshot(&header, (0..5).map(ordinary));
        for bit in 0..bytes.len() * 8 {
            let bytes = flipped(&bytes, bit);
            let read = SnapshotReader::open(bytes.as_slice()).and_then(|r| r.verify(|_| ()));
            assert!(read.is_err(), "bit {bit}");
        }
    }
}

#[test]
fn random_flips_in_a_snapshot_of_many_chunks_are_refused() {
    let bytes = snapshot(&snapshot_header(1, 1), (0..10_000).map(ordinary));
    let mut place = 1usize;
    for _ in 0..500 {
        place = place
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963);
        let bit = (place >> 20) % (bytes.len() * 8);
        let bytes = flipped(&bytes, bit);
        let read = SnapshotReader::open(bytes.as_slice()).and_then(|r| r.verify(|_| ()));
        assert!(read.is_err(), "bit {bit}");
    }
}

#[test]
fn every_flipped_bit_of_a_key_file_is_refused_or_names_another_key() {
    let text = key_file_text(&SECRET).into_bytes();
    for bit in 0..text.len() * 8 {
        if let Ok(secret) = parse_key_file(&flipped(&text, bit)) {
            // Every segment and snapshot names the key it was written under.
            assert_ne!(
                KeyId::of(&secret),
                segment_header(1, 1, 0).key_id,
                "bit {bit}"
            );
        }
    }
}
