//! What does a read cost beside the bare hash table it is made of?
//!
//! One thread, 1 M sessions in random order. "Bare" is a hashbrown look-up plus one read of a
//! 64-byte record; "get and touch" is the engine's verb with token hash, shard lock, counters and
//! time index. Dependent: the next key follows from the last result, so nothing overlaps. Rounds are
//! interleaved; the medians of their ratios are printed. Run it alone on one core:
//! `taskset -c 0 cargo bench --bench lookup`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a benchmark"
)]

#[path = "support/population.rs"]
mod population;

use std::hint::black_box;
use std::time::Instant;

use cloakroom::clock::Millis;
use cloakroom::engine::{Ahead, Engine, Key, Located, Read};
use cloakroom::model::{Life, SessionView};
use hashbrown::HashTable;
use population::{START, app, mix};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SESSIONS: u64 = 1_000_000;
const ROUNDS: usize = 9;
const BATCH: usize = 16;
const NAMES: [&str; 8] = [
    "bare look-up and record, dependent",
    "get and touch, same second, dependent",
    "get and touch, new second, dependent",
    "bare look-up and record, batches of 16",
    "get and touch, same second, batches of 16",
    "the same with user, IP and data, dependent",
    "the same with user, IP and data, batches",
    "get and touch, batches of 16, not located",
];

/// The baseline: a table of record numbers, and records of one cache line.
struct Bare {
    table: HashTable<u32>,
    records: Vec<Line>,
}

#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line([u64; 8]);

impl Bare {
    fn new() -> Self {
        let records: Vec<Line> = (0..SESSIONS)
            .map(|n| Line([mix(n + 1), 0, 0, 0, 0, 0, 0, 0]))
            .collect();
        let mut table = HashTable::new();
        for number in 0..SESSIONS as u32 {
            let hash = |n: &u32| records[*n as usize].0[0];
            table.insert_unique(hash(&number), number, hash);
        }
        Self { table, records }
    }

    fn read(&self, n: u64) -> u64 {
        let hash = mix(n + 1);
        let found = self
            .table
            .find(hash, |n| self.records[*n as usize].0[0] == hash);
        let line = &self.records[*found.expect("present") as usize];
        line.0[0] ^ line.0[7]
    }
}

struct Reads<'e> {
    engine: &'e Engine,
    now: u64,
}

impl Reads<'_> {
    /// Reads and touches; the body is not looked at.
    fn touch(&self, n: u64) -> u64 {
        self.read(Key::Token(&population::token(n)), |view| {
            view.handle.0 ^ view.reads
        })
    }

    /// Reads and touches, and looks at everything that a reply shows.
    fn reply(&self, n: u64) -> u64 {
        self.read(Key::Token(&population::token(n)), |view| {
            let texts = view.user().map_or(0, str::len) + view.ip().map_or(0, str::len);
            view.reads ^ (texts + view.data().len()) as u64
        })
    }

    fn read(&self, key: Key<'_>, answer: impl Fn(&SessionView<'_>) -> u64) -> u64 {
        let reply = self
            .engine
            .read(Millis(self.now), app(), key, Read::Touch, answer);
        reply.answer.expect("present")
    }
}

/// Every session once, in random order.
fn shuffled() -> Vec<u64> {
    let mut order: Vec<u64> = (0..SESSIONS).collect();
    order.sort_unstable_by_key(|n| mix(*n));
    order
}

/// Nanoseconds per operation of `step`. Which session is next follows from the last result, as far
/// as the processor can tell: `zero` is zero.
fn dependent(order: &[u64], zero: u64, mut step: impl FnMut(u64) -> u64) -> f64 {
    let begin = Instant::now();
    let mut last = 0;
    for place in 0..order.len() {
        last = step(order[place ^ (last & zero) as usize]);
    }
    black_box(last);
    begin.elapsed().as_nanos() as f64 / order.len() as f64
}

/// Nanoseconds per operation in batches of independent sessions, as a connection does its pipelined
/// requests: all are located, then looked at, then read.
fn located(order: &[u64], zero: u64, reads: &Reads<'_>) -> f64 {
    let begin = Instant::now();
    let mut last = 0;
    let mut located: Vec<Located> = Vec::with_capacity(BATCH);
    for batch in order.chunks(BATCH) {
        let before = last & zero;
        located.extend(
            batch
                .iter()
                .filter_map(|n| reads.engine.locate(app(), &population::token(n ^ before))),
        );
        reads
            .engine
            .warm(located.iter().map(Located::tag), Ahead::Records);
        for key in located.drain(..) {
            last ^= reads.read(Key::Located(&key), |view| view.handle.0 ^ view.reads);
        }
    }
    black_box(last);
    begin.elapsed().as_nanos() as f64 / order.len() as f64
}

/// Nanoseconds per operation in batches of independent sessions.
fn batched(order: &[u64], zero: u64, mut step: impl FnMut(u64) -> u64) -> f64 {
    let begin = Instant::now();
    let mut last = 0;
    for batch in order.chunks(BATCH) {
        let before = last & zero;
        for n in batch {
            last ^= step(n ^ before);
        }
    }
    black_box(last);
    begin.elapsed().as_nanos() as f64 / order.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let engine = population::engine(false);
    let life = Life::whole_seconds(30 * 86_400);
    population::populate(&engine, 0..SESSIONS, 3_600, life);
    let bare = Bare::new();
    let mut reads = Reads {
        engine: &engine,
        now: START + 3_600_000,
    };
    let (order, zero) = (shuffled(), black_box(0));
    let mut rows: [Vec<f64>; NAMES.len()] = Default::default();
    for _ in 0..ROUNDS {
        rows[0].push(dependent(&order, zero, |n| bare.read(n)));
        reads.now += 1_000;
        rows[2].push(dependent(&order, zero, |n| reads.touch(n)));
        rows[1].push(dependent(&order, zero, |n| reads.touch(n)));
        rows[3].push(batched(&order, zero, |n| bare.read(n)));
        rows[4].push(located(&order, zero, &reads));
        rows[7].push(batched(&order, zero, |n| reads.touch(n)));
        rows[5].push(dependent(&order, zero, |n| reads.reply(n)));
        rows[6].push(batched(&order, zero, |n| reads.reply(n)));
        while engine.sweep(Millis(reads.now), 1_024).more {}
    }
    println!(
        "{:<46} {:>9} {:>8}",
        "1 M sessions, one thread", "ns", "ratio"
    );
    for (name, row) in NAMES.iter().zip(&rows) {
        let ratio = median(row.iter().zip(&rows[0]).map(|(a, b)| a / b).collect());
        println!("{name:<46} {:>9.1} {ratio:>8.2}", median(row.clone()));
    }
}
