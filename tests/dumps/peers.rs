//! Programs that the tests need and that may be missing.

use std::env;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// Names what may not be missing.
const REQUIRED: &str = "CLOAKROOM_TEST_PEERS";
/// How long a program may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The path of a program; `None` when it is not installed, which standard error is told.
pub(crate) fn find(program: &str, how_to_install: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    found.or_else(|| missing(program, how_to_install))
}

/// What stands for something that is not there: a panic where it must be, else `None` and a line.
pub(crate) fn missing<T>(name: &str, how_to_install: &str) -> Option<T> {
    let required = env::var(REQUIRED).unwrap_or_default();
    assert!(
        !required.split_whitespace().any(|peer| peer == name),
        "{name} is not installed: {how_to_install}"
    );
    // Past the capture of the test harness: nobody should believe that this was tested.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("SKIPPED {test}: {name} is not installed ({how_to_install})\n");
    stderr().write_all(line.as_bytes()).unwrap();
    None
}

/// A script of `deploy/import`.
pub(crate) fn script(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("deploy/import").join(name)
}

/// A process that ends with the test.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it and waits until `ready` says so.
    pub(crate) fn start(command: &mut Command, ready: impl Fn() -> bool) -> Self {
        let mut running = Self(command.spawn().unwrap());
        let end = Instant::now() + PATIENCE;
        while !ready() {
            let ended = running.0.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(Instant::now() < end, "{command:?} does not get ready");
            std::thread::sleep(Duration::from_millis(5));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Runs a program to its end. What it says on standard error, and its exit status.
pub(crate) fn outcome(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}
