//! What does each verb cost at 1 k, 100 k and 1 M sessions? One thread, random order.
//!
//! Every key is independent of the result before it, and making a token from its number costs some
//! 15 ns of each figure; `lookup` measures reads beside the bare table. For a new second the clock
//! moves on by one second with every pass over all sessions. Run it alone on one core:
//! `taskset -c 0 cargo bench --bench store`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "a benchmark"
)]

#[path = "support/population.rs"]
mod population;

use std::hint::black_box;
use std::time::{Duration, Instant};

use cloakroom::clock::Millis;
use cloakroom::engine::{DataEdit, Edit, Engine, Key, ListCursor, ListProgress, Read, Scope};
use cloakroom::model::Life;
use cloakroom::model::json::merge::{MemberOrder, Patch};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use population::{Newcomer, START, app, mix, token};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];
/// Sessions that a create or expiry adds to the population at a time.
const BATCH: u64 = 10_000;
/// Sessions that soapp lists.
const LISTED: usize = 1_000;

/// An engine with sessions, and a clock.
struct Populated {
    engine: Engine,
    order: Vec<u64>,
    now: u64,
    /// How far the present pass over all sessions has come.
    place: usize,
}

impl Populated {
    fn new(size: u64) -> Self {
        let engine = population::engine(false);
        let life = Life::whole_seconds(30 * 86_400);
        population::populate(&engine, 0..size, 3_600, life);
        let mut order: Vec<u64> = (0..size).collect();
        order.sort_unstable_by_key(|n| mix(*n));
        let now = START + 3_600_000;
        let mut populated = Self {
            engine,
            order,
            now,
            place: 0,
        };
        populated.settle();
        populated
    }

    /// Does the upkeep of the index that a server does beside.
    fn settle(&mut self) {
        while self.engine.sweep(Millis(self.now), 1_024).more {}
    }

    /// The time that `step` takes for the next `count` sessions; `between` passes is not measured.
    fn each(
        &mut self,
        mut count: u64,
        mut between: impl FnMut(&mut Self),
        step: impl Fn(&Self, u64),
    ) -> Duration {
        let mut spent = Duration::ZERO;
        while count > 0 {
            if self.place == self.order.len() {
                self.place = 0;
                between(self);
            }
            let end = (self.place + count as usize).min(self.order.len());
            let begin = Instant::now();
            for n in &self.order[self.place..end] {
                step(self, *n);
            }
            spent += begin.elapsed();
            count -= (end - self.place) as u64;
            self.place = end;
        }
        spent
    }

    fn touch(&self, n: u64) {
        let token = token(n);
        let read = self.engine.read(
            Millis(self.now),
            app(),
            Key::Token(&token),
            Read::Touch,
            |view| view.reads,
        );
        black_box(read.answer.expect("present"));
    }

    fn set(&self, n: u64, patch: &Patch<'_>) {
        let token = token(n);
        let edit = Edit {
            data: DataEdit::Merge(patch, MemberOrder::JavaScript),
            ..Edit::TOUCH
        };
        let edited = self
            .engine
            .edit(Millis(self.now), app(), Key::Token(&token), &edit, |view| {
                view.writes
            });
        black_box(edited.expect("present").answer);
    }

    /// The time that creating `count` sessions takes; they are removed again.
    fn create(&mut self, count: u64) -> Duration {
        let life = Life::whole_seconds(30 * 86_400);
        self.batches(count, |this, newcomers| {
            let begin = Instant::now();
            for newcomer in newcomers {
                newcomer.create(&this.engine, this.now, life);
            }
            let spent = begin.elapsed();
            for n in this.beyond(newcomers.len() as u64) {
                let token = token(n);
                this.engine
                    .remove(Millis(this.now), app(), Key::Token(&token), |_| ())
                    .expect("admitted");
            }
            spent
        })
    }

    /// The time that sweeping `count` sessions takes that have just expired.
    fn expire(&mut self, count: u64) -> Duration {
        self.batches(count, |this, newcomers| {
            for newcomer in newcomers {
                newcomer.create(&this.engine, this.now, Life::whole_seconds(1));
            }
            this.now += 2_000;
            let begin = Instant::now();
            let mut expired = 0;
            while expired < newcomers.len() as u64 {
                expired += this.engine.sweep(Millis(this.now), 64).expired;
            }
            let spent = begin.elapsed();
            this.settle();
            spent
        })
    }

    fn batches(
        &mut self,
        mut count: u64,
        mut batch: impl FnMut(&mut Self, &[Newcomer]) -> Duration,
    ) -> Duration {
        let mut spent = Duration::ZERO;
        let newcomers: Vec<Newcomer> = self.beyond(BATCH).map(Newcomer::new).collect();
        while count > 0 {
            let length = count.min(BATCH);
            spent += batch(self, &newcomers[..length as usize]);
            count -= length;
        }
        spent
    }

    /// The numbers of sessions that are not in the population.
    fn beyond(&self, count: u64) -> std::ops::Range<u64> {
        let first = self.order.len() as u64;
        first..first + count
    }

    /// Lists everything active since `since`.
    fn soapp(&self, since: u64) {
        let (mut cursor, mut seen) = (ListCursor::default(), 0);
        let scope = Scope::ActiveSince(Millis(since));
        while self
            .engine
            .list(Millis(self.now), app(), scope, &mut cursor, &mut |view| {
                seen += usize::from(!view.data().is_empty());
            })
            == ListProgress::More
        {}
        assert_eq!(seen, LISTED, "exactly those that were touched");
    }
}

fn verbs(criterion: &mut Criterion) {
    for size in SIZES {
        let mut sessions = Populated::new(size);
        let mut group = criterion.benchmark_group("store");
        group.sample_size(10);
        group.warm_up_time(Duration::from_millis(500));
        group.measurement_time(Duration::from_secs(2));

        // First, while the last activity of all sessions lies back.
        sessions.now += 7_200_000;
        let since = sessions.now;
        for n in 0..LISTED {
            sessions.touch(sessions.order[n]);
        }
        sessions.settle();
        group.throughput(Throughput::Elements(LISTED as u64));
        group.bench_function(BenchmarkId::new("soapp of 1,000", size), |b| {
            b.iter(|| sessions.soapp(since));
        });
        group.throughput(Throughput::Elements(1));
        for (name, seconds) in [("activity 600 s", 600), ("activity 30 d", 30 * 86_400)] {
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| {
                    sessions
                        .engine
                        .activity(Millis(sessions.now), app(), seconds)
                });
            });
        }
        group.bench_function(BenchmarkId::new("get, new second", size), |b| {
            let next_second = |this: &mut Populated| {
                this.now += 1_000;
                this.settle();
            };
            sessions.now += 1_000;
            sessions.place = 0;
            b.iter_custom(|count| sessions.each(count, next_second, Populated::touch));
        });
        group.bench_function(BenchmarkId::new("get, same second", size), |b| {
            sessions.place = 0;
            sessions.each(size, |_| (), Populated::touch);
            b.iter_custom(|count| sessions.each(count, |_| (), Populated::touch));
        });
        group.bench_function(BenchmarkId::new("set", size), |b| {
            let patch = Patch::new(br#"{"unread_msgs":13,"lang":"de"}"#).expect("an object");
            b.iter_custom(|count| sessions.each(count, |_| (), |this, n| this.set(n, &patch)));
        });
        group.bench_function(BenchmarkId::new("create", size), |b| {
            b.iter_custom(|count| sessions.create(count));
        });
        group.bench_function(BenchmarkId::new("expiry, per session", size), |b| {
            b.iter_custom(|count| sessions.expire(count));
        });
        group.finish();
    }
}

criterion_group!(store, verbs);
criterion_main!(store);
