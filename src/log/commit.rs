//! What the writer does with blocks: write, sync by policy, name what is synced, go on in the next
//! segment.

use std::sync::Arc;

use crate::clock::Millis;
use crate::limits;
use crate::log::Durability;
use crate::log::background::{SpareState, Synced};
use crate::log::block::{BlockHeader, HEADER, padded};
use crate::log::queue::QueuedBlock;
use crate::log::saving::{Begun, SnapshotError};
use crate::log::segment::{HEADER_PAGE, SegmentHeader};
use crate::log::tail::Tail;
use crate::log::writer::{Trouble, Writer};
use crate::model::Position;

/// Bytes that the buffer of a block may have grown to so that it is used again.
const BUFFER_KEPT: usize = 2 * limits::LOG_BLOCK_BYTES;

impl Writer {
    /// Writes what is queued and makes it as safe as the policy asks.
    pub(super) fn commit(&mut self, now: Millis) -> Result<(), Trouble> {
        if self.batch.blocks.is_empty() {
            let mut queue = self.shared.queue();
            let taken = queue.take(&mut self.batch);
            self.shared.status.taken(taken);
        }
        let before = self.written;
        let written = self.write_batch();
        if let Err(Trouble::Failed(_)) = written {
            return written;
        }
        if self.written > before {
            self.last_commit = now;
            if self.durability == Durability::Always {
                self.sync()?;
            } else {
                self.unsynced_since.get_or_insert(now);
            }
            self.publish(self.written);
        }
        written
    }

    fn write_batch(&mut self) -> Result<(), Trouble> {
        while let Some(front) = self.batch.blocks.front() {
            let bytes = block_bytes(front);
            if self.tail.as_ref().is_some_and(|tail| tail.room() < bytes) {
                self.rotate(bytes)?;
            }
            let Some(block) = self.batch.blocks.pop_front() else {
                break;
            };
            self.write_records(block)?;
        }
        Ok(())
    }

    fn write_records(&mut self, block: QueuedBlock) -> Result<(), Trouble> {
        let (position, body) = (block.position, block.body());
        let mut bytes = block.bytes;
        // Written or not, it waits no more: what fails here is dropped.
        self.shared.status.settled(body);
        self.write_block(&mut bytes, position, block.time, block.count)?;
        self.unnamed = position;
        self.batch.give_back(bytes, BUFFER_KEPT);
        Ok(())
    }

    fn write_block(
        &mut self,
        bytes: &mut Vec<u8>,
        position: Position,
        time: Millis,
        count: u32,
    ) -> Result<(), Trouble> {
        let Some(tail) = &mut self.tail else {
            return Ok(());
        };
        let header = BlockHeader {
            position,
            synced: self.synced,
            time,
            count,
        };
        let length = tail.write(bytes, &header)?;
        self.shared.status.wrote(length);
        self.named = self.synced;
        self.written = position;
        Ok(())
    }

    /// Syncs the segment, here and now.
    pub(super) fn sync(&mut self) -> Result<(), Trouble> {
        // The system tells each failure once: a sync that is under way must not swallow ours.
        self.believe_sync(self.shared.background.finish_sync())?;
        if let Some(tail) = &self.tail
            && self.synced < self.written
        {
            tail.sync()?;
            self.synced = self.written;
            self.unsynced_since = None;
        }
        Ok(())
    }

    /// Takes the result of a sync beside the writer.
    pub(super) fn believe_sync(&mut self, synced: Option<Synced>) -> Result<(), Trouble> {
        match (synced, &self.tail) {
            (Some((position, Ok(()))), _) => self.synced = self.synced.max(position),
            (Some((_, Err(error))), Some(tail)) => return Err(tail.failure("sync", error).into()),
            (Some((_, Err(_))) | None, _) => {}
        }
        Ok(())
    }

    /// When the policy `everysec` wants a sync begun. Who ends another one wakes the writer.
    pub(super) fn sync_due(&self) -> Option<Millis> {
        let since = self.unsynced_since?;
        let is_ours = self.durability == Durability::EverySecond;
        (is_ours && self.shared.background.is_sync_free())
            .then(|| since.plus(limits::LOG_SYNC_MILLIS))
    }

    pub(super) fn sync_if_due(&mut self, now: Millis) -> Result<(), Trouble> {
        let (Some(due), Some(tail)) = (self.sync_due(), &self.tail) else {
            return Ok(());
        };
        // The sync before the next segment, for which commits wait, is to find little to do.
        let hurry = !self.hurried && tail.is_nearly_full();
        let background = &self.shared.background;
        if (now >= due || hurry) && background.want_sync(tail.file(), self.written) {
            self.hurried |= hurry;
            self.unsynced_since = None;
            if !background.is_threaded() {
                self.believe_sync(self.shared.background.finish_sync())?;
            }
        }
        Ok(())
    }

    /// A block with records is synced, nothing in the file says so yet, and there is room to say it.
    /// (Where there is none, the next segment says it.)
    pub(super) fn has_unnamed(&self) -> bool {
        let room = self.tail.as_ref().map_or(0, Tail::room);
        // Blocks that wait for room come first: the numbers of blocks have no gaps.
        self.named < self.synced.min(self.unnamed)
            && room >= widen(padded(0))
            && self.batch.blocks.is_empty()
    }

    pub(super) fn name_synced_if_due(&mut self, now: Millis) -> Result<(), Trouble> {
        if now >= self.last_commit.plus(limits::LOG_QUIET_MILLIS) {
            self.name_synced()?;
        }
        Ok(())
    }

    /// Writes an empty block, so that damage to the last blocks is never taken for a torn tail.
    pub(super) fn name_synced(&mut self) -> Result<(), Trouble> {
        if !self.has_unnamed() {
            return Ok(());
        }
        // What waits in the queue will name it as well.
        let Some(position) = self.shared.queue().take_number() else {
            return Ok(());
        };
        let time = self.shared.around.clock.now();
        self.write_block(&mut vec![0; HEADER], position, time, 0)
    }

    /// Syncs this segment and goes on in the next, which has room for a block of `block` bytes.
    fn rotate(&mut self, block: u64) -> Result<(), Trouble> {
        let shared = Arc::clone(&self.shared);
        let Ok(mut spare) = shared.background.take_spare() else {
            return Err(Trouble::NoSegment);
        };
        let prepared = match spare.extend(widen(HEADER_PAGE) + block) {
            Ok(()) => self.sync(),
            Err(_) => Err(Trouble::NoSegment),
        };
        if let Err(trouble) = prepared {
            shared.background.return_spare(spare);
            return Err(trouble);
        }
        let header = SegmentHeader {
            number: shared.saving.next_segment(),
            first: Position(self.written.0 + 1),
            synced: self.synced,
            created: shared.around.clock.now(),
            salt: shared.around.salt(),
            key_id: shared.around.key_id,
            own_snapshot: false,
        };
        self.tail = Some(Tail::begin(&*shared.around.disk, spare, header)?);
        self.named = self.synced;
        self.hurried = false;
        shared.background.want_spare();
        Ok(())
    }

    /// Begins a segment for a snapshot. One without a snapshot of its own serves as it is, if it is
    /// empty or no other can be made.
    pub(super) fn begin_segment_if_wanted(&mut self) -> Result<(), Trouble> {
        let saving = &self.shared.saving;
        let Some(tail) = &self.tail else {
            return Ok(());
        };
        if !saving.is_wanted() {
            return Ok(());
        }
        let background = &self.shared.background;
        let is_free = !tail.has_own_snapshot() && saving.last().number != tail.number();
        if is_free && tail.is_empty() {
            self.answer_begun();
            return Ok(());
        }
        match background.spare_state() {
            // The thread that makes it wakes the writer.
            SpareState::Unasked | SpareState::Coming if background.is_threaded() => return Ok(()),
            SpareState::Failed if is_free => {}
            SpareState::Failed => {
                let error = background.spare_failure();
                let error = error.unwrap_or_else(|| std::io::Error::other("no spare"));
                saving.answer(Err(SnapshotError::NoSegment(error)));
                return Ok(());
            }
            SpareState::Unasked | SpareState::Coming | SpareState::Ready => self.rotate(0)?,
        }
        self.answer_begun();
        Ok(())
    }

    fn answer_begun(&self) {
        if let Some(tail) = &self.tail {
            self.shared.saving.answer(Ok(Begun {
                number: tail.number(),
                first: tail.first(),
                written: self.shared.status.written().saturating_sub(tail.blocks()),
            }));
        }
    }
}

/// Bytes of a block in the file.
fn block_bytes(block: &QueuedBlock) -> u64 {
    widen(padded(block.body()))
}

fn widen(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
