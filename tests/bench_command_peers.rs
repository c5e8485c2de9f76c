//! The load tester against Redis, memcached and echo servers: small ones whose behaviour is known, and
//! the real ones where they are installed.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it should be, and says what it skips"
)]

mod fake_memcached;
mod fake_redis;
mod load;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use fake_redis::{FakeRedis, Fault};
use load::{Ran, run};

const SMALL: &str = "-c 4 -t 2 --preload 50 --warm-up 0 -n 2000 --json";

fn run_small(target: &str, address: &str, line: &str) -> Ran {
    run(&format!("--target {target} --url {address} {SMALL} {line}"))
}

/// A run without errors that counted what it was asked for; its report.
fn good(target: &str, address: &str, line: &str) -> Value {
    let ran = run_small(target, address, line);
    let report = ran.json();
    let about = format!("{target} {line}: {report} {}", ran.complaint);
    assert_eq!(ran.code, ExitCode::SUCCESS, "{about}");
    assert_eq!(report["requests"], 2_000, "{about}");
    assert_eq!(report["errors"], 0, "{about}");
    report
}

/// Every workload that the target has, at several depths.
fn serves_all_workloads(target: &str, address: &str, workloads: &[&str]) {
    for workload in workloads {
        for depth in ["-P 1", "-P 16"] {
            let mix = if workloads.contains(&"touch") {
                "get=4,touch=2,set=2,create=2,kill=1"
            } else {
                "get=4,set=2,create=2,kill=1"
            };
            good(
                target,
                address,
                &format!("-w {workload} {depth} --mix {mix}"),
            );
        }
    }
}

const ALL: [&str; 7] = [
    "create",
    "get",
    "touch",
    "set",
    "mixed",
    "login-storm",
    "ping",
];
const WITHOUT_TOUCH: [&str; 6] = ["create", "get", "set", "mixed", "login-storm", "ping"];

#[test]
fn replies_of_redis_are_understood_wherever_they_are_cut() {
    let redis = FakeRedis::start(Fault::None);
    let address = redis.address.to_string();
    serves_all_workloads("redis", &address, &WITHOUT_TOUCH);
    serves_all_workloads("redis-get", &address, &ALL);
    let report = good("redis-get", &address, "-w get");
    assert_eq!(report["parameters"]["durability"], "AOF everysec");
}

/// What redis-sessions 4.0.0 sends, as MONITOR showed it; but its kill reads without touching.
#[test]
fn commands_are_those_of_redis_sessions() {
    let redis = FakeRedis::start(Fault::None);
    let line = "-c 1 -t 1 --preload 1 --data-size 11 -w mixed --mix set=1 -n 1";
    run_small("redis", &redis.address.to_string(), line);
    let line = "-c 1 -t 1 --preload 0 --data-size 11 -w login-storm --burst 1 --reads 1 -n 2";
    run_small("redis", &redis.address.to_string(), line);
    let line = "-c 1 -t 1 --preload 1 --data-size 11 -w mixed --mix kill=1 -n 1";
    run_small("redis", &redis.address.to_string(), line);
    let create = "MULTI
        ZADD rs:bench:_sessions NOW TOKEN:ID
        ZADD rs:bench:_users NOW ID
        ZADD rs:SESSIONS NOW bench:TOKEN:ID
        SADD rs:bench:us:ID TOKEN
        HSET rs:bench:TOKEN id ID r 1 w 1 ip 10.100.100.100 la NOW ttl 7200 d DATA
        EXEC";
    let read = "HMGET rs:bench:TOKEN id r w ttl d la ip no_resave";
    let touched = "MULTI
        ZADD rs:bench:_sessions NOW TOKEN:ID
        ZADD rs:bench:_users NOW ID
        ZADD rs:SESSIONS NOW bench:TOKEN:ID";
    let set =
        format!("{read}\n{touched}\nHINCRBY rs:bench:TOKEN w 1\nHSET rs:bench:TOKEN d DATA\nEXEC");
    let get = format!("{read}\n{touched}\nHINCRBY rs:bench:TOKEN r 1\nEXEC");
    let kill = format!(
        "{read}
        MULTI
        ZREM rs:bench:_sessions TOKEN:ID
        SREM rs:bench:us:ID TOKEN
        ZREM rs:SESSIONS bench:TOKEN:ID
        DEL rs:bench:TOKEN
        EXISTS rs:bench:us:ID
        EXEC
        ZREM rs:bench:_users ID"
    );
    let expected = [create, &set, create, &get, create, &kill].join("\n");
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    let asked: Vec<String> = redis.asked().iter().map(|command| shown(command)).collect();
    assert_eq!(asked, expected);
    let score = |command: &Vec<String>| command[2].parse::<u64>().unwrap();
    for block in redis
        .asked()
        .windows(3)
        .filter(|three| three[2].get(1).is_some_and(|key| key == "rs:SESSIONS"))
    {
        if block[2][0] == "ZADD" {
            assert_eq!(score(&block[2]) - score(&block[1]), 7_200);
        }
    }
}

/// A command with names for what differs from run to run.
fn shown(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|word| shown_word(word)).collect();
    words.join(" ")
}

fn shown_word(word: &str) -> String {
    if word.len() == 10 && word.starts_with('1') && word.parse::<u64>().is_ok() {
        return "NOW".to_owned();
    }
    if word == r#"{"d":"xxx"}"# {
        return "DATA".to_owned();
    }
    let parts: Vec<&str> = word
        .split(':')
        .map(|part| match part.len() {
            64 => "TOKEN",
            16 if part == "user000000000000" => "ID",
            _ => part,
        })
        .collect();
    parts.join(":")
}

#[test]
fn refused_transactions_are_errors_by_their_name() {
    let redis = FakeRedis::start(Fault::OutOfMemory);
    let ran = run_small(
        "redis",
        &redis.address.to_string(),
        "-w get -P 4 --preload 10",
    );
    let report = ran.json();
    let refused = report["errors_by_kind"]["error OOM"].as_u64().unwrap();
    assert!(refused > 10, "{report}");
    assert_eq!(report["errors"], refused, "{report}");
    assert_eq!(report["requests"].as_u64().unwrap() + refused, 2_000);
}

#[test]
fn server_without_scripts_ends_the_run_with_status_3() {
    let redis = FakeRedis::start(Fault::NoScripts);
    let ran = run_small("redis-script", &redis.address.to_string(), "");
    assert_eq!(ran.code, ExitCode::from(3));
    assert!(
        ran.complaint.contains("does not load scripts"),
        "{}",
        ran.complaint
    );
    assert!(ran.complaint.contains("--target"), "{}", ran.complaint);
}

#[test]
fn replies_of_memcached_are_understood_wherever_they_are_cut() {
    let address = fake_memcached::start(false).to_string();
    serves_all_workloads("memcached", &address, &ALL);
    let ran = run_small(
        "memcached",
        &fake_memcached::start(true).to_string(),
        "-w get",
    );
    assert_eq!(ran.code, ExitCode::from(3));
    assert!(ran.complaint.contains("SERVER_ERROR"), "{}", ran.complaint);
}

#[test]
fn sessions_of_an_earlier_run_are_asked_for_without_being_created_again() {
    let address = fake_memcached::start(false).to_string();
    let before = run_small("memcached", &address, "-w get --preloaded").json();
    assert_eq!(before["errors_by_kind"]["session missing"], 50, "{before}");
    good("memcached", &address, "-w get");
    let report = good("memcached", &address, "-w get --preloaded");
    assert_eq!(report["parameters"]["preloaded"], true);
}

#[test]
fn server_that_speaks_something_else_ends_the_run_with_status_3() {
    let address = fake_memcached::start(false).to_string();
    for target in ["redis", "cloakroom"] {
        let ran = run_small(target, &address, "");
        assert_eq!(ran.code, ExitCode::from(3), "{target}");
        assert!(ran.complaint.contains("--target"), "{}", ran.complaint);
    }
    let ran = run_small("http", &address, "");
    assert_eq!(ran.code, ExitCode::from(3));
}

/// A process of the test, ended with it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn echo_servers_of_both_kinds_send_back_what_they_get() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["tokio", "epoll"] {
        let path = folder.path().join(kind);
        let unix = format!("unix:{}", path.display());
        for listen in ["127.0.0.1:0", &unix] {
            let mut server = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
                .args(["bench", "echo-server", "--kind", kind, "--listen", listen])
                .stdout(Stdio::piped())
                .spawn()
                .map(Running)
                .unwrap();
            let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
            let line = lines.next().unwrap().unwrap();
            let address = line.strip_prefix("listening echo ").unwrap();
            assert_eq!(lines.next().unwrap().unwrap(), "ready");
            let pid = format!("--pid {}", server.0.id());
            let target = format!("echo-{kind}");
            serves_all_workloads(&target, address, &ALL);
            // More than the sockets hold: both sides have to wait for each other.
            let large = format!("-w get -P 64 --data-size 100000 --preload 10 {pid}");
            let report = good(&target, address, &large);
            assert!(report["server"]["server_cpu_us"].as_u64().unwrap() > 0);
        }
    }
}

#[test]
fn conditions_that_cannot_be_read_end_the_command_with_status_2() {
    for condition in ["p99>>2ms", "p99", "errors>x", "p200>1s"] {
        let output = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["bench", "--fail-if", condition])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{condition}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains("write"), "{condition}: {complaint}");
    }
}

#[test]
fn echo_server_without_an_address_ends_with_status_2_and_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ran = run(&format!("echo-server --listen {address}"));
    assert_eq!(ran.code, ExitCode::from(2));
    assert!(ran.complaint.contains("cannot listen"), "{}", ran.complaint);
}

/// Starts a program on a Unix socket; `None`, and a word about it, where it is not installed.
fn installed(program: &str, arguments: &[&str], socket: &Path) -> Option<Running> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let running = match child {
        Ok(child) => Running(child),
        Err(error) => {
            eprintln!("skipped: {program} is not installed ({error})");
            return None;
        }
    };
    for _ in 0..1_000 {
        if UnixStream::connect(socket).is_ok() {
            return Some(running);
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("{program} does not listen on {}", socket.display());
}

fn redis_servers() -> impl Iterator<Item = (&'static str, tempfile::TempDir, Running)> {
    ["redis-server", "valkey-server"]
        .into_iter()
        .filter_map(|program| {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("socket");
            let (path, home) = (socket.to_str().unwrap(), folder.path().to_str().unwrap());
            let arguments = [
                "--port",
                "0",
                "--unixsocket",
                path,
                "--save",
                "",
                "--dir",
                home,
            ];
            let running = installed(program, &arguments, &socket)?;
            Some((program, folder, running))
        })
}

#[test]
fn real_redis_serves_every_target_that_speaks_to_it() {
    for (program, folder, server) in redis_servers() {
        let address = format!("unix:{}/socket", folder.path().display());
        serves_all_workloads("redis", &address, &WITHOUT_TOUCH);
        serves_all_workloads("redis-script", &address, &WITHOUT_TOUCH);
        serves_all_workloads("redis-get", &address, &ALL);
        let line = format!("-w mixed -P 4 --pid {}", server.0.id());
        let report = good("redis-script", &address, &line);
        assert_eq!(report["parameters"]["durability"], "no AOF", "{program}");
        assert!(report["server"]["server_cpu_us"].as_u64().unwrap() > 0);
    }
}

#[test]
fn verification_tells_scripts_on_real_redis_from_round_trips() {
    for (program, folder, _server) in redis_servers() {
        let address = format!("unix:{}/socket", folder.path().display());
        let line = "--verify -w mixed -P 8 --preload 5 --mix get=2,set=2 -n 10000";
        let ran = run_small("redis-script", &address, line);
        let report = ran.json();
        assert_eq!(ran.code, ExitCode::SUCCESS, "{program}: {report}");
        assert_eq!(
            report["verification"]["unanswered"], 0,
            "{program}: {report}"
        );
        // Reading, merging in the client and writing back loses what others wrote meanwhile.
        let ran = run_small("redis", &address, line);
        let report = ran.json();
        let found = |kind: &str| report["verification"][kind].as_u64().unwrap();
        assert_eq!(ran.code, ExitCode::from(1), "{program}: {report}");
        assert!(found("lost_update") > 0, "{program}: {report}");
        assert!(found("repeated_read") > 0, "{program}: {report}");
    }
}

#[test]
fn real_memcached_serves_every_workload() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let path = socket.to_str().unwrap();
    let arguments = ["-u", "nobody", "-s", path, "-a", "0777", "-m", "64"];
    // It gives up its rights, so the folder must let it in.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let Some(_server) = installed("memcached", &arguments, &socket) else {
        return;
    };
    let address = format!("unix:{path}");
    serves_all_workloads("memcached", &address, &ALL);
    let report = good("memcached", &address, "-w get --data-size 0");
    assert_eq!(report["parameters"]["durability"], "memory-only");
}

#[test]
fn absent_peers_end_the_run_with_status_4() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    drop(listener);
    let missing = "unix:/nonexistent/socket".to_owned();
    for address in [address.to_string(), missing] {
        for target in [
            "redis",
            "redis-script",
            "memcached",
            "echo-epoll",
            "cloakroom",
        ] {
            let ran = run_small(target, &address, "");
            assert_eq!(ran.code, ExitCode::from(4), "{target}: {}", ran.complaint);
        }
    }
}
