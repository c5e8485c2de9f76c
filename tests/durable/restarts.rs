//! What a restart and kill -9 leave: everything that was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::client::Client;
use crate::home::{Home, client, kill_nine, until};

#[test]
fn sessions_of_all_dialects_are_the_same_after_a_stop_and_a_start() {
    let home = Home::new();
    let server = home.serve("d");
    let mut before = client(&server);
    let tokens = before.create_all(7);
    let ended = before.create_all(7);
    for _ in 0..3 {
        assert_eq!(tokens.served(&mut before), [true; 3]);
    }
    let set = format!("/shop/set/{}", tokens.rest);
    before.json("POST", &set, Some(r#"{"cart":null,"lang":"en"}"#));
    let kill = format!("/shop/kill/{}", ended.rest);
    assert_eq!(before.json("DELETE", &kill, None)["kill"], 1);
    let get = format!("/get?token={}&ip=10.9.9.9", tokens.tarantool);
    before.json("POST", &get, Some(r#"{"b":2}"#));
    let delete = format!("/a01/session/{}", ended.back);
    assert_eq!(before.ask("DELETE", &delete, None).0, 200);
    before.create_rest("other", "u", None);
    assert_eq!(before.json("DELETE", "/other/killall", None)["kill"], 1);
    let lists = before.lists(7);
    // A stop makes touches safe too, so the counters are exact.
    assert_eq!(lists[0]["sessions"][0]["r"], 4);
    server.stop();

    let server = home.serve("d");
    let mut after = client(&server);
    assert_eq!(after.lists(7), lists);
    assert_eq!(tokens.served(&mut after), [true; 3]);
    assert_eq!(ended.served(&mut after), [false, true, false]);
    let apps = after.json("GET", "/other/soapp?dt=3600", None);
    assert_eq!(apps["sessions"].as_array().unwrap().len(), 0);
    let activity = after.json("GET", "/shop/activity?dt=3600", None);
    assert_eq!(activity["activity"], 1);
}

/// One client's sessions while it is answered: create, set, kill every third.
fn work(address: &str, number: u64, is_over: &AtomicBool, done: &AtomicU64) -> Vec<(String, u64)> {
    let mut client = Client::connect(address);
    let mut expected = Vec::new();
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let create = format!("/load{number}/create/u{round}?ip=1&ttl=3600");
        let Some((200, body)) = client.try_ask("PUT", &create, Some(r#"{"n":0}"#)) else {
            break;
        };
        let token = body.split('"').nth(3).unwrap().to_owned();
        expected.push((token.clone(), 0));
        let set = format!("/load{number}/set/{token}");
        let body = format!(r#"{{"n":{round}}}"#);
        if client.try_ask("POST", &set, Some(&body)).is_none() {
            // Nobody knows whether it was done.
            expected.pop();
            break;
        }
        expected.last_mut().unwrap().1 = round;
        if round % 3 == 0 {
            let kill = format!("/load{number}/kill/{token}");
            let killed = client.try_ask("DELETE", &kill, None);
            expected.pop();
            if killed.is_none() {
                break;
            }
            expected.push((token, u64::MAX));
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    expected
}

#[test]
fn everything_acknowledged_survives_kill_nine_under_load_whatever_the_durability() {
    for durability in ["always", "everysec", "os"] {
        let home = Home::new();
        let server = home.serve_with("d", &["--durability", durability]);
        let address = server.address().to_owned();
        let (is_over, done) = (AtomicBool::new(false), AtomicU64::new(0));
        let all = thread::scope(|scope| {
            let (address, is_over, done) = (&address, &is_over, &done);
            let clients: Vec<_> = (0..4)
                .map(|number| scope.spawn(move || work(address, number, is_over, done)))
                .collect();
            until("there is some load", || {
                assert!(!clients.iter().any(|client| client.is_finished()));
                done.load(Ordering::Relaxed) >= 400
            });
            kill_nine(server);
            is_over.store(true, Ordering::Relaxed);
            let joined = clients.into_iter().map(|client| client.join().unwrap());
            joined.collect::<Vec<_>>()
        });
        let server = home.serve("d");
        let mut client = client(&server);
        let mut living = 0;
        for (number, sessions) in all.iter().enumerate() {
            for (token, n) in sessions {
                let (_, body) = client.ask("GET", &format!("/load{number}/get/{token}"), None);
                if *n == u64::MAX {
                    assert_eq!(body, "{}", "{durability}: a killed session is back");
                } else {
                    let data = format!(r#""d":{{"n":{n}}}"#);
                    assert!(body.contains(&data), "{durability}: {body} has not {n}");
                    living += 1;
                }
            }
        }
        assert!(living > 200, "{living}");
    }
}

#[test]
fn server_without_any_flag_keeps_its_sessions_in_the_folder_where_it_is_started() {
    let home = Home::new();
    let start = || {
        let mut command = crate::commanded::command(&["serve"], &[("RS_PORT", "0")]);
        command.current_dir(home.path(""));
        crate::commanded::Running::of(command)
    };
    let server = start();
    let token = client(&server).create_rest("shop", "u", None);
    kill_nine(server);
    assert!(home.path("cloakroom-data").join("key").exists());
    let server = start();
    let session = client(&server).json("GET", &format!("/shop/get/{token}"), None);
    assert_eq!(session["id"], "u");
}

#[test]
fn snapshots_are_taken_when_the_log_has_grown_and_replace_it() {
    let home = Home::new();
    let flags = ["--snapshot-log-size", "100000"];
    let server = home.serve_with("d", &flags);
    let mut before = client(&server);
    let data = format!(r#"{{"x":"{}"}}"#, "y".repeat(10_000));
    let mut tokens = Vec::new();
    let has = |end: &str| {
        crate::home::files(&home.path("d"))
            .iter()
            .any(|path| path.to_string_lossy().ends_with(end))
    };
    // The second snapshot makes the first segment superfluous.
    while has("segment-0000000000000001.log") {
        tokens.push(before.create_rest("shop", "u", Some(&data)));
        assert!(tokens.len() < 20_000, "no snapshot is taken");
    }
    kill_nine(server);
    let server = home.serve_with("d", &flags);
    let mut after = client(&server);
    for token in tokens {
        let session = after.json("GET", &format!("/shop/get/{token}"), None);
        assert_eq!(session["d"]["x"].as_str().unwrap().len(), 10_000);
    }
}

#[test]
fn snapshot_is_taken_when_the_time_has_come_and_something_was_written() {
    let home = Home::new();
    let server = home.serve_with("d", &["--snapshot-every", "1s"]);
    let token = client(&server).create_rest("shop", "u", None);
    let snapshot = home.path("d").join("snapshot-0000000000000002.snap");
    until("a snapshot is there", || snapshot.exists());
    kill_nine(server);
    let server = home.serve("d");
    let session = client(&server).json("GET", &format!("/shop/get/{token}"), None);
    assert_eq!(session["id"], "u");
}
