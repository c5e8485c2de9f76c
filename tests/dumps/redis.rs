//! A Redis of the test's own, on a socket in a folder that goes with it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::peers::{Running, find, outcome, script};

/// A running server. It stops when it is dropped.
pub(crate) struct Redis {
    folder: TempDir,
    _process: Running,
}

impl Redis {
    /// Starts one; `None` when Redis or Python is not installed.
    pub(crate) fn start() -> Option<Self> {
        let server = find("redis-server", "apt-get install redis-server")?;
        find("python3", "apt-get install python3")?;
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("redis.sock");
        let mut command = Command::new(server);
        command
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null());
        let process = Running::start(&mut command, || UnixStream::connect(&socket).is_ok());
        Some(Self {
            folder,
            _process: process,
        })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// A file of the test's beside the server's.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Carries commands out whose replies are one line each.
    pub(crate) fn run(&self, commands: &[Vec<String>]) {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        let mut replies = BufReader::new(stream.try_clone().unwrap());
        for batch in commands.chunks(1_000) {
            let mut text = String::new();
            for command in batch {
                text += &format!("*{}\r\n", command.len());
                for word in command {
                    text += &format!("${}\r\n{word}\r\n", word.len());
                }
            }
            stream.write_all(text.as_bytes()).unwrap();
            for command in batch {
                let mut line = String::new();
                replies.read_line(&mut line).unwrap();
                assert!(line.starts_with([':', '+']), "{command:?}: {line}");
            }
        }
    }

    /// Runs the dump script to a file: its exit status, and what it says.
    pub(crate) fn dump(&self, service: &str, flags: &[&str]) -> (Option<i32>, String) {
        outcome(
            Command::new("python3")
                .arg(script("dump_redis.py"))
                .arg(service)
                .arg(self.file("dump.ndjson"))
                .arg("--redis")
                .arg(format!("unix:{}", self.socket().display()))
                .args(flags),
        )
    }
}

/// The words of a command.
pub(crate) fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}
