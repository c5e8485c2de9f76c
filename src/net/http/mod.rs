//! HTTP/1.1 as the dialects need it: heads, framing, bodies, replies, connections.

pub mod date;
pub mod dialect;
pub mod request;
pub mod response;
