//! cloakroom's own protocol: frames in, frames out, over the same verbs as the HTTP dialects. What a
//! frame means is said in protocol/SPEC.md; how it is spelled, in the crate `cloakroom-protocol`.

mod bulk;
mod exchange;
mod hello;
mod read;
mod refusal;
mod session;
#[cfg(test)]
mod wired;
mod write;

use std::sync::Arc;

pub use exchange::replies_to;
pub(in crate::net) use read::Foreseen;

use crate::net::binary::exchange::BinaryExchange;
use crate::net::connection::Connection;
use crate::net::service::Service;
use crate::net::stream::{Peer, Stream};

/// Serves the binary protocol on an accepted socket until it is closed. To be made on the thread that
/// will run it.
pub fn serve(stream: Stream, peer: Peer, service: Arc<Service>) -> impl Future<Output = ()> {
    Connection::new(stream, peer, BinaryExchange::new(), service)
}
