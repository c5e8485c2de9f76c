//! The tarantool dialect beyond its transcripts, from request to reply, over a real engine and a
//! clock that is moved by hand.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod lists;
mod parameters;
mod service;
mod sessions;
