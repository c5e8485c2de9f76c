//! What comes back after a restart, in the cases that a random history seldom meets: epochs, clocks
//! that were set back, sessions that expired meanwhile, older snapshots, kills beside snapshots.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod damage;
#[path = "../model/durable.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod durable;
#[path = "../promises/engines.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod engines;
mod epochs;
#[path = "../fault_disk/mod.rs"]
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
mod fault_disk;
mod healing;
mod kills;
mod rotations;
mod server;
mod times;
