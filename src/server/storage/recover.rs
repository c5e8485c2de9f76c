//! Brings the sessions of a data directory back, and tells how far it is.

use std::thread;

use crate::clock::Millis;
use crate::engine::{Engine, Recovery as Division};
use crate::log::block::Block;
use crate::log::key::KeyId;
use crate::log::reader::{Cause, Damage};
use crate::log::recovery::LoggedSegment;
use crate::log::{Recovered, Recovery, RecoveryError};
use crate::model::Position;
use crate::server::progress::Progress;
use crate::server::storage::{DataDirectory, StorageError};

/// Brings all sessions of a directory back into an engine that has none.
///
/// # Errors
/// [`StorageError::Recovery`] says which file is in the way and what can be done.
pub fn recover(
    directory: &DataDirectory,
    key_id: KeyId,
    engine: &Engine,
    now: Millis,
) -> Result<Recovered, StorageError> {
    let recovered = bring_back(directory, key_id, engine, now)
        .map_err(|error| StorageError::Recovery(directory.path(), error))?;
    if let Some(torn) = &recovered.torn {
        tracing::warn!("{torn}; nobody was told that it was safe, so it is set aside");
    }
    tracing::info!(
        sessions = engine.memory_use().sessions,
        segments = recovered.segments,
        blocks = recovered.blocks,
        "all sessions are back"
    );
    Ok(recovered)
}

fn bring_back(
    directory: &DataDirectory,
    key_id: KeyId,
    engine: &Engine,
    now: Millis,
) -> Result<Recovered, RecoveryError> {
    let recovery = Recovery::begin(directory.disk(), key_id)?;
    let division = Division {
        now,
        threads: thread::available_parallelism().map_or(1, usize::from),
    };
    engine.begin_at(now);
    if let Some(snapshot) = recovery.snapshot() {
        let bar = Progress::start("loading the snapshot", snapshot.length());
        let loaded = engine.load_snapshot(snapshot, &division, &|done, _| bar.set(done));
        bar.finish();
        loaded.map_err(|problem| recovery.bad_snapshot(problem))?;
    }
    let segments = u64::try_from(recovery.segments()).unwrap_or(u64::MAX);
    let bar = Progress::of_files("reading the log", segments);
    let read = recovery.read_log(&mut |segment| {
        let replayed = replay(engine, segment, &division);
        bar.add(1);
        replayed
    });
    bar.finish();
    read
}

/// Carries out what stands in one segment.
fn replay(engine: &Engine, segment: &LoggedSegment, division: &Division) -> Result<(), Damage> {
    let blocks: Vec<Block<'_>> = segment.blocks().collect();
    engine.replay_blocks(&blocks, division).map_err(|bad| {
        let mut again = segment.blocks();
        let position = match again.nth(bad.block) {
            Some(block) => {
                let end = again.offset();
                return Damage::of_record(segment.number(), end, &block, bad.error);
            }
            None => Position(0),
        };
        Damage {
            number: segment.number(),
            offset: again.offset(),
            first: position,
            last: position,
            cause: Cause::Record(bad.error),
        }
    })
}
