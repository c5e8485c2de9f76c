//! A folder for one test, with data directories in it and the commands that use them.

use std::path::{Path, PathBuf};
use std::process::Output;

use cloakroom::clock::{Clock, SystemClock};

use crate::client::Client;
use crate::commanded::{Running, command};

/// A folder that goes away with the test.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A server on the data directory of this name, with small files.
    pub(crate) fn serve(&self, name: &str) -> Running {
        self.serve_with(name, &[])
    }

    pub(crate) fn serve_with(&self, name: &str, flags: &[&str]) -> Running {
        let data = self.text(name);
        let usual = [
            "serve",
            "--http",
            "127.0.0.1:0",
            "--threads",
            "2",
            "--segment-size",
            "8MiB",
            "--data",
            &data,
        ];
        Running::start(&[&usual, flags].concat(), &[])
    }

    /// Runs a command to its end: exit code, standard output, standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = command(arguments, &[])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Runs a command that must succeed: its standard output.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    }

    /// Runs a command that must end with this exit code: its standard error.
    pub(crate) fn refused(&self, code: i32, arguments: &[&str]) -> String {
        let (found, out, err) = self.run(arguments);
        assert_eq!(found, code, "{arguments:?}: {out} {err}");
        assert!(err.contains("cloakroom: "), "{err}");
        err
    }
}

/// The only file of a folder whose name ends so.
pub(crate) fn only_file(folder: &Path, end: &str) -> PathBuf {
    let mut found = files(folder);
    found.retain(|path| path.to_string_lossy().ends_with(end));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// All files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Lets others run until something is so. A minute of it is a failure.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = SystemClock::start();
    let end = clock.now().plus(60_000);
    while !is_so() {
        assert!(clock.now() < end, "{what}");
        std::thread::yield_now();
    }
}

/// Ends a server at once.
pub(crate) fn kill_nine(mut server: Running) {
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

pub(crate) fn client(server: &Running) -> Client {
    Client::connect(server.address())
}
