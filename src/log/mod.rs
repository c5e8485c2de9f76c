//! The log: what was acknowledged is written down here, and read back after a crash. Knows changes
//! and files, no sessions: the engine feeds it and is fed by it. FORMAT.md draws every byte.

pub mod block;
pub mod disk;
pub mod key;
pub mod name;
pub mod record;
pub mod segment;
mod varint;
