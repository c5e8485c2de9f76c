//! Which files of the log there are.

use std::collections::BTreeSet;

use crate::log::disk::Disk;
use crate::log::name::FileName;
use crate::log::reader::BadSegment;
use crate::log::recovery::error::{RecoveryError, Remedy};
use crate::log::segment::{HEADER_PAGE, SegmentHeader};

/// The listing of a data directory: it is the manifest.
pub(super) struct Inventory {
    snapshots: BTreeSet<u64>,
    segments: BTreeSet<u64>,
    temporary: Vec<FileName>,
}

impl Inventory {
    pub(super) fn take(disk: &dyn Disk) -> Result<Self, RecoveryError> {
        let names = disk
            .list()
            .map_err(|error| RecoveryError::disk("list the files beside", FileName::Lock, error))?;
        let mut inventory = Self {
            snapshots: BTreeSet::new(),
            segments: BTreeSet::new(),
            temporary: Vec::new(),
        };
        for name in names {
            match FileName::parse(&name) {
                FileName::Snapshot(number) => {
                    inventory.snapshots.insert(number);
                }
                FileName::Segment(number) => {
                    inventory.segments.insert(number);
                }
                name @ (FileName::Spare | FileName::SnapshotTmp | FileName::KeyTmp) => {
                    inventory.temporary.push(name)
                }
                FileName::Lock
                | FileName::Key
                | FileName::AdminSocket
                | FileName::Torn(_)
                | FileName::Unknown => {}
            }
        }
        Ok(inventory)
    }

    pub(super) fn remove_temporary(&self, disk: &dyn Disk) -> Result<(), RecoveryError> {
        for name in &self.temporary {
            disk.remove(&name.text())
                .map_err(|error| RecoveryError::disk("remove", *name, error))?;
        }
        Ok(())
    }

    pub(super) fn newest_snapshot(&self) -> Option<u64> {
        self.snapshots.last().copied()
    }

    pub(super) fn segments_from(&self, number: u64) -> impl Iterator<Item = u64> {
        self.segments.range(number..).copied()
    }

    /// What to say of a segment that is not there.
    pub(super) fn missing(&self, number: u64) -> RecoveryError {
        RecoveryError::Missing {
            number,
            snapshot: self.newest_snapshot(),
        }
    }

    /// What can be done without the newest snapshot.
    pub(super) fn remedy(&self, disk: &dyn Disk) -> Remedy {
        let Some(newest) = self.newest_snapshot() else {
            return Remedy::Backup;
        };
        let older = self.snapshots.range(..newest).next_back().copied();
        let from = older.unwrap_or(1);
        // Behind a failure the log is whole only with the snapshot that healed it.
        let is_whole = (from..=newest).all(|number| {
            self.segments.contains(&number)
                && segment_header(disk, number)
                    .is_ok_and(|header| !header.own_snapshot || Some(number) == older)
        });
        match (is_whole, older) {
            (true, Some(snapshot)) => Remedy::OlderSnapshot(snapshot),
            (true, None) => Remedy::WholeLog,
            (false, _) => Remedy::Backup,
        }
    }
}

/// The header of a segment, checked by itself.
pub(super) fn segment_header(disk: &dyn Disk, number: u64) -> Result<SegmentHeader, RecoveryError> {
    let bad = |problem| RecoveryError::Segment { number, problem };
    let file = disk
        .open(&FileName::Segment(number).text())
        .map_err(|error| bad(BadSegment::Read(error)))?;
    let mut page = vec![0; HEADER_PAGE];
    let read = file
        .read_at(0, &mut page)
        .map_err(|error| bad(BadSegment::Read(error)))?;
    page.truncate(read);
    SegmentHeader::decode(&page).map_err(|error| bad(BadSegment::Header(error)))
}
