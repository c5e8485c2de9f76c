//! Doors: HTTP/1.1 and the three dialects. Async lives here and in `server`, nowhere else.

pub mod back_session;
pub mod http;
pub mod listener;
pub mod rest_sessions;
pub mod tarantool;
