//! The rest-sessions dialect on a real engine with a clock moved by hand: what recorded traffic
//! does not show.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod bounds;
mod door;
mod paths;
mod races;
mod sessions;
