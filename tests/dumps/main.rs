//! Sessions come over from the old services: real stores are filled, dumped with the scripts of
//! `deploy/import`, imported, and every old token is asked over HTTP.
//!
//! What is not installed is skipped, and standard error says so; `.ci/run` installs it and names in
//! `CLOAKROOM_TEST_PEERS` what may not be missing.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test stops at the first thing that is not as it should be, and old services live \
              by the machine's clock"
)]

mod back_session;
mod cloakroom;
mod package;
mod peers;
mod redis;
mod rest_sessions;
mod tarantool;

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds by which a server's clock may differ from the test's: it read the two clocks that
/// it counts by one after the other, maybe on a busy machine.
const SKEW: u64 = 200;

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// A token of 64 letters and digits, another for every number.
fn token(number: u64) -> String {
    format!("{number:055}Z{:0>8}", base36(now()))
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 {
        digits.push(char::from_digit(u32::try_from(number % 36).unwrap(), 36).unwrap());
        number /= 36;
    }
    digits.iter().rev().collect()
}
