//! The formats of the log as bytes: what is written is read back as it was, what is damaged is
//! noticed, and what version 1 wrote stays readable. `src/log/FORMAT.md` draws what is tested here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

#[path = "log_formats/directory.rs"]
mod directory;
#[path = "log_formats/flips.rs"]
mod flips;
#[path = "log_formats/golden.rs"]
mod golden;
#[path = "log_formats/memory_disk.rs"]
mod memory_disk;
#[path = "log_formats/records.rs"]
mod records;
#[path = "log_formats/samples.rs"]
mod samples;
#[path = "log_formats/segments.rs"]
mod segments;
#[path = "log_formats/snapshots.rs"]
mod snapshots;
