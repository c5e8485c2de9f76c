//! Ten thousand connections at a time: what they cost idle, and that slow ones disturb nobody.
//!
//! Long runs, to be started by hand; the figures mean something with the release profile only:
//! `cargo test --release --test many_connections -- --ignored --nocapture`
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops at the first thing that is not as it should be, and measures time"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 10_000;
const PING: &[u8] = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n";

/// The server, killed when dropped.
struct Running {
    child: Child,
    address: String,
    /// Kept open for the server to write to.
    _out: BufReader<ChildStdout>,
}

impl Running {
    fn start() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["serve", "--memory-only", "--threads", "1"])
            .args(["--http", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self {
            child,
            address,
            _out: out,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn open_files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path).unwrap().count()
    }

    /// Resident memory, in bytes.
    fn resident(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<usize>()
            .unwrap()
            * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn ping(stream: &mut TcpStream) {
    stream.write_all(PING).unwrap();
    let mut reply = [0; 4096];
    let count = stream.read(&mut reply).unwrap();
    assert!(reply.get(..count).unwrap().ends_with(b"PONG"));
}

#[test]
#[ignore = "ten thousand connections"]
fn idle_connection_costs_at_most_four_kibibytes() {
    let server = Running::start();
    ping(&mut server.connect());
    let before = server.resident();
    let mut open: Vec<TcpStream> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    open.iter_mut().for_each(ping);
    let each = (server.resident() - before) / CONNECTIONS;
    println!("{each} bytes resident per idle connection");
    assert!(each <= 4096, "{each}");
}

#[test]
#[ignore = "ten thousand slow connections"]
fn slow_and_deaf_peers_are_cut_off_and_disturb_nobody() {
    let server = Running::start();
    let slow: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|number| {
            let mut stream = server.connect();
            stream.set_nonblocking(true).unwrap();
            if number % 10 == 0 {
                // Asks and asks, and never reads.
                while stream.write(&PING.repeat(1000)).is_ok() {}
            } else {
                stream.write_all(b"G").unwrap();
            }
            stream
        })
        .collect();
    let mut other = server.connect();
    let since = Instant::now();
    let mut times = Vec::new();
    while since.elapsed() < Duration::from_secs(35) {
        let asked = Instant::now();
        ping(&mut other);
        times.push(asked.elapsed());
        if times.len() % 1000 == 0 {
            for mut stream in &slow {
                stream.write(b"x").unwrap_or_default();
            }
        }
    }
    times.sort();
    let late = times.len() - times.len() / 1000 - 1;
    let (worst, most) = (times.last().unwrap(), times.get(late).unwrap());
    println!(
        "{} pings, 99.9 % within {most:?}, all within {worst:?}",
        times.len()
    );
    assert!(*most < Duration::from_millis(100), "{most:?}");
    // Its own files and the other connection. A partial request behind replies that nobody reads
    // takes longest: 10 s for the head, 10 s for its refusal, 2 s of lingering.
    let files = server.open_files();
    assert!(files < 50, "{files} files are open");
    drop(slow);
}
