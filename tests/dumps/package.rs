//! From the real redis-sessions, installed from npm: it fills a Redis, and answers for every token
//! what this server must answer after the move.

use std::env;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::SKEW;
use super::cloakroom::Imported;
use super::peers::{find, missing};
use super::redis::Redis;

/// How many sessions are moved, unless `DUMPS_SESSIONS` says another number.
const SESSIONS: usize = 20_000;

const HOW: &str = "npm install --prefix target/tmp/peers redis-sessions@3.0.0";

/// The folder that npm has installed the package into.
fn package() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let found = folder.join("node_modules/redis-sessions").is_dir();
    found
        .then_some(folder)
        .or_else(|| missing("redis-sessions", HOW))
}

/// Runs the part of `redis_sessions.js` that `act` names; its lines stand in `out` afterwards.
fn node(redis: &Redis, package: &Path, act: &str, out: &Path, sessions: usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dumps/redis_sessions.js");
    let status = Command::new("node")
        .arg(script)
        .arg(act)
        .arg(package)
        .arg(redis.socket())
        .arg(redis.file("tokens"))
        .arg(sessions.to_string())
        .stdout(File::create(out).unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "{act}");
}

/// The number of a member that stands before the data.
fn number(answer: &str, name: &str) -> u64 {
    let (_, behind) = answer.split_once(&format!("\"{name}\":")).unwrap();
    let digits = behind.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

/// What must be answered instead of what the old service answers, when so many seconds idle: the
/// same but for sessions with `no_resave`, where that service shows what is left of the ttl.
fn expected(old: &str, idle: u64) -> String {
    let (ttl, old_idle) = (number(old, "ttl"), number(old, "idle"));
    let is_fixed = old.contains(r#","no_resave":true"#);
    let whole = if is_fixed { ttl + old_idle } else { ttl };
    let shown = |ttl, idle| format!("\"ttl\":{ttl},\"idle\":{idle},");
    old.replacen(&shown(ttl, old_idle), &shown(whole, idle), 1)
        .replacen(r#","no_resave":true"#, "", 1)
}

#[test]
fn every_token_of_the_real_redis_sessions_answers_as_it_does_there() {
    let Some(redis) = Redis::start() else { return };
    let Some(package) = package() else { return };
    if find("node", "apt-get install nodejs").is_none() {
        return;
    }
    let sessions = env::var("DUMPS_SESSIONS").map_or(SESSIONS, |n| n.parse().unwrap());
    node(&redis, &package, "fill", &redis.file("tokens"), sessions);
    let (status, told) = redis.dump("rest-sessions", &[]);
    assert_eq!(status, Some(0), "{told}");
    let imported = Imported::from(&redis.file("dump.ndjson"));
    let answers = redis.file("answers");
    node(&redis, &package, "ask", &answers, sessions);

    let mut serving = imported.serve("rest-sessions");
    let mut living = 0;
    for line in BufReader::new(File::open(answers).unwrap()).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let [app, token, old] = ["app", "token", "answer"].map(|name| line[name].as_str().unwrap());
        let before = (super::now() - SKEW) / 1_000;
        let new = serving.text(&format!("/{app}/get/{token}"));
        let after = (super::now() + SKEW) / 1_000;
        if old == "{}" {
            assert_eq!(new, old, "{token}");
            continue;
        }
        living += 1;
        // Each was asked in a second of its own, but both must mean the same recorded access.
        let seconds = |name: &str| line[name].as_u64().unwrap();
        let (old_idle, new_idle) = (number(old, "idle"), number(&new, "idle"));
        let same = before - new_idle <= seconds("until") - old_idle
            && seconds("since") - old_idle <= after - new_idle;
        assert!(same, "{new} {line}");
        assert_eq!(new, expected(old, new_idle), "{token}");
    }
    assert!(living > sessions * 9 / 10, "{living}");
    for (app, users) in [("shop", 600), ("forum", 3_600)] {
        let list = serving.get(&format!("/{app}/activity?dt={users}"));
        assert!(list["activity"].as_u64().unwrap() > 0, "{list}");
    }
}
