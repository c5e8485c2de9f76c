//! This server in a thread of the test, by the machine's clock.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use cloakroom::config::{Address, Config, DialectName, HttpListen};
use cloakroom::server::Server;
use tokio_util::sync::CancellationToken;

/// A server of one dialect on a free port, stopped when it goes out of scope.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// `back_session_seconds` is what `SESSION_EXP_SEC` would say.
    pub(crate) fn start(dialect: DialectName, back_session_seconds: Option<i64>) -> Self {
        let config = Config {
            http: vec![HttpListen {
                dialect: Some(dialect),
                address: Address::Inet("127.0.0.1:0".to_owned()),
                allow: Vec::new(),
            }],
            back_session_seconds,
            threads: Some(1),
            ..Config::default()
        };
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
