//! Random and spoilt frames by the million: every reply is one, nothing panics, nothing grows.
//!
//! `CLOAKROOM_FRAMES` sets how many (a million by default); a long run is
//! `CLOAKROOM_FRAMES=10000000 cargo test --release --test random_frames`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod golden_frames;

use std::sync::Arc;

use cloakroom::clock::{Clock, ManualClock, Millis};
use cloakroom::config::HttpLimits;
use cloakroom::engine::{Engine, EngineConfig, OsRandomness};
use cloakroom::model::Keys;
use cloakroom::net::binary::replies_to;
use cloakroom::net::http::dialect::DialectSettings;
use cloakroom::net::log_watch::LogWatch;
use cloakroom::net::service::{HeldBytes, OpenConnections, Service, StopSignal};
use cloakroom_protocol::{
    AccessKey, Answer, Call, Cut, ErrorCode, Header, Hello, Opcode, Reply, Request, cut, limits,
};
use golden_frames::{Dice, Vector, vectors};

/// Bytes that the sessions may take.
const MEMORY: u64 = 256 << 10;
/// What the process may grow by after the first tenth: sessions come and go, and freed memory lies in
/// pieces.
const GROWTH: u64 = 32 << 20;

fn service(clock: &Arc<ManualClock>) -> Service {
    let config = EngineConfig {
        max_memory: MEMORY,
        max_apps: 64,
        ..EngineConfig::default()
    };
    let random = Box::new(OsRandomness::new());
    Service {
        engine: Arc::new(Engine::new(&config, Keys::new([7; 32]), random)),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        settings: DialectSettings::default(),
        limits: HttpLimits::default(),
        access_log: false,
        access_keys: None,
        log: LogWatch::memory_only(),
        durability: None,
        held: HeldBytes::default(),
        connections: OpenConnections::default(),
        started: clock.now(),
        run: 1,
        stop: StopSignal::default(),
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib: u64 = line.unwrap().trim_end_matches("kB").trim().parse().unwrap();
    kib << 10
}

fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    let hello = Hello::new("random", AccessKey(b""), "random");
    Call::new(0, Request::Hello(hello))
        .encode(&mut bytes)
        .unwrap();
    bytes
}

/// A frame of any bytes, mostly with an operation and flags that exist.
fn random_frame(dice: &mut Dice) -> Vec<u8> {
    let payload: Vec<u8> = (0..dice.roll(96)).map(|_| dice.roll(256) as u8).collect();
    let drawn = dice.roll(256) as u8;
    let opcode = match Opcode::from_number(drawn % 0x48) {
        Some(opcode) if drawn < 0xf0 => opcode.number(),
        _ => drawn,
    };
    let key = match dice.roll(4) {
        0 => dice.roll(1 << 16) as u16,
        _ => dice.roll(payload.len() + 1) as u16,
    };
    let header = Header {
        length: payload.len() as u32,
        id: dice.roll(1 << 20) as u32,
        opcode,
        flags: (dice.roll(64) & dice.roll(64)) as u8,
        key_or_status: key,
    };
    [&header.write()[..], &payload].concat()
}

/// A golden frame with some bits flipped, its length mostly as it was.
fn spoilt_frame(vectors: &[Vector], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = vectors[dice.roll(vectors.len())].bytes.clone();
    for _ in 0..dice.roll(4) {
        let first = if dice.roll(8) == 0 { 0 } else { 4 };
        if bytes.len() > first {
            let at = first + dice.roll((bytes.len() - first).min(96));
            bytes[at] ^= 1 << dice.roll(8);
        }
    }
    if dice.roll(32) == 0 {
        bytes.truncate(dice.roll(bytes.len() + 1));
    }
    bytes
}

/// One connection's input, and how many frames it was made of.
fn input(vectors: &[Vector], dice: &mut Dice) -> (Vec<u8>, usize) {
    let mut bytes = if dice.roll(16) == 0 {
        Vec::new()
    } else {
        hello()
    };
    let count = 1 + dice.roll(40);
    for _ in 0..count {
        let frame = match dice.roll(3) {
            0 => random_frame(dice),
            _ => spoilt_frame(vectors, dice),
        };
        // The long ones say little and take most of the time.
        if frame.len() < 4_096 || dice.roll(256) == 0 {
            bytes.extend(frame);
        }
    }
    (bytes, count)
}

/// Cuts bytes into pieces, mostly into few.
fn pieces<'b>(mut bytes: &'b [u8], dice: &mut Dice) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let most = if dice.roll(4) == 0 { 64 } else { 65_536 };
        let (piece, rest) = bytes.split_at((1 + dice.roll(most)).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// Every reply is a frame, answers a request with a status that exists, and none is left over.
fn assert_replies(mut replies: &[u8], sent: &[u8]) -> usize {
    let mut count = 0;
    while let Cut::Frame(frame) = cut(replies, limits::PAYLOAD_BYTES).unwrap() {
        let reply = Reply::decode(&frame).unwrap();
        if let Answer::Refusal(refusal) = reply.answer {
            let known = ErrorCode::from_number(refusal.status).is_some();
            assert!(known, "{refusal:?} for {sent:02x?}");
        }
        replies = &replies[frame.bytes()..];
        count += 1;
    }
    assert!(replies.is_empty(), "{replies:02x?} for {sent:02x?}");
    count
}

#[test]
fn random_and_spoilt_frames_do_no_harm() {
    let wanted: usize =
        std::env::var("CLOAKROOM_FRAMES").map_or(1_000_000, |text| text.parse().unwrap());
    let clock = Arc::new(ManualClock::new(Millis(1_795_161_703_019)));
    let service = service(&clock);
    let vectors = vectors();
    let mut dice = Dice(0x0dd_ba11);
    let (mut frames, mut answered, mut rounds) = (0, 0, 0_usize);
    let mut early = None;
    while frames < wanted {
        let (bytes, count) = input(&vectors, &mut dice);
        let replies = replies_to(&service, &pieces(&bytes, &mut dice));
        answered += assert_replies(&replies, &bytes);
        frames += count;
        rounds += 1;
        clock.advance(dice.roll(2_000) as u64);
        if rounds.is_multiple_of(64) {
            while service.engine.sweep(clock.now(), 256).more {}
        }
        if early.is_none() && frames >= wanted / 10 {
            early = Some(resident());
        }
    }
    // Frames end behind the first that breaks the framing, so not all of them are answered.
    assert!(answered > wanted / 4, "{answered} of {frames}");
    let (early, late) = (early.unwrap(), resident());
    assert!(late < early + GROWTH, "grew from {early} to {late}");
    assert!(service.engine.memory_use().accounted <= MEMORY + (4 << 20));
    assert_eq!(service.engine.check_invariants(), Ok(()));
}
