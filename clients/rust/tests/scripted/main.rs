//! The client against a peer that does what the test wants.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod failures;
mod many;
mod peer;
mod pipelining;
mod reconnecting;
mod requests;
