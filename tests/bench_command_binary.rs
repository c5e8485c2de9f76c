//! The load tester over the binary protocol, against servers that are right or wrong in a known way.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod fake_cloakroom;
mod load;
mod running;

use std::process::ExitCode;

use cloakroom::config::{Address, BinaryListen, Config};

use fake_cloakroom::Bug;
use load::{Ran, run};
use running::Running;

const EVERYTHING: &str = "-w mixed --mix get=6,touch=1,set=4,create=2,rotate=2,kill=1";

fn run_small(bug: Bug, line: &str) -> Ran {
    let address = fake_cloakroom::start(bug);
    let small = "-c 4 -t 2 --preload 50 --warm-up 0 -n 4000 --json";
    run(&format!(
        "--target cloakroom --url {address} {small} {line}"
    ))
}

#[test]
fn every_workload_counts_exactly_the_requests_it_was_asked_for() {
    for workload in [
        "-w create",
        "-w get",
        "-w touch",
        "-w set",
        "-w login-storm",
        EVERYTHING,
    ] {
        for line in ["-P 1 --data-size 0", "-P 16", "-P 7 --verify"] {
            let ran = run_small(Bug::None, &format!("{workload} {line}"));
            let report = ran.json();
            assert_eq!(ran.code, ExitCode::SUCCESS, "{workload} {line}: {report}");
            let count = |what: &str| report[what].as_u64().unwrap();
            assert_eq!(count("requests") + count("errors"), 4_000, "{workload}");
            // This server gives no grace, so that a request may come with a token of yesterday; a
            // verified run knows which those are.
            if line.contains("verify") || !workload.contains("rotate") {
                assert_eq!(count("errors"), 0, "{workload} {line}: {report}");
            }
        }
    }
    let report = run_small(Bug::None, "-w ping").json();
    assert_eq!(report["requests"], 4_000);
    assert_eq!(report["parameters"]["durability"], "log, everysec");
}

#[test]
fn lists_are_followed_to_their_last_page() {
    let (address, listed) = fake_cloakroom::start_counted(Bug::None);
    let line = "-c 2 --preload 50 --warm-up 0 -n 40 -P 3 -w list --json";
    let ran = run(&format!("--target cloakroom --url {address} {line}"));
    let report = ran.json();
    assert_eq!(ran.code, ExitCode::SUCCESS, "{report}");
    assert_eq!(report["verbs"]["list"]["requests"], 40, "{report}");
    assert_eq!(listed(), 40 * 50);
}

#[test]
fn correct_server_passes_verification_with_rotations_and_conditional_writes() {
    for line in ["-P 8", "-P 8 --preload 2", "-P 1 --preload 5"] {
        let ran = run_small(Bug::None, &format!("--verify {EVERYTHING} {line} -n 20000"));
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
        (Bug::IgnoresKills, "served_after_kill"),
        // Two rotations of one session then both succeed as well, and each copy counts for itself.
        (Bug::KeepsOldTokens, "served_after_rotation"),
        (Bug::LosesRotated, "missing_before_deadline"),
        (Bug::IgnoresVersions, "stale_write_accepted"),
        (Bug::RefusesVersions, "needless_conflict"),
    ] {
        // A stale write needs two writers of one session at a time.
        let line = if bug == Bug::IgnoresVersions {
            "-P 8 --preload 2 -n 20000"
        } else {
            "-P 2"
        };
        let ran = run_small(bug, &format!("--verify {EVERYTHING} {line}"));
        let report = ran.json();
        let found = &report["verification"];
        assert_eq!(ran.code, ExitCode::from(1), "{bug:?}: {report}");
        assert!(found[kind].as_u64().unwrap() > 0, "{bug:?}: {report}");
        if bug != Bug::KeepsOldTokens {
            assert_eq!(found[kind], found["violations"], "{bug:?}: {report}");
        }
        assert!(!ran.report.contains(fake_cloakroom::TOKEN_START));
    }
}

#[test]
fn replies_to_other_requests_are_malformed() {
    let report = run_small(Bug::SwapsReplies, "-w get -P 4").json();
    let malformed = report["errors_by_kind"]["malformed reply"]
        .as_u64()
        .unwrap();
    assert!(malformed > 20, "{report}");
    let requests = report["requests"].as_u64().unwrap();
    assert_eq!(requests + report["errors"].as_u64().unwrap(), 4_000);
}

#[test]
fn refused_greetings_and_creates_end_the_run_with_status_3_and_their_reason() {
    let ran = run_small(Bug::RefusesHello, "");
    assert_eq!(ran.code, ExitCode::from(3));
    assert!(ran.complaint.contains("access key"), "{}", ran.complaint);
    let ran = run_small(Bug::Full, "");
    assert_eq!(ran.code, ExitCode::from(3));
    assert!(ran.complaint.contains("MEMORY_FULL"), "{}", ran.complaint);
}

fn own_server() -> Running {
    Running::serve(Config {
        listen: vec![BinaryListen {
            address: Address::Inet("127.0.0.1:0".to_owned()),
            allow: Vec::new(),
        }],
        threads: Some(1),
        ..Config::default()
    })
}

#[test]
fn own_server_serves_every_workload() {
    let server = own_server();
    for workload in [
        "-w create",
        "-w get",
        "-w touch",
        "-w set",
        "-w list -n 20",
        "-w login-storm",
        "-w ping",
        EVERYTHING,
    ] {
        let common = "-c 4 -t 2 -P 8 --preload 3000 --warm-up 0 -n 4000 --json";
        let url = format!("--target cloakroom --url {}", server.address);
        let ran = run(&format!("{url} {common} {workload}"));
        let report = ran.json();
        assert_eq!(ran.code, ExitCode::SUCCESS, "{workload}: {report}");
        assert_eq!(report["errors"], 0, "{workload}: {report}");
    }
}

#[test]
fn own_server_passes_verification_with_rotations_and_conditional_writes() {
    for line in [
        "--preload 20 -P 8",
        "--preload 2000",
        "--preload 50 --ttl 1 -P 4 -n 2000",
    ] {
        let server = own_server();
        let common = "-c 8 -t 2 --warm-up 0 -n 20000 --json --verify";
        let url = format!("--target cloakroom --url {}", server.address);
        let ran = run(&format!("{url} {common} {EVERYTHING} {line}"));
        let report = ran.json();
        assert_eq!(ran.code, ExitCode::SUCCESS, "{line}: {report}");
        assert_eq!(report["verification"]["unanswered"], 0, "{line}: {report}");
    }
}
