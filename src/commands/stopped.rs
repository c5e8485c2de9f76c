//! Reaching the sessions of a data directory: through its running server, or by bringing them back
//! here when there is none.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::commands::failure::Failure;
use crate::config::Storage as Settings;
use crate::engine::{Engine, EngineConfig, OsRandomness};
use crate::log::disk::DiskError;
use crate::log::key::KeyId;
use crate::model::Keys;
use crate::server::storage::{DataDirectory, RunningLog, Storage, StorageError, recover};

/// How the sessions of a directory are reached, to be read.
pub(super) enum Reached {
    /// A server runs: it is to be asked.
    Running,
    /// None does: here they are.
    Stopped(Storage),
}

/// How the sessions of a directory are reached, to be changed.
pub(super) enum Opened {
    /// A server runs: it is to be asked.
    Running,
    /// None does: here they are, with their log.
    Stopped(Box<Stopped>),
}

/// The sessions of a directory that no server uses, with their log.
pub(super) struct Stopped {
    storage: Storage,
    log: RunningLog,
}

impl Stopped {
    /// The sessions.
    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Their log.
    pub(super) fn log(&self) -> &RunningLog {
        &self.log
    }

    /// Makes everything safe.
    pub(super) fn close(self) -> Result<(), Failure> {
        let Self { storage, log } = self;
        log.stop(storage.engine(), &**storage.clock())?;
        Ok(())
    }
}

/// Reaches the sessions of a directory that must be there.
pub(super) fn reach(path: &Path) -> Result<Reached, Failure> {
    match std::fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StorageError::NoData(path.to_owned()).into());
        }
        Err(error) => return Err(Failure::system("look at", path, &error)),
    }
    let Some(directory) = take(path)? else {
        return Ok(Reached::Running);
    };
    let secret = directory.secret()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let engine = engine(secret);
    recover(&directory, KeyId::of(&secret), &engine, clock.now())?;
    let storage = Storage::new(Arc::new(engine), clock, secret);
    Ok(Reached::Stopped(storage))
}

/// Reaches the sessions of a directory, which is made when it is not there.
pub(super) fn open_or_make(path: &Path) -> Result<Opened, Failure> {
    let Some(directory) = take(path)? else {
        return Ok(Opened::Running);
    };
    let secret = directory.secret_or_new()?;
    let settings = Settings::in_directory(path.to_owned());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let engine = engine(secret);
    let recovered = recover(&directory, KeyId::of(&secret), &engine, clock.now())?;
    let log = RunningLog::start(
        directory,
        KeyId::of(&secret),
        &settings,
        Arc::clone(&clock),
        &recovered,
        Box::new(|_| {}),
    )?;
    let engine = engine.with_log(Box::new(log.log().clone()));
    let storage = Storage::new(Arc::new(engine), clock, secret);
    Ok(Opened::Stopped(Box::new(Stopped { storage, log })))
}

/// Takes the directory; `None` when a server has it.
fn take(path: &Path) -> Result<Option<DataDirectory>, Failure> {
    match DataDirectory::take(path) {
        Ok(directory) => Ok(Some(directory)),
        Err(StorageError::Disk(DiskError::InUse(_))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn engine(secret: [u8; 32]) -> Engine {
    let random = Box::new(OsRandomness::new());
    Engine::new(&EngineConfig::default(), Keys::new(secret), random)
}
