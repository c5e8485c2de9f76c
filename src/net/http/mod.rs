//! HTTP/1.1 as the dialects need it: heads, framing, bodies, replies, connections.

mod access_log;
mod answering;
pub mod body;
pub mod connection;
pub mod date;
pub mod dialect;
mod exchange;
mod foresight;
pub mod head;
mod incoming;
pub mod inflate;
pub mod log_watch;
mod outbox;
pub mod request;
pub mod response;
mod scratch;
pub mod service;
pub mod stream;
mod timer;

pub use exchange::replies_to;
pub(crate) use scratch::wake_parked;
