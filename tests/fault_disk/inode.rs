//! One file: what the medium holds, what reads see, and the writes between the two.

use std::sync::Arc;

use super::choice::Choice;

/// What the medium writes in one piece.
pub(crate) const SECTOR: usize = 512;

/// How much of the unsynced writes may be mixed at a power cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mixing {
    /// Each sector holds what it held after some number of its writes, as a page cache leaves it.
    Sectors,
    /// Any of: nothing, everything, a prefix whose last write is torn, sectors mixed, any subset of
    /// the writes with each of them whole, missing or torn.
    Any,
}

#[derive(Clone, Debug)]
struct Write {
    offset: usize,
    bytes: Arc<[u8]>,
}

impl Write {
    fn end(&self) -> usize {
        self.offset + self.bytes.len()
    }

    /// The sectors it touches.
    fn sectors(&self) -> std::ops::Range<usize> {
        self.offset / SECTOR..self.end().div_ceil(SECTOR)
    }

    /// Writes the part that lies in `sector`.
    fn apply_sector(&self, sector: usize, to: &mut Vec<u8>) {
        let start = self.offset.max(sector * SECTOR);
        let end = self.end().min((sector + 1) * SECTOR);
        overwrite(
            to,
            start,
            &self.bytes[start - self.offset..end - self.offset],
        );
    }

    fn apply(&self, to: &mut Vec<u8>) {
        overwrite(to, self.offset, &self.bytes);
    }
}

fn overwrite(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

/// A file without its name. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inode {
    /// What the medium holds for certain.
    durable: Arc<Vec<u8>>,
    /// What reads see: the page cache.
    seen: Arc<Vec<u8>>,
    /// Writes since the last sync, oldest first.
    pending: Vec<Write>,
}

impl Inode {
    /// A file that is safe in all its bytes.
    pub(crate) fn durable(bytes: Vec<u8>) -> Self {
        let bytes = Arc::new(bytes);
        Self {
            durable: bytes.clone(),
            seen: bytes,
            pending: Vec::new(),
        }
    }

    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        overwrite(Arc::make_mut(&mut self.seen), offset, bytes);
        self.pending.push(Write {
            offset,
            bytes: bytes.into(),
        });
    }

    pub(crate) fn sync(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return;
        }
        let durable = Arc::make_mut(&mut self.durable);
        pending.iter().for_each(|write| write.apply(durable));
    }

    /// A sync that failed: each sector was written or was not, and nobody will try again. Reads may
    /// go on to see what is lost, or may not.
    pub(crate) fn fail_sync(&mut self, choice: &mut dyn Choice) {
        let written = self.after_cut(Mixing::Any, choice);
        if choice.coin() {
            self.seen = Arc::new(written.clone());
        }
        self.durable = Arc::new(written);
        self.pending.clear();
    }

    /// What the medium holds after a power cut.
    pub(crate) fn after_cut(&self, mixing: Mixing, choice: &mut dyn Choice) -> Vec<u8> {
        let mut left = Vec::clone(&self.durable);
        if self.pending.is_empty() {
            return left;
        }
        let way = match mixing {
            Mixing::Sectors => 3,
            Mixing::Any => choice.choose(5),
        };
        match way {
            0 => {}
            1 => self.pending.iter().for_each(|write| write.apply(&mut left)),
            2 => self.keep_prefix(&mut left, choice),
            3 => self.keep_sectors(&mut left, choice),
            _ => self.keep_subset(&mut left, choice),
        }
        self.lengthen(&mut left, choice);
        left
    }

    fn keep_prefix(&self, left: &mut Vec<u8>, choice: &mut dyn Choice) {
        let torn = choice.choose(self.pending.len());
        for write in &self.pending[..torn] {
            write.apply(left);
        }
        let write = &self.pending[torn];
        let kept = choice.choose(write.sectors().len() + 1);
        for sector in write.sectors().take(kept) {
            write.apply_sector(sector, left);
        }
    }

    fn keep_sectors(&self, left: &mut Vec<u8>, choice: &mut dyn Choice) {
        let touched = |sector: usize| {
            self.pending
                .iter()
                .filter(move |w| w.sectors().contains(&sector))
        };
        let last = self.pending.iter().map(|write| write.sectors().end).max();
        for sector in 0..last.unwrap_or_default() {
            let writes = touched(sector).count();
            if writes > 0 {
                let kept = choice.choose(writes + 1);
                for write in touched(sector).take(kept) {
                    write.apply_sector(sector, left);
                }
            }
        }
    }

    fn keep_subset(&self, left: &mut Vec<u8>, choice: &mut dyn Choice) {
        for write in &self.pending {
            match choice.choose(3) {
                0 => {}
                1 => write.apply(left),
                _ => {
                    for sector in write.sectors() {
                        if choice.coin() {
                            write.apply_sector(sector, left);
                        }
                    }
                }
            }
        }
    }

    /// The length may have been kept where the bytes were not: they read as zeros then.
    fn lengthen(&self, left: &mut Vec<u8>, choice: &mut dyn Choice) {
        let whole = self
            .pending
            .iter()
            .map(Write::end)
            .max()
            .unwrap_or_default();
        if left.len() < whole && choice.coin() {
            left.resize(whole, 0);
        }
    }
}
