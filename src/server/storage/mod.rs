//! Sessions that are kept on disk: the data directory is taken, the key read, the sessions brought
//! back, the log begun; and at the end everything is made safe.

pub mod error;
mod files;
pub mod key_file;
mod recover;
mod running;
mod serving;
mod snapshots;
mod waiter;

pub use error::StorageError;
pub use files::DataDirectory;
pub use recover::recover;
pub use running::RunningLog;
pub use serving::{Caretakers, Serving};
pub use snapshots::{SnapshotDesk, Snapshots};
pub use waiter::{LogFailed, LogWaiter};

use std::io::{self, BufRead};
use std::sync::Arc;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::log::key::KeyId;
use crate::log::snapshot::{SnapshotHeader, SnapshotTotals};
use crate::model::{Keys, Position};
use crate::server::transfer::{self, ImportError, ImportTotals, Importer, OnError};

/// Sessions and the key they are kept under. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    secret: [u8; 32],
}

impl Storage {
    /// The sessions of an engine that was made with this secret.
    #[must_use]
    pub fn new(engine: Arc<Engine>, clock: Arc<dyn Clock>, secret: [u8; 32]) -> Self {
        Self {
            engine,
            clock,
            secret,
        }
    }

    /// The sessions.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The present.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn key_id(&self) -> KeyId {
        KeyId::of(&self.secret)
    }

    /// Hands a backup to `out`, with the key if asked for.
    ///
    /// # Errors
    /// Those of `out`, or of the system's randomness.
    pub fn backup(
        &self,
        with_key: bool,
        out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<SnapshotTotals> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        let header = SnapshotHeader {
            // Whoever restores it begins a log of his own.
            number: 1,
            first: Position(1),
            epochs: 0,
            created: self.clock.now(),
            salt,
            key_id: self.key_id(),
            bundled_key: with_key.then_some(self.secret),
        };
        self.engine.write_backup(header, out)
    }

    /// Hands all living sessions to `out` as lines of NDJSON; answers how many there were.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn export(&self, out: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
        let (keys, id) = (Keys::new(self.secret), self.key_id().to_string());
        transfer::export(&self.engine, self.clock.now(), &keys, &id, out)
    }

    /// Takes sessions over from lines of NDJSON, and waits until they are safe in `log`.
    ///
    /// # Errors
    /// [`ImportError`] says where it ended and why.
    pub fn import(
        &self,
        log: &LogWaiter,
        on_error: OnError,
        lines: &mut dyn BufRead,
        report: &mut dyn FnMut(u64, &str) -> io::Result<()>,
    ) -> Result<ImportTotals, ImportError> {
        let importer = Importer {
            engine: &self.engine,
            log,
            clock: &*self.clock,
            key: &self.key_id().to_string(),
            on_error,
        };
        importer.run(lines, report)
    }
}
