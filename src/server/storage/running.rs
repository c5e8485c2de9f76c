//! The log while a process runs: its thread, and its end.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{self, Storage as Settings};
use crate::engine::{Engine, OsRandomness, Position};
use crate::log::key::KeyId;
use crate::log::{Durability, Log, LogConfig, LogThread, Recovered, Surroundings};
use crate::server::storage::waiter::Bell;
use crate::server::storage::{DataDirectory, LogWaiter, StorageError};

/// A log that is being written. To be ended with [`RunningLog::stop`].
pub struct RunningLog {
    waiter: LogWaiter,
    /// `None` once it is stopped.
    thread: Option<LogThread>,
    /// Holds the lock of the directory.
    directory: DataDirectory,
}

impl RunningLog {
    /// Goes on behind what was recovered. `publish` is told of every position that is reached.
    ///
    /// # Errors
    /// [`StorageError::Recovery`] when the disk takes no new segment, [`StorageError::System`].
    pub fn start(
        directory: DataDirectory,
        key_id: KeyId,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        recovered: &Recovered,
        publish: Box<dyn Fn(Position) + Send>,
    ) -> Result<Self, StorageError> {
        let around = Surroundings {
            disk: directory.disk(),
            clock,
            random: Arc::new(OsRandomness::new()),
            key_id,
        };
        let config = LogConfig {
            durability: durability(settings.durability),
            segment_bytes: settings.segment_bytes,
        };
        let bell = Bell::default();
        let rung = bell.clone();
        let announce = move |position| {
            publish(position);
            rung.ring();
        };
        let (log, writer) = Log::open(around, &config, recovered, Box::new(announce))
            .map_err(|error| StorageError::Recovery(directory.path(), error))?;
        let thread = LogThread::spawn(writer)
            .map_err(|error| StorageError::System("start the thread of the log", error))?;
        Ok(Self {
            waiter: LogWaiter::new(log, bell),
            thread: Some(thread),
            directory,
        })
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.waiter.log()
    }

    /// What waits for the log.
    #[must_use]
    pub fn waiter(&self) -> &LogWaiter {
        &self.waiter
    }

    /// The data directory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path()
    }

    /// Makes everything safe, touches included. Nobody may use the engine any more.
    ///
    /// # Errors
    /// [`StorageError::Unsafe`] when that could not be done.
    pub fn stop(mut self, engine: &Engine, clock: &dyn Clock) -> Result<(), StorageError> {
        engine.harvest_all(clock.now());
        match self.thread.take().map(LogThread::stop) {
            Some(Err(error)) => Err(StorageError::Unsafe(self.directory.path(), error)),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

impl Drop for RunningLog {
    /// Ends the thread, so that the directory is free again.
    fn drop(&mut self) {
        if let Some(Err(error)) = self.thread.take().map(LogThread::stop) {
            tracing::error!(%error, "not everything could be made safe");
        }
    }
}

fn durability(setting: config::Durability) -> Durability {
    match setting {
        config::Durability::Always => Durability::Always,
        config::Durability::Everysec => Durability::EverySecond,
        config::Durability::Os => Durability::Os,
    }
}
