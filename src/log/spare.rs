//! The next segment, filled with zeros ahead of its use, so that commits only overwrite.

use std::io;
use std::sync::Arc;

use crate::log::disk::{Disk, DiskFile};
use crate::log::name::FileName;

/// Bytes that one step writes.
const SLICE: usize = 256 << 10;
/// Bytes after which a step syncs: the log's own syncs must not wait for a storm of zeros.
const SYNC_EVERY: u64 = 4 << 20;

static ZEROS: [u8; SLICE] = [0; SLICE];

/// A file of zeros, written and synced, under the name of the spare.
pub(super) struct Spare {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) bytes: u64,
}

impl Spare {
    /// Makes it longer, for a block that is larger than a segment. Not synced.
    pub(super) fn extend(&mut self, bytes: u64) -> io::Result<()> {
        while self.bytes < bytes {
            self.bytes += write_zeros(&*self.file, self.bytes, bytes)?;
        }
        Ok(())
    }
}

/// Makes spares, in steps of a bounded size.
pub(super) struct SpareMaker {
    disk: Arc<dyn Disk>,
    /// Bytes of a spare.
    bytes: u64,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    spare: Spare,
    unsynced: u64,
}

impl SpareMaker {
    pub(super) fn new(disk: Arc<dyn Disk>, bytes: u64) -> Self {
        Self {
            disk,
            bytes,
            under_way: None,
        }
    }

    /// From now on spares have `bytes` bytes.
    pub(super) fn set_bytes(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    /// One step; answers the spare once it is complete. After an error the next step begins anew, and
    /// what was written is given back.
    pub(super) fn step(&mut self) -> io::Result<Option<Spare>> {
        match self.advance() {
            Ok(Some(under_way)) if under_way.spare.bytes < self.bytes => {
                self.under_way = Some(under_way);
                Ok(None)
            }
            Ok(under_way) => Ok(under_way.map(|u| u.spare)),
            Err(error) => {
                // It may not be there, and if it stays the next one replaces it.
                let _kept = self.disk.remove(&FileName::Spare.text());
                Err(error)
            }
        }
    }

    fn advance(&mut self) -> io::Result<Option<UnderWay>> {
        let Some(mut under_way) = self.under_way.take() else {
            let file = Arc::from(self.disk.create(&FileName::Spare.text())?);
            return Ok(Some(UnderWay {
                spare: Spare { file, bytes: 0 },
                unsynced: 0,
            }));
        };
        let spare = &mut under_way.spare;
        let written = write_zeros(&*spare.file, spare.bytes, self.bytes)?;
        spare.bytes += written;
        under_way.unsynced += written;
        if under_way.unsynced >= SYNC_EVERY || spare.bytes >= self.bytes {
            spare.file.sync()?;
            under_way.unsynced = 0;
        }
        Ok(Some(under_way))
    }
}

/// Writes zeros from `from` towards `to`, at most a slice; answers how many.
fn write_zeros(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<u64> {
    let length = usize::try_from(to.saturating_sub(from)).map_or(SLICE, |left| left.min(SLICE));
    let zeros = ZEROS.get(..length).unwrap_or(&ZEROS);
    file.write_at(from, zeros)?;
    Ok(u64::try_from(zeros.len()).unwrap_or(u64::MAX))
}
