//! The log with its threads, on a real directory.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::{Counting, KEY, create_of};
use crate::clock::SystemClock;
use crate::log::disk::{Disk, FsDisk};
use crate::log::{
    Durability, Log, LogConfig, LogThread, Recovered, Recovery, SnapshotError, Surroundings,
};
use crate::model::{Change, Handle, Position};

/// What is reached, for those who wait.
#[derive(Default)]
struct Reached {
    position: Mutex<Position>,
    told: Condvar,
}

impl Reached {
    fn wait_for(&self, position: Position) {
        let reached = self.position.lock().unwrap();
        drop(self.told.wait_while(reached, |r| *r < position).unwrap());
    }
}

fn open(path: &Path, durability: Durability) -> (Log, LogThread, Arc<Reached>, Recovered) {
    let disk: Arc<dyn Disk> = Arc::new(FsDisk::open(path).unwrap());
    let recovered = read(&disk, &mut |_| ());
    let around = Surroundings {
        disk,
        clock: Arc::new(SystemClock::start()),
        random: Arc::new(Counting(Mutex::new(recovered.last.0))),
        key_id: KEY,
    };
    let config = LogConfig {
        durability,
        segment_bytes: 1 << 20,
    };
    let reached = Arc::new(Reached::default());
    let tell = Arc::clone(&reached);
    let publish = Box::new(move |position| {
        *tell.position.lock().unwrap() = position;
        tell.told.notify_all();
    });
    let (log, writer) = Log::open(around, &config, &recovered, publish).unwrap();
    (log, LogThread::spawn(writer).unwrap(), reached, recovered)
}

fn read(disk: &Arc<dyn Disk>, each: &mut dyn FnMut(&Change<'_>)) -> Recovered {
    let recovery = Recovery::begin(Arc::clone(disk), KEY).unwrap();
    let log = recovery.read_log(&mut |segment| {
        for block in segment.blocks() {
            block.records().for_each(|change| each(&change.unwrap()));
        }
        Ok(())
    });
    log.unwrap()
}

#[test]
fn changes_of_many_threads_are_reached_and_read_back_in_the_order_of_each() {
    for durability in [Durability::Always, Durability::EverySecond, Durability::Os] {
        let home = tempfile::tempdir().unwrap();
        let (log, running, reached, _) = open(home.path(), durability);
        thread::scope(|scope| {
            for appender in 0..4u64 {
                let (log, reached) = (&log, &reached);
                scope.spawn(move || {
                    for number in 0..2_000 {
                        let handle = Handle(appender << 32 | number);
                        let position = log.append(&Change::Remove { handle });
                        if number % 100 == 0 {
                            log.kick();
                            reached.wait_for(position);
                            assert!(log.reached() >= position);
                        }
                    }
                    // Nobody kicks: the writer looks by itself.
                    reached.wait_for(log.head());
                });
            }
        });
        let last = running.stop().unwrap();
        assert!(last >= log.head());
        assert_eq!(log.unwritten(), 0);
        let disk: Arc<dyn Disk> = Arc::new(FsDisk::open(home.path()).unwrap_or_else(|_| {
            // The handle holds the directory.
            drop(log);
            FsDisk::open(home.path()).unwrap()
        }));
        let mut next = [0u64; 4];
        let recovered = read(&disk, &mut |change| {
            if let Change::Remove { handle } = change {
                let appender = usize::try_from(handle.0 >> 32).unwrap();
                assert_eq!(handle.0 & 0xffff_ffff, next[appender]);
                next[appender] += 1;
            }
        });
        assert_eq!(next, [2_000; 4], "{durability:?}");
        assert_eq!(recovered.last, last);
    }
}

#[test]
fn snapshots_are_made_beside_the_running_log() {
    let home = tempfile::tempdir().unwrap();
    let (log, running, reached, _) = open(home.path(), Durability::EverySecond);
    for handle in 0..5_000 {
        log.append(&Change::Create(create_of(handle)));
        if handle % 1_000 == 999 {
            let start = log.begin_snapshot().unwrap().wait().unwrap();
            let mut job = start.begin(1).unwrap();
            for saved in 0..=handle {
                job.push(&create_of(saved));
                job.flush().unwrap();
            }
            assert_eq!(job.complete().unwrap().sessions, handle + 1);
        }
    }
    reached.wait_for(log.head());
    running.stop().unwrap();
    let stopped = log.begin_snapshot().err().unwrap();
    assert!(matches!(stopped, SnapshotError::Stopped), "{stopped}");
    drop(log);
    let (log, running, _, recovered) = open(home.path(), Durability::EverySecond);
    assert_eq!(recovered.snapshot, Some(log.last_snapshot().number));
    assert!(recovered.torn.is_none());
    running.stop().unwrap();
}
