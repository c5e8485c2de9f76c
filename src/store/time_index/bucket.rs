//! The entries of one second (or minute, or hour) of an app.

use std::sync::Mutex;

use crate::store::locked;

/// Entries of a chunk: large buckets never move what they hold.
const CHUNK: usize = 1024;

/// Slots of sessions that were active in a span of seconds. Entries are only ever appended; upkeep
/// puts another bucket in its place rather than change it, and who walks the old one keeps it alive.
pub(in crate::store) struct Bucket {
    first: u32,
    seconds: u32,
    /// Guards the entries; held for one append or one copy of at most 256 entries.
    entries: Mutex<Entries>,
}

struct Entries {
    chunks: Vec<Vec<u32>>,
    length: usize,
    /// Entries from the first one on that have been harvested.
    harvested: usize,
}

impl Bucket {
    /// An empty bucket for `seconds` seconds from `first` on.
    pub(in crate::store) fn new(first: u32, seconds: u32) -> Self {
        let entries = Entries {
            chunks: Vec::new(),
            length: 0,
            harvested: 0,
        };
        Self {
            first,
            seconds,
            entries: Mutex::new(entries),
        }
    }

    pub(in crate::store) fn first_second(&self) -> u32 {
        self.first
    }

    pub(in crate::store) fn last_second(&self) -> u32 {
        self.first.saturating_add(self.seconds - 1)
    }

    pub(in crate::store) fn covers(&self, second: u32) -> bool {
        (self.first..=self.last_second()).contains(&second)
    }

    pub(super) fn seconds(&self) -> u32 {
        self.seconds
    }

    /// Appends an entry.
    pub(super) fn append(&self, slot: u32) {
        locked(&self.entries).push(slot);
    }

    /// Appends entries.
    pub(super) fn extend(&self, slots: impl Iterator<Item = u32>) {
        let mut entries = locked(&self.entries);
        slots.for_each(|slot| entries.push(slot));
    }

    /// Entries, valid or not.
    pub(in crate::store) fn len(&self) -> usize {
        locked(&self.entries).length
    }

    /// Copies up to `limit` entries from position `from` on.
    pub(in crate::store) fn copy(&self, from: usize, limit: usize, out: &mut Vec<u32>) {
        out.extend_from_slice(locked(&self.entries).slice(from, limit));
    }

    /// Takes up to `limit` entries that were not harvested before; none when there are none.
    pub(in crate::store) fn take_harvest(&self, limit: usize) -> Vec<u32> {
        let mut entries = locked(&self.entries);
        let taken = entries.slice(entries.harvested, limit).to_vec();
        entries.harvested += taken.len();
        taken
    }

    /// Lets the next harvest take everything again.
    pub(in crate::store) fn begin_harvest_anew(&self) {
        locked(&self.entries).harvested = 0;
    }

    /// Bytes taken.
    pub(in crate::store) fn allocated_bytes(&self) -> usize {
        locked(&self.entries)
            .chunks
            .iter()
            .map(|c| c.capacity() * 4)
            .sum()
    }
}

impl Entries {
    /// Up to `limit` entries from position `from` on; none only at the end.
    fn slice(&self, from: usize, limit: usize) -> &[u32] {
        let chunk = self.chunks.get(from / CHUNK).map_or(&[][..], Vec::as_slice);
        let rest = chunk.get(from % CHUNK..).unwrap_or_default();
        rest.get(..limit).unwrap_or(rest)
    }

    fn push(&mut self, slot: u32) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(slot),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(slot);
                self.chunks.push(chunk);
            }
            None => self.chunks.push(vec![slot]),
        }
        self.length += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn entries_come_back_in_slices_in_order() {
        let bucket = Bucket::new(10, 60);
        for slot in 0..3_000 {
            bucket.append(slot);
        }
        let mut all = Vec::new();
        loop {
            let before = all.len();
            bucket.copy(before, 256, &mut all);
            if all.len() == before {
                break;
            }
            assert!(all.len() - before <= 256);
        }
        assert_eq!(all, (0..3_000).collect::<Vec<_>>());
        assert!(bucket.covers(10) && bucket.covers(69) && !bucket.covers(70));
    }
}
