//! Doors: the binary protocol, HTTP/1.1 and its three dialects, and the connections under them. Async lives here and in
//! `server`, nowhere else.

pub mod back_session;
pub mod binary;
mod connection;
mod exchange;
mod gather;
pub mod http;
pub mod listener;
pub mod log_watch;
mod outbox;
pub mod rest_sessions;
mod scratch;
pub mod service;
pub mod stream;
pub mod tarantool;
mod timer;

pub use scratch::rest;
pub(crate) use scratch::wake_parked;
