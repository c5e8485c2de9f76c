//! The log: what was acknowledged is written down here, and read back after a crash. Knows changes
//! and files, no sessions: the engine feeds it and is fed by it.

pub mod disk;
