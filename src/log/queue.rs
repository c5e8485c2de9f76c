//! Changes that wait to be written: closed blocks and an open one, in the order of their positions.

use std::collections::VecDeque;

use crate::clock::Millis;
use crate::log::block::HEADER;
use crate::log::record::encode;
use crate::model::{Change, Position};

/// Emptied buffers that are kept for coming blocks.
const BUFFERS_KEPT: usize = 4;

/// A block that no header was written into yet.
#[derive(Debug, Default)]
pub(super) struct QueuedBlock {
    /// Room for the header, then the records. Empty when there is no record.
    pub(super) bytes: Vec<u8>,
    /// Its number.
    pub(super) position: Position,
    /// The base of the times in its records.
    pub(super) time: Millis,
    /// Its records.
    pub(super) count: u32,
}

/// What the writer takes at once, and the emptied buffers that it gives back then.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Blocks in the order of their positions.
    pub(super) blocks: VecDeque<QueuedBlock>,
    /// Buffers that were written.
    pub(super) emptied: Vec<Vec<u8>>,
}

/// What an append came to.
pub(super) struct Appended {
    /// Where the change stands.
    pub(super) position: Position,
    /// Bytes of all records that wait.
    pub(super) queued: usize,
    /// The writer is to be woken for it.
    pub(super) wake: bool,
}

/// The append buffer; stands behind one mutex that is held for one record, or for a swap.
#[derive(Debug)]
pub(super) struct Queue {
    closed: VecDeque<QueuedBlock>,
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
    pub(super) fn new(next: Position, block_bytes: usize, wake_bytes: usize) -> Self {
        Self {
            closed: VecDeque::new(),
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

    /// Takes changes down, all in one block, so that a crash takes all of them or none. `now` is asked
    /// only when a block begins with them.
    pub(super) fn append(
        &mut self,
        changes: &[Change<'_>],
        now: impl FnOnce() -> Millis,
    ) -> Appended {
        let open = &mut self.open;
        if open.count == 0 {
            open.time = now();
            open.bytes.clear();
            open.bytes.resize(HEADER, 0);
        }
        let before = open.bytes.len();
        for change in changes {
            encode(change, open.time, &mut open.bytes);
            open.count += 1;
        }
        let bytes = open.bytes.len() - before;
        let position = open.position;
        if open.bytes.len() - HEADER > self.block_bytes {
            self.close();
        }
        let was_below = self.waiting < self.wake_bytes;
        self.waiting += bytes;
        let wake = self.dormant || (was_below && self.waiting >= self.wake_bytes);
        self.dormant = false;
        Appended {
            position,
            queued: self.waiting,
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
        self.closed
            .push_back(std::mem::replace(&mut self.open, next));
    }

    /// Moves all blocks to `batch`, whose own must be gone, and takes its emptied buffers. Answers the
    /// bytes of the records.
    pub(super) fn take(&mut self, batch: &mut Batch) -> usize {
        debug_assert!(batch.blocks.is_empty(), "what was taken before is written");
        let room = BUFFERS_KEPT.saturating_sub(self.buffers.len());
        let kept = batch.emptied.len().saturating_sub(room);
        self.buffers.extend(batch.emptied.drain(kept..));
        self.close();
        std::mem::swap(&mut self.closed, &mut batch.blocks);
        std::mem::take(&mut self.waiting)
    }

    /// Takes the number of the open block for an empty one, if nothing waits.
    pub(super) fn take_number(&mut self) -> Option<Position> {
        if !self.is_empty() {
            return None;
        }
        let number = self.open.position;
        self.open.position = Position(number.0 + 1);
        Some(number)
    }

    /// Drops all that waits and answers the cut: the position of what is appended from now on. All
    /// that was dropped stands before it.
    pub(super) fn cut(&mut self) -> Position {
        self.close();
        self.closed.clear();
        self.waiting = 0;
        self.open.position
    }

    /// Lets the next append wake the writer, which is about to sleep. `false`: something waits.
    pub(super) fn rest(&mut self) -> bool {
        self.dormant = self.is_empty();
        self.dormant
    }

    fn is_empty(&self) -> bool {
        self.open.count == 0 && self.closed.is_empty()
    }
}

impl QueuedBlock {
    /// Bytes of its records.
    pub(super) fn body(&self) -> usize {
        self.bytes.len().saturating_sub(HEADER)
    }
}

impl Batch {
    /// Keeps the buffer of a block that was written, unless it has grown beyond the usual.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>, capacity_kept: usize) {
        if self.emptied.len() < BUFFERS_KEPT && buffer.capacity() <= capacity_kept {
            self.emptied.push(buffer);
        }
    }

    /// Drops what was not written; answers the bytes of its records.
    pub(super) fn drop_blocks(&mut self) -> usize {
        self.blocks.drain(..).map(|block| block.body()).sum()
    }
}
