//! Recovery: sessions out of a snapshot and the log behind it, by several threads.
//!
//! What a thread does is the ordinary thing: `Store::load` for the sessions of a snapshot,
//! `Store::apply` for the changes of the log. The threads only divide the work: a snapshot is fed
//! shard by shard, so each takes a run of its chunks; of the log each takes the sessions whose
//! handles are its own, so that the changes of one session stay in order. A kill of an app concerns
//! the sessions of all threads, so all of them wait for it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::Engine;
use crate::clock::Millis;
use crate::log::block::Block;
use crate::log::reader::{Cause, Damage};
use crate::log::record::BadRecord;
use crate::log::recovery::LoggedSegment;
use crate::log::snapshot::{BadSnapshot, ChunkPlace, SnapshotReader, Source};
use crate::log::{Recovered, Recovery, RecoveryError};
use crate::model::change::{CreateChange, TouchChange, UpdateChange};
use crate::model::{Change, Handle, Position, Tag};
use crate::store::Ahead;

/// How far a recovery is: bytes done, bytes in all. Called by any of its threads.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Sync);

/// How the work is divided, and what time it is.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryOptions {
    /// The present: what was active later counts as active now.
    pub now: Millis,
    /// Threads, at least one.
    pub threads: usize,
}

/// A block of the log whose checksum fits while its records do not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadReplay {
    /// Which of the blocks that were handed in.
    pub block: usize,
    /// What is wrong with it.
    pub error: BadRecord,
}

impl Engine {
    /// Lets an engine without sessions begin at the present, which makes it ready for a recovery.
    pub fn begin_at(&self, now: Millis) {
        self.store.start_at(now);
    }

    /// Brings all sessions of a data directory back into an engine that has none. `progress` counts
    /// the bytes of the snapshot, then, from the start again, the segments of the log.
    ///
    /// # Errors
    /// [`RecoveryError`] says which file is in the way and what can be done. The engine is of no use
    /// then.
    pub fn recover(
        &self,
        recovery: &Recovery,
        how: &RecoveryOptions,
        progress: Progress<'_>,
    ) -> Result<Recovered, RecoveryError> {
        self.begin_at(how.now);
        if let Some(reader) = recovery.snapshot() {
            self.load_snapshot(reader, how, progress)
                .map_err(|problem| recovery.bad_snapshot(problem))?;
        }
        let (mut done, all) = (0, recovery.segments() as u64);
        recovery.read_log(&mut |segment| {
            self.replay_segment(segment, how)?;
            done += 1;
            progress(done, all);
            Ok(())
        })
    }

    /// Makes the sessions of a snapshot; answers how many stood in it.
    ///
    /// # Errors
    /// [`BadSnapshot`] for the first thing that is wrong in the file; some sessions are made then.
    pub fn load_snapshot<S: Source>(
        &self,
        reader: &SnapshotReader<S>,
        how: &RecoveryOptions,
        progress: Progress<'_>,
    ) -> Result<u64, BadSnapshot> {
        let places = reader.places().collect::<Result<Vec<_>, _>>()?;
        self.store.raise_epochs(reader.header().epochs);
        let loading = Loading {
            engine: self,
            reader,
            now: how.now,
            done: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            progress,
        };
        let share = places.len().div_ceil(how.threads.max(1)).max(1);
        let results: Vec<_> = thread::scope(|scope| {
            let shares = places.chunks(share);
            let threads: Vec<_> = shares
                .map(|places| scope.spawn(|| loading.load(places)))
                .collect();
            threads.into_iter().map(join).collect()
        });
        let first = results.into_iter().filter_map(Result::err);
        if let Some(error) = first.min_by_key(|error| error.offset) {
            return Err(error);
        }
        Ok(places.iter().map(|place| u64::from(place.count())).sum())
    }

    /// Carries out the changes of one segment of the log.
    fn replay_segment(&self, segment: &LoggedSegment, how: &RecoveryOptions) -> Result<(), Damage> {
        let mut ends = Vec::new();
        let mut blocks = Vec::new();
        let mut reading = segment.blocks();
        while let Some(block) = reading.next() {
            blocks.push(block);
            ends.push(reading.offset());
        }
        self.replay_blocks(&blocks, how).map_err(|bad| {
            let end_of_all = reading.offset();
            match (blocks.get(bad.block), ends.get(bad.block)) {
                (Some(block), Some(end)) => {
                    Damage::of_record(segment.number(), *end, block, bad.error)
                }
                (_, _) => Damage {
                    number: segment.number(),
                    offset: end_of_all,
                    first: Position::default(),
                    last: Position::default(),
                    cause: Cause::Record(bad.error),
                },
            }
        })
    }

    /// Carries out the changes of some blocks of the log, which come in the order of their positions.
    ///
    /// # Errors
    /// [`BadReplay`] when a block holds what is no change; all before it is carried out, and some of
    /// what follows.
    pub fn replay_blocks(
        &self,
        blocks: &[Block<'_>],
        how: &RecoveryOptions,
    ) -> Result<(), BadReplay> {
        let threads = how.threads.max(1);
        let replaying = Replaying {
            engine: self,
            blocks,
            now: how.now,
            threads,
            barrier: Barrier::new(threads),
        };
        thread::scope(|scope| {
            let replaying = &replaying;
            let others: Vec<_> = (1..threads)
                .map(|share| scope.spawn(move || replaying.replay(share)))
                .collect();
            let result = replaying.replay(0);
            // All of them read all records, so they find the same.
            for other in others {
                join(other)?;
            }
            result
        })
    }
}

/// A panic of a thread goes on in the one that waits for it.
fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

struct Loading<'l, S> {
    engine: &'l Engine,
    reader: &'l SnapshotReader<S>,
    now: Millis,
    /// Bytes of chunks.
    done: AtomicU64,
    /// A thread has found something wrong.
    is_over: AtomicBool,
    progress: Progress<'l>,
}

impl<S: Source> Loading<'_, S> {
    /// Loads a run of chunks.
    fn load(&self, places: &[ChunkPlace]) -> Result<(), BadSnapshot> {
        let mut buffer = Vec::new();
        for place in places {
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let loaded = self.load_chunk(place, &mut buffer);
            if loaded.is_err() {
                self.is_over.store(true, Ordering::Relaxed);
                return loaded;
            }
            let done = self.done.fetch_add(place.bytes(), Ordering::Relaxed);
            (self.progress)(done + place.bytes(), self.reader.length());
        }
        Ok(())
    }

    fn load_chunk(&self, place: &ChunkPlace, buffer: &mut Vec<u8>) -> Result<(), BadSnapshot> {
        let chunk = self.reader.load(place, buffer)?;
        let mut creates = Vec::with_capacity(place.count() as usize);
        for create in chunk.creates() {
            creates.push(create_by(create?, self.now));
        }
        self.engine.store.load(&creates);
        Ok(())
    }
}

struct Replaying<'r> {
    engine: &'r Engine,
    blocks: &'r [Block<'r>],
    now: Millis,
    threads: usize,
    barrier: Barrier,
}

impl Replaying<'_> {
    /// Carries out the changes of the sessions of one share.
    fn replay(&self, share: usize) -> Result<(), BadReplay> {
        let mut batch = Batch::new(self.engine);
        for (number, block) in self.blocks.iter().enumerate() {
            for record in block.records() {
                let change = record.map_err(|error| BadReplay {
                    block: number,
                    error,
                })?;
                match handle_of(&change) {
                    Some(handle) if self.share_of(handle) == share => {
                        batch.push(handle, change_by(change, self.now));
                    }
                    Some(_) => {}
                    None => {
                        batch.carry_out();
                        self.replay_together(share, &change);
                    }
                }
            }
        }
        batch.carry_out();
        Ok(())
    }

    /// Whose share a session is: whole shards, so that threads do not wait for each other's locks.
    fn share_of(&self, handle: Handle) -> usize {
        self.engine.store.number_of(handle) % self.threads
    }

    /// A change of more than one session: when all threads have come to it, one carries it out.
    fn replay_together(&self, share: usize, change: &Change<'_>) {
        self.barrier.wait();
        if share == 0 {
            self.engine.store.apply(change);
        }
        self.barrier.wait();
    }
}

/// Changes that are carried out one behind the other, once the sessions they are about are in the
/// processor's cache: a log names them in no order, so each would wait for several cache misses.
struct Batch<'b> {
    engine: &'b Engine,
    changes: Vec<Change<'b>>,
    sessions: Vec<Tag>,
}

impl<'b> Batch<'b> {
    const CHANGES: usize = 16;

    fn new(engine: &'b Engine) -> Self {
        Self {
            engine,
            changes: Vec::with_capacity(Self::CHANGES),
            sessions: Vec::with_capacity(Self::CHANGES),
        }
    }

    fn push(&mut self, handle: Handle, change: Change<'b>) {
        self.changes.push(change);
        // Sessions are looked up by the part of the tag that is their handle.
        self.sessions.push(Tag {
            high: handle.0,
            low: 0,
        });
        if self.changes.len() == Self::CHANGES {
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        self.engine.store.warm(&self.sessions, Ahead::Replies);
        self.sessions.clear();
        for change in self.changes.drain(..) {
            self.engine.store.apply(&change);
        }
    }
}

/// The session that a change is about; `None` when it is about all of an app.
fn handle_of(change: &Change<'_>) -> Option<Handle> {
    match change {
        Change::Create(create) => Some(Handle(create.tag.high)),
        Change::Update(UpdateChange { handle, .. })
        | Change::Touch(TouchChange { handle, .. })
        | Change::Remove { handle } => Some(*handle),
        Change::RemoveApp { .. } => None,
    }
}

/// A change as it is carried out at `now`: what the clock had not come to by then counts as now, as
/// the clock may have been set back since.
fn change_by<'c>(change: Change<'c>, now: Millis) -> Change<'c> {
    match change {
        Change::Create(create) => Change::Create(create_by(create, now)),
        Change::Update(update) => Change::Update(UpdateChange {
            last_active: update.last_active.min(now),
            ..update
        }),
        Change::Touch(touch) => Change::Touch(TouchChange {
            last_active: touch.last_active.min(now),
            ..touch
        }),
        Change::Remove { .. } | Change::RemoveApp { .. } => change,
    }
}

fn create_by<'c>(create: CreateChange<'c>, now: Millis) -> CreateChange<'c> {
    CreateChange {
        last_active: create.last_active.min(now),
        ..create
    }
}
