//! What does the log cost: a change in its queue, a commit, a change from append to reply?
//!
//! "append" is what a verb pays under its session's lock, on a disk that forgets everything; the
//! writer's steps in between are not counted. "commit" is one step of the writer on a real directory,
//! under `CLOAKROOM_BENCH_DIR` or the system's directory for temporary files: state which disk that
//! is. "round trip" has the log's threads running and one who waits for each change, so it includes
//! two changes of thread. Run it alone: `cargo bench --bench log`.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::clock::{Millis, SystemClock};
use cloakroom::engine::OsRandomness;
use cloakroom::log::disk::{Disk, DiskFile, FsDisk};
use cloakroom::log::key::KeyId;
use cloakroom::log::{Durability, Log, LogConfig, LogThread, Recovery, Surroundings, Writer};
use cloakroom::model::change::{CreateChange, TouchChange};
use cloakroom::model::{AppName, Change, ContentType, Handle, Life, Position, Tag};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Millis = Millis(1_795_000_000_000);
/// Changes between two steps of the writer.
const BATCH: u64 = 1_000;
const POLICIES: [(&str, Durability); 3] = [
    ("always", Durability::Always),
    ("everysec", Durability::EverySecond),
    ("os", Durability::Os),
];

/// A disk that takes everything and keeps nothing.
struct Forgetful;

impl Disk for Forgetful {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn create(&self, _name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Self))
    }

    fn open(&self, _name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Self))
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for Forgetful {
    fn length(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _offset: u64, _bytes: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, _offset: u64, bytes: &[u8]) -> io::Result<()> {
        black_box(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A change of the session of this number.
type MakeChange = fn(u64) -> Change<'static>;

fn create(number: u64) -> Change<'static> {
    Change::Create(CreateChange {
        app: AppName::TARANTOOL,
        epoch: 1,
        tag: Tag {
            high: number,
            low: !number,
        },
        user: Some("user-0123456789a"),
        ip: Some("192.168.100.200"),
        created: NOW,
        last_active: NOW,
        lag: false,
        life: Life::whole_seconds(86_400),
        no_resave: false,
        reads: 1,
        writes: 1,
        content_type: ContentType::JSON_OBJECT,
        data: br#"{"unread_msgs":12,"name":"somebody","lang":"de","page":"/x"}"#,
        sealed: b"0123456789abcdef0123456789abcdef",
        alias: false,
    })
}

fn touch(number: u64) -> Change<'static> {
    Change::Touch(TouchChange {
        handle: Handle(number),
        last_active: NOW,
        lag: false,
        reads: number,
    })
}

fn open(
    disk: Arc<dyn Disk>,
    durability: Durability,
    publish: Box<dyn Fn(Position) + Send>,
) -> (Log, Writer) {
    let key_id = KeyId::from_bytes([1; 16]);
    let recovery = Recovery::begin(Arc::clone(&disk), key_id).expect("a directory of ours");
    let recovered = recovery.read_log(&mut |_| Ok(())).expect("a whole log");
    let around = Surroundings {
        disk,
        clock: Arc::new(SystemClock::start()),
        random: Arc::new(OsRandomness::new()),
        key_id,
    };
    let config = LogConfig {
        durability,
        ..LogConfig::default()
    };
    let (log, mut writer) = Log::open(around, &config, &recovered, publish).expect("a log");
    // The spare is made before anything is measured.
    while writer.step().is_some_and(|wait| wait.is_zero()) {}
    (log, writer)
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    let (log, mut writer) = open(Arc::new(Forgetful), Durability::Os, Box::new(|_| ()));
    let changes: [(&str, MakeChange); 2] = [("create", create), ("touch", touch)];
    for (name, change) in changes {
        group.bench_function(BenchmarkId::new(name, "one thread"), |b| {
            b.iter_custom(|count| {
                let mut taken = Duration::ZERO;
                for start in (0..count).step_by(1_000) {
                    let began = Instant::now();
                    for number in start..(start + BATCH).min(count) {
                        black_box(log.append(&change(number)));
                    }
                    taken += began.elapsed();
                    writer.step();
                }
                taken
            });
        });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let stepping = {
        let is_over = Arc::clone(&is_over);
        thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                writer.step();
                thread::park_timeout(Duration::from_micros(500));
            }
        })
    };
    group.bench_function(BenchmarkId::new("create", "two threads, each"), |b| {
        b.iter_custom(|count| {
            let began = Instant::now();
            thread::scope(|scope| {
                for thread in 0..2 {
                    let log = &log;
                    scope.spawn(move || {
                        for number in 0..count {
                            black_box(log.append(&create(number << 1 | thread)));
                        }
                    });
                }
            });
            began.elapsed()
        });
    });
    is_over.store(true, Ordering::Relaxed);
    stepping.join().expect("the writer");
    group.finish();
}

fn directory() -> tempfile::TempDir {
    match std::env::var_os("CLOAKROOM_BENCH_DIR") {
        Some(path) => tempfile::tempdir_in(path),
        None => tempfile::tempdir(),
    }
    .expect("a directory")
}

fn commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    for (name, durability) in POLICIES {
        for records in [1, 100, 2_000] {
            let home = directory();
            let disk = FsDisk::open(home.path()).expect("a directory");
            let (log, mut writer) = open(Arc::new(disk), durability, Box::new(|_| ()));
            group.throughput(Throughput::Elements(records));
            group.bench_function(BenchmarkId::new(name, records), |b| {
                b.iter_custom(|count| {
                    let mut taken = Duration::ZERO;
                    for _ in 0..count {
                        for number in 0..records {
                            log.append(&create(number));
                        }
                        let began = Instant::now();
                        writer.step();
                        taken += began.elapsed();
                        assert_eq!(log.reached(), log.head());
                    }
                    taken
                });
            });
        }
    }
    group.finish();
}

fn round_trip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip");
    for (name, durability) in POLICIES {
        let home = directory();
        let disk = FsDisk::open(home.path()).expect("a directory");
        let reached = Arc::new((Mutex::new(Position(0)), Condvar::new()));
        let tell = Arc::clone(&reached);
        let publish = Box::new(move |position| {
            *tell.0.lock().expect("nobody panics") = position;
            tell.1.notify_all();
        });
        let (log, writer) = open(Arc::new(disk), durability, publish);
        let running = LogThread::spawn(writer).expect("threads");
        let next = AtomicU64::new(0);
        group.bench_function(BenchmarkId::new(name, "one waiter"), |b| {
            b.iter(|| {
                let position = log.append(&create(next.fetch_add(1, Ordering::Relaxed)));
                log.kick();
                let guard = reached.0.lock().expect("nobody panics");
                let wait = reached.1.wait_while(guard, |r| *r < position);
                drop(wait.expect("nobody panics"));
            });
        });
        running.stop().expect("all is safe");
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(20)
}

criterion_group!(name = log; config = short(); targets = append, commit, round_trip);
criterion_main!(log);
