//! The load tester against servers whose behaviour is known: right, wrong in a known way, or absent.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod fake_sessions;
mod load;
mod running;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use cloakroom::config::{Address, Config, DialectName, HttpListen};

use fake_sessions::Bug;
use load::Ran;
use running::Running;

fn run(address: SocketAddr, line: &str) -> Ran {
    load::run(&format!("--url http://{address} {line}"))
}

/// This server; `back_session_seconds` is what `SESSION_EXP_SEC` would say.
fn own_server(dialect: DialectName, back_session_seconds: Option<i64>) -> Running {
    Running::serve(Config {
        http: vec![HttpListen {
            dialect: Some(dialect),
            address: Address::Inet("127.0.0.1:0".to_owned()),
            allow: Vec::new(),
        }],
        back_session_seconds,
        threads: Some(1),
        ..Config::default()
    })
}

/// A run of a few thousand requests on four connections, two threads.
fn run_small(bug: Bug, line: &str) -> Ran {
    let small = "-c 4 -t 2 --preload 50 --warm-up 0 -n 4000 --json";
    run(fake_sessions::start(bug), &format!("{small} {line}"))
}

#[test]
fn every_workload_counts_exactly_the_requests_it_was_asked_for() {
    for workload in ["create", "get", "set", "mixed", "url"] {
        for line in ["-P 1", "-P 16", "-P 7 --verify"] {
            if workload == "url" && line.contains("verify") {
                continue;
            }
            let ran = run_small(Bug::None, &format!("-w {workload} {line}"));
            let report = ran.json();
            assert_eq!(ran.code, ExitCode::SUCCESS, "{workload} {line}: {report}");
            assert_eq!(report["requests"], 4000, "{workload} {line}");
            assert_eq!(report["errors"], 0, "{workload} {line}: {report}");
            assert!(report["response_us"]["p50"].as_f64().unwrap() > 0.0);
        }
    }
}

#[test]
fn mixed_workload_has_its_shares() {
    let report = run_small(Bug::None, "-w mixed").json();
    let share = |verb: &str| report["verbs"][verb]["requests"].as_u64().unwrap();
    assert!((3500..3700).contains(&share("get")), "{report}");
    assert!((140..260).contains(&share("set")), "{report}");
    assert!((70..170).contains(&share("create")), "{report}");
    assert!((40..120).contains(&share("kill")), "{report}");
}

#[test]
fn shares_of_the_mix_and_popular_keys_can_be_chosen() {
    let report = run_small(Bug::None, "-w mixed --mix get=1,set=3 --keys zipf:1.5").json();
    assert_eq!(report["errors"], 0, "{report}");
    let share = |verb: &str| report["verbs"][verb]["requests"].as_u64().unwrap();
    assert!((2_850..3_150).contains(&share("set")), "{report}");
    assert_eq!(share("set") + share("get"), 4_000, "{report}");
    assert_eq!(report["parameters"]["keys"], "zipf:1.5");
}

#[test]
fn login_storm_creates_in_bursts_and_reads_what_it_has_created() {
    for line in [
        "--burst 50 --reads 3",
        "--burst 100 --reads 3 -P 16 --verify",
    ] {
        let ran = run_small(Bug::None, &format!("-w login-storm --preload 0 {line}"));
        let report = ran.json();
        assert_eq!(ran.code, ExitCode::SUCCESS, "{line}: {report}");
        let share = |verb: &str| report["verbs"][verb]["requests"].as_u64().unwrap();
        assert_eq!(share("create") + share("get"), 4_000, "{line}: {report}");
        // One create for three reads; the last burst is cut off somewhere.
        assert!(
            (1_000..1_200).contains(&share("create")),
            "{line}: {report}"
        );
    }
}

#[test]
fn run_that_meets_a_condition_ends_with_status_1_and_a_sentence() {
    let line = "--fail-if p50<1s --fail-if errors>0 --fail-if rate<1";
    let ran = run_small(Bug::None, line);
    let report = ran.json();
    assert_eq!(ran.code, ExitCode::from(1), "{report}");
    assert_eq!(ran.complaint.lines().count(), 1, "{}", ran.complaint);
    assert!(ran.complaint.contains("p50<1s"), "{}", ran.complaint);
    assert_eq!(report["failed_conditions"].as_array().unwrap().len(), 1);
    let ran = run_small(Bug::HangsUp, "--preload 10 -P 16 --fail-if errors>1%");
    assert_eq!(ran.code, ExitCode::from(1));
    assert!(ran.complaint.contains("were errors"), "{}", ran.complaint);
    let ran = run_small(Bug::None, "--fail-if p99>100s --fail-if errors>0.1%");
    assert_eq!((ran.code, &*ran.complaint), (ExitCode::SUCCESS, ""));
}

#[test]
fn correct_server_passes_verification() {
    for line in [
        "-w mixed -P 4",
        "-w mixed --preload 2 -P 4",
        "-w set --preload 1",
        "-w create",
    ] {
        let ran = run_small(Bug::None, &format!("--verify {line}"));
        let report = ran.json();
        assert_eq!(report["verification"]["violations"], 0, "{line}: {report}");
        assert_eq!(report["verification"]["unanswered"], 0, "{line}: {report}");
        assert_eq!(ran.code, ExitCode::SUCCESS);
    }
}

#[test]
fn planted_bugs_are_found_and_tokens_are_not_printed() {
    for (bug, kind) in [
        (Bug::LosesUpdates, "lost_update"),
        (Bug::RepeatsReads, "repeated_read"),
        (Bug::SkipsReads, "skipped_read"),
        (Bug::IgnoresKills, "served_after_kill"),
        (Bug::ForgetsSessions, "missing_before_deadline"),
    ] {
        let ran = run_small(bug, "-w mixed --verify");
        let report = ran.json();
        let found = &report["verification"];
        assert_eq!(ran.code, ExitCode::from(1), "{bug:?}: {report}");
        assert!(found[kind].as_u64().unwrap() > 0, "{bug:?}: {report}");
        assert_eq!(found[kind], found["violations"], "{bug:?}: {report}");
        assert!(!found["examples"][kind][0].as_str().unwrap().is_empty());
        assert!(!ran.report.contains(fake_sessions::TOKEN_START));
    }
}

#[test]
fn table_names_the_violations() {
    let address = fake_sessions::start(Bug::LosesUpdates);
    let line = "-c 4 --preload 50 --warm-up 0 -n 1000 -w set --verify";
    let ran = run(address, line);
    assert_eq!(ran.code, ExitCode::from(1));
    assert!(
        ran.report.contains("that a later get did not show"),
        "{}",
        ran.report
    );
    assert!(ran.report.contains("throughput"), "{}", ran.report);
}

#[test]
fn chunked_replies_are_understood() {
    let report = run_small(Bug::Chunks, "-w mixed --verify -P 3").json();
    assert_eq!(report["verification"]["violations"], 0, "{report}");
    assert_eq!(report["errors"], 0, "{report}");
}

#[test]
fn open_loop_keeps_its_rate_and_counts_from_when_a_request_was_due() {
    let line = "-c 4 -t 2 --preload 10 --warm-up 0 -d 1s -R 2000 --json";
    let report = run(fake_sessions::start(Bug::None), line).json();
    let sent =
        report["requests"].as_u64().unwrap() + report["due_and_never_sent"].as_u64().unwrap();
    assert_eq!(sent, 2000, "{report}");
    let p99 = |kind: &str| report[kind]["p99"].as_f64().unwrap();
    assert!(p99("response_us") >= p99("service_us"), "{report}");
}

#[test]
fn replies_that_never_come_are_time_outs_and_the_load_goes_on() {
    let line = "-c 4 --preload 10 --warm-up 0 -n 250 --timeout 200ms --json";
    let ran = run(fake_sessions::start(Bug::Hangs), line);
    let report = ran.json();
    let timed_out = report["errors_by_kind"]["time-out"].as_u64().unwrap();
    assert!(timed_out >= 2, "{report}");
    assert_eq!(
        report["requests"].as_u64().unwrap() + timed_out,
        250,
        "{report}"
    );
}

#[test]
fn closed_connections_are_made_anew_and_their_requests_counted_as_errors() {
    let ran = run_small(Bug::HangsUp, "--preload 10 -P 16");
    let report = ran.json();
    let closed = report["errors_by_kind"]["connection closed"]
        .as_u64()
        .unwrap();
    assert!(closed > 100, "{report}");
    assert_eq!(
        report["requests"].as_u64().unwrap() + closed,
        4000,
        "{report}"
    );
}

#[test]
fn server_that_refuses_sessions_ends_the_run_with_status_3() {
    let ran = run_small(Bug::RefusesCreates, "-w get");
    assert_eq!(ran.code, ExitCode::from(3));
    assert!(
        ran.complaint.contains("0 of 50 sessions"),
        "{}",
        ran.complaint
    );
    assert!(ran.complaint.contains("status 503"), "{}", ran.complaint);
}

#[test]
fn absent_server_ends_the_run_with_status_4() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for line in ["-w url", "-w get -t 2", "-w idle --pid 1 -c 2"] {
        let ran = run(address, line);
        assert_eq!(ran.code, ExitCode::from(4), "{line}");
        assert!(
            ran.complaint.contains("is the server running"),
            "{}",
            ran.complaint
        );
    }
}

#[test]
fn bad_arguments_end_the_run_with_status_2_and_a_sentence() {
    let address = fake_sessions::start(Bug::None);
    for (line, word) in [
        ("-t 2 -c 1", "every thread"),
        ("-w url --verify", "--verify"),
        ("-w url --pid 4294967295", "--pid"),
        ("-w idle", "--pid"),
        ("-w idle --pid 1 -c 900000", "ulimit"),
        ("-w touch", "no touch"),
        ("--target redis", "no URL of --target redis"),
    ] {
        let ran = run(address, line);
        assert_eq!(ran.code, ExitCode::from(2), "{line}");
        assert!(ran.complaint.contains(word), "{line}: {}", ran.complaint);
        assert_eq!(ran.complaint.lines().count(), 1);
    }
}

#[test]
fn costs_of_a_process_are_reported_when_it_is_known() {
    let own = std::process::id();
    let report = run_small(Bug::None, &format!("-w get --pid {own}")).json();
    let server = &report["server"];
    assert!(server["server_cpu_us"].as_u64().unwrap() > 0, "{report}");
    assert!(
        server["resident_bytes_at_end"].as_u64().unwrap() > 1_000_000,
        "{report}"
    );
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn idle_connections_are_held_open_and_weighed() {
    let address = fake_sessions::start(Bug::None);
    let line = format!("-w idle -c 20 -d 50ms --json --pid {}", std::process::id());
    let ran = run(address, &line);
    let report = ran.json();
    assert_eq!(ran.code, ExitCode::SUCCESS, "{}", ran.complaint);
    assert_eq!(report["connections"], 20);
    assert_eq!(report["closed_by_server"], 0);
}

#[test]
fn own_server_passes_verification_in_every_dialect() {
    for (dialect, name, line) in [
        (DialectName::RestSessions, "rest-sessions", "--preload 20"),
        (DialectName::RestSessions, "rest-sessions", "--preload 2000"),
        (DialectName::Tarantool, "tarantool", "--preload 20"),
        (DialectName::BackSession, "back-session", "--preload 20"),
    ] {
        let server = own_server(dialect, None);
        let common = "-w mixed --verify -c 8 -t 2 -P 4 --warm-up 0 -n 20000 --json";
        let ran = run(server.address, &format!("{common} --dialect {name} {line}"));
        let report = ran.json();
        assert_eq!(ran.code, ExitCode::SUCCESS, "{name} {line}: {report}");
        assert_eq!(report["requests"], 20_000, "{name} {line}: {report}");
        assert_eq!(report["verification"]["unanswered"], 0, "{name}: {report}");
    }
}

#[test]
fn own_server_ends_sessions_at_their_deadline_and_not_before() {
    let server = own_server(DialectName::BackSession, Some(1));
    let line = "--dialect back-session -w get --verify --ttl 1 -c 4 --preload 100 --warm-up 0 \
                -d 200ms --json";
    let ran = run(server.address, line);
    assert_eq!(ran.code, ExitCode::SUCCESS, "{}", ran.report);
}

#[test]
fn numbers_of_100000_reads_of_one_session_are_distinct_and_consecutive() {
    let server = own_server(DialectName::RestSessions, None);
    let line = "-w get --verify -c 8 -P 4 --preload 1 --warm-up 0 -n 100000 --json";
    let ran = run(server.address, line);
    let report = ran.json();
    assert_eq!(ran.code, ExitCode::SUCCESS, "{report}");
    assert!(report["verification"]["replies_checked"].as_u64().unwrap() >= 100_000);
}
