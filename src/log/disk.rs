//! The disk as the log sees it: one directory of flat files. The only place that touches files.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::log::name::FileName;

/// A data directory. Names are plain file names, see `name.rs`.
///
/// What is assumed of an implementation, and what the tests' faulty disk takes away: bytes written
/// are safe once [`DiskFile::sync`] has returned, names once [`Disk::sync_names`] has.
pub trait Disk: Send + Sync {
    /// The names of all files, in no order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file that only the owner can read; one of this name is replaced.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read and write.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::NotFound`] when there is none.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in one step; a file of that name is replaced.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all names safe: files made, renamed and removed so far.
    ///
    /// # Errors
    /// What the system says.
    fn sync_names(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn length(&self) -> io::Result<u64>;

    /// Reads into `bytes` from `offset` on; answers how many there were, fewer only at the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, lengthening the file where needed. After an error any part
    /// of them may be written.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written safe, and the length.
    ///
    /// # Errors
    /// What the system says. What was written since the last success must then be taken for lost:
    /// trying again proves nothing.
    fn sync(&self) -> io::Result<()>;
}

/// Rights of the directory: its owner's alone.
const DIRECTORY_MODE: u32 = 0o700;
/// Rights of each file in it.
const FILE_MODE: u32 = 0o600;

/// A directory of the file system, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct FsDisk {
    path: PathBuf,
    directory: File,
    /// Holds the lock of the directory while it is open.
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum DiskError {
    /// Another process uses it.
    InUse(PathBuf),
    /// Others may look into it, and it holds what is none of ours: its rights are not ours to change.
    OpenToOthers(PathBuf),
    /// The system refuses.
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl std::fmt::Display for DiskError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(path) => write!(
                out,
                "{}: another process uses this data directory; stop it first, or name another one",
                path.display()
            ),
            Self::OpenToOthers(path) => write!(
                out,
                "{}: this directory is open to others and holds files that are not cloakroom's; \
                 name a directory of its own, or `chmod 700` this one",
                path.display()
            ),
            Self::Io { verb, path, error } => {
                write!(out, "{}: cannot {verb}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::InUse(_) | Self::OpenToOthers(_) => None,
        }
    }
}

impl FsDisk {
    /// Takes a directory for this process; makes it if there is none. Only its owner may look into
    /// it then.
    ///
    /// # Errors
    /// [`DiskError`] says what is in the way, and what to do.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let failed = |verb| {
            move |error| DiskError::Io {
                verb,
                path: path.to_path_buf(),
                error,
            }
        };
        make_directory(path).map_err(failed("make the directory"))?;
        close_to_others(path, failed)?;
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path.join(FileName::Lock.text()))
            .map_err(failed("open the lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DiskError::InUse(path.to_path_buf())),
            Err(TryLockError::Error(error)) => return Err(failed("take the lock")(error)),
        }
        let directory = File::open(path).map_err(failed("open the directory"))?;
        Ok(Self {
            path: path.to_path_buf(),
            directory,
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(FILE_MODE);
        options
    }
}

/// Makes a directory, and those above it, unless they are there; their names are safe then.
fn make_directory(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|p| !p.exists()).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)?;
    for made in missing {
        match made
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            Some(parent) => File::open(parent)?.sync_all()?,
            None => File::open(".")?.sync_all()?,
        }
    }
    Ok(())
}

/// Takes the rights of others away from a directory that is new, empty or ours.
fn close_to_others<F>(path: &Path, failed: impl Fn(&'static str) -> F) -> Result<(), DiskError>
where
    F: FnOnce(io::Error) -> DiskError,
{
    let look = failed("look into the directory");
    let is_ours = |name: &str| name == "lost+found" || name == FileName::Lock.text();
    let judged = fs::metadata(path).and_then(|found| {
        if found.mode() & 0o077 == 0 {
            return Ok(true);
        }
        let names = names_in(path)?;
        let ours = names.contains(&FileName::Lock.text()) || names.iter().all(|n| is_ours(n));
        if ours {
            fs::set_permissions(path, fs::Permissions::from_mode(DIRECTORY_MODE))?;
        }
        Ok(ours)
    });
    match judged {
        Ok(true) => Ok(()),
        Ok(false) => Err(DiskError::OpenToOthers(path.to_path_buf())),
        Err(error) => Err(look(error)),
    }
}

fn names_in(path: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

impl Disk for FsDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        names_in(&self.path)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        // A new file under the name, never the old one emptied: a failed sync may cling to that.
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = Self::options()
            .create_new(true)
            .open(self.path.join(name))?;
        Ok(Box::new(FsFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = Self::options().open(self.path.join(name))?;
        Ok(Box::new(FsFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.directory.sync_all()
    }
}

struct FsFile(File);

impl DiskFile for FsFile {
    fn length(&self) -> io::Result<u64> {
        self.0.metadata().map(|found| found.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset + u64::try_from(filled).unwrap_or(u64::MAX);
            match self.0.read_at(rest, at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{Disk, DiskError, FsDisk};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn directory_and_files_are_the_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("new/data");
        let disk = FsDisk::open(&path).unwrap();
        disk.create("spare.tmp").unwrap();
        assert_eq!(mode(&path), 0o700);
        for name in disk.list().unwrap() {
            assert_eq!(mode(&path.join(&name)), 0o600, "{name}");
        }
        let empty = home.path().join("empty");
        fs::create_dir(&empty).unwrap();
        fs::set_permissions(&empty, fs::Permissions::from_mode(0o755)).unwrap();
        drop(FsDisk::open(&empty).unwrap());
        assert_eq!(mode(&empty), 0o700);
        fs::set_permissions(&empty, fs::Permissions::from_mode(0o755)).unwrap();
        drop(FsDisk::open(&empty).unwrap());
        assert_eq!(mode(&empty), 0o700, "one that was ours before");
    }

    #[test]
    fn somebody_elses_open_directory_is_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("theirs");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("letter"), "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let refused = FsDisk::open(&path).unwrap_err();
        assert!(matches!(refused, DiskError::OpenToOthers(_)), "{refused}");
        assert_eq!(mode(&path), 0o755);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn one_directory_has_one_user_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let first = FsDisk::open(home.path()).unwrap();
        let refused = FsDisk::open(home.path()).unwrap_err();
        assert!(matches!(refused, DiskError::InUse(_)), "{refused}");
        drop(first);
        drop(FsDisk::open(home.path()).unwrap());
    }

    #[test]
    fn a_file_in_the_way_is_told_by_its_path() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "x").unwrap();
        let refused = FsDisk::open(&path).unwrap_err();
        assert!(refused.to_string().contains("file: cannot "), "{refused}");
    }

    #[test]
    fn files_are_made_anew_written_anywhere_renamed_over_others_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let disk = FsDisk::open(home.path()).unwrap();
        let old = disk.create("a").unwrap();
        old.write_at(0, b"old").unwrap();
        let file = disk.create("a").unwrap();
        assert_eq!((file.length().unwrap(), old.length().unwrap()), (0, 3));
        file.write_at(4, b"mn").unwrap();
        file.sync().unwrap();
        let mut bytes = [9; 8];
        assert_eq!(file.read_at(3, &mut bytes).unwrap(), 3);
        assert_eq!(bytes, *b"\0mn\x09\x09\x09\x09\x09");
        assert_eq!(file.read_at(6, &mut bytes).unwrap(), 0);
        disk.create("b").unwrap();
        disk.rename("a", "b").unwrap();
        disk.sync_names().unwrap();
        assert_eq!(disk.open("b").unwrap().length().unwrap(), 6);
        assert_eq!(disk.open("a").err().unwrap().kind(), ErrorKind::NotFound);
        disk.remove("b").unwrap();
        assert_eq!(disk.list().unwrap(), ["lock"]);
    }
}
