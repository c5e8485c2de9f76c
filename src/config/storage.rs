//! Where sessions are kept on disk, and how safe an acknowledged change is.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::ConfigError;
use crate::config::file::FileSettings;
use crate::config::flags::ServeFlags;
use crate::limits;

/// The directory that is used when nothing else is said.
pub const DEFAULT_DATA: &str = "cloakroom-data";

/// What has to happen before a change is acknowledged. Plain touches are never waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// It is on disk: a power cut loses nothing that was acknowledged.
    Always,
    /// It is with the operating system, and on disk a second later: a crash of the server loses
    /// nothing, a power cut up to the last second.
    Everysec,
    /// It is with the operating system, which writes to disk when it likes.
    Os,
}

/// Where and how sessions are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Storage {
    /// The data directory.
    pub directory: PathBuf,
    /// What is waited for before a change is acknowledged.
    pub durability: Durability,
    /// A snapshot is begun so long after the last one, if anything was written since.
    pub snapshot_every: Duration,
    /// A snapshot is begun when so many bytes of log were written since the last one, and twice as
    /// many as the last one has.
    pub snapshot_log_bytes: u64,
    /// Bytes of one file of the log.
    pub segment_bytes: u64,
}

impl Storage {
    /// The usual settings in a directory.
    #[must_use]
    pub fn in_directory(directory: PathBuf) -> Self {
        Self {
            directory,
            durability: Durability::Always,
            snapshot_every: Duration::from_millis(limits::SNAPSHOT_MILLIS),
            snapshot_log_bytes: limits::SNAPSHOT_LOG_BYTES,
            segment_bytes: limits::LOG_SEGMENT_BYTES,
        }
    }

    /// What flags and file say; `None` for a server in memory only.
    pub(super) fn resolve(
        flags: &ServeFlags,
        file: &FileSettings,
    ) -> Result<Option<Self>, ConfigError> {
        // A flag for the one outweighs a line of the file for the other.
        let in_memory =
            flags.memory_only || (file.memory_only.unwrap_or(false) && flags.data.is_none());
        if in_memory {
            if file.data.is_some() && !flags.memory_only {
                return Err(ConfigError::Invalid {
                    setting: "data",
                    reason: "cannot be set together with memory-only".to_owned(),
                });
            }
            return Ok(None);
        }
        let named = flags.data.clone().or_else(|| file.data.clone());
        let usual = Self::in_directory(named.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA)));
        if usual.directory.as_os_str().is_empty() {
            return Err(ConfigError::Invalid {
                setting: "data",
                reason: "name a directory".to_owned(),
            });
        }
        Ok(Some(Self {
            durability: flags
                .durability
                .or(file.durability)
                .unwrap_or(usual.durability),
            snapshot_every: match (flags.snapshot_every, &file.snapshot_every) {
                (Some(every), _) => every,
                (None, Some(every)) => every.duration("snapshot-every")?,
                (None, None) => usual.snapshot_every,
            },
            snapshot_log_bytes: match (flags.snapshot_log_size, &file.snapshot_log_size) {
                (Some(bytes), _) => bytes,
                (None, Some(size)) => size.bytes("snapshot-log-size")?,
                (None, None) => usual.snapshot_log_bytes,
            },
            segment_bytes: match (flags.segment_size, &file.segment_size) {
                (Some(bytes), _) => segment_bytes(bytes)?,
                (None, Some(size)) => segment_bytes(size.bytes("segment-size")?)?,
                (None, None) => usual.segment_bytes,
            },
            ..usual
        }))
    }
}

fn segment_bytes(bytes: u64) -> Result<u64, ConfigError> {
    if (limits::SEGMENT_BYTES_MIN..=limits::SEGMENT_BYTES_MAX).contains(&bytes) {
        return Ok(bytes);
    }
    Err(ConfigError::Invalid {
        setting: "segment-size",
        reason: "must be at least 8MiB and at most 1GiB".to_owned(),
    })
}
