//! One shard: the lock that guards a thousandth of the sessions, and what lies behind it.

#![expect(
    clippy::indexing_slicing,
    reason = "slots come from this shard's own table and wheel"
)]
#![expect(
    clippy::vec_box,
    reason = "chunks stay where they are when the vector of chunks grows"
)]

use hashbrown::HashTable;

use crate::clock::Millis;
use crate::model::body::Body;
use crate::model::{Handle, Tag};
use crate::store::arena::Arena;
use crate::store::memory::MemoryUse;
use crate::store::record::{NONE, Record, due_second};
use crate::store::wheel::{Links, Wheel};

const CHUNK: usize = 32;

/// Sessions of one shard, addressed by local slot. A slot never moves.
///
/// What a look-up needs stands together with the lock in two cache lines; the rest is boxed.
pub(crate) struct Shard {
    /// Local slots by the first 64 bits of the tag.
    table: HashTable<u32>,
    records: Vec<Box<[Record; CHUNK]>>,
    /// Slots ever used; the next new one.
    used: u32,
    free: u32,
    cold: Box<Cold>,
}

/// What only changes, expiry and replies need.
struct Cold {
    wheel: Wheel,
    wheel_links: Links,
    arenas: [Arena; 2],
    /// The arena that takes new bodies.
    current: usize,
    /// While bodies move to the current arena: the next slot to look at.
    moving: Option<u32>,
}

impl Shard {
    pub(super) fn new() -> Self {
        let cold = Cold {
            wheel: Wheel::new(),
            wheel_links: Links::default(),
            arenas: [Arena::new(), Arena::new()],
            current: 0,
            moving: None,
        };
        Self {
            table: HashTable::new(),
            records: Vec::new(),
            used: 0,
            free: NONE,
            cold: Box::new(cold),
        }
    }

    /// The slot of the session with this handle.
    pub(super) fn find_handle(&self, handle: Handle) -> Option<u32> {
        let records = &self.records;
        self.table
            .find(hash_of(handle.0), |slot| {
                record(records, *slot).tag.high == handle.0
            })
            .copied()
    }

    /// The slot of the session with this tag.
    pub(super) fn find(&self, tag: Tag) -> Option<u32> {
        let records = &self.records;
        self.table
            .find(hash_of(tag.high), |slot| record(records, *slot).tag == tag)
            .copied()
    }

    /// The slot that a session with this tag most likely has, told without reading a record.
    pub(super) fn likely_slot(&self, tag: Tag) -> Option<u32> {
        self.table.iter_hash(hash_of(tag.high)).next().copied()
    }

    /// The record in a slot.
    pub(super) fn record(&self, slot: u32) -> &Record {
        record(&self.records, slot)
    }

    pub(super) fn record_mut(&mut self, slot: u32) -> &mut Record {
        &mut self.records[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    /// The living record in a slot, if there is one.
    pub(super) fn living(&self, slot: u32) -> Option<&Record> {
        (slot < self.used)
            .then(|| self.record(slot))
            .filter(|r| r.is_alive())
    }

    /// The body of the session in a slot.
    pub(super) fn body(&self, slot: u32) -> Body<'_> {
        Body::read(self.body_block(slot))
    }

    /// The body block of the session in a slot, not looked at yet; other bytes may follow it.
    pub(super) fn body_block(&self, slot: u32) -> &[u8] {
        let record = self.record(slot);
        self.cold.arenas[usize::from(record.in_second_arena())].from(record.body)
    }

    /// Sets the wheel to a second, if it is empty and that second is later.
    pub(super) fn start_wheel_at(&mut self, second: u32) {
        self.cold.wheel.start_at(second);
    }

    /// Makes room in the table for so many sessions more.
    pub(super) fn reserve(&mut self, sessions: usize) {
        let records = &self.records;
        let hash = |slot: &u32| hash_of(record(records, *slot).tag.high);
        self.table.reserve(sessions, hash);
    }

    /// Puts a session into a fresh slot and files it in the wheel.
    pub(super) fn insert(&mut self, new: Record, body: &Body<'_>) -> u32 {
        let slot = self.take_slot();
        *self.record_mut(slot) = new;
        self.write_body(slot, body);
        let records = &self.records;
        let hash = |slot: &u32| hash_of(record(records, *slot).tag.high);
        self.table.insert_unique(hash_of(new.tag.high), slot, hash);
        self.cold.wheel_links.ensure(slot);
        self.file(slot);
        slot
    }

    /// Takes a session out of table, wheel, arena and record.
    pub(super) fn remove(&mut self, slot: u32) {
        let high = self.record(slot).tag.high;
        let hash = hash_of(high);
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        let Cold {
            wheel, wheel_links, ..
        } = &mut *self.cold;
        wheel.remove(wheel_links, slot);
        self.release(slot);
    }

    /// Puts another body in the place of a session's.
    pub(super) fn replace_body(&mut self, slot: u32, body: &Body<'_>) {
        let old_length = self.body(slot).length();
        let record = *self.record(slot);
        let arena = usize::from(record.in_second_arena());
        if arena == self.cold.current && Arena::cost(old_length) == Arena::cost(body.length()) {
            body.write(self.cold.arenas[arena].get_mut(record.body, body.length()));
            return;
        }
        self.cold.arenas[arena].free(record.body, old_length);
        self.write_body(slot, body);
    }

    /// Files the session under its present deadline; for new sessions and shortened lives.
    fn file(&mut self, slot: u32) {
        let due = due_second(self.record(slot).deadline());
        let Cold {
            wheel, wheel_links, ..
        } = &mut *self.cold;
        let filed = wheel.file(wheel_links, slot, due);
        self.record_mut(slot).due = filed;
    }

    /// Files the session anew if its deadline lies before the second it is filed under.
    pub(super) fn refile_if_earlier(&mut self, slot: u32) {
        let record = self.record(slot);
        if due_second(record.deadline()) < record.due {
            let Cold {
                wheel, wheel_links, ..
            } = &mut *self.cold;
            wheel.remove(wheel_links, slot);
            self.file(slot);
        }
    }

    /// The next session whose deadline has passed. Sessions that were touched since they were filed
    /// are filed anew on the way; each entry looked at costs one of `budget`. The session is still
    /// filed: remove it. `None` with budget left: nothing more is due.
    pub(super) fn next_expired(&mut self, now: Millis, budget: &mut usize) -> Option<u32> {
        let second = u32::try_from(now.seconds()).unwrap_or(u32::MAX - 1);
        loop {
            let records = &self.records;
            let due_of = |slot: u32| record(records, slot).due;
            let Cold {
                wheel, wheel_links, ..
            } = &mut *self.cold;
            let slot = wheel.pop_due(wheel_links, second, budget, due_of)?;
            let expired = self.record(slot).deadline() <= now;
            self.file(slot);
            if expired {
                return Some(slot);
            }
        }
    }

    /// Takes out an arena that holds nothing any more. Drop it when the shard is unlocked: the
    /// allocator may give all of it back to the system at once.
    pub(super) fn take_hollow(&mut self) -> Option<Arena> {
        let hollow = self.cold.arenas.iter_mut().find(|arena| arena.is_hollow());
        hollow.map(|arena| std::mem::replace(arena, Arena::new()))
    }

    /// Moves some bodies into a fresh arena when the present one is mostly holes. True: more to do.
    pub(super) fn compact(&mut self, budget: &mut usize) -> bool {
        if self.cold.moving.is_none() && self.cold.arenas[self.cold.current].is_wasteful() {
            self.cold.current = 1 - self.cold.current;
            self.cold.moving = Some(0);
        }
        let Some(start) = self.cold.moving else {
            return false;
        };
        let end = start
            .saturating_add(u32::try_from(*budget).unwrap_or(0))
            .min(self.used);
        *budget -= (end - start) as usize;
        let mut block = Vec::new();
        for slot in start..end {
            let old = usize::from(self.record(slot).in_second_arena());
            if !self.record(slot).is_alive() || old == self.cold.current {
                continue;
            }
            let (address, length) = (self.record(slot).body, self.body(slot).length());
            block.clear();
            block.extend_from_slice(&self.cold.arenas[old].get(address, length)[..length]);
            self.cold.arenas[old].free(address, length);
            let address = self.cold.arenas[self.cold.current].allocate(length);
            self.cold.arenas[self.cold.current]
                .get_mut(address, length)
                .copy_from_slice(&block);
            self.set_body(slot, address);
        }
        self.cold.moving = (end < self.used).then_some(end);
        self.cold.moving.is_some()
    }

    /// Slots ever used; all local slots are below.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// Sessions in the table.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The table and the wheel, for invariants: slots in the table, slots filed, time of the wheel.
    pub(super) fn filed(&self) -> (Vec<u32>, Vec<u32>, u32) {
        let table = self.table.iter().copied().collect();
        (
            table,
            self.cold.wheel.entries(&self.cold.wheel_links),
            self.cold.wheel.elapsed(),
        )
    }

    /// Entries in the wheel, by its own count.
    pub(super) fn wheel_len(&self) -> usize {
        self.cold.wheel.len()
    }

    /// Adds what the shard has allocated, used or not.
    pub(super) fn measure(&self, report: &mut MemoryUse) {
        let bytes = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        report.sessions += bytes(self.len());
        report.tables += bytes(self.table.allocation_size());
        report.records += bytes(self.records.len() * size_of::<[Record; CHUNK]>());
        report.records += bytes(self.records.capacity() * size_of::<usize>());
        report.wheels += bytes(self.cold.wheel_links.allocated_bytes());
        let bodies = self.cold.arenas.iter().map(Arena::allocated_bytes);
        report.bodies += bytes(bodies.sum());
    }

    fn take_slot(&mut self) -> u32 {
        if self.free != NONE {
            let slot = self.free;
            self.free = self.record(slot).user;
            return slot;
        }
        let slot = self.used;
        if slot as usize == self.records.len() * CHUNK {
            self.records.push(Box::new([Record::FREE; CHUNK]));
        }
        self.used += 1;
        slot
    }

    fn release(&mut self, slot: u32) {
        let length = self.body(slot).length();
        let record = *self.record(slot);
        self.cold.arenas[usize::from(record.in_second_arena())].free(record.body, length);
        let free = self.free;
        *self.record_mut(slot) = Record::free(free);
        self.free = slot;
    }

    fn write_body(&mut self, slot: u32, body: &Body<'_>) {
        let length = body.length();
        let address = self.cold.arenas[self.cold.current].allocate(length);
        body.write(self.cold.arenas[self.cold.current].get_mut(address, length));
        self.set_body(slot, address);
    }

    fn set_body(&mut self, slot: u32, address: u32) {
        let second = self.cold.current == 1;
        let record = self.record_mut(slot);
        record.body = address;
        record.set_second_arena(second);
    }
}

/// Where a handle stands in its shard's table, which takes the place from the lowest bits and its short
/// hashes from the highest seven: neither may be the highest bits of the handle, which all sessions
/// of a shard share.
fn hash_of(handle: u64) -> u64 {
    handle.rotate_left(32)
}

fn record(records: &[Box<[Record; CHUNK]>], slot: u32) -> &Record {
    &records[slot as usize / CHUNK][slot as usize % CHUNK]
}
