//! The promises of the server, each in a test that names it: over a real socket where callers are
//! meant, on the engine alone where only threads can bring the case about.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod admission;
mod counting;
mod deadlines;
mod dialects_of_failure;
mod engines;
mod full;
mod kill_all;
mod lists;
mod races;
#[path = "../model/recorder.rs"]
mod recorder;
mod replay;
mod served;
mod stampede;
mod storms;
mod touches;
