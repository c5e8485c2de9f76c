//! What version 1 wrote is read, change by change. The files are never regenerated.

use std::path::PathBuf;

use cloakroom::clock::Millis;
use cloakroom::log::check::{Finding, check};
use cloakroom::log::key::{KeyId, parse_key_file};
use cloakroom::log::reader::{Blocks, Rest, Segment, TornTail, Verdict};
use cloakroom::log::record::encode;
use cloakroom::log::snapshot::{SnapshotReader, SnapshotWriter};
use cloakroom::model::change::{CreateChange, TextChange, TouchChange, UpdateChange};
use cloakroom::model::{
    AppName, Change, ContentType, DataChange, Handle, Life, Position, Tag, U48,
};

use crate::memory_disk::MemoryDisk;

const T: u64 = 1_795_000_000_000;
const HANDLE: Handle = Handle(0x0123_4567_89ab_cdef);

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log-v1");
    std::fs::read(folder.join(name)).unwrap()
}

fn segment(name: &str) -> Segment {
    Segment::from_bytes(fixture(name)).unwrap()
}

fn app(name: &str) -> AppName<'_> {
    AppName::new(name).unwrap()
}

fn full() -> CreateChange<'static> {
    CreateChange {
        app: app("web"),
        epoch: 1,
        tag: Tag {
            high: 0x0123_4567_89ab_cdef,
            low: 0xfedc_ba98_7654_3210,
        },
        user: Some("Gr\u{fc}\u{df}e"),
        ip: Some("203.0.113.7"),
        created: Millis(1_794_999_999_995),
        last_active: Millis(1_795_000_000_007),
        lag: true,
        life: Life {
            idle: 7_200_000,
            until: Millis::NEVER,
            whole_seconds: true,
        },
        no_resave: true,
        reads: 3,
        writes: 300,
        content_type: ContentType::JSON_OBJECT,
        data: b"{\"a\":1}",
        sealed: b"\x02sixteen bytes..!",
        alias: false,
    }
}

fn bare() -> CreateChange<'static> {
    CreateChange {
        app: app("@sessions"),
        epoch: 4_294_967_295,
        tag: Tag {
            high: 0,
            low: 0xffff_ffff_ffff_ffff,
        },
        user: None,
        ip: None,
        created: Millis(0),
        last_active: Millis(281_474_976_710_655),
        lag: false,
        life: Life {
            idle: U48::MAX,
            until: Millis::NEVER,
            whole_seconds: false,
        },
        no_resave: false,
        reads: 0,
        writes: 1,
        content_type: ContentType::BYTES,
        data: b"",
        sealed: b"",
        alias: false,
    }
}

fn ended() -> CreateChange<'static> {
    CreateChange {
        app: app("A-z_0.9"),
        epoch: 128,
        tag: Tag {
            high: 0xffff_ffff_ffff_ffff,
            low: 0,
        },
        user: Some(""),
        ip: Some(""),
        created: Millis(1_795_000_000_000),
        last_active: Millis(1_795_000_000_000),
        lag: false,
        life: Life {
            idle: 0,
            until: Millis(1_794_999_999_999),
            whole_seconds: false,
        },
        no_resave: false,
        reads: 18_446_744_073_709_551_615,
        writes: 18_446_744_073_709_551_615,
        content_type: ContentType(255),
        data: b"\0",
        sealed: b"\0",
        alias: false,
    }
}

/// Where the one block of `rotations/` ends.
const END_OF_ROTATIONS: usize = 4_328;

fn update() -> UpdateChange<'static> {
    UpdateChange {
        handle: HANDLE,
        last_active: Millis(1_795_000_001_000),
        lag: false,
        reads: 4,
        writes: 301,
        life: None,
        user: TextChange::Keep,
        ip: TextChange::Keep,
        data: None,
    }
}

fn data(content_type: u8, bytes: &[u8]) -> Option<DataChange<'_>> {
    Some(DataChange {
        content_type: ContentType(content_type),
        bytes,
    })
}

fn updates() -> Vec<Change<'static>> {
    let all = UpdateChange {
        lag: true,
        life: Some(Life {
            idle: 1,
            until: Millis(1_795_086_400_000),
            whole_seconds: true,
        }),
        ip: TextChange::Set("2001:db8::1"),
        data: data(2, &[b'd'; 200]),
        ..update()
    };
    let endless = UpdateChange {
        life: Some(Life::ENDLESS),
        ..update()
    };
    let emptied = UpdateChange {
        data: data(0, b""),
        ..update()
    };
    [update(), all, endless, emptied].map(Change::Update).into()
}

fn short_changes() -> Vec<Change<'static>> {
    let touch = |handle, last_active, lag, reads| {
        Change::Touch(TouchChange {
            handle,
            last_active: Millis(last_active),
            lag,
            reads,
        })
    };
    vec![
        touch(HANDLE, 1_795_000_001_738, true, 300),
        touch(Handle(1), 1_795_000_002_250, false, 0),
        Change::Remove {
            handle: Handle(0xffff_ffff_ffff_ffff),
        },
        Change::RemoveApp {
            app: app("web"),
            epoch: 129,
        },
    ]
}

/// Reads the next block, and compares all that it holds; answers where it ends.
fn assert_block(blocks: &mut Blocks<'_>, header: (u64, u64, u64), changes: &[Change<'_>]) -> usize {
    let block = blocks.next().unwrap();
    let found = block.header;
    assert_eq!((found.position.0, found.synced.0, found.time.0), header);
    let records: Result<Vec<_>, _> = block.records().collect();
    assert_eq!(records.unwrap(), changes);
    // What is written today is what was written then.
    let mut written = Vec::new();
    for change in changes {
        encode(change, found.time, &mut written);
    }
    assert_eq!(written, block.body);
    blocks.offset()
}

fn removal(handle: u64) -> [Change<'static>; 1] {
    [Change::Remove {
        handle: Handle(handle),
    }]
}

#[test]
fn the_key_is_read() {
    let secret = parse_key_file(&fixture("beginning/key")).unwrap();
    let expected: [u8; 32] = [
        0x01, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67, 0x78, 0x89, 0x9a, 0xab, 0xbc, 0xcd, 0xde, 0xef,
        0x01, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67, 0x78, 0x89, 0x9a, 0xab, 0xbc, 0xcd, 0xde, 0xef,
        0x01, 0x12,
    ];
    assert_eq!(secret, expected);
    let id = KeyId::of(&secret).to_string();
    assert_eq!(id, "293a063e3acfef8d26fecbec5ede4498");
}

#[test]
fn every_change_of_a_log_without_a_snapshot_is_read() {
    let segment = segment("beginning/segment-0000000000000001.log");
    let header = segment.header();
    assert_eq!((header.number, header.first.0, header.synced.0), (1, 1, 0));
    assert_eq!(header.created, Millis(1_795_000_000_001));
    let salt = *b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";
    assert_eq!(header.salt, salt);
    assert!(!header.own_snapshot);
    let mut blocks = segment.blocks(None);
    let creates = [full(), bare(), ended()].map(Change::Create);
    assert_eq!(assert_block(&mut blocks, (1, 0, T), &creates), 4328);
    assert_eq!(
        assert_block(&mut blocks, (2, 1, T + 1_001), &updates()),
        4648
    );
    let short = short_changes();
    assert_eq!(assert_block(&mut blocks, (3, 1, T + 2_250), &short), 4728);
    let long = [Change::Update(UpdateChange {
        data: data(7, &[b'D'; 16_384]),
        ..update()
    })];
    assert_eq!(assert_block(&mut blocks, (4, 3, 0), &long), 21_176);
    let never = 281_474_976_710_655;
    assert_eq!(assert_block(&mut blocks, (5, 4, never), &[]), 21_216);
    let end = blocks.end();
    assert_eq!((end.next, end.synced), (Position(6), Position(4)));
    assert_eq!(end.judge(Position(4)), Verdict::Clean { end: 21_216 });
}

/// A session under its new id, the old one that leads to it, and texts that come and go.
fn rotations() -> Vec<Change<'static>> {
    let target = b"\x06\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0";
    let renamed = CreateChange {
        tag: Tag { high: 6, low: 7 },
        ..full()
    };
    let old = CreateChange {
        tag: Tag { high: 8, low: 9 },
        life: Life::fixed(Millis(1_795_000_030_000)),
        content_type: ContentType(0),
        data: target,
        alias: true,
        ..bare()
    };
    let login = UpdateChange {
        user: TextChange::Set("j\u{f6}rg"),
        ip: TextChange::Clear,
        ..update()
    };
    let logout = UpdateChange {
        user: TextChange::Clear,
        ip: TextChange::Set(""),
        ..update()
    };
    vec![
        Change::Create(renamed),
        Change::Create(old),
        Change::Update(login),
        Change::Update(logout),
    ]
}

#[test]
fn new_ids_and_new_users_are_read() {
    let segment = segment("rotations/segment-0000000000000001.log");
    let mut blocks = segment.blocks(None);
    let end = assert_block(&mut blocks, (1, 0, T), &rotations());
    assert_eq!(end, END_OF_ROTATIONS);
    let end = blocks.end().judge(Position(0));
    assert_eq!(
        end,
        Verdict::Clean {
            end: END_OF_ROTATIONS
        }
    );
}

#[test]
fn segments_of_two_generations_are_read() {
    let sealed = segment("generations/segment-000000000000000a.log");
    assert_eq!(sealed.header().first, Position(7));
    let mut blocks = sealed.blocks(Some(Position(9)));
    assert_eq!(assert_block(&mut blocks, (7, 6, T), &removal(7)), 4152);
    assert_eq!(assert_block(&mut blocks, (8, 7, T), &removal(8)), 4208);
    assert_eq!(blocks.end().rest, Rest::NextSegment);

    let failed = segment("generations/segment-000000000000000b.log");
    let mut blocks = failed.blocks(Some(Position(12)));
    assert_eq!(assert_block(&mut blocks, (9, 8, T), &removal(9)), 4152);
    let expected = TornTail {
        number: 11,
        start: 4152,
        end: 4250,
        first: Position(10),
        later: Some(Position(11)),
    };
    let end = blocks.end();
    assert_eq!(end.judge(Position(9)), Verdict::Torn(expected));
    assert!(matches!(end.judge(Position(11)), Verdict::Damage(_)));

    let last = segment("generations/segment-000000000000000c.log");
    let header = last.header();
    assert!(header.own_snapshot);
    assert_eq!(
        (header.number, header.first.0, header.synced.0),
        (12, 12, 9)
    );
    let mut blocks = last.blocks(None);
    assert_eq!(assert_block(&mut blocks, (12, 11, T), &removal(12)), 4152);
    let Verdict::Torn(tail) = blocks.end().judge(Position(12)) else {
        panic!("the torn tail was not found");
    };
    assert_eq!(
        (tail.start, tail.end, tail.first),
        (4152, 4196, Position(13))
    );
}

/// Reads a snapshot and compares all that it holds, in chunks of these lengths.
fn assert_snapshot(name: &str, sessions: &[CreateChange<'_>], chunks: &[usize]) {
    let bytes = fixture(name);
    let reader = SnapshotReader::open(bytes.as_slice()).unwrap();
    let mut expected = sessions.iter();
    let mut lengths = Vec::new();
    let mut buffer = Vec::new();
    for place in reader.places() {
        let chunk = reader.load(&place.unwrap(), &mut buffer).unwrap();
        let before = expected.len();
        for create in chunk.creates() {
            assert_eq!(&create.unwrap(), expected.next().unwrap());
        }
        lengths.push(before - expected.len());
    }
    assert_eq!(lengths, chunks);
    let mut written = Vec::new();
    let mut writer = SnapshotWriter::begin(reader.header(), |piece: &[u8]| {
        written.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    sessions.iter().for_each(|session| writer.push(session));
    writer.finish().unwrap();
    assert!(
        written == bytes,
        "what is written today is what was written then"
    );
}

#[test]
fn every_session_of_the_snapshots_is_read() {
    let long = CreateChange {
        tag: Tag { high: 2, low: 2 },
        data: &[b'D'; 262_144],
        ..bare()
    };
    let name = "generations/snapshot-000000000000000a.snap";
    assert_snapshot(name, &[full(), long, bare(), ended()], &[2, 2]);
    assert_snapshot("generations/snapshot-000000000000000c.snap", &[], &[]);
    assert_snapshot("backup-with-key.snap", &[ended(), full()], &[2]);
}

#[test]
fn the_headers_of_the_snapshots_are_read() {
    let header = |name: &str| {
        let bytes = fixture(name);
        SnapshotReader::open(bytes.as_slice())
            .unwrap()
            .header()
            .clone()
    };
    let older = header("generations/snapshot-000000000000000a.snap");
    assert_eq!((older.number, older.first.0, older.epochs), (10, 7, 129));
    assert_eq!(older.created, Millis(1_795_000_600_000));
    let salt = *b"\xe6\xe5\xe4\xe3\xe2\xe1\xe0\xdf\xde\xdd\xdc\xdb\xda\xd9\xd8\xd7";
    assert_eq!((older.salt, older.bundled_key), (salt, None));
    let backup = header("backup-with-key.snap");
    assert_eq!((backup.number, backup.first.0), (3, 44));
    let secret = parse_key_file(&fixture("generations/key")).unwrap();
    assert_eq!(backup.bundled_key, Some(secret));
    assert_eq!(backup.key_id, KeyId::of(&secret));
}

#[test]
fn the_directories_are_found_whole() {
    let says = |folder: &str, names: &[&str]| -> Vec<String> {
        let disk = MemoryDisk::default();
        for name in names {
            disk.put(name, &fixture(&format!("{folder}/{name}")));
        }
        let found = check(&disk, &mut |_| ()).unwrap();
        assert!(!found.iter().any(Finding::is_corruption), "{found:?}");
        found.iter().map(Finding::to_string).collect()
    };
    let names = ["key", "segment-0000000000000001.log"];
    assert_eq!(
        says("beginning", &names),
        [
            "key: ok, the key 293a063e3acfef8d26fecbec5ede4498",
            "segment-0000000000000001.log: ok, blocks: 5, changes: 12",
        ]
    );
    let names = [
        "key",
        "segment-000000000000000a.log",
        "segment-000000000000000b.log",
        "segment-000000000000000c.log",
        "snapshot-000000000000000a.snap",
        "snapshot-000000000000000c.snap",
    ];
    assert_eq!(
        says("generations", &names)[1..],
        [
            "segment-000000000000000a.log: ok, blocks: 2, changes: 2",
            "segment-000000000000000b.log: torn tail: bytes 4152 to 4250, from block 10 on, were \
             written but never safe; before it blocks: 1, changes: 1",
            "segment-000000000000000c.log: torn tail: bytes 4152 to 4196, from block 13 on, were \
             written but never safe; before it blocks: 1, changes: 1",
            "snapshot-000000000000000a.snap: ok, sessions: 4",
            "snapshot-000000000000000c.snap: ok, sessions: 0",
        ]
    );
}
