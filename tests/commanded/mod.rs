//! The command as a process of its own, and bytes sent to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

pub(crate) const PING: &[u8] = b"GET /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// The command without any setting of this machine.
pub(crate) fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    command
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server that has said `ready`.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: BufReader<ChildStdout>,
    /// What it said before `ready`.
    pub(crate) lines: Vec<String>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::of(command(arguments, variables))
    }

    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self {
            child,
            out,
            lines: Vec::new(),
        };
        loop {
            let mut line = String::new();
            if running.out.read_line(&mut line).unwrap() == 0 {
                panic!("{}", read(running.child.stderr.take().unwrap()));
            }
            let line = line.trim_end_matches('\n').to_owned();
            if line == "ready" {
                return running;
            }
            running.lines.push(line);
        }
    }

    /// The address of the only listener.
    pub(crate) fn address(&self) -> &str {
        let [line] = self.lines.as_slice() else {
            panic!("{:?}", self.lines);
        };
        line.rsplit(' ').next().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it by SIGTERM: what else it said on standard output, and all it said on standard error.
    pub(crate) fn stop(mut self) -> (String, String) {
        self.signal("-TERM");
        let (out, err) = (read(&mut self.out), read(self.child.stderr.take().unwrap()));
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{err}");
        (out, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

pub(crate) fn read(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn ask(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request).unwrap();
    read(stream)
}

/// The sentence with which the command refuses to start.
pub(crate) fn refusal(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = command(arguments, variables).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?} {err}");
    assert!(output.stdout.is_empty());
    err
}
