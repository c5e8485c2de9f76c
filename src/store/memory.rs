//! What the sessions take: an exact ledger of living bytes, and a report of what is allocated.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::store::arena::Arena;
use crate::store::{Store, locked, read_locked};

/// Bytes of a session besides its body: record 64, wheel link 8, hash slot and table slack 11,
/// time index entry with its share of stale ones 8.
const SESSION_BYTES: usize = 91;
/// Bytes that a session's place in a directory takes: for a name of its own node 12, cell 4, hash
/// slot and slack 11; for one that it shares its neighbours 8.
const NAME_BYTES: usize = 35;

/// Bytes of all living sessions, changed with each of them.
#[derive(Default)]
pub(super) struct Ledger(AtomicU64);

impl Ledger {
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(u64::try_from(bytes).unwrap_or(0), Relaxed);
    }

    pub(super) fn remove(&self, bytes: usize) {
        self.0.fetch_sub(u64::try_from(bytes).unwrap_or(0), Relaxed);
    }
}

/// The accounted bytes of a session with a body block of `body` bytes and so many index names.
pub(super) fn session_cost(body: usize, names: usize) -> usize {
    SESSION_BYTES + Arena::cost(body) + names * NAME_BYTES
}

/// What the store takes, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryUse {
    /// Sessions that take a slot, served or waiting to be swept.
    pub sessions: u64,
    /// Apps with sessions.
    pub apps: u64,
    /// What `--max-memory` is compared with: living sessions only.
    pub accounted: u64,
    /// Allocated for records, used or not.
    pub records: u64,
    /// Allocated for the tables that find a record by its tag.
    pub tables: u64,
    /// Allocated for the links of the wheels.
    pub wheels: u64,
    /// Allocated for users, IPs and data, with the free rest of chunks.
    pub bodies: u64,
    /// Allocated to find sessions by user: tables, names, links.
    pub users: u64,
    /// Allocated to find sessions by IP.
    pub ips: u64,
    /// Allocated for the time indexes: entries and counts.
    pub activity: u64,
}

impl MemoryUse {
    /// All that is allocated, used or not.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        let shards = self.records + self.tables + self.wheels + self.bodies;
        shards + self.users + self.ips + self.activity
    }
}

impl Store {
    /// Accounted bytes of all living sessions.
    pub(crate) fn accounted(&self) -> u64 {
        self.ledger.0.load(Relaxed)
    }

    /// Measures the store, one lock after the other.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        let bytes = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut report = MemoryUse {
            apps: bytes(self.apps.len()),
            accounted: self.accounted(),
            users: bytes(self.users.allocated_bytes()),
            ips: bytes(self.ips.allocated_bytes()),
            ..MemoryUse::default()
        };
        for shard in &self.shards {
            locked(shard).measure(&mut report);
        }
        for app in self.apps.all() {
            let index = std::sync::Arc::clone(&read_locked(&app.generation).index);
            let counts = index.sessions.allocated_bytes() + index.users.allocated_bytes();
            report.activity += bytes(index.allocated_bytes() + counts);
        }
        report
    }
}
