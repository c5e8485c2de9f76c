//! Snapshots: what is pushed is read back, by one thread or several, and every damage is refused.

use std::io;

use cloakroom::log::record::BadRecord;
use cloakroom::log::snapshot::{
    BadSnapshot, Problem, SnapshotHeader, SnapshotReader, SnapshotTotals, SnapshotWriter,
};
use cloakroom::model::change::CreateChange;

use crate::samples::{LENGTHS, NOW, SECRET, ordinary, snapshot, snapshot_header};

/// All sessions of a snapshot, by their low tag.
fn read(bytes: &[u8]) -> Result<Vec<u64>, BadSnapshot> {
    let reader = SnapshotReader::open(bytes)?;
    let mut buffer = Vec::new();
    let mut found = Vec::new();
    for place in reader.places() {
        for create in reader.load(&place?, &mut buffer)?.creates() {
            found.push(create?.tag.low);
        }
    }
    Ok(found)
}

#[test]
fn sessions_come_back_in_order_from_snapshots_of_any_size() {
    for count in [0, 1, 2, 1_000, 30_000] {
        let header = snapshot_header(1, 1);
        let bytes = snapshot(&header, (0..count).map(ordinary));
        assert_eq!(read(&bytes).unwrap(), (0..count).collect::<Vec<_>>());
        let reader = SnapshotReader::open(bytes.as_slice()).unwrap();
        assert_eq!(reader.header(), &header);
        let mut done = Vec::new();
        let totals = reader.verify(|bytes| done.push(bytes)).unwrap();
        assert_eq!((totals.records, totals.bytes), (count, bytes.len() as u64));
        assert!(done.is_sorted() && done.last() == Some(&(bytes.len() as u64)));
        let chunks = totals.chunks;
        assert_eq!(chunks, reader.places().count() as u64);
        assert!(count < 30_000 || chunks > 10, "{chunks} chunks");
    }
}

#[test]
fn every_field_of_a_session_is_kept() {
    for length in LENGTHS {
        let data = vec![0xda; length];
        let create = CreateChange {
            data: &data,
            sealed: &[9; 129],
            ..ordinary(5)
        };
        let bytes = snapshot(&snapshot_header(1, 1), [create.clone(), create.clone()]);
        let reader = SnapshotReader::open(bytes.as_slice()).unwrap();
        let mut buffer = Vec::new();
        for place in reader.places() {
            let chunk = reader.load(&place.unwrap(), &mut buffer).unwrap();
            assert!(chunk.creates().all(|c| c.unwrap() == create));
        }
        assert!(buffer.len() < 4 << 20);
    }
}

#[test]
fn an_ordinary_session_takes_less_than_180_bytes() {
    let bytes = snapshot(&snapshot_header(1, 1), (0..10_000).map(ordinary));
    let each = (bytes.len() - 4096) / 10_000;
    assert!(each <= 150, "{each} bytes");
}

#[test]
fn threads_share_one_reader() {
    let bytes = snapshot(&snapshot_header(1, 1), (0..20_000).map(ordinary));
    let reader = SnapshotReader::open(bytes.as_slice()).unwrap();
    let places: Vec<_> = reader.places().map(Result::unwrap).collect();
    let counted: u64 = places.iter().map(|place| u64::from(place.count())).sum();
    assert_eq!(counted, 20_000);
    let (front, back) = places.split_at(places.len() / 2);
    let sum = |places| {
        let mut buffer = Vec::new();
        let mut sum = 0;
        for place in places {
            let chunk = reader.load(place, &mut buffer).unwrap();
            sum += chunk.creates().map(|c| c.unwrap().tag.low).sum::<u64>();
        }
        sum
    };
    let sums = std::thread::scope(|scope| {
        let front = scope.spawn(|| sum(front));
        let back = scope.spawn(|| sum(back));
        front.join().unwrap() + back.join().unwrap()
    });
    assert_eq!(sums, (0..20_000).sum::<u64>());
}

#[test]
fn pushing_stays_in_memory_until_it_is_flushed() {
    let mut written = 0;
    let header = snapshot_header(1, 1);
    let mut writer = SnapshotWriter::begin(&header, |piece: &[u8]| {
        written += piece.len();
        Ok(())
    })
    .unwrap();
    let data = vec![0; 1 << 20];
    for number in 0..10 {
        let data = &data[..];
        writer.push(&CreateChange {
            data,
            ..ordinary(number)
        });
    }
    assert!(writer.unwritten() > 10 << 20);
    writer.flush().unwrap();
    assert_eq!(writer.unwritten(), 0);
    let totals = writer.finish().unwrap();
    let expected = SnapshotTotals {
        records: 10,
        chunks: 10,
        bytes: written as u64,
    };
    assert_eq!(totals, expected);
}

#[test]
fn an_error_of_the_sink_is_passed_on() {
    let header = snapshot_header(1, 1);
    let refuse = |_: &[u8]| Err(io::Error::from(io::ErrorKind::StorageFull));
    assert!(SnapshotWriter::begin(&header, refuse).is_err());
    let mut calls = 0;
    let mut writer = SnapshotWriter::begin(&header, |_: &[u8]| {
        calls += 1;
        if calls > 1 { refuse(&[]) } else { Ok(()) }
    })
    .unwrap();
    writer.push(&ordinary(1));
    assert!(writer.finish().is_err());
}

#[test]
fn every_cut_and_every_byte_too_many_is_refused() {
    let bytes = snapshot(&snapshot_header(1, 1), (0..3_000).map(ordinary));
    let ends: Vec<usize> = (0..bytes.len())
        .step_by(997)
        .chain([bytes.len() - 1])
        .collect();
    for end in ends {
        assert!(read(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
    }
    let error = read(&[&bytes[..], &[0]].concat()).unwrap_err();
    assert!(matches!(error.problem, Problem::Surplus), "{error}");
}

#[test]
fn chunks_that_are_left_out_swapped_or_of_another_snapshot_are_refused() {
    let header = snapshot_header(1, 1);
    let bytes = snapshot(&header, (0..6_000).map(ordinary));
    let reader = SnapshotReader::open(bytes.as_slice()).unwrap();
    let places: Vec<_> = reader.places().map(Result::unwrap).collect();
    let (one, two) = (places[1], places[2]);
    let cut = |place: cloakroom::log::snapshot::ChunkPlace| {
        let start = usize::try_from(place.offset).unwrap();
        start..start + usize::try_from(place.bytes()).unwrap()
    };
    let (before, behind) = (&bytes[..cut(one).start], &bytes[cut(two).end..]);
    let left_out = [before, &bytes[cut(two)], behind].concat();
    assert!(matches!(
        read(&left_out).unwrap_err().problem,
        Problem::Chunk
    ));
    let swapped = [before, &bytes[cut(two)], &bytes[cut(one)], behind].concat();
    assert!(matches!(
        read(&swapped).unwrap_err().problem,
        Problem::Chunk
    ));
    let other_header = SnapshotHeader {
        salt: [1; 16],
        ..header
    };
    let other = snapshot(&other_header, (0..6_000).map(ordinary));
    let mixed = [before, &other[cut(one)], &bytes[cut(one).end..]].concat();
    let error = read(&mixed).unwrap_err();
    assert!(matches!(error.problem, Problem::Checksum), "{error}");
    assert_eq!(error.offset, one.offset);
}

#[test]
fn a_key_can_be_bundled_and_must_be_the_one_of_its_id() {
    let header = SnapshotHeader {
        bundled_key: Some(SECRET),
        ..snapshot_header(9, 77)
    };
    let page = header.encode();
    assert_eq!(SnapshotHeader::decode(&page), Ok(header.clone()));
    assert_eq!(page[..16], *b"CLKRSNP1\x01\0\0\0\x01\0\0\0");
    assert_eq!(page[16..24], 9u64.to_le_bytes());
    assert_eq!(page[24..32], 77u64.to_le_bytes());
    assert_eq!(page[32..40], [3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(page[40..48], NOW.0.to_le_bytes());
    assert_eq!(page[48..64], [0x5a; 16]);
    assert_eq!(page[64..80], header.key_id.bytes());
    assert_eq!(page[80..112], SECRET);
    assert_eq!(page[112..4092], [0; 3980]);
    let shown = format!("{header:?}");
    assert!(!shown.contains("7, 7"), "{shown}");
    let wrong = SnapshotHeader {
        bundled_key: Some([8; 32]),
        ..header
    };
    assert!(SnapshotHeader::decode(&wrong.encode()).is_err());
}

/// The bytes of a chunk header, or of the footer, with one field altered and a checksum that fits.
fn altered(bytes: &[u8], start: usize, place: usize, field: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[start + place..][..field.len()].copy_from_slice(field);
    let length = bytes[start..][..4]
        .try_into()
        .map(u32::from_le_bytes)
        .unwrap();
    let end = (start + 32 + length as usize).min(bytes.len());
    let covered = [&[0x5a; 16], &bytes[start..][..4], &bytes[start + 8..end]].concat();
    bytes[start + 4..][..4].copy_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
    bytes
}

#[test]
fn chunks_that_contradict_themselves_are_refused_though_the_checksum_fits() {
    let bytes = snapshot(&snapshot_header(1, 1), (0..3).map(ordinary));
    assert_eq!(
        altered(&bytes, 4096, 8, &[0; 8]),
        bytes,
        "nothing was altered"
    );
    let footer = bytes.len() - 32;
    let problem = |start, place, field: &[u8]| {
        let error = read(&altered(&bytes, start, place, field)).unwrap_err();
        assert!(error.offset >= start as u64, "{error}");
        error.problem
    };
    assert!(matches!(problem(4096, 8, &[1]), Problem::Chunk), "index");
    assert!(matches!(problem(4096, 22, &[1]), Problem::Chunk), "time");
    assert!(matches!(problem(4096, 26, &[1]), Problem::Chunk), "count");
    assert!(
        matches!(problem(4096, 24, &[0]), Problem::Chunk),
        "no count"
    );
    assert!(
        matches!(problem(4096, 31, &[1]), Problem::Chunk),
        "reserved"
    );
    assert!(matches!(problem(footer, 8, &[2]), Problem::Chunk), "chunks");
    assert!(
        matches!(problem(footer, 24, &[1]), Problem::Chunk),
        "footer with a count"
    );
    let Problem::Total { said, found } = problem(footer, 16, &[4]) else {
        panic!("a wrong total was not noticed");
    };
    assert_eq!((said, found), (4, 3));
    for count in [2, 4] {
        let wrong = altered(&bytes, 4096, 24, &[count]);
        let wrong = altered(&wrong, footer, 16, &[count]);
        let error = read(&wrong).unwrap_err();
        assert!(
            matches!(error.problem, Problem::Records(BadRecord::Count)),
            "{error}"
        );
    }
    let long = altered(&bytes, 4096, 0, &[1, 0, 64, 0]);
    assert!(
        matches!(read(&long).unwrap_err().problem, Problem::Chunk),
        "4 MiB and one"
    );
}

#[test]
fn only_creates_stand_in_a_snapshot() {
    let bytes = snapshot(&snapshot_header(1, 1), [ordinary(1)]);
    let error = read(&altered(&bytes, 4096, 32, &[4])).unwrap_err();
    assert!(
        matches!(error.problem, Problem::Records(BadRecord::Kind(4))),
        "{error}"
    );
}
