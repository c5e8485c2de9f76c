//! The segment that is being written: the end of the log.

use std::io;
use std::sync::Arc;

use crate::log::block::{self, BlockHeader, HEADER};
use crate::log::disk::{Disk, DiskFile};
use crate::log::name::FileName;
use crate::log::segment::{HEADER_PAGE, SegmentHeader};
use crate::log::spare::Spare;
use crate::model::Position;

/// An open segment. After the first error nothing may be written to it any more.
pub(super) struct Tail {
    file: Arc<dyn DiskFile>,
    header: SegmentHeader,
    /// Where the next block goes.
    offset: u64,
    bytes: u64,
}

/// A verb of the log that the disk refused.
#[derive(Debug)]
pub struct Failure {
    /// What was tried.
    pub verb: &'static str,
    /// On which file.
    pub name: FileName,
    /// What the system says.
    pub error: io::Error,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "cannot {} {}: {}", self.verb, self.name, self.error)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Tail {
    /// Makes a spare the segment that `header` names. When this returns, header and name are safe.
    pub(super) fn begin(
        disk: &dyn Disk,
        spare: Spare,
        header: SegmentHeader,
    ) -> Result<Self, Failure> {
        let name = FileName::Segment(header.number);
        let failed = |verb| move |error| Failure { verb, name, error };
        let file = spare.file;
        file.write_at(0, &header.encode())
            .map_err(failed("write the header of"))?;
        file.sync().map_err(failed("sync the header of"))?;
        disk.rename(&FileName::Spare.text(), &name.text())
            .map_err(failed("give the spare the name"))?;
        disk.sync_names().map_err(failed("sync the name"))?;
        Ok(Self {
            file,
            header,
            offset: page(),
            bytes: spare.bytes,
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.header.number
    }

    /// The position of its first block.
    pub(super) fn first(&self) -> Position {
        self.header.first
    }

    /// It was begun to heal a failure, so there is a snapshot of its number.
    pub(super) fn has_own_snapshot(&self) -> bool {
        self.header.own_snapshot
    }

    /// No block was written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.offset == page()
    }

    /// Bytes of the blocks in it.
    pub(super) fn blocks(&self) -> u64 {
        self.offset - page()
    }

    /// Bytes that blocks can still take.
    pub(super) fn room(&self) -> u64 {
        self.bytes.saturating_sub(self.offset)
    }

    /// Seven eighths of it are written.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.room() < self.bytes / 8
    }

    pub(super) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// Completes a block, which is room for its header and its records, and writes it. There must be
    /// room for it. Answers its bytes in the file.
    pub(super) fn write(
        &mut self,
        block: &mut Vec<u8>,
        header: &BlockHeader,
    ) -> Result<u64, Failure> {
        block::seal(block, header, &self.header.salt);
        let body = block.len().saturating_sub(HEADER);
        block.resize(block::padded(body), 0);
        let bytes = u64::try_from(block.len()).unwrap_or(u64::MAX);
        debug_assert!(bytes <= self.room(), "a block lies in one segment");
        self.file
            .write_at(self.offset, block)
            .map_err(|error| self.failure("write to", error))?;
        self.offset += bytes;
        Ok(bytes)
    }

    pub(super) fn sync(&self) -> Result<(), Failure> {
        self.file
            .sync()
            .map_err(|error| self.failure("sync", error))
    }

    /// What to say of a verb that failed on this segment.
    pub(super) fn failure(&self, verb: &'static str, error: io::Error) -> Failure {
        Failure {
            verb,
            name: FileName::Segment(self.header.number),
            error,
        }
    }
}

fn page() -> u64 {
    u64::try_from(HEADER_PAGE).unwrap_or(u64::MAX)
}
