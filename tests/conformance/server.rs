//! The server under replay: on a free port, by the clock of the replay, in memory or with a data
//! directory that a crash leaves as it stands.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use cloakroom::clock::{Clock, ManualClock, Millis};
use cloakroom::config::{Address, Config, DialectName, HttpListen, Storage};
use cloakroom::engine::Engine;
use cloakroom::server::Server;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A running server, stopped when it goes out of scope.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Arc<Engine>,
    dialect: DialectName,
    seconds: Option<i64>,
    clock: Arc<ManualClock>,
    /// `None` in memory.
    data: Option<TempDir>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// A server in memory.
    pub(crate) fn in_memory(
        dialect: DialectName,
        seconds: Option<i64>,
        clock: Arc<ManualClock>,
    ) -> Self {
        Self::start(dialect, seconds, clock, None)
    }

    /// A server with a data directory, which waits for every change to be on disk.
    pub(crate) fn on_disk(
        dialect: DialectName,
        seconds: Option<i64>,
        clock: Arc<ManualClock>,
    ) -> Self {
        Self::start(dialect, seconds, clock, Some(tempfile::tempdir().unwrap()))
    }

    fn start(
        dialect: DialectName,
        seconds: Option<i64>,
        clock: Arc<ManualClock>,
        data: Option<TempDir>,
    ) -> Self {
        let storage = data.as_ref().map(|folder| Storage {
            segment_bytes: 8 << 20,
            ..Storage::in_directory(folder.path().to_owned())
        });
        let config = Config {
            http: vec![HttpListen {
                dialect: Some(dialect),
                address: Address::Inet("127.0.0.1:0".to_string()),
                allow: Vec::new(),
            }],
            storage,
            back_session_seconds: seconds,
            threads: Some(1),
            ..Config::default()
        };
        let server = Server::bind_on(config, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let address = server.addresses()[0].unwrap();
        let engine = server.engine();
        let stop = CancellationToken::new();
        let shutdown = stop.clone();
        let serve = move || server.serve(shutdown).unwrap();
        Self {
            address,
            engine,
            dialect,
            seconds,
            clock,
            data,
            stop,
            thread: Some(std::thread::spawn(serve)),
        }
    }

    /// Clears away what has expired. The answers are the same without it.
    pub(crate) fn sweep(&self, now: Millis) {
        while self.engine.sweep(now, 4_096).more {}
    }

    /// The server that is started on what a kill at this moment leaves: the files as they stand.
    /// Touches are let into the log first, which takes two seconds by the clock.
    pub(crate) fn killed_and_started_again(self) -> Self {
        self.engine.harvest_all(self.clock.now());
        self.await_log();
        let left = tempfile::tempdir().unwrap();
        copy_files(self.data.as_ref().unwrap().path(), left.path());
        let clock = Arc::clone(&self.clock);
        Self::start(self.dialect, self.seconds, clock, Some(left))
    }

    /// A kill that finds nothing is answered once everything before it is on disk.
    fn await_log(&self) {
        let request = match self.dialect {
            DialectName::RestSessions => format!("DELETE /none/kill/{}", "x".repeat(64)),
            DialectName::Tarantool => "GET /del?token=none".to_owned(),
            DialectName::BackSession => "DELETE /a01/session/none".to_owned(),
        };
        let mut stream = TcpStream::connect(self.address).unwrap();
        let text = format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.contains(" 200 ") || answer.contains(" 404 "),
            "{answer}"
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

fn copy_files(from: &Path, to: &Path) {
    let mut copied = 0;
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let is_kept = entry.file_type().unwrap().is_file() && name != "spare.tmp";
        if is_kept {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
            copied += 1;
        }
    }
    assert!(copied >= 3, "a key, a lock and a segment");
}
