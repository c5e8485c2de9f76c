//! An index from a name (a user, an IP) of an app to its sessions.
//!
//! A name is kept as 96 bits of keyed hash: its text stands in each session's body, where a lister
//! compares it, so that even two names with one hash never see each other's sessions. The sessions
//! of a name form a list through cells indexed by slot. Lists change under the name's shard lock,
//! which is taken while the session's token shard is locked, never the other way round.

#![expect(
    clippy::indexing_slicing,
    reason = "nodes and shards come from the directory itself"
)]

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard};

use hashbrown::HashTable;

use crate::store::cells::Cells;
use crate::store::locked;
use crate::store::record::NONE;

/// The hashed name of a user or IP within an app.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NameHash {
    words: [u32; 3],
}

impl NameHash {
    /// Hashes with the directory key. The epoch is part of the name: after a kill of all sessions
    /// of an app its names start anew, while the old lists wait to be reaped.
    pub(super) fn of(key: &[u8; 32], app: u16, epoch: u8, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher
            .update(&app.to_le_bytes())
            .update(&[epoch])
            .update(name.as_bytes());
        let hash = hasher.finalize();
        let word = |i: usize| {
            let bytes = hash.as_bytes();
            u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]])
        };
        Self {
            words: [word(0), word(4), word(8)],
        }
    }

    fn table_hash(self) -> u64 {
        u64::from(self.words[0]) << 32 | u64::from(self.words[1])
    }
}

struct Node {
    name: NameHash,
    /// First session of the list; in a free node the next free one.
    head: u32,
}

/// One lock's worth of names. Longest work under the lock: 256 list steps, or one table growth.
struct Shard {
    table: HashTable<u32>,
    nodes: Vec<Node>,
    free: u32,
}

/// The directory: names in shards, list links by session slot.
pub(super) struct Directory {
    shards: Box<[Mutex<Shard>]>,
    /// Links of the sessions, by token shard: `next << 32 | prev`, both one more than the slot so
    /// that a zero cell is "none".
    links: Box<[Cells]>,
    /// One cell per name, by shard, for the owner's use. Zero for a fresh name.
    cells: Box<[Cells]>,
    token_shards: u32,
}

impl Directory {
    pub(super) fn new(shards: usize, token_shards: usize) -> Self {
        let shard = || {
            Mutex::new(Shard {
                table: HashTable::new(),
                nodes: Vec::new(),
                free: NONE,
            })
        };
        Self {
            shards: (0..shards).map(|_| shard()).collect(),
            links: (0..token_shards).map(|_| Cells::new()).collect(),
            cells: (0..shards).map(|_| Cells::new()).collect(),
            token_shards: u32::try_from(token_shards).unwrap_or(1),
        }
    }

    /// Puts session `slot` at the head of the list of `name` and answers the name's node. Called
    /// under the session's token lock.
    pub(super) fn link(&self, name: NameHash, slot: u32) -> u32 {
        let (mut shard, number) = self.shard_of(name);
        let local = shard.find_or_insert(name, &self.cells[number]);
        let head = std::mem::replace(&mut shard.nodes[local as usize].head, slot);
        self.set_link(slot, head, NONE);
        if head != NONE {
            let (next, _) = self.link_of(head);
            self.set_link(head, next, slot);
        }
        self.node(number, local)
    }

    /// Takes `slot` out of the list of `node`. When it was the last one the name is dropped and the
    /// answer is what its cell held. Called under the session's token lock.
    pub(super) fn unlink(&self, node: u32, slot: u32) -> Option<u64> {
        let (number, local) = self.split(node);
        let mut shard = locked(&self.shards[number]);
        let (next, prev) = self.link_of(slot);
        if next != NONE {
            let (after, _) = self.link_of(next);
            self.set_link(next, after, prev);
        }
        if prev != NONE {
            let (_, before) = self.link_of(prev);
            self.set_link(prev, next, before);
        } else {
            shard.nodes[local as usize].head = next;
        }
        if shard.nodes[local as usize].head != NONE {
            return None;
        }
        shard.drop_node(local);
        Some(self.cells[number].at(local).load(Relaxed))
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
            Some(slot) => self.link_of(slot).0,
            None => shard
                .find(name)
                .map_or(NONE, |local| shard.nodes[local as usize].head),
        };
        for _ in 0..limit {
            if slot == NONE {
                return true;
            }
            out.push(slot);
            slot = self.link_of(slot).0;
        }
        slot == NONE
    }

    /// The owner's cell of a name. Valid while a session of the name is locked.
    pub(super) fn cell(&self, node: u32) -> &std::sync::atomic::AtomicU64 {
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
                let mut slot = shard.nodes[local as usize].head;
                while slot != NONE {
                    slots.push(slot);
                    slot = self.link_of(slot).0;
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
            shard.table.allocation_size() + shard.nodes.capacity() * size_of::<Node>()
        });
        let cells = self
            .links
            .iter()
            .chain(self.cells.iter())
            .map(Cells::allocated_bytes);
        shards.chain(cells).sum()
    }

    fn shard_of(&self, name: NameHash) -> (MutexGuard<'_, Shard>, usize) {
        let number = name.words[2] as usize % self.shards.len();
        (locked(&self.shards[number]), number)
    }

    fn node(&self, number: usize, local: u32) -> u32 {
        local * u32::try_from(self.shards.len()).unwrap_or(1) + u32::try_from(number).unwrap_or(0)
    }

    fn split(&self, node: u32) -> (usize, u32) {
        let shards = u32::try_from(self.shards.len()).unwrap_or(1);
        ((node % shards) as usize, node / shards)
    }

    fn link_cell(&self, slot: u32) -> &std::sync::atomic::AtomicU64 {
        self.links[(slot % self.token_shards) as usize].at(slot / self.token_shards)
    }

    fn link_of(&self, slot: u32) -> (u32, u32) {
        let link = self.link_cell(slot).load(Relaxed);
        let half = |bits: u64| {
            u32::try_from(bits & 0xffff_ffff)
                .unwrap_or(0)
                .wrapping_sub(1)
        };
        (half(link >> 32), half(link))
    }

    fn set_link(&self, slot: u32, next: u32, prev: u32) {
        let half = |slot: u32| u64::from(slot.wrapping_add(1));
        self.link_cell(slot)
            .store(half(next) << 32 | half(prev), Relaxed);
    }
}

impl Shard {
    fn find(&self, name: NameHash) -> Option<u32> {
        let nodes = &self.nodes;
        self.table
            .find(name.table_hash(), |n| nodes[*n as usize].name == name)
            .copied()
    }

    fn find_or_insert(&mut self, name: NameHash, cells: &Cells) -> u32 {
        if let Some(local) = self.find(name) {
            return local;
        }
        let node = Node { name, head: NONE };
        let local = if self.free == NONE {
            self.reserve();
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
        } else {
            let local = self.free;
            self.free = std::mem::replace(&mut self.nodes[local as usize], node).head;
            local
        };
        cells.at(local).store(0, Relaxed);
        let nodes = &self.nodes;
        self.table.insert_unique(name.table_hash(), local, |n| {
            nodes[*n as usize].name.table_hash()
        });
        local
    }

    /// Grows by an eighth: doubling would leave half of the memory unused.
    fn reserve(&mut self) {
        if self.nodes.len() == self.nodes.capacity() {
            self.nodes.reserve_exact((self.nodes.len() / 8).max(16));
        }
    }

    fn drop_node(&mut self, local: u32) {
        let name = self.nodes[local as usize].name;
        if let Ok(entry) = self.table.find_entry(name.table_hash(), |n| *n == local) {
            entry.remove();
        }
        self.nodes[local as usize].head = self.free;
        self.free = local;
    }
}
