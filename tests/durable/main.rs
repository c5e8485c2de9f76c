//! The command with a data directory, as people use and lose it: restarts, kill -9, damage, a second
//! server, backups, sessions moved from one directory to another.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod backups;
mod client;
#[path = "../commanded/mod.rs"]
mod commanded;
mod damage;
mod directory;
mod failing;
mod figures;
mod home;
mod moving;
mod restarts;
