//! The file of access keys: whose it may be, and what is wrong with it.

use std::fs::{File, Metadata};
use std::hint::black_box;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::access_keys::BadLine;
use crate::limits;

/// Rights of the group and of others.
const RIGHTS_OF_OTHERS: u32 = 0o077;
/// Of these, reading by the group.
const READ_BY_GROUP: u32 = 0o040;

/// Whether it matters who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Nobody but its owner may.
    Demanded,
    /// That is for those to see to who show the key.
    LeftToClients,
}

/// Why there are no access keys. Never shows one.
#[derive(Debug)]
pub enum AccessKeysError {
    /// The file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// Others than its owner may read or write it.
    Exposed(PathBuf),
    /// The file is larger than [`limits::ACCESS_KEYS_FILE_BYTES`].
    TooLarge(PathBuf),
    /// There is no key in it.
    Empty(PathBuf),
    /// A line cannot be used.
    Line(PathBuf, BadLine),
}

/// Hands the text of a file to `parse`, which answers `None` when there is nothing in it.
pub(super) fn read<T>(
    path: &Path,
    privacy: Privacy,
    parse: impl FnOnce(&[u8]) -> Result<Option<T>, BadLine>,
) -> Result<T, AccessKeysError> {
    let unreadable = |error| AccessKeysError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if privacy == Privacy::Demanded && is_exposed(&about) {
        return Err(AccessKeysError::Exposed(path.to_owned()));
    }
    // All of the room at once: a buffer that grows leaves copies behind.
    let most = limits::ACCESS_KEYS_FILE_BYTES;
    let mut text = Vec::with_capacity(most + 1);
    let read = file.take(most as u64 + 1).read_to_end(&mut text);
    let parsed = match read {
        Err(error) => Err(unreadable(error)),
        Ok(_) if text.len() > most => Err(AccessKeysError::TooLarge(path.to_owned())),
        Ok(_) => parse(&text)
            .map_err(|bad| AccessKeysError::Line(path.to_owned(), bad))
            .and_then(|found| found.ok_or_else(|| AccessKeysError::Empty(path.to_owned()))),
    };
    // The keys are not to be found in memory that is used again.
    text.fill(0);
    black_box(&text);
    parsed
}

/// Whether others than its owner may read or write the file. What root lets a group read is not
/// exposed to a server that is not root: so systemd hands over credentials.
fn is_exposed(about: &Metadata) -> bool {
    let others = about.mode() & RIGHTS_OF_OTHERS;
    let by_root = about.uid() == 0 && !rustix::process::geteuid().is_root();
    others != 0 && !(by_root && others == READ_BY_GROUP)
}

impl std::fmt::Display for AccessKeysError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(file, error) => write!(out, "cannot read {}: {error}", file.display()),
            Self::Exposed(file) => write!(
                out,
                "{} holds access keys, and others than its owner may read or write it: \
                 chmod 600 {}",
                file.display(),
                file.display()
            ),
            Self::TooLarge(file) => write!(
                out,
                "{} has more than {} bytes, which no file of access keys needs",
                file.display(),
                limits::ACCESS_KEYS_FILE_BYTES
            ),
            Self::Empty(file) => write!(
                out,
                "{} holds no access key: write one to a line, 16 or more random characters",
                file.display()
            ),
            Self::Line(file, bad) => {
                write!(out, "{}:{}: {}", file.display(), bad.number, bad.flaw)
            }
        }
    }
}

impl std::error::Error for AccessKeysError {}
