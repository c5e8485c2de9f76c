//! Changes that wait to be written: closed blocks and an open one, in the order of their positions.

use crate::clock::Millis;
use crate::log::block::HEADER;
use crate::log::record::encode;
use crate::model::{Change, Position};

/// Emptied buffers that are kept for coming blocks.
const BUFFERS_KEPT: usize = 4;

/// A block that no header was written into yet.
#[derive(Debug, Default)]
pub(crate) struct QueuedBlock {
    /// Room for the header, then the records. Empty when there is no record.
    pub(crate) bytes: Vec<u8>,
    /// Its number.
    pub(crate) position: Position,
    /// The base of the times in its records.
    pub(crate) time: Millis,
    /// Its records.
    pub(crate) count: u32,
}

/// What the writer takes at once, and the emptied buffers that it gives back then.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Blocks in the order of their positions.
    pub(crate) blocks: Vec<QueuedBlock>,
    /// Buffers that were written.
    pub(crate) emptied: Vec<Vec<u8>>,
}

/// What an append came to.
pub(crate) struct Appended {
    /// Where the change stands.
    pub(crate) position: Position,
    /// Bytes of its record.
    pub(crate) bytes: usize,
    /// The writer is to be woken for it.
    pub(crate) wake: bool,
}

/// The append buffer; stands behind one mutex that is held for one record, or for a swap.
#[derive(Debug)]
pub(crate) struct Queue {
    closed: Vec<QueuedBlock>,
    open: QueuedBlock,
    buffers: Vec<Vec<u8>>,
    /// Bytes of a body beyond which a block is closed.
    block_bytes: usize,
    /// Bytes of all records that wait here.
    waiting: usize,
    /// Bytes that wake the writer by themselves.
    wake_bytes: usize,
    /// The writer sleeps until it is kicked: the next append has to do that.
    dormant: bool,
}

impl Queue {
    /// An empty queue whose first change will stand at `next`.
    pub(crate) fn new(next: Position, block_bytes: usize, wake_bytes: usize) -> Self {
        Self {
            closed: Vec::new(),
            open: QueuedBlock {
                position: next,
                ..QueuedBlock::default()
            },
            buffers: Vec::new(),
            block_bytes,
            waiting: 0,
            wake_bytes,
            dormant: false,
        }
    }

    /// Takes a change down. `now` is asked only when a block begins with it.
    pub(crate) fn append(&mut self, change: &Change<'_>, now: impl FnOnce() -> Millis) -> Appended {
        let open = &mut self.open;
        if open.count == 0 {
            open.time = now();
            open.bytes.clear();
            open.bytes.resize(HEADER, 0);
        }
        let before = open.bytes.len();
        encode(change, open.time, &mut open.bytes);
        open.count += 1;
        let bytes = open.bytes.len() - before;
        let position = open.position;
        if open.bytes.len() - HEADER > self.block_bytes {
            self.close();
        }
        let reached_wake = self.waiting < self.wake_bytes;
        self.waiting += bytes;
        let wake = self.dormant || (reached_wake && self.waiting >= self.wake_bytes);
        self.dormant = false;
        Appended {
            position,
            bytes,
            wake,
        }
    }

    /// Puts the open block behind the closed ones and begins the next, if it holds a record.
    fn close(&mut self) {
        if self.open.count == 0 {
            return;
        }
        let next = QueuedBlock {
            bytes: self.buffers.pop().unwrap_or_default(),
            position: Position(self.open.position.0 + 1),
            ..QueuedBlock::default()
        };
        self.closed.push(std::mem::replace(&mut self.open, next));
    }

    /// Moves all blocks to `batch`, whose own must be gone, and takes its emptied buffers.
    pub(crate) fn take(&mut self, batch: &mut Batch) {
        debug_assert!(batch.blocks.is_empty(), "what was taken before is written");
        let room = BUFFERS_KEPT.saturating_sub(self.buffers.len());
        let kept = batch.emptied.len().saturating_sub(room);
        self.buffers.extend(batch.emptied.drain(kept..));
        self.close();
        self.waiting = 0;
        std::mem::swap(&mut self.closed, &mut batch.blocks);
    }
}
