//! Any bytes as a snapshot, as the chunks of one, and as damage to one: nothing panics, memory stays
//! bounded, what is read is what was written, and any altered byte is refused.
//!
//! The first byte chooses what the others are.

#![no_main]

use cloakroom::clock::Millis;
use cloakroom::log::key::KeyId;
use cloakroom::log::record::{decode_create, encode_create};
use cloakroom::log::snapshot::{SnapshotHeader, SnapshotReader, SnapshotWriter};
use cloakroom::model::Position;
use libfuzzer_sys::fuzz_target;

const TIME: Millis = Millis(1_795_000_000_000);

fn header() -> SnapshotHeader {
    SnapshotHeader {
        number: 3,
        first: Position(10),
        epochs: 1,
        created: TIME,
        salt: [7; 16],
        key_id: KeyId::of(&[7; 32]),
        bundled_key: None,
    }
}

/// Reads everything; answers whether it was accepted.
fn is_accepted(bytes: &[u8]) -> bool {
    let Ok(reader) = SnapshotReader::open(bytes) else {
        return false;
    };
    let mut buffer = Vec::new();
    for place in reader.places().flatten() {
        if let Ok(chunk) = reader.load(&place, &mut buffer) {
            chunk.creates().for_each(drop);
        }
        assert!(buffer.capacity() <= 8 << 20);
    }
    reader
        .verify(|done| assert!(done <= bytes.len() as u64))
        .is_ok()
}

/// A chunk, or the footer when the body is empty, with a checksum that fits.
fn chunk(index: u64, time: u64, count: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&u32::try_from(body.len()).expect("short").to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&index.to_le_bytes());
    bytes.extend_from_slice(&time.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(body);
    let covered = [&[7; 16], &bytes[..4], &bytes[8..]].concat();
    bytes[4..8].copy_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
    bytes
}

/// Bytes as chunks, cut at every 255: accepted only if they are records, each with one spelling.
fn chunks(data: &[u8]) {
    let mut bytes = header().encode().to_vec();
    let (mut records, mut index, mut are_records) = (0u32, 0, true);
    for body in data
        .split(|byte| *byte == 255)
        .filter(|body| !body.is_empty())
    {
        let (mut rest, mut count) = (body, 0);
        let mut written = Vec::new();
        while let Ok(create) = decode_create(&mut rest, TIME) {
            encode_create(&create, TIME, &mut written);
            assert_eq!(written, body[..body.len() - rest.len()], "one spelling");
            count += 1;
        }
        are_records &= written.len() == body.len();
        bytes.extend(chunk(index, TIME.0, count.max(1), body));
        records += count.max(1);
        index += 1;
    }
    bytes.extend(chunk(index, u64::from(records), 0, &[]));
    assert_eq!(is_accepted(&bytes), are_records);
}

/// Bytes as edits of a snapshot: triples of a place and a byte to be put there, then a cut.
fn damage(data: &[u8]) {
    let mut whole = Vec::new();
    let mut writer = SnapshotWriter::begin(&header(), |piece: &[u8]| {
        whole.extend_from_slice(piece);
        Ok(())
    })
    .expect("memory takes it");
    let mut record = [1u8, 1, b'a', 1].to_vec();
    record.extend_from_slice(&[9; 16]);
    record.extend_from_slice(&[0, 0, 0, 0, 0, 0, 1, 0, 0, 3, b'a', b'b', b'c']);
    let create = decode_create(&mut record.as_slice(), TIME).expect("a create");
    for _ in 0..5 {
        writer.push(&create);
    }
    writer.finish().expect("memory takes it");
    let mut bytes = whole.clone();
    for edit in data.chunks(3) {
        match *edit {
            [low, high, value] => {
                let place = usize::from(u16::from_le_bytes([low, high])) % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = value;
                }
            }
            [more, value] => bytes.resize(bytes.len() + usize::from(more), value),
            [less] => bytes.truncate(bytes.len() - usize::from(less)),
            _ => {}
        }
    }
    assert_eq!(is_accepted(&bytes), bytes == whole);
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    match choice % 4 {
        0 => {
            is_accepted(data);
        }
        1 => {
            is_accepted(&[&header().encode(), data].concat());
        }
        2 => chunks(data),
        _ => damage(data),
    }
});
