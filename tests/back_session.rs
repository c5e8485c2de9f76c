//! The back-session dialect beyond its transcripts: what its README promised, its bounds, its life.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod back_session {
    pub(crate) mod door;
}

use std::sync::Barrier;
use std::thread;

use cloakroom::engine::{EngineConfig, Key, Read};
use cloakroom::limits;
use cloakroom::model::{AppName, SessionView};
use cloakroom::net::http::response::Response;
use serde_json::{Value, json};

use back_session::door::{Door, START, START_TEXT, request};

#[test]
fn user_query_lists_devices_and_ids_of_the_user_by_id() {
    let door = Door::new();
    let mut ids: Vec<(String, String)> = (0..600)
        .map(|n| (door.create("u 1", &format!("d{n}")), format!("d{n}")))
        .collect();
    door.create("u 2", "other");
    ids.sort();
    let sessions: Vec<Value> = ids
        .iter()
        .map(|(id, device)| json!({"device_id": device, "session_id": id}))
        .collect();
    let listed = door.json("GET", "/a01/session?user_id=u+1", "");
    assert_eq!(listed, json!({"user_id": "u 1", "sessions": sessions}));
    assert!(door.send("GET", "/a01/session?user_id=u%201", "").slices > 1);
    let nobody = door.send("GET", "/a01/session?x=1&user_id=n%3C", "");
    assert_eq!(nobody.body, r#"{"user_id":"n\u003c","sessions":[]}"#);
}

#[test]
fn user_list_by_path_is_an_object_in_byte_order_of_the_ids() {
    let door = Door::new();
    let mut ids: Vec<String> = (0..300).map(|_| door.create("u", "d")).collect();
    ids.sort();
    let body = door.send("GET", "/a01/session/user/u", "").body;
    let places: Vec<usize> = ids
        .iter()
        .map(|id| body.find(id.as_str()).unwrap())
        .collect();
    assert!(places.is_sorted());
    let entry =
        format!(r#"{{"create_date":"{START_TEXT}","device_id":"d","update_date":"{START_TEXT}"}}"#);
    let expected: Vec<String> = ids.iter().map(|id| format!("\"{id}\":{entry}")).collect();
    assert_eq!(body, format!("{{{}}}", expected.join(",")));
}

#[test]
fn user_query_with_delete_ends_all_sessions_of_that_user_only() {
    let door = Door::new();
    let ids: Vec<String> = (0..700).map(|_| door.create("u", "d")).collect();
    let other = door.create("v", "d");
    let removed = door.send("DELETE", "/a01/session?user_id=u", "");
    assert_eq!((removed.status, removed.body.as_str()), (200, ""));
    assert!(removed.slices > 1);
    for id in &ids {
        assert_eq!(door.status("GET", &format!("/a01/session/{id}"), ""), 404);
    }
    assert_eq!(door.session(&other)["user_id"], "v");
    assert_eq!(door.json("GET", "/a01/session/user/u", ""), json!({}));
    assert_eq!(door.status("DELETE", "/a01/session?user_id=u", ""), 200);
    door.engine.check_invariants().unwrap();
}

#[test]
fn collection_without_a_readable_user_is_refused() {
    let door = Door::new();
    for method in ["GET", "DELETE"] {
        assert_eq!(door.status(method, "/a01/session", ""), 405);
        assert_eq!(door.status(method, "/a01/session?user=a", ""), 405);
        assert_eq!(door.status(method, "/a01/session?user_id=", ""), 400);
        assert_eq!(door.status(method, "/a01/session?user_id=%ff", ""), 400);
    }
}

#[test]
fn patch_by_id_changes_the_session_of_the_path() {
    let door = Door::new();
    let id = door.create("u", "d");
    let target = format!("/a01/session/{}", id.replace('=', "%3D"));
    let answer = door.json("PATCH", &target, r#"{"device_id":"e","auth_code":"a"}"#);
    assert_eq!(answer, json!({"auth_code": "a", "device_id": "e"}));
    let wrapped = r#"{"session_attributes":{"auth_code":"b"}}"#;
    assert_eq!(
        door.json("PATCH", &target, wrapped),
        json!({"auth_code": "b"})
    );
    assert_eq!(door.session(&id)["auth_code"], "b");
    assert_eq!(door.session(&id)["device_id"], "e");
    assert_eq!(
        door.status("PATCH", &target, r#"{"user_id":"v","auth_code":"c"}"#),
        400
    );
    let contrary = r#"{"session_id":"x","session_attributes":{"auth_code":"c"}}"#;
    assert_eq!(door.status("PATCH", &target, contrary), 400);
    assert_eq!(door.status("PATCH", &target, "{}"), 400);
    assert_eq!(door.status("PATCH", &target, "null"), 400);
    assert_eq!(door.status("PATCH", &target, "[]"), 422);
    assert_eq!(
        door.status("PATCH", "/a01/session/unknown", r#"{"auth_code":"c"}"#),
        404
    );
    assert_eq!(door.session(&id)["auth_code"], "b");
}

#[test]
fn expiration_time_is_shown_only_where_it_is_set() {
    let door = Door::new();
    let body = r#"{"user_id":"u","exiration_time":"60"}"#;
    let id = door.json("POST", "/a01/session", body)["session_id"]
        .as_str()
        .unwrap()
        .to_string();
    assert_eq!(door.session(&id)["exiration_time"], "60");
    assert_eq!(
        door.patch(&id, json!({"exiration_time": 3600})).body,
        r#"{"exiration_time":3600}"#
    );
    let shown = door.send("GET", &format!("/a01/session/{id}"), "").body;
    assert!(
        shown.ends_with(r#","user_email":"","exiration_time":3600}"#),
        "{shown}"
    );
    assert_eq!(
        door.patch(&id, json!({"exiration_time": null})).body,
        r#"{"exiration_time":""}"#
    );
    assert_eq!(door.session(&id).get("exiration_time"), None);
    assert_eq!(door.patch(&id, json!({"exiration_time": 1.5})).status, 422);
    assert_eq!(door.patch(&id, json!({"exiration_time": true})).status, 422);
}

#[test]
fn emptied_attributes_are_answered_and_leave_nothing_behind() {
    let door = Door::new();
    let id = door.create("u", "d");
    for attributes in [
        json!({"device_id": ""}),
        json!({"device_id": null, "foo": ""}),
    ] {
        let answer = door.patch(&id, attributes.clone());
        assert_eq!(answer.status, 200, "{attributes}");
        assert!(answer.body.contains(r#""device_id":"""#), "{}", answer.body);
    }
    assert_eq!(door.session(&id)["device_id"], "");
    let key = Key::Token(id.as_bytes());
    let data = door
        .engine
        .read(door.now, AppName::BACK_SESSION, key, Read::Peek, |view| {
            String::from_utf8(view.data().to_vec()).unwrap()
        });
    assert_eq!(
        data.answer.unwrap(),
        format!(r#"{{"update_date":"{START_TEXT}"}}"#)
    );
}

#[test]
fn create_date_stays_and_update_date_follows_patches_only() {
    let mut door = Door::new();
    let id = door.create("u", "d");
    let dates = |door: &Door| {
        let list = door.json("GET", "/a01/session/user/u", "");
        let date = |name: &str| list[&id][name].as_str().unwrap().to_string();
        (date("create_date"), date("update_date"))
    };
    assert_eq!(
        dates(&door),
        (START_TEXT.to_string(), START_TEXT.to_string())
    );
    door.now = START.plus(981);
    door.session(&id);
    assert_eq!(
        dates(&door),
        (START_TEXT.to_string(), START_TEXT.to_string())
    );
    let later = "2026-11-20 08:01:44 +0000 UTC";
    let answer = door.patch(&id, json!({"create_date": "1999", "update_date": "1999"}));
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        answer,
        json!({"create_date": START_TEXT, "update_date": later})
    );
    door.now = START.plus(5_000);
    assert_eq!(dates(&door), (START_TEXT.to_string(), later.to_string()));
}

#[test]
fn session_lives_to_the_last_millisecond_of_its_fixed_life_and_nothing_prolongs_it() {
    let mut door = Door::living(3);
    let id = door.create("u", "d");
    door.now = START.plus(2_999);
    assert_eq!(door.session(&id)["device_id"], "d");
    assert_eq!(door.patch(&id, json!({"device_id": "e"})).status, 200);
    assert_eq!(door.session(&id)["device_id"], "e");
    door.now = START.plus(3_000);
    let target = format!("/a01/session/{id}");
    assert_eq!(door.status("GET", &target, ""), 404);
    assert_eq!(door.patch(&id, json!({"device_id": "f"})).status, 400);
    assert_eq!(door.status("PATCH", &target, r#"{"device_id":"f"}"#), 404);
    assert_eq!(door.status("DELETE", &target, ""), 404);
    assert_eq!(door.json("GET", "/a01/session/user/u", ""), json!({}));
    let short = door.json("GET", "/a01/session?user_id=u", "");
    assert_eq!(short, json!({"user_id": "u", "sessions": []}));
    while door.engine.sweep(door.now, 64).more {}
    door.engine.check_invariants().unwrap();
}

#[test]
fn life_of_zero_is_dead_at_once_and_negative_is_for_ever() {
    let door = Door::living(0);
    let id = door.create("u", "d");
    assert_eq!(door.status("GET", &format!("/a01/session/{id}"), ""), 404);
    let mut door = Door::living(-1);
    let id = door.create("u", "d");
    door.now = START.plus(1_000 * 365 * 86_400_000);
    assert_eq!(door.session(&id)["device_id"], "d");
    let mut door = Door::living(i64::MAX);
    let id = door.create("u", "d");
    door.now = START.plus(1_000 * 365 * 86_400_000);
    assert_eq!(door.session(&id)["device_id"], "d");
}

#[test]
fn reads_are_counted_and_lists_and_patches_are_not() {
    let door = Door::new();
    let id = door.create("u", "d");
    for _ in 0..3 {
        door.session(&id);
    }
    door.patch(&id, json!({"device_id": "e"}));
    door.json("GET", "/a01/session/user/u", "");
    door.json("GET", "/a01/session?user_id=u", "");
    let key = Key::Token(id.as_bytes());
    let counters = door
        .engine
        .read(door.now, AppName::BACK_SESSION, key, Read::Peek, |view| {
            (view.reads, view.writes)
        });
    assert_eq!(counters.answer, Some((4, 2)));
}

#[test]
fn attributes_without_a_name_are_bounded_and_free_their_place_when_emptied() {
    let door = Door::new();
    let id = door.create("u", "d");
    let named = |from: usize, to: usize, text: &str| -> Value {
        (from..to)
            .map(|n| (format!("x{n}"), json!(text)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let bound = limits::BACK_SESSION_ATTRIBUTES;
    assert_eq!(door.patch(&id, named(0, bound + 1, "v")).status, 400);
    assert_eq!(door.patch(&id, named(0, bound - 1, "v")).status, 200);
    assert_eq!(door.patch(&id, named(0, bound, "w")).status, 200);
    assert_eq!(
        door.patch(&id, json!({"one": "more", "device_id": "e"}))
            .status,
        400
    );
    assert_eq!(door.session(&id)["device_id"], "d");
    assert_eq!(
        door.patch(&id, json!({"one": "", "device_id": "e"})).status,
        200
    );
    assert_eq!(
        door.patch(&id, json!({"x0": "", "one": "more"})).status,
        200
    );
    assert_eq!(door.patch(&id, json!({"two": "more"})).status, 400);
}

#[test]
fn user_ids_and_data_have_their_bounds() {
    let door = Door::new();
    for (length, status) in [(1_023, 200), (1_024, 200), (1_025, 400)] {
        let body = json!({"user_id": "u".repeat(length)}).to_string();
        assert_eq!(
            door.status("POST", "/a01/session", &body),
            status,
            "{length}"
        );
    }
    // `{"device_id":"..."}` takes 16 bytes more than the text.
    for (length, status) in [
        (limits::DATA_BYTES - 16, 200),
        (limits::DATA_BYTES - 15, 413),
    ] {
        let body = json!({"user_id": "u", "device_id": "d".repeat(length)}).to_string();
        assert_eq!(
            door.status("POST", "/a01/session", &body),
            status,
            "{length}"
        );
    }
    let id = door.create("v", &"d".repeat(limits::DATA_BYTES / 2));
    let half = "a".repeat(limits::DATA_BYTES / 2);
    assert_eq!(door.patch(&id, json!({"auth_code": half})).status, 413);
    assert_eq!(door.session(&id)["auth_code"], "");
}

#[test]
fn server_that_holds_what_it_may_answers_503_and_still_reads() {
    let full = Door::with(&EngineConfig {
        max_memory: 0,
        ..EngineConfig::default()
    });
    assert_eq!(
        full.status("POST", "/a01/session", r#"{"user_id":"u"}"#),
        503
    );
    assert_eq!(full.status("GET", "/a01/session/x", ""), 404);
    let no_apps = Door::with(&EngineConfig {
        max_apps: 0,
        ..EngineConfig::default()
    });
    assert_eq!(
        no_apps.status("POST", "/a01/session", r#"{"user_id":"u"}"#),
        503
    );
}

#[test]
fn unclean_paths_redirect_safe_methods_and_serve_the_others() {
    let door = Door::new();
    let id = door.create("u", "d");
    let answer = door.send("GET", "/a01//session/x?q=1", "");
    assert_eq!(answer.status, 301);
    assert!(
        answer.head.contains("\r\nLocation: /a01/session/x?q=1\r\n"),
        "{}",
        answer.head
    );
    assert_eq!(door.send("GET", "/a01/session/x/?", "").status, 301);
    assert_eq!(door.send("HEAD", "//a01/session/x", "").status, 301);
    assert_eq!(door.send("HEAD", "/a01/session/x/", "").status, 405);
    assert_eq!(door.send("GET", "/a01/session?user_id=u", "").status, 200);
    assert_eq!(door.send("GET", "/a01/session/?user_id=u", "").status, 301);
    let body = r#"{"user_id":"u"}"#;
    assert_eq!(door.status("POST", "//a01/./session/", body), 200);
    assert_eq!(
        door.status("DELETE", &format!("/a01/x/../session//{id}/"), ""),
        200
    );
    assert_eq!(door.status("GET", &format!("/a01/session/{id}"), ""), 404);
}

#[test]
fn methods_that_are_not_there_are_named_by_those_that_are() {
    let door = Door::new();
    for (target, allow) in [
        ("/a01/session", "PATCH, POST"),
        ("/a01/session?user_id=u", "DELETE, GET, PATCH, POST"),
        ("/a01/session/x", "DELETE, GET, PATCH"),
        ("/a01/session/user/x", "GET"),
    ] {
        let answer = door.send("PUT", target, "");
        assert_eq!((answer.status, answer.body.as_str()), (405, ""), "{target}");
        assert!(
            answer.head.contains(&format!("\r\nAllow: {allow}\r\n")),
            "{}",
            answer.head
        );
    }
}

#[test]
fn patch_that_races_a_delete_never_brings_the_session_back() {
    let door = Door::new();
    let mut patched_first = 0;
    for _ in 0..300 {
        let id = door.create("u", "d");
        let target = format!("/a01/session/{id}");
        let start = Barrier::new(2);
        let patched = thread::scope(|scope| {
            let patch = scope.spawn(|| {
                start.wait();
                door.patch(&id, json!({"auth_code": "a"})).status
            });
            start.wait();
            assert_eq!(door.send("DELETE", &target, "").status, 200);
            patch.join().unwrap()
        });
        patched_first += usize::from(patched == 200);
        assert!(matches!(patched, 200 | 400), "{patched}");
        assert_eq!(door.send("GET", &target, "").status, 404);
        assert_eq!(door.send("GET", "/a01/session/user/u", "").body, "{}");
    }
    println!("{patched_first} of 300 patches came first");
    door.engine.check_invariants().unwrap();
}

#[test]
fn patches_of_different_attributes_in_parallel_all_survive() {
    let door = Door::new();
    let id = door.create("u", "d");
    thread::scope(|scope| {
        for worker in 0..4 {
            let (door, id) = (&door, &id);
            scope.spawn(move || {
                for n in (worker..200).step_by(4) {
                    assert_eq!(door.patch(id, json!({format!("x{n}"): "v"})).status, 200);
                }
            });
        }
    });
    let key = Key::Token(id.as_bytes());
    let read = |view: &SessionView<'_>| {
        let data: Value = serde_json::from_slice(view.data()).unwrap();
        (data.as_object().unwrap().len(), view.writes)
    };
    let found = door
        .engine
        .read(door.now, AppName::BACK_SESSION, key, Read::Peek, read);
    // The device and the date of the last update stand beside the 200.
    assert_eq!(found.answer, Some((202, 201)));
}

#[test]
fn plain_get_allocates_nothing() {
    let door = Door::new();
    let body = r#"{"user_id":"u<","device_id":"d&\u2028","auth_code":"a","exiration_time":"1"}"#;
    let id = door.json("POST", "/a01/session", body)["session_id"]
        .as_str()
        .unwrap()
        .to_string();
    for target in [
        format!("/a01/session/{id}"),
        format!("/a01/session/{}", id.replace('=', "%3D")),
    ] {
        let (mut out, mut scratch) = (Vec::with_capacity(4_096), Vec::with_capacity(4_096));
        let request = request("GET", &target, "");
        let mut get = || {
            out.clear();
            let mut reply = Response::new(&mut out, &mut scratch, &door.date, 1, false);
            door.handle(&request, &mut reply);
            assert_eq!(reply.status(), 200);
        };
        get();
        let counted = allocation_counter::measure(get);
        assert_eq!(counted.count_total, 0, "{target}");
    }
}
