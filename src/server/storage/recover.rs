//! Brings the sessions of a data directory back, and tells how far it is.

use std::thread;

use crate::clock::Millis;
use crate::engine::{Engine, RecoveryOptions};
use crate::log::key::KeyId;
use crate::log::snapshot::SnapshotReader;
use crate::log::{Recovered, Recovery, RecoveryError};
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
    let options = RecoveryOptions {
        now,
        threads: thread::available_parallelism().map_or(1, usize::from),
    };
    let bytes = recovery.snapshot().map_or(0, SnapshotReader::length);
    let loading = Progress::start("loading the snapshot", bytes);
    let segments = u64::try_from(recovery.segments()).unwrap_or(u64::MAX);
    let reading = Progress::of_files("reading the log", segments);
    let recovered = engine.recover(&recovery, &options, &|done, all| {
        if all == bytes {
            loading.set(done);
        } else {
            loading.finish();
            reading.set(done);
        }
    });
    loading.finish();
    reading.finish();
    recovered
}
