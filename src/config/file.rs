//! The configuration file: TOML, its keys called as the flags are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::ConfigError;
use crate::config::flags::LogFormat;
use crate::config::size::parse_size;
use crate::config::span::parse_span;
use crate::config::storage::Durability;

/// Every key, as its flag is called.
pub(super) const KEYS: [&str; 17] = [
    "access-keys",
    "access-log",
    "data",
    "durability",
    "http",
    "insecure",
    "ip-index",
    "listen",
    "log-format",
    "max-apps",
    "max-connections",
    "max-memory",
    "memory-only",
    "segment-size",
    "snapshot-every",
    "snapshot-log-size",
    "threads",
];

/// What a file says.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct FileSettings {
    #[serde(default)]
    pub(super) http: Vec<String>,
    #[serde(default)]
    pub(super) listen: Vec<String>,
    pub(super) access_keys: Option<PathBuf>,
    pub(super) memory_only: Option<bool>,
    pub(super) data: Option<PathBuf>,
    pub(super) durability: Option<Durability>,
    pub(super) snapshot_every: Option<FileSpan>,
    pub(super) snapshot_log_size: Option<FileSize>,
    pub(super) segment_size: Option<FileSize>,
    pub(super) max_memory: Option<FileSize>,
    pub(super) max_apps: Option<usize>,
    pub(super) max_connections: Option<usize>,
    #[serde(default)]
    pub(super) ip_index: Vec<String>,
    pub(super) threads: Option<usize>,
    pub(super) access_log: Option<bool>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) insecure: Option<bool>,
}

/// A size, as a number of bytes or with a unit.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum FileSize {
    Bytes(u64),
    Text(String),
}

impl FileSize {
    pub(super) fn bytes(&self, setting: &'static str) -> Result<u64, ConfigError> {
        match self {
            Self::Bytes(bytes) => Ok(*bytes),
            Self::Text(text) => {
                parse_size(text).map_err(|reason| ConfigError::Invalid { setting, reason })
            }
        }
    }
}

/// A span of time with its unit.
#[derive(Debug, serde::Deserialize)]
pub(super) struct FileSpan(String);

impl FileSpan {
    pub(super) fn duration(&self, setting: &'static str) -> Result<Duration, ConfigError> {
        parse_span(&self.0).map_err(|reason| ConfigError::Invalid { setting, reason })
    }
}

impl FileSettings {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::File(path.to_owned(), error))?;
        let wrong = |error| ConfigError::Toml(path.to_owned(), error);
        let table: toml::Table = text.parse().map_err(wrong)?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(ConfigError::UnknownKey {
                file: path.to_owned(),
                key: key.clone(),
                nearest: nearest(key),
            });
        }
        toml::from_str(&text).map_err(wrong)
    }
}

fn nearest(key: &str) -> &'static str {
    let key = key.replace('_', "-");
    KEYS.into_iter()
        .min_by_key(|candidate| strsim::damerau_levenshtein(candidate, &key))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::{KEYS, nearest};
    use crate::config::ServeFlags;

    #[test]
    fn keys_of_the_file_are_the_flags() {
        let command = ServeFlags::augment_args(clap::Command::new("serve"));
        let mut flags: Vec<_> = command
            .get_arguments()
            .filter_map(|arg| arg.get_long())
            .filter(|flag| !["config", "help"].contains(flag))
            .collect();
        flags.sort_unstable();
        assert_eq!(flags, KEYS);
    }

    #[test]
    fn unknown_key_is_answered_with_the_nearest_one() {
        for (key, expected) in [
            ("max_memory", "max-memory"),
            ("htpp", "http"),
            ("maxapps", "max-apps"),
            ("thread", "threads"),
        ] {
            assert_eq!(nearest(key), expected);
        }
    }
}
