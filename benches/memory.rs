//! What does a session cost in memory?
//!
//! Every row is a fresh process: it makes an engine, notes its resident memory, creates the
//! population, and reports what came on top: resident (`VmRSS`), accounted (what `--max-memory` is
//! compared with), allocated, and of that the share of each structure; all in bytes per session.
//! `cargo bench --bench memory`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a benchmark"
)]

#[path = "support/population.rs"]
mod population;

use std::process::Command;

use cloakroom::engine::MemoryUse;
use cloakroom::model::Life;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SESSIONS: [u64; 3] = [500_000, 1_000_000, 1_500_000];
/// Sessions created in one second: about what a preload over HTTP comes to.
const SESSIONS_PER_SECOND: u64 = 20_000;
const COLUMNS: [&str; 10] = [
    "resident",
    "accounted",
    "allocated",
    "records",
    "tables",
    "wheels",
    "bodies",
    "users",
    "ips",
    "activity",
];

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|l| l.trim().strip_suffix("kB"));
    let kibibytes: u64 = kibibytes
        .and_then(|k| k.trim().parse().ok())
        .expect("a figure in kB");
    kibibytes * 1024
}

fn columns(resident: u64, used: &MemoryUse) -> [u64; COLUMNS.len()] {
    [
        resident,
        used.accounted,
        used.allocated(),
        used.records,
        used.tables,
        used.wheels,
        used.bodies,
        used.users,
        used.ips,
        used.activity,
    ]
}

/// One row, in a process of its own.
fn measure(sessions: u64, ip_index: bool) {
    let engine = population::engine(ip_index);
    // The first session makes the app and what threads keep for themselves.
    let life = Life::whole_seconds(30 * 86_400);
    population::populate(&engine, 0..1, 1, life);
    let (before, empty) = (resident(), engine.memory_use());
    population::populate(&engine, 1..sessions, sessions / SESSIONS_PER_SECOND, life);
    let (after, full) = (resident(), engine.memory_use());
    let added = full.sessions - empty.sessions;
    let row = columns(after.saturating_sub(before), &full)
        .into_iter()
        .zip(columns(0, &empty))
        .map(|(full, empty)| {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
            let each = full.saturating_sub(empty) as f64 / added as f64;
            format!(" {each:>9.1}")
        });
    println!("{sessions:>9} {ip_index:>8}{}", row.collect::<String>());
}

fn main() {
    let mut arguments = std::env::args().skip_while(|a| a != "--row").skip(1);
    if let (Some(sessions), Some(ip_index)) = (arguments.next(), arguments.next()) {
        let sessions = sessions.parse().expect("a number");
        return measure(sessions, ip_index == "true");
    }
    let titles: String = COLUMNS.iter().map(|c| format!(" {c:>9}")).collect();
    println!(
        "bytes per session\n{:>9} {:>8}{titles}",
        "sessions", "IP index"
    );
    let program = std::env::current_exe().expect("a path");
    for ip_index in [false, true] {
        for sessions in SESSIONS {
            let status = Command::new(&program)
                .args(["--row", &sessions.to_string(), &ip_index.to_string()])
                .status()
                .expect("the program starts again");
            assert!(status.success(), "the row was not measured: {status}");
        }
    }
}
