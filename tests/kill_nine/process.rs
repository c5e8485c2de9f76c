//! The server as a process of its own: started, killed, stopped.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A server that may not be ready yet. It is killed when it is dropped.
pub(crate) struct Spawned(Child);

impl Spawned {
    /// Kills it after a while, ready or not.
    pub(crate) fn kill_after(self, pause: Duration) {
        crate::pause(pause);
        drop(self);
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // It may have ended by itself; what it said is in its standard error.
        drop(self.0.kill());
        self.0.wait().unwrap();
    }
}

/// A server that has said `ready`.
pub(crate) struct Process {
    spawned: Mutex<Spawned>,
    address: String,
}

impl Process {
    /// Starts a server on a free port. Its snapshots are small and frequent, so that the kills meet
    /// some of them under way.
    pub(crate) fn spawn(data: &Path, durability: &str) -> Spawned {
        let child = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["serve", "--http", "127.0.0.1:0", "--durability", durability])
            .args(["--segment-size", "8MiB", "--snapshot-log-size", "16KiB"])
            .arg("--data")
            .arg(data)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Spawned(child.unwrap())
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn start(data: &Path, durability: &str) -> Self {
        let mut spawned = Self::spawn(data, durability);
        let mut out = BufReader::new(spawned.0.stdout.take().unwrap());
        let mut address = String::new();
        loop {
            let mut line = String::new();
            if out.read_line(&mut line).unwrap() == 0 {
                let mut said = String::new();
                let error = spawned.0.stderr.as_mut().unwrap();
                error.read_to_string(&mut said).unwrap();
                panic!("the server did not start: {said}");
            }
            if let Some(listening) = line.strip_prefix("listening http ") {
                listening.trim_end().clone_into(&mut address);
            }
            if line == "ready\n" {
                break;
            }
        }
        // Nobody reads on, so the server must not have to wait for a reader.
        let error = spawned.0.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut { error }, &mut std::io::sink()));
        Self {
            spawned: Mutex::new(spawned),
            address,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        let mut spawned = self.spawned.lock().unwrap();
        spawned.0.kill().unwrap();
        spawned.0.wait().unwrap();
    }

    /// SIGTERM, which must end well.
    pub(crate) fn stop(self) {
        let mut spawned = self.spawned.lock().unwrap();
        let pid = spawned.0.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        assert_eq!(spawned.0.wait().unwrap().code(), Some(0));
    }
}
