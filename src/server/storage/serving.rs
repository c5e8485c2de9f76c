//! What a server with a data directory does beyond one without: brings sessions back, announces how
//! far the log is, takes snapshots, answers at the admin socket, and makes everything safe at its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Storage as Settings;
use crate::engine::{Engine, EngineConfig, OsRandomness, Position};
use crate::log::key::KeyId;
use crate::log::{Health, Log};
use crate::model::Keys;
use crate::net::log_watch::LogWatch;
use crate::server::admin::{AdminDesk, AdminSocket};
use crate::server::storage::{
    DataDirectory, RunningLog, Snapshots, Storage, StorageError, recover,
};

/// How often it is looked whether the log has failed or is well again.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The log of a server and what belongs to it.
pub struct Serving {
    storage: Storage,
    log: RunningLog,
    settings: Settings,
    positions: Arc<watch::Sender<Position>>,
}

/// The threads that look after the data of a running server.
pub struct Caretakers {
    path: PathBuf,
    admin: AdminSocket,
    snapshots: Snapshots,
}

impl Serving {
    /// Brings the sessions of a directory back and begins the log behind them.
    ///
    /// # Errors
    /// A [`StorageError`] that says what can be done.
    pub fn open(
        directory: DataDirectory,
        settings: &Settings,
        config: &EngineConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StorageError> {
        let secret = directory.secret_or_new()?;
        let key_id = KeyId::of(&secret);
        let random = Box::new(OsRandomness::new());
        let engine = Engine::new(config, Keys::new(secret), random);
        let now = clock.now();
        let recovered = recover(&directory, key_id, &engine, now)?;
        let positions = Arc::new(watch::Sender::new(recovered.last));
        let announced = Arc::clone(&positions);
        let publish = move |position| {
            announced.send_replace(position);
        };
        let log = RunningLog::start(
            directory,
            key_id,
            settings,
            Arc::clone(&clock),
            &recovered,
            Box::new(publish),
        )?;
        let engine = engine.with_log(Box::new(log.log().clone()));
        engine.start_harvest(now);
        Ok(Self {
            storage: Storage::new(Arc::new(engine), clock, secret),
            log,
            settings: settings.clone(),
            positions,
        })
    }

    /// The sessions.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(self.storage.engine())
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.log.log()
    }

    /// The log as connections see it. One that has failed is not backed up: what it would have to
    /// take is refused at once.
    #[must_use]
    pub fn watch(&self) -> LogWatch {
        let log = self.log().clone();
        let is_backed_up = move || log.is_backed_up() && log.health() != Health::Failed;
        LogWatch::of(self.positions.subscribe(), Arc::new(is_backed_up))
    }

    /// Tells connections that wait when the log has failed, or is well again. For ever.
    pub fn watch_health(&self) -> impl Future<Output = ()> + Send + use<> {
        let (log, positions) = (self.log().clone(), Arc::clone(&self.positions));
        async move {
            let mut known = log.health();
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let health = log.health();
                if health != std::mem::replace(&mut known, health) {
                    positions.send_modify(|_| {});
                }
            }
        }
    }

    /// Starts taking snapshots and answering at the admin socket.
    ///
    /// # Errors
    /// [`StorageError::System`].
    pub fn start_caretakers(&self) -> Result<Caretakers, StorageError> {
        let clock = Arc::clone(self.storage.clock());
        let snapshots = Snapshots::start(self.engine(), self.log().clone(), clock, &self.settings)
            .map_err(|error| StorageError::System("start the thread for snapshots", error))?;
        let path = self.log.path();
        let desk = AdminDesk {
            storage: self.storage.clone(),
            log: self.log.waiter().clone(),
            snapshots: snapshots.desk(),
        };
        let admin = AdminSocket::start(&path, desk)
            .map_err(|error| StorageError::System("listen at the admin socket", error))?;
        Ok(Caretakers {
            path,
            admin,
            snapshots,
        })
    }

    /// Makes everything safe. Nobody may use the engine any more.
    ///
    /// # Errors
    /// [`StorageError::Unsafe`] when that could not be done.
    pub fn stop(self) -> Result<(), StorageError> {
        self.log
            .stop(self.storage.engine(), &**self.storage.clock())
    }
}

impl Caretakers {
    /// Ends the threads, and whatever is under way at the admin socket.
    pub fn stop(mut self) {
        // Somebody at the socket may wait for a snapshot.
        self.snapshots.stop();
        self.admin.stop(&self.path);
    }
}
