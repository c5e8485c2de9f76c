//! HTTP/1.1 as the dialects need it: heads, framing, bodies, replies.

mod access_log;
mod answering;
pub mod body;
#[cfg(test)]
mod connections;
pub mod date;
pub mod dialect;
mod exchange;
pub(super) mod foresight;
pub mod head;
mod incoming;
pub mod inflate;
pub mod request;
pub mod response;

pub use exchange::replies_to;

use std::sync::Arc;

use crate::net::connection::Connection;
use crate::net::http::dialect::Dialect;
use crate::net::http::exchange::HttpExchange;
use crate::net::service::Service;
use crate::net::stream::{Peer, Stream};

/// Serves HTTP on an accepted socket until it is closed. `dialect` is that of the listener, `None`
/// where the path decides. To be made on the thread that will run it.
pub fn serve(
    stream: Stream,
    peer: Peer,
    dialect: Option<Dialect>,
    service: Arc<Service>,
) -> impl Future<Output = ()> {
    Connection::new(stream, peer, HttpExchange::new(dialect), service)
}
