//! From back-session, whose hashes are written here command by command.

use serde_json::{Value, json};

use super::cloakroom::Imported;
use super::now;
use super::redis::{Redis, words};

const CREATED: &str = "2026-11-20 08:01:43.01993356 +0000 UTC";
const UPDATED: &str = "2026-11-20 09:30:00.5 +0000 UTC";

/// An id as back-session draws it, another for every number.
fn id(number: u64) -> String {
    format!("{number:_>62}-=")
}

/// What back-session writes for a session of a user, all its attributes set or empty.
fn create(id: &str, user: &str, attributes: &[(&str, &str)]) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let key = format!("session:{id}");
    for name in [
        "device_id",
        "auth_code",
        "access_token",
        "refresh_token",
        "user_email",
    ] {
        let given = attributes.iter().find(|(n, _)| *n == name);
        let value = given.map_or("", |(_, value)| value);
        commands.push(words(&["HSET", &key, name, value]));
    }
    commands.push(words(&["HSET", &key, "user_id", user]));
    for name in ["create_date", "update_date"] {
        commands.push(words(&["HSET", &key, name, CREATED]));
    }
    commands.push(words(&["EXPIRE", &key, "31536000"]));
    commands.push(words(&["RPUSH", &format!("user:{user}"), id]));
    commands
}

fn answer(user: &str, attributes: &[(&str, &str)]) -> Value {
    let mut answer = json!({
        "user_id": user, "device_id": "", "auth_code": "", "access_token": "",
        "refresh_token": "", "user_email": "",
    });
    for (name, value) in attributes {
        answer[*name] = json!(value);
    }
    answer
}

#[test]
fn old_ids_of_back_session_answer_as_before() {
    let Some(redis) = Redis::start() else { return };
    let full = [
        ("device_id", "phone \u{f6} <1>"),
        ("auth_code", "a\"b\\"),
        ("access_token", "t"),
        ("refresh_token", "r"),
        ("user_email", "a@b.c"),
    ];
    let begun = now();
    redis.run(&create(&id(1), "user007", &full));
    redis.run(&create(&id(2), "user007", &[]));
    redis.run(&create(&id(3), "J\u{f6}rg", &[("device_id", "tv")]));
    let (first, second) = (format!("session:{}", id(1)), format!("session:{}", id(2)));
    redis.run(&[
        // A PATCH with an attribute of its own, a session that never ends, and one that soon will.
        words(&["HSET", &first, "shoe_size", "43"]),
        words(&["HSET", &first, "update_date", UPDATED]),
        words(&["PERSIST", &second]),
        words(&["PEXPIRE", &format!("session:{}", id(3)), "3600000"]),
        // What a PATCH racing a DELETE leaves behind, and a key of somebody else.
        words(&[
            "HSET",
            &format!("session:{}", id(4)),
            "update_date",
            UPDATED,
        ]),
        words(&["HSET", "session:of-somebody-else", "user_id", "x"]),
    ]);
    let (status, told) = redis.dump("back-session", &["--page", "2"]);
    let ended = now();
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(told.trim(), "3 sessions written, 1 ended, 0 unreadable");

    let imported = Imported::from(&redis.file("dump.ndjson"));
    let exported = imported.exported();
    let line = |number| {
        let id = json!(id(number));
        exported.iter().find(|line| line["token"] == id).unwrap()
    };
    assert_eq!(line(1)["created"], 1_795_161_703.019);
    assert_eq!(line(1)["last"], 1_795_167_000.5);
    assert_eq!(line(1)["data"]["shoe_size"], "43");
    assert_eq!(line(2).get("until"), None);
    let until = line(3)["until"].as_f64().unwrap() * 1_000.0;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let expected = (begun + 3_600_000) as f64..=(ended + 3_600_000) as f64;
    assert!(expected.contains(&until.round()), "{until} {expected:?}");

    let mut serving = imported.serve("back-session");
    let path = |number| format!("/a01/session/{}", id(number));
    assert_eq!(serving.get(&path(1)), answer("user007", &full));
    assert_eq!(serving.get(&path(2)), answer("user007", &[]));
    assert_eq!(
        serving.get(&path(3)),
        answer("J\u{f6}rg", &[("device_id", "tv")])
    );
    assert_eq!(serving.ask("GET", &path(4)).0, 404);
    let list = serving.get("/a01/session/user/user007");
    assert_eq!(list.as_object().unwrap().len(), 2);
    assert_eq!(
        list[id(1)],
        json!({
            "create_date": "2026-11-20 08:01:43.019 +0000 UTC",
            "device_id": "phone \u{f6} <1>",
            "update_date": UPDATED,
        })
    );
    assert_eq!(list[id(2)]["update_date"], list[id(2)]["create_date"]);
    assert_eq!(serving.ask("DELETE", &path(1)).0, 200);
    assert_eq!(serving.ask("GET", &path(1)).0, 404);
}
