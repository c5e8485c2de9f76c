//! Several connections, for clients that one connection cannot feed.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::Client;
use crate::config::Config;
use crate::error::Error;

/// Some clients of one server, used in turn. Most services need none of this: one connection
/// carries a million requests a second. It helps when long replies should not hold up short ones.
///
/// Requests of one connection take effect in the order in which they are made; requests of
/// different ones in any order.
#[derive(Debug)]
pub struct Pool {
    first: Client,
    others: Vec<Client>,
    turn: AtomicUsize,
}

impl Pool {
    /// Opens so many connections, at least one.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub async fn open(config: &Config, connections: usize) -> Result<Self, Error> {
        let first = Client::open(config.clone()).await?;
        let mut others = Vec::new();
        for _ in 1..connections {
            others.push(Client::open(config.clone()).await?);
        }
        let turn = AtomicUsize::new(0);
        Ok(Self {
            first,
            others,
            turn,
        })
    }

    /// The client whose turn it is.
    #[must_use]
    pub fn client(&self) -> &Client {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1);
        // The turn after the last of the others is that of the first.
        self.others.get(turn).unwrap_or(&self.first)
    }

    /// Closes all connections, each as [`Client::close`] does.
    pub async fn close(&self) {
        self.first.close().await;
        for client in &self.others {
            client.close().await;
        }
    }
}
