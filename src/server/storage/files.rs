//! A data directory that this process has taken, with its key.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::log::disk::{Disk, FsDisk};
use crate::server::storage::{StorageError, key_file};

/// A data directory that is this process's alone until it is dropped.
pub struct DataDirectory {
    disk: Arc<FsDisk>,
}

impl DataDirectory {
    /// Takes a directory, which is made when it is not there.
    ///
    /// # Errors
    /// [`StorageError::Disk`].
    pub fn take(path: &Path) -> Result<Self, StorageError> {
        Ok(Self {
            disk: Arc::new(FsDisk::open(path)?),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.disk.path().to_owned()
    }

    /// Its files.
    #[must_use]
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk) as Arc<dyn Disk>
    }

    /// The secret in its key file, which is made in a directory without data.
    ///
    /// # Errors
    /// [`StorageError::Key`].
    pub fn secret_or_new(&self) -> Result<[u8; 32], StorageError> {
        let draw = || {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(io::Error::other)?;
            Ok(secret)
        };
        key_file::read_or_make(&*self.disk, draw)
            .map_err(|error| StorageError::Key(self.path(), error))
    }

    /// The secret in its key file, which must be there.
    ///
    /// # Errors
    /// [`StorageError::Key`], and [`StorageError::NoData`] where nobody has ever kept sessions.
    pub fn secret(&self) -> Result<[u8; 32], StorageError> {
        let no_data = || io::Error::from(io::ErrorKind::NotFound);
        match key_file::read_or_make(&*self.disk, || Err(no_data())) {
            Ok(secret) => Ok(secret),
            Err(key_file::KeyError::System(_, error))
                if error.kind() == io::ErrorKind::NotFound =>
            {
                Err(StorageError::NoData(self.path()))
            }
            Err(error) => Err(StorageError::Key(self.path(), error)),
        }
    }
}
