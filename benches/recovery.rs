//! How fast do sessions come back after a restart?
//!
//! Makes a population, keeps its snapshot and its log in memory, and lets fresh engines recover from
//! either; then replays a log of touches, one of each session in random order. `CLOAKROOM_SESSIONS` sets how many sessions there are (1,000,000 by default),
//! `CLOAKROOM_THREADS` how many threads recover (as many as there are cores), `CLOAKROOM_SPREAD` over
//! how many seconds before the restart the last activities are spread (3,600), `CLOAKROOM_ROUNDS` how
//! often each is measured (3). `cargo bench --bench recovery`, or with `-- snapshot`,
//! `-- log` or `-- touches` only one.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a benchmark"
)]

#[path = "support/population.rs"]
mod population;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use cloakroom::clock::Millis;
use cloakroom::engine::{ChangeLog, Engine, EngineConfig, OsRandomness, Position, RecoveryOptions};
use cloakroom::log::block::{self, BlockHeader, HEADER};
use cloakroom::log::key::KeyId;
use cloakroom::log::record::encode;
use cloakroom::log::snapshot::{SnapshotHeader, SnapshotReader, SnapshotWriter};
use cloakroom::model::change::TouchChange;
use cloakroom::model::{Change, Handle, Keys, Life};
use population::START;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECRET: [u8; 32] = [42; 32];
const SALT: [u8; 16] = [9; 16];
/// Bytes after which a block of the log is closed.
const BLOCK_BYTES: usize = 1 << 20;

fn setting(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

/// A block in the making, and how many records it holds.
struct Open {
    bytes: Vec<u8>,
    count: u32,
}

/// Keeps every change as a log does.
#[derive(Clone, Default)]
struct Blocks(Arc<Mutex<Vec<Open>>>);

impl ChangeLog for Blocks {
    fn append(&self, change: &Change<'_>) -> Option<Position> {
        let mut blocks = self.0.lock().expect("no panic under this lock");
        let is_full = |open: &Open| open.bytes.len() > BLOCK_BYTES;
        if blocks.last().is_none_or(is_full) {
            blocks.push(Open {
                bytes: vec![0; HEADER],
                count: 0,
            });
        }
        let open = blocks.last_mut().expect("one was pushed");
        encode(change, Millis(START), &mut open.bytes);
        open.count += 1;
        None
    }
}

impl Blocks {
    /// Takes them as they stand in a file.
    fn seal(&self) -> Vec<Vec<u8>> {
        let open = std::mem::take(&mut *self.0.lock().expect("no panic under this lock"));
        let seal = |(open, position): (Open, u64)| {
            let header = BlockHeader {
                position: Position(position),
                synced: Position(position - 1),
                time: Millis(START),
                count: open.count,
            };
            let mut bytes = open.bytes;
            block::seal(&mut bytes, &header, &SALT);
            bytes.resize(block::padded(bytes.len() - HEADER), 0);
            bytes
        };
        open.into_iter().zip(1..).map(seal).collect()
    }
}

/// The snapshot of an engine.
fn snapshot(engine: &Engine) -> Vec<u8> {
    let header = SnapshotHeader {
        number: 1,
        first: Position(1),
        epochs: engine.newest_epoch(),
        created: Millis(START),
        salt: SALT,
        key_id: KeyId::of(&SECRET),
        bundled_key: None,
    };
    let mut file = Vec::new();
    let sink = |bytes: &[u8]| {
        file.extend_from_slice(bytes);
        Ok(())
    };
    let mut writer = SnapshotWriter::begin(&header, sink).expect("memory");
    let mut from = Some(0);
    while let Some(place) = from {
        from = engine.walk_states(place, 256, &mut |create| writer.push(create));
        writer.flush().expect("memory");
    }
    writer.finish().expect("memory");
    file
}

/// A log that touches every session of an engine once, in random order, within the last seconds.
fn touches(engine: &Engine, now: Millis) -> Vec<Vec<u8>> {
    let mut handles = Vec::new();
    let mut from = Some(0);
    while let Some(place) = from {
        from = engine.walk_states(place, 256, &mut |create| handles.push(create.tag.high));
    }
    handles.sort_unstable_by_key(|handle| population::mix(*handle));
    let blocks = Blocks::default();
    for (number, handle) in handles.iter().enumerate() {
        let before = (handles.len() - number) as u64 * 10_000 / handles.len() as u64;
        blocks.append(&Change::Touch(TouchChange {
            handle: Handle(*handle),
            last_active: Millis(now.0 - before),
            lag: false,
            reads: 2,
        }));
    }
    blocks.seal()
}

fn fresh(now: Millis) -> Engine {
    let random = Box::new(OsRandomness::new());
    let engine = Engine::new(&EngineConfig::default(), Keys::new(SECRET), random);
    engine.begin_at(now);
    engine
}

/// Seconds for which processors have worked for this process.
fn processor_seconds() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// Recovers some times and prints the best.
fn measure(
    what: &str,
    sessions: u64,
    bytes: usize,
    prepare: impl Fn() -> Engine,
    recover: impl Fn(&Engine),
) {
    let named = |name: &str| std::env::args().any(|argument| argument == name);
    if ["snapshot", "log", "touches"].into_iter().any(named) && !named(what) {
        return;
    }
    let (mut best, mut least) = (f64::MAX, f64::MAX);
    for _ in 0..setting("CLOAKROOM_ROUNDS", 3) {
        let engine = prepare();
        let (begin, spent) = (Instant::now(), processor_seconds());
        recover(&engine);
        best = best.min(begin.elapsed().as_secs_f64());
        least = least.min(processor_seconds() - spent);
        assert_eq!(engine.memory_use().sessions, sessions, "all are back");
        if sessions <= 200_000 {
            assert_eq!(engine.check_invariants(), Ok(()));
        }
    }
    println!(
        "{what:>8} {best:>7.3} s {:>6.2} M sessions/s, processor {:>5.0} ns/session, {:>5.1} bytes/session",
        sessions as f64 / best / 1e6,
        least * 1e9 / sessions as f64,
        bytes as f64 / sessions as f64,
    );
}

fn main() {
    let sessions = setting("CLOAKROOM_SESSIONS", 1_000_000);
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let threads = setting("CLOAKROOM_THREADS", cores);
    let spread = setting("CLOAKROOM_SPREAD", 3_600);
    let blocks = Blocks::default();
    let file = {
        let engine = population::engine(false).with_log(Box::new(blocks.clone()));
        let life = Life::whole_seconds(30 * 86_400);
        population::populate(&engine, 0..sessions, spread, life);
        snapshot(&engine)
    };
    let blocks = blocks.seal();
    let how = RecoveryOptions {
        now: Millis(START + spread * 1_000),
        threads: usize::try_from(threads).expect("few threads"),
    };
    println!("{sessions} sessions, {threads} threads, active within {spread} s");
    let begin = Instant::now();
    let reader = SnapshotReader::open(&file[..]).expect("a snapshot");
    reader.verify(|_| {}).expect("a good snapshot");
    let spent = begin.elapsed().as_secs_f64();
    println!("one thread reads the snapshot in {spent:.3} s");
    let load = |engine: &Engine| {
        let loaded = engine.load_snapshot(&reader, &how, &|_, _| {});
        loaded.expect("a good snapshot");
    };
    let replay = |engine: &Engine, blocks: &[Vec<u8>]| {
        let parse = |bytes| block::parse(bytes, &SALT).expect("a good block");
        let blocks: Vec<_> = blocks.iter().map(|bytes| parse(bytes)).collect();
        engine.replay_blocks(&blocks, &how).expect("good blocks");
    };
    let bytes = |blocks: &[Vec<u8>]| blocks.iter().map(Vec::len).sum();
    let loaded = || {
        let engine = fresh(how.now);
        load(&engine);
        engine
    };
    measure("snapshot", sessions, file.len(), || fresh(how.now), load);
    let fresh = || fresh(how.now);
    measure("log", sessions, bytes(&blocks), fresh, |engine| {
        replay(engine, &blocks);
    });
    let touches = touches(&loaded(), how.now);
    measure("touches", sessions, bytes(&touches), loaded, |engine| {
        replay(engine, &touches);
    });
}
