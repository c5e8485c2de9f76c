//! Writes a snapshot to wherever its bytes are to go: a file, a socket.

use std::io;

use crate::clock::Millis;
use crate::log::record::encode_create;
use crate::log::snapshot::{
    CHUNK_BYTES, CHUNK_HEADER, ChunkHeader, SnapshotHeader, SnapshotTotals,
};
use crate::model::change::CreateChange;

/// Writes one snapshot. Feed it shard by shard: sessions that stand together in the store then stand
/// together in the file, and threads that load different parts of it do not meet.
///
/// [`SnapshotWriter::push`] only touches memory, so it may be called under a lock;
/// [`SnapshotWriter::flush`] writes and is to be called behind it.
pub struct SnapshotWriter<W> {
    sink: W,
    salt: [u8; 16],
    time: Millis,
    /// Closed chunks that are not written yet, then the open one with room for its header.
    buffer: Vec<u8>,
    /// Where the open chunk begins in `buffer`.
    open: usize,
    /// Records in the open chunk.
    count: u32,
    totals: SnapshotTotals,
}

impl<W: FnMut(&[u8]) -> io::Result<()>> SnapshotWriter<W> {
    /// Writes the header. `sink` is called with the bytes of the file, piece by piece, in order.
    ///
    /// # Errors
    /// What the sink says.
    pub fn begin(header: &SnapshotHeader, mut sink: W) -> io::Result<Self> {
        let page = header.encode();
        sink(&page)?;
        let mut writer = Self {
            sink,
            salt: header.salt,
            time: header.created,
            buffer: Vec::with_capacity(2 * CHUNK_BYTES),
            open: 0,
            count: 0,
            totals: SnapshotTotals::default(),
        };
        writer.totals.bytes = page.len() as u64;
        writer.open_chunk();
        Ok(writer)
    }

    /// Adds a session, in memory.
    pub fn push(&mut self, create: &CreateChange<'_>) {
        encode_create(create, self.time, &mut self.buffer);
        self.count += 1;
        if self.open_bytes() >= CHUNK_BYTES {
            self.close_chunk();
            self.open_chunk();
        }
    }

    /// Bytes of closed chunks that wait for [`SnapshotWriter::flush`].
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.open
    }

    /// Hands all closed chunks to the sink, in one piece.
    ///
    /// # Errors
    /// What the sink says. The snapshot is then useless.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.open > 0 {
            let (closed, _) = self.buffer.split_at(self.open);
            (self.sink)(closed)?;
            self.totals.bytes += closed.len() as u64;
            self.buffer.drain(..self.open);
            self.open = 0;
        }
        Ok(())
    }

    /// Closes the last chunk, adds the footer and hands all that is left to the sink. Whether it is
    /// safe there is the caller's business.
    ///
    /// # Errors
    /// What the sink says. The snapshot is then useless.
    pub fn finish(mut self) -> io::Result<SnapshotTotals> {
        if self.count > 0 {
            self.close_chunk();
            self.open_chunk();
        }
        let mut footer = ChunkHeader {
            length: 0,
            checksum: 0,
            index: self.totals.chunks,
            time: self.totals.records,
            count: 0,
            reserved: 0,
        };
        footer.checksum = footer.checksum_with(&self.salt, &[]);
        self.buffer.truncate(self.open);
        self.buffer.extend_from_slice(&footer.bytes());
        self.open = self.buffer.len();
        self.flush()?;
        Ok(self.totals)
    }

    /// Bytes of the open chunk's body.
    fn open_bytes(&self) -> usize {
        self.buffer.len() - self.open - CHUNK_HEADER
    }

    fn open_chunk(&mut self) {
        self.open = self.buffer.len();
        self.buffer.resize(self.open + CHUNK_HEADER, 0);
        self.count = 0;
    }

    fn close_chunk(&mut self) {
        let length = u32::try_from(self.open_bytes()).unwrap_or(u32::MAX);
        let (_, chunk) = self.buffer.split_at_mut(self.open);
        let Some((place, body)) = chunk.split_first_chunk_mut::<CHUNK_HEADER>() else {
            return;
        };
        let mut header = ChunkHeader {
            length,
            checksum: 0,
            index: self.totals.chunks,
            time: self.time.0,
            count: self.count,
            reserved: 0,
        };
        header.checksum = header.checksum_with(&self.salt, body);
        *place = header.bytes();
        self.totals.chunks += 1;
        self.totals.records += u64::from(self.count);
    }
}
