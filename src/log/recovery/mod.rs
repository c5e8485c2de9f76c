//! Reading back after a stop or a crash: which files count, in which order, and where the log ends.
//! The engine applies what it is handed; [`crate::log::Log::open`] then goes on behind it.
//!
//! Writes only what may be written again: it removes temporary files, saves a torn tail aside, and
//! writes once more, with the same bytes, what nobody had named as synced. So it can be cut short at
//! any point and repeated.

mod error;
mod inventory;

use std::sync::Arc;

pub use error::{RecoveryError, Remedy};

use crate::clock::Millis;
use crate::log::disk::{Disk, DiskFile};
use crate::log::key::KeyId;
use crate::log::name::FileName;
use crate::log::reader::{Blocks, Damage, Rest, Segment, SegmentEnd, TornTail, Verdict};
use crate::log::record::BadRecord;
use crate::log::recovery::inventory::Inventory;
use crate::log::segment::{HEADER_PAGE, SegmentHeader};
use crate::log::snapshot::{BadSnapshot, SnapshotReader};
use crate::model::Position;

/// What was found in a data directory, with all headers checked.
pub struct Recovery {
    disk: Arc<dyn Disk>,
    inventory: Inventory,
    snapshot: Option<SnapshotReader<Box<dyn DiskFile>>>,
    /// The headers of the segments to be read, in order.
    chain: Vec<SegmentHeader>,
    /// The highest position that a header names as synced.
    synced: Position,
}

/// What was read back, and where the log goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// The last position of the log.
    pub last: Position,
    /// The number of the segment that is to be begun.
    pub next_segment: u64,
    /// The number of the snapshot from which the sessions come.
    pub snapshot: Option<u64>,
    /// When that snapshot was begun; 0 without one.
    pub snapshot_created: Millis,
    /// Segments read.
    pub segments: u64,
    /// Blocks read.
    pub blocks: u64,
    /// Bytes of those blocks.
    pub bytes: u64,
    /// A write that a crash has cut short; it was saved aside.
    pub torn: Option<TornTail>,
}

/// A segment whose blocks are verified, to be applied in order. Cheap to clone, so that several
/// threads can go through it, each for its own share of the sessions.
#[derive(Clone)]
pub struct LoggedSegment {
    segment: Arc<Segment>,
    below: Position,
}

impl LoggedSegment {
    /// The number of the segment.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.segment.header().number
    }

    /// Its blocks, in order.
    #[must_use]
    pub fn blocks(&self) -> Blocks<'_> {
        self.segment.blocks(Some(self.below))
    }

    /// The damage that it is when a record of a block cannot be read. `place` counts blocks from 0.
    #[must_use]
    pub fn bad_record(&self, place: usize, error: BadRecord) -> Option<Damage> {
        let mut blocks = self.blocks();
        let block = blocks.nth(place)?;
        let end = blocks.offset();
        Some(Damage::of_record(self.number(), end, &block, error))
    }
}

impl Recovery {
    /// Looks through a data directory: finds the newest snapshot and the segments from its number on,
    /// and checks their headers. Removes temporary files.
    ///
    /// # Errors
    /// [`RecoveryError`] says which file is in the way and what can be done.
    pub fn begin(disk: Arc<dyn Disk>, key_id: KeyId) -> Result<Self, RecoveryError> {
        let inventory = Inventory::take(&*disk)?;
        inventory.remove_temporary(&*disk)?;
        // A process that was killed may have named the newest segment without making the name safe;
        // the next one must not reach the disk before it.
        disk.sync_names()
            .map_err(|error| RecoveryError::disk("sync the names beside", FileName::Lock, error))?;
        let snapshot = match inventory.newest_snapshot() {
            None => None,
            Some(number) => Some(open_snapshot(&*disk, &inventory, number, key_id)?),
        };
        let from = inventory.newest_snapshot().unwrap_or(1);
        let mut chain = Vec::new();
        for number in inventory.segments_from(from) {
            chain.push(read_header(&*disk, number, key_id)?);
        }
        let synced = chain.iter().map(|header| header.synced).max();
        let mut recovery = Self {
            disk,
            inventory,
            snapshot,
            chain,
            synced: synced.unwrap_or_default(),
        };
        recovery.ignore_unfinished_healing()?;
        recovery.check_chain()?;
        Ok(recovery)
    }

    /// The snapshot to be loaded first; `None` when the log is to be read from its beginning.
    #[must_use]
    pub fn snapshot(&self) -> Option<&SnapshotReader<Box<dyn DiskFile>>> {
        self.snapshot.as_ref()
    }

    /// What to say, and what can be done, when a part of the snapshot turns out to be damaged.
    #[must_use]
    pub fn bad_snapshot(&self, problem: BadSnapshot) -> RecoveryError {
        let number = self.inventory.newest_snapshot().unwrap_or(0);
        RecoveryError::Snapshot {
            number,
            problem,
            remedy: self.inventory.remedy(&*self.disk),
        }
    }

    /// Segments to be read.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.chain.len()
    }

    /// Reads the log and hands its segments to `each`, in order; then saves a torn tail aside and
    /// makes sure that the end is synced.
    ///
    /// # Errors
    /// [`RecoveryError`] says which file is in the way and what can be done; what `each` refuses.
    pub fn read_log(
        &self,
        each: &mut dyn FnMut(&LoggedSegment) -> Result<(), Damage>,
    ) -> Result<Recovered, RecoveryError> {
        let mut recovered = self.nothing_read();
        let mut synced = self.synced;
        for (place, header) in self.chain.iter().enumerate() {
            let next = self.chain.get(place + 1).map(|next| next.first);
            let segment = Arc::new(self.load(header.number)?);
            let end = segment.blocks(next).end();
            synced = synced.max(end.synced);
            let required = next.map_or(synced, |first| Position(first.0.saturating_sub(1)));
            let verdict = end.judge(required);
            if let Verdict::Damage(damage) = verdict {
                return Err(self.damage(damage));
            }
            if next.is_some_and(|first| first != end.next) {
                return Err(RecoveryError::Order(FileName::Segment(header.number + 1)));
            }
            let logged = LoggedSegment {
                segment: Arc::clone(&segment),
                below: end.next,
            };
            each(&logged).map_err(|damage| self.damage(damage))?;
            recovered.count(header, &end);
            if next.is_none() {
                if let Verdict::Torn(torn) = verdict {
                    self.save_aside(&segment, &torn)?;
                    recovered.torn = Some(torn);
                }
                self.make_safe(&logged, &end, synced)?;
            }
        }
        Ok(recovered)
    }

    fn nothing_read(&self) -> Recovered {
        let header = self.snapshot.as_ref().map(SnapshotReader::header);
        Recovered {
            last: Position(0),
            next_segment: self.chain.last().map_or(1, |header| header.number + 1),
            snapshot: header.map(|header| header.number),
            snapshot_created: header.map_or(Millis(0), |header| header.created),
            segments: 0,
            blocks: 0,
            bytes: 0,
            torn: None,
        }
    }

    /// Drops newest segments that were begun to heal a failure when their snapshot never got its
    /// name: nothing was written to them, and what counts stands before them.
    fn ignore_unfinished_healing(&mut self) -> Result<(), RecoveryError> {
        let snapshot = self.inventory.newest_snapshot();
        while let Some(last) = self.chain.last() {
            if !last.own_snapshot || snapshot == Some(last.number) {
                break;
            }
            let end = self.load(last.number)?.blocks(None).end();
            let has_blocks =
                end.next > last.first || matches!(end.rest, Rest::Damage { later: Some(_), .. });
            if has_blocks {
                break;
            }
            self.chain.pop();
        }
        Ok(())
    }

    /// The segments follow each other, from the snapshot or from the beginning.
    fn check_chain(&self) -> Result<(), RecoveryError> {
        let (mut number, first) = match &self.snapshot {
            Some(snapshot) => (snapshot.header().number, snapshot.header().first),
            None => (1, Position(1)),
        };
        let begins_with = self
            .chain
            .first()
            .map(|header| (header.number, header.first));
        match begins_with {
            Some((found, _)) if found != number => {
                return Err(self.inventory.missing(number));
            }
            Some((_, found)) if found != first => {
                return Err(RecoveryError::Order(FileName::Segment(number)));
            }
            None if self.snapshot.is_some() => return Err(self.inventory.missing(number)),
            Some(_) | None => {}
        }
        let snapshot = self.inventory.newest_snapshot();
        for header in &self.chain {
            if header.number != number {
                return Err(self.inventory.missing(number));
            }
            if header.own_snapshot && snapshot != Some(number) {
                return Err(RecoveryError::MissingSnapshot(number));
            }
            number += 1;
        }
        Ok(())
    }

    fn load(&self, number: u64) -> Result<Segment, RecoveryError> {
        let name = FileName::Segment(number);
        let file = open(&*self.disk, name)?;
        Segment::load(&*file).map_err(|problem| RecoveryError::Segment { number, problem })
    }

    fn damage(&self, damage: Damage) -> RecoveryError {
        RecoveryError::Damage(damage)
    }

    fn save_aside(&self, segment: &Segment, torn: &TornTail) -> Result<(), RecoveryError> {
        let name = FileName::Torn(torn.number);
        let bytes = segment.bytes().get(torn.start..torn.end);
        let written = self.disk.create(&name.text()).and_then(|file| {
            file.write_at(0, bytes.unwrap_or_default())?;
            file.sync()?;
            self.disk.sync_names()
        });
        written.map_err(|error| RecoveryError::disk("save aside a torn tail as", name, error))
    }

    /// The end of the log may be in the system's cache only. It is written once more before it is
    /// synced: a sync that failed in an earlier process may have left pages that count as clean.
    fn make_safe(
        &self,
        logged: &LoggedSegment,
        end: &SegmentEnd,
        synced: Position,
    ) -> Result<(), RecoveryError> {
        let name = FileName::Segment(end.number);
        let mut start = HEADER_PAGE;
        let mut blocks = logged.blocks();
        while let Some(block) = blocks.next()
            && block.header.position <= synced
        {
            start = blocks.offset();
        }
        let file = open(&*self.disk, name)?;
        let unsynced = logged.segment.bytes().get(start..end.offset);
        let written = match unsynced.filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => file.write_at(widen(start), bytes),
            None => Ok(()),
        };
        written
            .and_then(|()| file.sync())
            .map_err(|error| RecoveryError::disk("sync the end of", name, error))
    }
}

impl Recovered {
    fn count(&mut self, header: &SegmentHeader, end: &SegmentEnd) {
        self.segments += 1;
        self.blocks += end.next.0 - header.first.0;
        self.bytes += widen(end.offset.saturating_sub(HEADER_PAGE));
        self.last = Position(end.next.0 - 1);
    }
}

fn open(disk: &dyn Disk, name: FileName) -> Result<Box<dyn DiskFile>, RecoveryError> {
    disk.open(&name.text())
        .map_err(|error| RecoveryError::disk("open", name, error))
}

fn open_snapshot(
    disk: &dyn Disk,
    inventory: &Inventory,
    number: u64,
    key_id: KeyId,
) -> Result<SnapshotReader<Box<dyn DiskFile>>, RecoveryError> {
    let name = FileName::Snapshot(number);
    let reader = SnapshotReader::open(open(disk, name)?);
    let reader = reader.map_err(|problem| RecoveryError::Snapshot {
        number,
        problem,
        remedy: inventory.remedy(disk),
    })?;
    if reader.header().number != number {
        return Err(RecoveryError::Order(name));
    }
    check_key(name, key_id, reader.header().key_id)?;
    Ok(reader)
}

fn read_header(
    disk: &dyn Disk,
    number: u64,
    key_id: KeyId,
) -> Result<SegmentHeader, RecoveryError> {
    let name = FileName::Segment(number);
    let header = inventory::segment_header(disk, number)?;
    if header.number != number {
        return Err(RecoveryError::Order(name));
    }
    check_key(name, key_id, header.key_id)?;
    Ok(header)
}

fn check_key(name: FileName, ours: KeyId, found: KeyId) -> Result<(), RecoveryError> {
    if ours == found {
        Ok(())
    } else {
        Err(RecoveryError::OtherKey { name, ours, found })
    }
}

fn widen(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
