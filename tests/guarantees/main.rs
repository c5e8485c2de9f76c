//! The guarantees of the binary protocol, each in a test of the name that protocol/SPEC.md gives it:
//! over real sockets, by a clock moved by hand.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod atomic;
mod bytes;
mod doors;
mod edges;
mod errors;
mod fair;
mod figures;
#[path = "../golden_frames/mod.rs"]
mod golden_frames;
mod kept;
mod keys;
mod lives;
mod many;
mod replies;
mod requests;
mod rotations;
mod server;
mod together;
mod wire;
