//! `cloakroom restore`: makes a data directory of a backup.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::clock::{Clock, SystemClock};
use crate::commands::failure::Failure;
use crate::commands::output::sync_names;
use crate::log::disk::{Disk, DiskFile, FsDisk};
use crate::log::key::{KeyId, parse_key_file};
use crate::log::name::FileName;
use crate::log::segment::{HEADER_PAGE, SegmentHeader};
use crate::log::snapshot::{SnapshotHeader, SnapshotReader, Source};
use crate::model::Position;
use crate::server::progress::Progress;
use crate::server::storage::key_file;

/// Bytes copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// Flags of `cloakroom restore`.
#[derive(Clone, Debug, clap::Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "IN")]
    backup: PathBuf,
    /// The data directory to be made; what is there must be empty
    #[arg(long, value_name = "DIR", env = "CLOAKROOM_DATA")]
    data: PathBuf,
    /// The key file of the server that the backup is of; not needed when it was made --with-key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// A backup in the file system.
struct BackupFile(File);

impl Source for BackupFile {
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
}

/// Restores, and answers what to tell.
pub(super) fn run(args: &RestoreArgs) -> Result<String, Failure> {
    let system = |error| Failure::system("read", &args.backup, &error);
    let file = File::open(&args.backup).map_err(system)?;
    let copied = file.try_clone().map_err(system)?;
    let damaged = |error| {
        Failure::data(format!(
            "{}: {error}; nothing was restored",
            args.backup.display()
        ))
    };
    let reader = SnapshotReader::open(BackupFile(file)).map_err(damaged)?;
    let secret = secret(args, reader.header())?;
    let progress = Progress::start("verifying", reader.length());
    let verified = reader.verify(|done| progress.set(done));
    progress.finish();
    let totals = verified.map_err(damaged)?;

    let disk = empty_directory(&args.data)?;
    let failed = |error| {
        let mut failure = Failure::system("write", &args.data, &error);
        failure
            .sentence
            .push_str("; what stands there is of no use: remove it");
        failure
    };
    key_file::write(&disk, &secret).map_err(failed)?;
    copy(&disk, &BackupFile(copied), reader.header(), reader.length()).map_err(failed)?;
    sync_names(&args.data).map_err(failed)?;
    Ok(format!(
        "restored {} sessions to {}",
        totals.records,
        args.data.display()
    ))
}

/// The secret that the backup was made under.
fn secret(args: &RestoreArgs, header: &SnapshotHeader) -> Result<[u8; 32], Failure> {
    let wanted = header.key_id;
    let Some(path) = &args.key else {
        return header.bundled_key.ok_or_else(|| {
            Failure::usage(format!(
                "the backup holds no key: name the key file of its server with --key \
                 (the key's fingerprint is {wanted})"
            ))
        });
    };
    let text = std::fs::read(path).map_err(|error| Failure::system("read", path, &error))?;
    let secret = parse_key_file(&text)
        .map_err(|error| Failure::usage(format!("{} is {error}", path.display())))?;
    let found = KeyId::of(&secret);
    if found != wanted {
        return Err(Failure::usage(format!(
            "{} is another key: its fingerprint is {found}, the backup was made under {wanted}",
            path.display()
        )));
    }
    Ok(secret)
}

fn empty_directory(path: &Path) -> Result<FsDisk, Failure> {
    let refuse = || {
        Failure::usage(format!(
            "{} is not empty: restore into a new directory",
            path.display()
        ))
    };
    let is_ours = |name: &str| name == "lost+found" || FileName::parse(name) == FileName::Lock;
    match std::fs::read_dir(path) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(|error| Failure::system("list", path, &error))?;
                if !is_ours(&entry.file_name().to_string_lossy()) {
                    return Err(refuse());
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::system("list", path, &error)),
    }
    let disk = FsDisk::open(path)?;
    let names = disk
        .list()
        .map_err(|error| Failure::system("list", path, &error))?;
    if names.iter().all(|name| is_ours(name)) {
        Ok(disk)
    } else {
        Err(refuse())
    }
}

/// Writes the backup as the directory's first snapshot, without the key, and the segment that goes on
/// from there. The segment says that it is nothing without the snapshot, which comes first.
fn copy(
    disk: &dyn Disk,
    backup: &BackupFile,
    header: &SnapshotHeader,
    length: u64,
) -> io::Result<()> {
    let snapshot = SnapshotHeader {
        bundled_key: None,
        ..header.clone()
    };
    let under_way = FileName::SnapshotTmp.text();
    let file = disk.create(&under_way)?;
    file.write_at(0, &snapshot.encode())?;
    copy_chunks(backup, &*file, length)?;
    file.sync()?;
    disk.rename(&under_way, &FileName::Snapshot(header.number).text())?;
    disk.sync_names()?;

    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    let segment = SegmentHeader {
        number: header.number,
        first: header.first,
        synced: Position(header.first.0.saturating_sub(1)),
        created: SystemClock::start().now(),
        salt,
        key_id: header.key_id,
        own_snapshot: true,
    };
    let under_way = FileName::Spare.text();
    let file = disk.create(&under_way)?;
    file.write_at(0, &segment.encode())?;
    file.sync()?;
    disk.rename(&under_way, &FileName::Segment(header.number).text())?;
    disk.sync_names()
}

fn copy_chunks(backup: &BackupFile, file: &dyn DiskFile, length: u64) -> io::Result<()> {
    let progress = Progress::start("restoring", length);
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = u64::try_from(HEADER_PAGE).unwrap_or(0);
    loop {
        let read = backup.read_at(offset, &mut piece)?;
        let bytes = piece.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        file.write_at(offset, bytes)?;
        offset += u64::try_from(read).unwrap_or(0);
        progress.set(offset);
    }
    progress.finish();
    Ok(())
}
