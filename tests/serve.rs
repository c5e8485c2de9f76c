//! The command as programs and people use it: output lines, exit codes, settings, signals.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod commanded;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use commanded::{PING, Running, ask, read, refusal};

fn assert_refusals(cases: &[(&[&str], &str)]) {
    for (arguments, word) in cases {
        let arguments = [&["serve"], *arguments].concat();
        let err = refusal(&arguments, &[]);
        assert!(err.contains(word), "{arguments:?} {err}");
    }
}

#[test]
fn listeners_are_announced_line_by_line_and_ready_comes_last() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("s").display());
    let server = Running::start(
        &[
            "serve",
            "--memory-only",
            "--http",
            "127.0.0.1:0",
            "--http",
            "rest-sessions=127.0.0.1:0",
            "--http",
            "tarantool=[::1]:0",
            "--http",
            &socket,
        ],
        &[],
    );
    let starts = [
        "listening http 127.0.0.1:",
        "listening http.rest-sessions 127.0.0.1:",
        "listening http.tarantool [::1]:",
        &format!("listening http {socket}"),
    ];
    assert_eq!(server.lines.len(), starts.len());
    for (line, start) in server.lines.iter().zip(starts) {
        assert!(line.starts_with(start) && !line.ends_with(":0"), "{line}");
    }
    assert_eq!(server.stop().0, "");
}

#[test]
fn settings_that_cannot_be_honoured_are_refused_with_a_sentence() {
    assert_refusals(&[
        (&["--memory-only", "--data", "d"], "cannot be used with"),
        (&["--durability", "sometimes"], "always, everysec, os"),
        (&["--snapshot-every", "8"], "90s, 30m, 8h or 2d"),
        (&["--snapshot-log-size", "much"], "512MiB"),
        (&["--segment-size", "1MiB"], "at least 8MiB"),
        (&["--memory-only", "--nope"], "--nope"),
        (
            &["--memory-only", "--http", "here"],
            "write host:port or unix:PATH",
        ),
        (
            &["--memory-only", "--http", "redis=h:1"],
            "no dialect `redis`",
        ),
        (
            &["--memory-only", "--http", "h:1,allow=all"],
            "`all` is no network",
        ),
        (
            &["--memory-only", "--http", "256.0.0.1:0"],
            "cannot listen on 256.0.0.1:0",
        ),
        (&["--memory-only", "--http", "0.0.0.0:0"], "allow=CIDR"),
        (&["--memory-only", "--http", "[::]:0"], "--insecure"),
        (&["--memory-only", "--max-memory", "lots"], "512MiB"),
        (&["--memory-only", "--max-connections", "0"], "at least 1"),
        (&["--memory-only", "--threads", "0"], "at least 1"),
        (
            &["--memory-only", "--config", "/nope.toml"],
            "cannot read /nope.toml",
        ),
        (&["--memory-only", "--http", "unix:/"], "is no socket"),
    ]);
    let err = refusal(&["serve", "--memory-only"], &[("RS_PORT", "http")]);
    assert!(err.contains("RS_PORT: `http` is not a port"), "{err}");
    let err = refusal(&["serve"], &[("CLOAKROOM_THREADS", "two")]);
    assert!(err.contains("two"), "{err}");
}

#[test]
fn address_in_use_is_refused() {
    let server = Running::start(&["serve", "--memory-only", "--http", "127.0.0.1:0"], &[]);
    let err = refusal(&["serve", "--memory-only", "--http", server.address()], &[]);
    assert!(err.contains("cannot listen on 127.0.0.1:"), "{err}");
}

fn config_file(folder: &Path, text: &str) -> String {
    let path = folder.join("cloakroom.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn flags_come_before_variables_before_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = config_file(
        folder.path(),
        "memory-only = true\nhttp = ['back-session=127.0.0.1:0']\nmax-memory = '64MiB'\n",
    );
    let serve = ["serve", "--config", &file];
    let from_file = Running::start(&serve, &[]);
    assert!(from_file.lines.concat().contains("http.back-session "));
    let variable = [("CLOAKROOM_HTTP", "tarantool=127.0.0.1:0 127.0.0.1:0")];
    let from_variable = Running::start(&serve, &variable);
    let [first, second] = from_variable.lines.as_slice() else {
        panic!("{:?}", from_variable.lines);
    };
    assert!(first.contains("http.tarantool ") && second.contains("http 127"));
    let flags = [&serve[..], &["--http", "rest-sessions=127.0.0.1:0"]].concat();
    let from_flag = Running::start(&flags, &variable);
    assert!(from_flag.lines.concat().contains("http.rest-sessions "));
    assert_eq!(from_flag.lines.len(), 1);
}

#[test]
fn file_with_an_unknown_key_or_a_wrong_value_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (text, word) in [
        (
            "max_memory = 1",
            "there is no setting `max_memory`; did you mean `max-memory`?",
        ),
        ("memory-only = true\nmax-memory = 'x'", "`x` is not a size"),
        ("memory-only = true\nthreads = 'x'", "threads"),
        ("memory-only = true\nhttp = ['x']", "`x` is no address"),
        ("memory-only = maybe", "line 1"),
        (
            "memory-only = true\ndata = 'd'",
            "data: cannot be set together with memory-only",
        ),
        ("data = ''", "data: name a directory"),
        ("durability = 'maybe'", "unknown variant `maybe`"),
        ("snapshot-every = '0s'", "between a second and ten years"),
        ("segment-size = 4096", "segment-size: must be at least 8MiB"),
    ] {
        let file = config_file(folder.path(), text);
        let err = refusal(&["serve", "--config", &file], &[]);
        assert!(err.contains(word), "{text} {err}");
    }
}

/// A port that was free a moment ago: some settings take no `0`.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

#[test]
fn variables_of_the_replaced_services_are_honoured() {
    let (rest, back) = (free_port(), free_port());
    let server = Running::start(
        &["serve"],
        &[
            ("CLOAKROOM_MEMORY_ONLY", "1"),
            ("RS_PORT", &rest),
            ("SERVICE_PORT", &back),
            ("SESSION_EXP_SEC", "soon"),
            ("RS_LOGLEVEL", "dev"),
            ("RS_REDISHOST", "db"),
            ("REDIS_URL", "redis://db"),
        ],
    );
    assert_eq!(
        server.lines,
        [
            format!("listening http.rest-sessions 127.0.0.1:{rest}"),
            format!("listening http.back-session 127.0.0.1:{back}"),
        ]
    );
    let address = format!("127.0.0.1:{rest}");
    assert!(ask(&address, PING).ends_with("PONG"));
    let (_, log) = server.stop();
    assert!(log.contains("REDIS_URL RS_REDISHOST"), "{log}");
    assert!(log.contains("\"path\":\"/ping\""), "{log}");
}

#[test]
fn access_log_has_a_line_per_request_and_no_token() {
    let flags = [
        "serve",
        "--memory-only",
        "--access-log",
        "--http",
        "127.0.0.1:0",
    ];
    let server = Running::start(&flags, &[]);
    let token = "T".repeat(64);
    let get = format!(
        "GET /app/get/{token}?secret={token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    );
    assert!(ask(server.address(), get.as_bytes()).ends_with("{}"));
    assert!(ask(server.address(), b"nonsense\r\n\r\n").contains(" 400 "));
    let (_, log) = server.stop();
    assert!(!log.contains("TTTT"), "{log}");
    let line = log.lines().find(|l| l.contains("/app/get/***?secret=***"));
    for field in [
        "\"method\":\"GET\"",
        "\"status\":200",
        "\"bytes\":",
        "\"micros\":",
        "\"peer\":",
    ] {
        assert!(line.unwrap().contains(field), "{log}");
    }
    assert!(log.lines().any(|l| l.contains("\"status\":400")), "{log}");
    let quiet = Running::start(&["serve", "--memory-only", "--http", "127.0.0.1:0"], &[]);
    ask(quiet.address(), PING);
    assert!(!quiet.stop().1.contains("/ping"));
}

#[test]
fn signal_lets_a_begun_request_finish_and_ends_with_success() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Running::start(&["serve", "--memory-only", "--http", "127.0.0.1:0"], &[]);
        let mut idle = TcpStream::connect(server.address()).unwrap();
        let mut begun = TcpStream::connect(server.address()).unwrap();
        let (start, end) = PING.split_at(20);
        begun.write_all(start).unwrap();
        // Served behind the beginning of the other request, so that is known by now.
        assert!(ask(server.address(), PING).ends_with("PONG"));
        server.signal(signal);
        assert_eq!(read(&mut idle), "");
        begun.write_all(end).unwrap();
        assert!(read(begun).ends_with("PONG"));
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn stale_socket_file_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let place = format!("unix:{}", path.display());
    let flags = ["serve", "--memory-only", "--http", &place];
    let mut killed = Running::start(&flags, &[]);
    assert!(refusal(&flags, &[]).contains("somebody listens on the socket"));
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert!(path.exists());
    let server = Running::start(&flags, &[]);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(PING).unwrap();
    assert!(read(stream).ends_with("PONG"));
    server.stop();
    assert!(!path.exists());
}

#[test]
fn peer_outside_the_allowed_networks_is_closed_without_a_word() {
    let listen = "127.0.0.1:0,allow=10.0.0.0/8,fd00::/8";
    let server = Running::start(&["serve", "--memory-only", "--http", listen], &[]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let mut room = [0];
    assert!(matches!(stream.read(&mut room), Ok(0) | Err(_)));
    let listen = "0.0.0.0:0,allow=127.0.0.0/8";
    let server = Running::start(&["serve", "--memory-only", "--http", listen], &[]);
    let port = server.address().rsplit(':').next().unwrap();
    assert!(ask(&format!("127.0.0.1:{port}"), PING).ends_with("PONG"));
}

#[test]
fn insecure_server_listens_anywhere() {
    let flags = [
        "serve",
        "--memory-only",
        "--insecure",
        "--http",
        "0.0.0.0:0",
    ];
    let server = Running::start(&flags, &[]);
    assert!(server.lines.concat().starts_with("listening http 0.0.0.0:"));
}
