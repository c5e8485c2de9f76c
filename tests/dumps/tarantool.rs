//! From 0x1991/sessions, whose space is made here in a Tarantool of the test's own.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::cloakroom::Imported;
use super::now;
use super::peers::{Running, find, outcome, script};

/// The service's space with its indexes and some sessions; stays up when told to listen.
const SERVICE: &str = r#"
local folder, now, listen = arg[1], tonumber(arg[2]), arg[3]
box.cfg({ work_dir = folder, log = 'tarantool.log', listen = listen and 'unix/:' .. listen })
local space = box.schema.create_space('sessions')
space:create_index('token', { type = 'HASH', parts = { 1, 'STR' } })
space:create_index('user_id', { unique = false, parts = { 2, 'NUM' } })
space:create_index('ip', { unique = false, parts = { 3, 'STR' } })
space:create_index('activity', { unique = false, parts = { 5, 'NUM' } })
box.schema.user.grant('guest', 'read,write,execute', 'universe')
local function token(n) return ('%08d-9af7-49ba-9fb4-e89c0811e6d3'):format(n) end
local null = require('json').NULL
local array = setmetatable({ 'a', 2.5, null }, { __serialize = 'seq' })
local object = { os = 'Android', x = 0.30000000000000004, inf = 1 / 0, bytes = 'a\255b', n = null, deep = { array } }
space:insert({ token(1), 7, '192.168.1.1', now - 100, now - 50, {} })
space:insert({ token(2), 7, '192.168.1.1', now - 100, now - 40, object })
space:insert({ token(3), 18446744073709551615ULL, 'a/b \255', now - 100, now - 30, array })
space:insert({ token(4), 0, '::1', now - 15552100, now - 15552001, {} })
for n = 1000, 6999 do
    space:insert({ token(n), n, '10.0.0.1', now - 20, now - 20 + math.floor(n / 4000), {} })
end
if listen then
    io.open(folder .. '/filled', 'w'):close()
else
    box.snapshot()
    space:insert({ token(5), 5, '::1', now - 1, now - 1, {} })
    os.exit(0)
end
"#;

fn token(number: u64) -> String {
    format!("{number:08}-9af7-49ba-9fb4-e89c0811e6d3")
}

/// A folder for a Tarantool, and the command that fills it; `None` when it is not installed.
fn service(second: u64) -> Option<(TempDir, PathBuf, Command)> {
    let tarantool = find("tarantool", "apt-get install tarantool")?;
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("service.lua");
    fs::write(&source, SERVICE).unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let mut command = Command::new(&tarantool);
    command
        .arg(source)
        .arg(folder.path().join("data"))
        .arg(second.to_string())
        .stderr(Stdio::null());
    Some((folder, tarantool, command))
}

fn dump(tarantool: &Path, source: &str, out: &Path) -> (Option<i32>, String) {
    outcome(
        Command::new(tarantool)
            .arg(script("dump_tarantool.lua"))
            .arg(source)
            .arg(out),
    )
}

fn session(number: u64, user: u64, ip: &str, extra: &Value, second: u64) -> Value {
    json!({
        "ip": ip, "extra": extra, "user_id": user, "create": second - 100, "token": token(number),
    })
}

/// Checks the first sessions, then the lists.
fn assert_served(imported: &Imported, second: u64) {
    let mut serving = imported.serve("tarantool");
    let list = serving.get("/user?id=7");
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    let list = serving.get("/ip?ip=10.0.0.1");
    assert_eq!(list["data"].as_array().unwrap().len(), 6_000);
    let object = json!({
        "os": "Android", "x": 0.30000000000000004, "inf": null, "bytes": "a\u{fffd}b", "n": null,
        "deep": [["a", 2.5, null]],
    });
    for expected in [
        session(1, 7, "192.168.1.1", &Value::Null, second),
        session(2, 7, "192.168.1.1", &object, second),
        session(
            3,
            u64::MAX,
            "a/b \u{fffd}",
            &json!(["a", 2.5, null]),
            second,
        ),
    ] {
        let token = expected["token"].as_str().unwrap();
        let mut answer = serving.get(&format!("/get?token={token}"));
        assert_eq!(answer["status"], "success", "{answer}");
        let activity = answer["data"].as_object_mut().unwrap().remove("activity");
        assert!(activity.unwrap().as_u64().unwrap() >= second);
        assert_eq!(answer["data"], expected);
    }
    for number in 1_000..7_000 {
        let answer = serving.get(&format!("/get?token={}", token(number)));
        assert_eq!(answer["data"]["user_id"], number);
    }
    let answer = serving.get(&format!("/get?token={}", token(4)));
    assert_eq!(answer["code"], "token_not_found");
}

#[test]
fn old_tokens_of_a_running_tarantool_answer_as_before() {
    let second = now() / 1_000;
    let Some((folder, tarantool, mut command)) = service(second) else {
        return;
    };
    let socket = folder.path().join("s");
    command.arg(&socket);
    let filled = folder.path().join("data/filled");
    let ready = || filled.exists() && UnixStream::connect(&socket).is_ok();
    let _service = Running::start(&mut command, ready);
    let out = folder.path().join("dump.ndjson");
    let (status, told) = dump(&tarantool, &format!("unix/:{}", socket.display()), &out);
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(told.trim(), "6003 sessions written, 0 unreadable");
    let imported = Imported::from(&out);
    assert!(
        imported.told.contains("6003 sessions imported"),
        "{}",
        imported.told
    );
    let exported = imported.exported();
    let first = json!(token(1));
    let first = exported.iter().find(|line| line["token"] == first).unwrap();
    assert_eq!(first["last"], second - 50);
    assert_eq!(first["ttl"], 15_552_000);
    assert_served(&imported, second);
}

#[test]
fn old_tokens_of_a_copy_of_tarantools_directory_answer_as_before() {
    let second = now() / 1_000;
    let Some((folder, tarantool, mut command)) = service(second) else {
        return;
    };
    assert!(command.status().unwrap().success());
    let data = folder.path().join("data");
    let out = folder.path().join("dump.ndjson");
    let (status, told) = dump(&tarantool, data.to_str().unwrap(), &out);
    assert_eq!(status, Some(0), "{told}");
    assert!(
        told.contains("6004 sessions written, 0 unreadable"),
        "{told}"
    );
    let imported = Imported::from(&out);
    let mut serving = imported.serve("tarantool");
    // It came after the snapshot, so it was in the log only.
    assert_eq!(serving.get("/user?id=5")["data"][0]["token"], token(5));
    drop(serving);
    assert_served(&imported, second);
}

#[test]
fn dump_of_no_tarantool_says_why_and_leaves_no_file() {
    let Some((folder, tarantool, _)) = service(0) else {
        return;
    };
    let out = folder.path().join("dump.ndjson");
    let empty = folder.path().join("data");
    for (source, reason) in [
        ("unix/:/nowhere", "does not answer"),
        (empty.to_str().unwrap(), "holds no snapshot"),
    ] {
        let (status, told) = dump(&tarantool, source, &out);
        assert_eq!(status, Some(1), "{told}");
        assert!(told.contains(reason), "{told}");
        assert!(!out.exists());
    }
}
