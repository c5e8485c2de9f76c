//! An index from a name (a user, an IP) of an app to its sessions.
//!
//! A name is kept as 64 bits of keyed hash: its text stands in each session's body, where a lister
//! compares it, so that two names with one hash (one chance in a million at six million names) never
//! see each other's sessions; they count as one active user. The sessions of a name form a list
//! through [`Neighbours`]. Lists change under the name's shard lock, which is taken while the
//! session's token shard is locked, never the other way round.

#![expect(
    clippy::indexing_slicing,
    reason = "nodes and shards come from the directory itself"
)]
#![expect(
    clippy::vec_box,
    reason = "chunks stay where they are when the vector of chunks grows"
)]

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::store::cells::Cells;
use crate::store::locked;
use crate::store::neighbours::Neighbours;
use crate::store::record::NONE;

/// Nodes of a chunk.
const CHUNK: usize = 64;

/// The hashed name of a user or IP within an app.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NameHash {
    words: [u32; 2],
}

impl NameHash {
    /// Hashes with the directory key. The epoch is part of the name: after a kill of all sessions
    /// of an app its names start anew, while the old lists wait to be reaped.
    pub(super) fn of(key: &[u8; 32], app: u16, epoch: u8, name: &str) -> Self {
        let hash = keyed_hash(key, app, epoch, name.as_bytes());
        let word = |i: usize| {
            let bytes = hash.as_bytes();
            u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]])
        };
        Self {
            words: [word(0), word(4)],
        }
    }

    fn table_hash(self) -> u64 {
        u64::from(self.words[0]) << 32 | u64::from(self.words[1])
    }
}

/// Nearly all names fit into one block of the hash, which needs no state then.
fn keyed_hash(key: &[u8; 32], app: u16, epoch: u8, name: &[u8]) -> blake3::Hash {
    const BLOCK: usize = 64;
    let [low, high] = app.to_le_bytes();
    let head = [low, high, epoch];
    let mut block = [0; BLOCK];
    if let Some((place, rest)) = block.split_first_chunk_mut::<3>()
        && let Some(text) = rest.get_mut(..name.len())
    {
        *place = head;
        text.copy_from_slice(name);
        return blake3::keyed_hash(key, &block[..head.len() + name.len()]);
    }
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&head).update(name).finalize()
}

#[derive(Clone, Copy)]
struct Node {
    name: NameHash,
    /// First session of the list; in a free node the next free one.
    head: u32,
}

impl Node {
    const UNUSED: Self = Self {
        name: NameHash { words: [0; 2] },
        head: NONE,
    };
}

/// One lock's worth of names. Longest work under the lock: 256 list steps, or one table growth.
struct Shard {
    table: HashTable<u32>,
    nodes: Nodes,
}

/// Nodes by number. They do not move: a vector that grows would copy all of them under the lock and
/// leave holes of every size behind.
struct Nodes {
    chunks: Vec<Box<[Node; CHUNK]>>,
    /// Nodes ever used; the next new one.
    used: u32,
    free: u32,
}

/// The directory: names in shards, list links by session slot.
pub(super) struct Directory {
    shards: Box<[Mutex<Shard>]>,
    links: Neighbours,
    /// One cell per name, by shard, for the owner's use. Zero for a fresh name.
    cells: Box<[Cells<AtomicU32>]>,
}

impl Directory {
    pub(super) fn new(shards: usize, token_shards: usize) -> Self {
        let shard = || {
            Mutex::new(Shard {
                table: HashTable::new(),
                nodes: Nodes {
                    chunks: Vec::new(),
                    used: 0,
                    free: NONE,
                },
            })
        };
        Self {
            shards: (0..shards).map(|_| shard()).collect(),
            links: Neighbours::new(token_shards),
            cells: (0..shards).map(|_| Cells::new()).collect(),
        }
    }

    /// Puts session `slot` at the head of the list of `name` and answers the name's node. Called
    /// under the session's token lock.
    pub(super) fn link(&self, name: NameHash, slot: u32) -> u32 {
        let (mut shard, number) = self.shard_of(name);
        self.link_in(&mut shard, number, name, slot)
    }

    /// The same for many: things that have a name and a slot. Brings them into an order in which each
    /// shard is locked once, and hands out each with its node.
    pub(super) fn link_all<T>(
        &self,
        things: &mut [T],
        entry: impl Fn(&T) -> Option<(NameHash, u32)>,
        mut each: impl FnMut(&mut T, u32),
    ) {
        let place = |thing: &T| entry(thing).map(|(name, _)| self.number_of(name));
        things.sort_unstable_by_key(place);
        for row in things.chunk_by_mut(|one, next| place(one) == place(next)) {
            let Some(number) = row.first().and_then(place) else {
                continue;
            };
            let mut shard = locked(&self.shards[number]);
            if row.len() > 1 {
                // Brings what the table will be asked for into the cache, waiting for all at once.
                for (name, _) in row.iter().filter_map(&entry) {
                    black_box(shard.table.iter_hash(name.table_hash()).next());
                }
            }
            for thing in row {
                if let Some((name, slot)) = entry(thing) {
                    each(thing, self.link_in(&mut shard, number, name, slot));
                }
            }
        }
    }

    fn link_in(&self, shard: &mut Shard, number: usize, name: NameHash, slot: u32) -> u32 {
        let local = shard.find_or_insert(name);
        let head = std::mem::replace(&mut shard.nodes.at_mut(local).head, slot);
        self.links.set(slot, head, NONE);
        if head != NONE {
            let (next, _) = self.links.of(head);
            self.links.set(head, next, slot);
        }
        self.node(number, local)
    }

    /// Takes `slot` out of the list of `node`. When it was the last one the name is dropped and the
    /// answer is what its cell held. Called under the session's token lock.
    pub(super) fn unlink(&self, node: u32, slot: u32) -> Option<u32> {
        let (number, local) = self.split(node);
        let mut shard = locked(&self.shards[number]);
        let (next, prev) = self.links.of(slot);
        if next != NONE {
            let (after, _) = self.links.of(next);
            self.links.set(next, after, prev);
        }
        if prev != NONE {
            let (_, before) = self.links.of(prev);
            self.links.set(prev, next, before);
        } else {
            shard.nodes.at_mut(local).head = next;
        }
        if shard.nodes.at(local).head != NONE {
            return None;
        }
        shard.drop_node(local);
        let cell = self.cells[number].get(local);
        Some(cell.map_or(0, |cell| cell.swap(0, Relaxed)))
    }

    /// The node of a name, if any session has it.
    pub(super) fn find(&self, name: NameHash) -> Option<u32> {
        let (shard, number) = self.shard_of(name);
        shard.find(name).map(|local| self.node(number, local))
    }

    /// Appends up to `limit` slots of the list of `name` to `out`, behind `after` or from the head.
    /// When `after` is given its token lock must be held, and it must be in the list. False: the
    /// list has more.
    pub(super) fn collect(
        &self,
        name: NameHash,
        after: Option<u32>,
        limit: usize,
        out: &mut Vec<u32>,
    ) -> bool {
        let (shard, _) = self.shard_of(name);
        let mut slot = match after {
            Some(slot) => self.links.of(slot).0,
            None => shard
                .find(name)
                .map_or(NONE, |local| shard.nodes.at(local).head),
        };
        for _ in 0..limit {
            if slot == NONE {
                return true;
            }
            out.push(slot);
            slot = self.links.of(slot).0;
        }
        slot == NONE
    }

    /// The owner's cell of a name. Valid while a session of the name is locked.
    pub(super) fn cell(&self, node: u32) -> &AtomicU32 {
        let (number, local) = self.split(node);
        self.cells[number].at(local)
    }

    /// Names that have sessions, with the slots of each list, for invariants.
    pub(super) fn lists(&self) -> Vec<(u32, Vec<u32>)> {
        let mut found = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            let shard = locked(shard);
            for &local in &shard.table {
                let mut slots = Vec::new();
                let mut slot = shard.nodes.at(local).head;
                while slot != NONE {
                    slots.push(slot);
                    slot = self.links.of(slot).0;
                }
                found.push((self.node(number, local), slots));
            }
        }
        found
    }

    /// Bytes taken.
    pub(super) fn allocated_bytes(&self) -> usize {
        let shards = self.shards.iter().map(|shard| {
            let shard = locked(shard);
            let chunk = size_of::<[Node; CHUNK]>() + size_of::<usize>();
            shard.table.allocation_size() + shard.nodes.chunks.len() * chunk
        });
        let cells = self.cells.iter().map(Cells::allocated_bytes);
        shards.chain(cells).sum::<usize>() + self.links.allocated_bytes()
    }

    fn shard_of(&self, name: NameHash) -> (MutexGuard<'_, Shard>, usize) {
        let number = self.number_of(name);
        (locked(&self.shards[number]), number)
    }

    fn number_of(&self, name: NameHash) -> usize {
        // Neither the lowest nor the highest bits of the table's hash.
        name.words[0] as usize % self.shards.len()
    }

    fn node(&self, number: usize, local: u32) -> u32 {
        local * u32::try_from(self.shards.len()).unwrap_or(1) + u32::try_from(number).unwrap_or(0)
    }

    fn split(&self, node: u32) -> (usize, u32) {
        let shards = u32::try_from(self.shards.len()).unwrap_or(1);
        ((node % shards) as usize, node / shards)
    }
}

impl Nodes {
    fn at(&self, local: u32) -> &Node {
        &self.chunks[local as usize / CHUNK][local as usize % CHUNK]
    }

    fn at_mut(&mut self, local: u32) -> &mut Node {
        &mut self.chunks[local as usize / CHUNK][local as usize % CHUNK]
    }
}

impl Nodes {
    /// A node without a list.
    fn take(&mut self, name: NameHash) -> u32 {
        let mut local = self.free;
        if local == NONE {
            local = self.used;
            self.used += 1;
        } else {
            self.free = self.at(local).head;
        }
        if local as usize == self.chunks.len() * CHUNK {
            self.chunks.push(Box::new([Node::UNUSED; CHUNK]));
        }
        *self.at_mut(local) = Node { name, head: NONE };
        local
    }
}

impl Shard {
    fn find(&self, name: NameHash) -> Option<u32> {
        let nodes = &self.nodes;
        self.table
            .find(name.table_hash(), |n| nodes.at(*n).name == name)
            .copied()
    }

    fn find_or_insert(&mut self, name: NameHash) -> u32 {
        let nodes = &self.nodes;
        let is_it = |n: &u32| nodes.at(*n).name == name;
        let hash = |n: &u32| nodes.at(*n).name.table_hash();
        match self.table.entry(name.table_hash(), is_it, hash) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(place) => {
                let local = self.nodes.take(name);
                place.insert(local);
                local
            }
        }
    }

    fn drop_node(&mut self, local: u32) {
        let name = self.nodes.at(local).name;
        if let Ok(entry) = self.table.find_entry(name.table_hash(), |n| *n == local) {
            entry.remove();
        }
        self.nodes.at_mut(local).head = self.nodes.free;
        self.nodes.free = local;
    }
}
