//! Damage that shows only when sessions are brought back is named by its place, however many threads
//! meet it.

use cloakroom::clock::Millis;
use cloakroom::engine::{BadReplay, EngineConfig, RecoveryOptions};
use cloakroom::log::block::{self, Block, BlockHeader, HEADER};
use cloakroom::log::key::KeyId;
use cloakroom::log::record::{BadRecord, encode};
use cloakroom::log::snapshot::{Problem, SnapshotHeader, SnapshotReader};
use cloakroom::model::{Change, Handle, Life, Position};

use crate::engines::{app, create, engine, plain};
use crate::server::NOW;

const SALT: [u8; 16] = [3; 16];

/// A sealed block with `count` removals and then some bytes, all of which count as one record more.
fn sealed(position: u64, count: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    for handle in 0..u64::from(count) {
        let handle = Handle(handle << 32);
        encode(&Change::Remove { handle }, Millis(NOW), &mut bytes);
    }
    let name = app("shop");
    let epoch = position as u32;
    encode(
        &Change::RemoveApp { app: name, epoch },
        Millis(NOW),
        &mut bytes,
    );
    bytes.extend_from_slice(rest);
    let header = BlockHeader {
        position: Position(position),
        synced: Position(position - 1),
        time: Millis(NOW),
        count: count + 1 + u32::from(!rest.is_empty()),
    };
    block::seal(&mut bytes, &header, &SALT);
    bytes.resize(block::padded(bytes.len() - HEADER), 0);
    bytes
}

#[test]
fn block_with_what_is_no_record_is_named_by_as_many_threads_as_there_are() {
    let files = [
        sealed(1, 100, b""),
        sealed(2, 100, b"\x77"),
        sealed(3, 100, b""),
    ];
    let blocks: Vec<Block<'_>> = files
        .iter()
        .map(|bytes| block::parse(bytes, &SALT).unwrap())
        .collect();
    for threads in 1..=5 {
        let how = RecoveryOptions {
            now: Millis(NOW),
            threads,
        };
        let engine = engine(&EngineConfig::default());
        let bad = BadReplay {
            block: 1,
            error: BadRecord::Kind(0x77),
        };
        assert_eq!(engine.replay_blocks(&blocks, &how), Err(bad));
        assert_eq!(engine.replay_blocks(&blocks[..1], &how), Ok(()));
        // What stood before it is carried out.
        assert_eq!(engine.newest_epoch(), 2);
    }
}

#[test]
fn first_damaged_chunk_of_a_snapshot_is_named_whichever_thread_meets_one_first() {
    let original = engine(&EngineConfig::default());
    for _ in 0..5_000 {
        let mut new = plain("shop", "u", Life::ENDLESS);
        new.data = &[7; 300];
        original.create(Millis(NOW), &new).unwrap();
    }
    create(&original, Millis(NOW), "other", "u");
    let header = SnapshotHeader {
        number: 1,
        first: Position(1),
        epochs: 0,
        created: Millis(NOW),
        salt: SALT,
        key_id: KeyId::of(&[7; 32]),
        bundled_key: None,
    };
    let mut file = Vec::new();
    let totals = original.write_backup(header, |bytes| {
        file.extend_from_slice(bytes);
        Ok(())
    });
    assert_eq!(totals.unwrap().records, 5_001);
    let how = RecoveryOptions {
        now: Millis(NOW),
        threads: 3,
    };
    let load = |file: &[u8]| {
        let copy = engine(&EngineConfig::default());
        let reader = SnapshotReader::open(file).unwrap();
        let loaded = copy.load_snapshot(&reader, &how, &|done, all| assert!(done <= all));
        loaded.map(|sessions| (sessions, copy))
    };
    let (sessions, copy) = load(&file[..]).unwrap();
    assert_eq!((sessions, copy.check_invariants()), (5_001, Ok(())));
    assert_eq!(copy.memory_use().sessions, 5_001);
    let places: Vec<_> = SnapshotReader::open(&file[..])
        .unwrap()
        .places()
        .map(|place| place.unwrap().offset)
        .collect();
    assert!(places.len() > 6);
    // One in the share of each of two threads.
    for (first, second) in [
        (1, places.len() - 1),
        (0, 1),
        (places.len() / 2, places.len() - 2),
    ] {
        let mut damaged = file.clone();
        for place in [first, second] {
            damaged[places[place] as usize + 100] ^= 1;
        }
        let bad = load(&damaged).err().unwrap();
        assert!(matches!(bad.problem, Problem::Checksum));
        assert!([places[first], places[second]].contains(&bad.offset));
    }
    file.truncate(file.len() - 1);
    assert!(load(&file).is_err());
}
