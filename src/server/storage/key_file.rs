//! The key file of a data directory: made at the first start, and never replaced.

use std::io;

use crate::log::disk::Disk;
use crate::log::key::{BadKeyFile, key_file_text, parse_key_file};
use crate::log::name::FileName;

/// Longer than any key file, so that one that is too long is seen to be.
const READ_BYTES: usize = 256;

/// Why there is no key.
#[derive(Debug)]
pub enum KeyError {
    /// The key file is not there, but what was written under it is.
    Lost,
    /// The key file is none.
    Bad(BadKeyFile),
    /// The system refuses.
    System(&'static str, io::Error),
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost => out.write_str(
                "the file `key` is missing, and without it no token can be recognised: put it back \
                 from where it was kept, or move all other files away to begin without sessions",
            ),
            Self::Bad(error) => write!(out, "the file `key` is {error}"),
            Self::System(what, error) => write!(out, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for KeyError {}

/// The secret in the key file. A directory without a log and without snapshots gets a key file with
/// what `draw` answers.
///
/// # Errors
/// [`KeyError`] says what to do.
pub fn read_or_make(
    disk: &dyn Disk,
    draw: impl FnOnce() -> io::Result<[u8; 32]>,
) -> Result<[u8; 32], KeyError> {
    if let Some(secret) = read(disk)? {
        return Ok(secret);
    }
    let names = disk
        .list()
        .map_err(|error| KeyError::System("list the files", error))?;
    let holds_data = names.iter().any(|name| {
        matches!(
            FileName::parse(name),
            FileName::Segment(_) | FileName::Snapshot(_)
        )
    });
    if holds_data {
        return Err(KeyError::Lost);
    }
    let secret = draw().map_err(|error| KeyError::System("draw a key", error))?;
    write(disk, &secret).map_err(|error| KeyError::System("write the file `key`", error))?;
    Ok(secret)
}

/// The secret in the key file, `None` when there is no such file.
///
/// # Errors
/// [`KeyError::Bad`] and [`KeyError::System`].
pub fn read(disk: &dyn Disk) -> Result<Option<[u8; 32]>, KeyError> {
    let failed = |error| KeyError::System("read the file `key`", error);
    let file = match disk.open(&FileName::Key.text()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = [0; READ_BYTES];
    let length = file.read_at(0, &mut text).map_err(failed)?;
    let text = text.get(..length).unwrap_or_default();
    parse_key_file(text).map(Some).map_err(KeyError::Bad)
}

/// Writes the key file: whole and safe, or not at all.
///
/// # Errors
/// What the system says.
pub fn write(disk: &dyn Disk, secret: &[u8; 32]) -> io::Result<()> {
    let under_way = FileName::KeyTmp.text();
    let file = disk.create(&under_way)?;
    file.write_at(0, key_file_text(secret).as_bytes())?;
    file.sync()?;
    disk.rename(&under_way, &FileName::Key.text())?;
    disk.sync_names()
}
