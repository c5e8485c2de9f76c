//! Records: every change is read back as it was written, and nothing else is taken for one.

use cloakroom::clock::Millis;
use cloakroom::log::record::{BadRecord, RECORD_BYTES_MAX, decode, encode};
use cloakroom::model::change::{CreateChange, TouchChange};
use cloakroom::model::{AppName, Change, Handle, Life, NameError, U48};
use proptest::prelude::{any, proptest};
use proptest::test_runner::Config;

use crate::samples::{LENGTHS, NOW, any_change, ordinary};

fn encoded(change: &Change<'_>, time: Millis) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(change, time, &mut bytes);
    bytes
}

fn assert_reads_back(change: &Change<'_>, time: Millis) {
    let mut bytes = encoded(change, time);
    assert!(bytes.len() <= RECORD_BYTES_MAX);
    bytes.push(0xbe);
    let mut rest = bytes.as_slice();
    assert_eq!(decode(&mut rest, time).as_ref(), Ok(change));
    assert_eq!(rest, [0xbe], "no byte behind the record is touched");
}

proptest! {
    #![proptest_config(Config { cases: 2048, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_change_is_read_back_as_it_was(change in any_change(), time in 0..=U48::MAX) {
        assert_reads_back(&change.change(), Millis(time));
        assert_reads_back(&change.change(), NOW);
    }

    #[test]
    fn every_cut_of_a_record_is_noticed(change in any_change()) {
        let bytes = encoded(&change.change(), NOW);
        // All places where fields end, and some within long data.
        let cuts = (0..bytes.len().min(600)).chain((600..bytes.len()).step_by(4099));
        for length in cuts {
            let cut = decode(&mut &bytes[..length], NOW);
            assert_eq!(cut, Err(BadRecord::Short), "{length} of {}", bytes.len());
        }
    }

    #[test]
    fn what_is_read_is_what_would_be_written(
        bytes in proptest::collection::vec(any::<u8>(), 0..60), kind in 0..7u8
    ) {
        let bytes = [&[kind], &bytes[..]].concat();
        let mut rest = bytes.as_slice();
        if let Ok(change) = decode(&mut rest, NOW) {
            assert_eq!(encoded(&change, NOW), bytes[..bytes.len() - rest.len()]);
        }
    }
}

#[test]
fn every_flag_and_every_boundary_of_a_length_is_read_back() {
    for length in LENGTHS {
        let data = vec![0xda; length];
        for flags in 0..64u32 {
            let has = |bit: u32| flags >> bit & 1 == 1;
            let create = CreateChange {
                user: has(0).then_some("u"),
                ip: has(1).then_some(""),
                lag: has(2),
                life: Life {
                    whole_seconds: has(3),
                    ..Life::ENDLESS
                },
                no_resave: has(4),
                alias: has(5),
                data: &data,
                sealed: if has(0) { &[1; 129] } else { &[] },
                ..ordinary(1)
            };
            assert_reads_back(&Change::Create(create), NOW);
        }
    }
}

#[test]
fn kinds_flags_and_lengths_that_nobody_knows_are_refused() {
    let create = encoded(&Change::Create(ordinary(1)), NOW);
    let decoded = |bytes: &[u8]| decode(&mut &bytes[..], NOW).map(|_| ());
    assert_eq!(decoded(&[]), Err(BadRecord::Short));
    for kind in (0..=255).filter(|kind| !(1..=5).contains(kind)) {
        let mut bytes = create.clone();
        bytes[0] = kind;
        assert_eq!(decoded(&bytes), Err(BadRecord::Kind(kind)));
    }
    // Kind 1, length 1, "web" 3, epoch 1, tag 16: then the flags, the user and its length.
    let flags = 1 + 1 + 3 + 1 + 16;
    for bit in 6..8 {
        let mut bytes = create.clone();
        bytes[flags] |= 1 << bit;
        assert_eq!(decoded(&bytes), Err(BadRecord::Flags(bytes[flags])));
    }
    let mut long = create[..=flags].to_vec();
    long.extend_from_slice(&[0x81, 0x08]);
    let expected = BadRecord::Length {
        field: "user",
        length: 1_025,
    };
    assert_eq!(decoded(&long), Err(expected));
    let mut bytes = create.clone();
    bytes[flags + 2] = 0xff;
    assert_eq!(decoded(&bytes), Err(BadRecord::Text));
    let mut bytes = create.clone();
    bytes[2] = b'/';
    assert_eq!(decoded(&bytes), Err(BadRecord::App(NameError::Alphabet)));
    let length = create.len() - 61;
    let mut bytes = create[..length].to_vec();
    bytes.extend_from_slice(&[0x81, 0x80, 0x40]);
    let expected = BadRecord::Length {
        field: "data",
        length: (1 << 20) + 1,
    };
    assert_eq!(decoded(&bytes), Err(expected));
    assert_eq!(decoded(&[5, 0, 1]), Err(BadRecord::App(NameError::Length)));
    let epoch = [5, 1, b'a', 0xff, 0xff, 0xff, 0xff, 0x1f];
    assert_eq!(decoded(&epoch), Err(BadRecord::Varint), "33 bits of epoch");
}

#[test]
fn text_cannot_be_set_and_taken_away_at_once() {
    let head = [2, 1, 0, 0, 0, 0, 0, 0, 0];
    for (set, taken) in [(8, 32), (64, 128)] {
        let decoded = |flags: u8| {
            // An activity, two counters, and a text of one byte where one is set.
            let bytes = [&head[..], &[flags, 0, 0, 0, 1, b'x']].concat();
            decode(&mut &bytes[..], NOW).map(|_| ())
        };
        assert!(decoded(set).is_ok() && decoded(taken).is_ok());
        let both = set | taken;
        assert_eq!(decoded(both), Err(BadRecord::Flags(both)));
    }
}

#[test]
fn updates_without_a_life_cannot_count_in_whole_seconds() {
    let head = [2, 1, 0, 0, 0, 0, 0, 0, 0];
    let decoded = |flags: u8| {
        let bytes = [&head[..], &[flags, 0, 0, 0, 0, 0]].concat();
        decode(&mut &bytes[..], NOW).map(|_| ())
    };
    assert_eq!(decoded(4), Err(BadRecord::Flags(4)));
    assert!(decoded(6).is_ok());
}

#[test]
fn limits_of_a_life_have_one_spelling_and_48_bits() {
    let head = [2, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0];
    let decoded = |idle: &[u8], until: &[u8]| {
        let bytes = [&head[..], idle, until].concat();
        decode(&mut &bytes[..], Millis(0)).map(|_| ())
    };
    let (most, more) = (
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f],
        [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40],
    );
    assert_eq!(decoded(&most, &[0]), Ok(()), "idle of 2^48 - 2");
    assert_eq!(
        decoded(&more, &[0]),
        Err(BadRecord::Time),
        "idle of 2^48 - 1"
    );
    let (most, more) = (
        [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    );
    assert_eq!(decoded(&[0], &most), Ok(()), "until 2^48 - 2");
    assert_eq!(decoded(&[0], &more), Err(BadRecord::Time), "until 2^48 - 1");
}

#[test]
fn a_touch_of_an_ordinary_session_takes_fourteen_bytes() {
    for (reads, ago) in [(1, 250), (127, 1_250), (2_000_000, 1_250), (70, 4_000)] {
        let touch = TouchChange {
            handle: Handle(u64::MAX),
            last_active: Millis(NOW.0 - ago),
            lag: true,
            reads,
        };
        let length = encoded(&Change::Touch(touch), NOW).len();
        assert!(
            length <= 14,
            "{length} bytes for {reads} reads, {ago} ms ago"
        );
    }
}

#[test]
fn the_examples_of_the_drawing_are_what_is_written() {
    let handle = Handle(0x0123_4567_89ab_cdef);
    let touch = TouchChange {
        handle,
        last_active: Millis(NOW.0 - 512),
        lag: true,
        reads: 300,
    };
    let app = AppName::new("web").unwrap();
    let drawing = include_str!("../../src/log/FORMAT.md");
    for (change, text) in [
        (Change::Remove { handle }, "Remove 0123456789abcdef"),
        (
            Change::Touch(touch),
            "Touch of it 512 ms before, with lag, 300 reads",
        ),
        (
            Change::RemoveApp { app, epoch: 7 },
            "RemoveApp \"web\", epoch 7",
        ),
    ] {
        let line = drawing.lines().find(|line| line.ends_with(text)).unwrap();
        let (bytes, _) = line.split_once("  ").unwrap();
        let drawn: Vec<u8> = bytes
            .split([' ', '|'])
            .filter(|digits| !digits.is_empty())
            .map(|digits| u8::from_str_radix(digits, 16).unwrap())
            .collect();
        assert_eq!(encoded(&change, NOW), drawn, "{line}");
    }
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    assert!(drawing.contains("`e3069283`") && drawing.contains("1,795,000,000,000"));
}
