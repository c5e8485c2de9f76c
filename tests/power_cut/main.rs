//! Power cuts, failing disks and restarts, simulated: the whole core under a manual clock, seeded
//! randomness and a disk in memory that loses what was not synced.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod disk;
#[path = "../fault_disk/mod.rs"]
mod fault_disk;
