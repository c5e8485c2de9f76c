//! Any change, and pieces of files to try things on.

use cloakroom::clock::Millis;
use cloakroom::log::block::{BlockHeader, HEADER, padded, seal};
use cloakroom::log::key::KeyId;
use cloakroom::log::reader::Segment;
use cloakroom::log::record::encode;
use cloakroom::log::segment::SegmentHeader;
use cloakroom::log::snapshot::{SnapshotHeader, SnapshotWriter};
use cloakroom::model::change::{CreateChange, TextChange, TouchChange, UpdateChange};
use cloakroom::model::{
    AppName, Change, ContentType, DataChange, Handle, Life, Position, Tag, U48,
};
use proptest::prelude::{Just, Strategy, any, prop_oneof};

pub(crate) const SECRET: [u8; 32] = [7; 32];
pub(crate) const NOW: Millis = Millis(1_795_000_000_000);

/// Lengths around every boundary of the format, and small ones.
pub(crate) const LENGTHS: [usize; 10] = [0, 1, 2, 63, 127, 128, 16_383, 16_384, 65_536, 1 << 20];

/// A change that owns its texts, so that a random one can be made.
#[derive(Clone, Debug)]
pub(crate) enum Owned {
    Create {
        app: String,
        texts: [Option<String>; 2],
        tag: (u64, u64, u32),
        times: [u64; 2],
        life: Life,
        flags: [bool; 3],
        counters: [u64; 2],
        content_type: u8,
        bytes: [Vec<u8>; 2],
    },
    Update {
        handle: u64,
        time: u64,
        lag: bool,
        counters: [u64; 2],
        life: Option<Life>,
        texts: [OwnedText; 2],
        data: Option<(u8, Vec<u8>)>,
    },
    Touch(TouchChange),
    Remove(u64),
    RemoveApp(String, u32),
}

/// What becomes of a text.
#[derive(Clone, Debug)]
pub(crate) enum OwnedText {
    Keep,
    Clear,
    Set(String),
}

impl OwnedText {
    fn change(&self) -> TextChange<'_> {
        match self {
            Self::Keep => TextChange::Keep,
            Self::Clear => TextChange::Clear,
            Self::Set(text) => TextChange::Set(text),
        }
    }
}

impl Owned {
    pub(crate) fn change(&self) -> Change<'_> {
        match self {
            Self::Create {
                app,
                texts,
                tag: (high, low, epoch),
                times,
                life,
                flags,
                counters,
                content_type,
                bytes,
            } => Change::Create(CreateChange {
                app: AppName::new(app).unwrap(),
                epoch: *epoch,
                tag: Tag {
                    high: *high,
                    low: *low,
                },
                user: texts[0].as_deref(),
                ip: texts[1].as_deref(),
                created: Millis(times[0]),
                last_active: Millis(times[1]),
                lag: flags[0],
                life: *life,
                no_resave: flags[1],
                reads: counters[0],
                writes: counters[1],
                content_type: ContentType(*content_type),
                data: &bytes[0],
                sealed: &bytes[1],
                alias: flags[2],
            }),
            Self::Update {
                handle,
                time,
                lag,
                counters,
                life,
                texts,
                data,
            } => Change::Update(UpdateChange {
                handle: Handle(*handle),
                last_active: Millis(*time),
                lag: *lag,
                reads: counters[0],
                writes: counters[1],
                life: *life,
                user: texts[0].change(),
                ip: texts[1].change(),
                data: data.as_ref().map(|(kind, bytes)| DataChange {
                    content_type: ContentType(*kind),
                    bytes,
                }),
            }),
            Self::Touch(touch) => Change::Touch(*touch),
            Self::Remove(handle) => Change::Remove {
                handle: Handle(*handle),
            },
            Self::RemoveApp(app, epoch) => Change::RemoveApp {
                app: AppName::new(app).unwrap(),
                epoch: *epoch,
            },
        }
    }
}

fn moment() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => NOW.0 - 10_000..NOW.0 + 10_000,
        1 => 0..=U48::MAX,
        1 => Just(0),
        1 => Just(U48::MAX),
    ]
}

fn counter() -> impl Strategy<Value = u64> {
    prop_oneof![0..300u64, any::<u64>(), Just(u64::MAX)]
}

fn life() -> impl Strategy<Value = Life> {
    let limit = || prop_oneof![Just(U48::MAX), Just(U48::MAX - 1), Just(0), 0..=U48::MAX];
    (limit(), limit(), any::<bool>()).prop_map(|(idle, until, whole_seconds)| Life {
        idle,
        until: Millis(until),
        whole_seconds,
    })
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some(String::new())),
        "[a-z\u{e9}\u{20ac}]{1,20}".prop_map(Some),
        Just(Some("u".repeat(1_024))),
    ]
}

fn text_change() -> impl Strategy<Value = OwnedText> {
    prop_oneof![
        Just(OwnedText::Keep),
        Just(OwnedText::Clear),
        text().prop_map(|text| text.map_or(OwnedText::Keep, OwnedText::Set)),
    ]
}

fn app() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_.@-]{1,64}"
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => proptest::sample::select(&LENGTHS[..]).prop_map(|length| vec![0xd1; length]),
    ]
}

fn sealed() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..=129)
}

fn create() -> impl Strategy<Value = Owned> {
    let shape = (app(), [text(), text()], any::<(u64, u64, u32)>(), life());
    let rest = (
        [moment(), moment()],
        any::<[bool; 3]>(),
        [counter(), counter()],
    );
    (shape, rest, any::<u8>(), data(), sealed()).prop_map(
        |((app, texts, tag, life), (times, flags, counters), content_type, data, sealed)| {
            Owned::Create {
                app,
                texts,
                tag,
                times,
                life,
                flags,
                counters,
                content_type,
                bytes: [data, sealed],
            }
        },
    )
}

fn update() -> impl Strategy<Value = Owned> {
    let new = (
        proptest::option::of(life()),
        [text_change(), text_change()],
        proptest::option::of((any::<u8>(), data())),
    );
    let numbers = (any::<u64>(), moment(), [counter(), counter()]);
    (numbers, any::<bool>(), new).prop_map(
        |((handle, time, counters), lag, (life, texts, data))| Owned::Update {
            handle,
            time,
            lag,
            counters,
            life,
            texts,
            data,
        },
    )
}

/// Any change.
pub(crate) fn any_change() -> impl Strategy<Value = Owned> {
    let touch = (any::<u64>(), moment(), any::<bool>(), counter());
    let touch = touch.prop_map(|(handle, time, lag, reads)| TouchChange {
        handle: Handle(handle),
        last_active: Millis(time),
        lag,
        reads,
    });
    prop_oneof![
        3 => create(),
        3 => update(),
        1 => touch.prop_map(Owned::Touch),
        1 => any::<u64>().prop_map(Owned::Remove),
        1 => (app(), any::<u32>()).prop_map(|(app, epoch)| Owned::RemoveApp(app, epoch)),
    ]
}

/// An ordinary session: 16 characters of user, an IPv4 address, 60 bytes of data.
pub(crate) fn ordinary(number: u64) -> CreateChange<'static> {
    CreateChange {
        app: AppName::new("web").unwrap(),
        epoch: 3,
        tag: Tag {
            high: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            low: number,
        },
        user: Some("user-of-16-chars"),
        ip: Some("203.113.101.222"),
        created: Millis(NOW.0 - 7_000_000),
        last_active: Millis(NOW.0 - 60_000),
        lag: false,
        life: Life::whole_seconds(7_200),
        no_resave: false,
        reads: 1_234,
        writes: 12,
        content_type: ContentType::JSON_OBJECT,
        data: &[b'd'; 60],
        sealed: &[],
        alias: false,
    }
}

pub(crate) fn segment_header(number: u64, first: u64, synced: u64) -> SegmentHeader {
    SegmentHeader {
        number,
        first: Position(first),
        synced: Position(synced),
        created: NOW,
        salt: [u8::try_from(number).unwrap(); 16],
        key_id: KeyId::of(&SECRET),
        own_snapshot: false,
    }
}

/// Builds the bytes of a segment.
#[derive(Clone)]
pub(crate) struct SegmentBuilder {
    pub(crate) header: SegmentHeader,
    pub(crate) bytes: Vec<u8>,
    pub(crate) next: u64,
}

impl SegmentBuilder {
    pub(crate) fn new(header: SegmentHeader) -> Self {
        Self {
            bytes: header.encode().to_vec(),
            next: header.first.0,
            header,
        }
    }

    /// Adds a block, and answers where it begins.
    pub(crate) fn block(&mut self, synced: u64, changes: &[Change<'_>]) -> usize {
        let mut block = vec![0; HEADER];
        for change in changes {
            encode(change, NOW, &mut block);
        }
        let header = BlockHeader {
            position: Position(self.next),
            synced: Position(synced),
            time: NOW,
            count: u32::try_from(changes.len()).unwrap(),
        };
        seal(&mut block, &header, &self.header.salt);
        block.resize(padded(block.len() - HEADER), 0);
        let place = self.bytes.len();
        self.bytes.extend_from_slice(&block);
        self.next += 1;
        place
    }

    /// The bytes with `zeros` more behind them.
    pub(crate) fn padded(&self, zeros: usize) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len() + zeros, 0);
        bytes
    }

    pub(crate) fn segment(&self, zeros: usize) -> Segment {
        Segment::from_bytes(self.padded(zeros)).unwrap()
    }
}

pub(crate) fn remove(handle: u64) -> Change<'static> {
    Change::Remove {
        handle: Handle(handle),
    }
}

pub(crate) fn snapshot_header(number: u64, first: u64) -> SnapshotHeader {
    SnapshotHeader {
        number,
        first: Position(first),
        epochs: 3,
        created: NOW,
        salt: [0x5a; 16],
        key_id: KeyId::of(&SECRET),
        bundled_key: None,
    }
}

/// The bytes of a snapshot of these sessions.
pub(crate) fn snapshot<'a>(
    header: &SnapshotHeader,
    sessions: impl IntoIterator<Item = CreateChange<'a>>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let sink = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    let mut writer = SnapshotWriter::begin(header, sink).unwrap();
    for session in sessions {
        writer.push(&session);
        if writer.unwritten() > 1 << 20 {
            writer.flush().unwrap();
        }
    }
    let totals = writer.finish().unwrap();
    assert_eq!(totals.bytes, bytes.len() as u64);
    bytes
}
