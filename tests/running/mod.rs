//! This server in a thread of the test, by the machine's clock.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use cloakroom::config::Config;
use cloakroom::server::Server;
use tokio_util::sync::CancellationToken;

/// A server with one listener on a free port, stopped when it goes out of scope.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn serve(config: Config) -> Self {
        let server = Server::bind(config).unwrap();
        let address = server.addresses().into_iter().flatten().next().unwrap();
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        Self {
            address,
            stop,
            thread: Some(thread::spawn(move || server.serve(shutdown).unwrap())),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}
