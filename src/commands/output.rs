//! A file that comes to be whole or not at all, and never in the place of another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::commands::failure::Failure;

/// A file under way, under a name of its own beside the one it will have. Removed when it is dropped
/// before [`Output::finish`].
pub(super) struct Output {
    file: File,
    under_way: PathBuf,
    path: PathBuf,
}

impl Output {
    /// Begins a file that only its owner will be able to read.
    pub(super) fn begin(path: &Path) -> Result<Self, Failure> {
        refuse_existing(path)?;
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".part-{}", std::process::id()));
        let under_way = PathBuf::from(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&under_way)
            .map_err(|error| Failure::system("make", &under_way, &error))?;
        Ok(Self {
            file,
            under_way,
            path: path.to_owned(),
        })
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// What a failed [`Output::write`] comes to.
    pub(super) fn failure(&self, error: &io::Error) -> Failure {
        Failure::system("write", &self.under_way, error)
    }

    /// Makes the file safe and gives it its name.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let system = |verb, error: io::Error| Failure::system(verb, &self.path, &error);
        self.file
            .sync_all()
            .map_err(|error| system("write", error))?;
        rename_to_new(&self.under_way, &self.path).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                exists(&self.path)
            } else {
                system("name", error)
            }
        })?;
        sync_names(&self.path).map_err(|error| system("write", error))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // After `finish` there is nothing left under this name.
        drop(fs::remove_file(&self.under_way));
    }
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} exists, and is not overwritten: choose another name",
        path.display()
    ))
}

fn refuse_existing(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(exists(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::system("look at", path, &error)),
    }
}

/// Renames, unless there is something of the new name.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot do it in one step.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => match to.symlink_metadata() {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        Err(error) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}

/// Makes the names in the folder of `path` safe.
pub(super) fn sync_names(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::Output;

    #[test]
    fn file_has_its_name_only_when_it_is_whole_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut output = Output::begin(&path).unwrap();
        output.write(b"all").unwrap();
        assert!(!path.exists());
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"all");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        drop(Output::begin(&path).unwrap());
        let late = Output::begin(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        assert_eq!(Output::begin(&path).err().unwrap().code, 2);
        assert_eq!(late.finish().unwrap_err().code, 2);
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
