//! Many clients at one session: nothing is lost, counted twice or brought back.

use std::sync::Barrier;
use std::thread;

use serde_json::Value;

use crate::door::Server;

#[test]
fn parallel_sets_of_different_keys_all_survive() {
    let server = Server::new();
    let token = server.create("/app/create/u?ip=1");
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for client in 0..8 {
            let (server, token, start) = (&server, &token, &start);
            scope.spawn(move || {
                start.wait();
                for n in 0..25 {
                    let body = format!("{{\"k{client}-{n}\":{n},\"shared\":{client}}}");
                    let answer = server.send("POST", &format!("/app/set/{token}"), Some(&body));
                    assert_eq!(answer.status, 200);
                }
            });
        }
    });
    let session = server.json("GET", &format!("/app/get/{token}"), None);
    assert_eq!(
        (&session["r"], &session["w"]),
        (&Value::from(1), &Value::from(201))
    );
    let data = session["d"].as_object().unwrap();
    assert_eq!(data.len(), 201);
    for (client, n) in (0..8).flat_map(|client| (0..25).map(move |n| (client, n))) {
        assert_eq!(data[&format!("k{client}-{n}")], n);
    }
}

#[test]
fn parallel_reads_count_each_once() {
    let server = Server::new();
    let token = server.create("/app/create/u?ip=1");
    let start = Barrier::new(8);
    let mut seen: Vec<u64> = thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let get = format!("/app/get/{token}");
                    let read = || server.json("GET", &get, None)["r"].as_u64().unwrap();
                    (0..2_000).map(|_| read()).collect::<Vec<_>>()
                })
            })
            .collect();
        let seen = readers.into_iter().flat_map(|r| r.join().unwrap());
        seen.collect()
    });
    seen.sort_unstable();
    assert!(seen.into_iter().eq(1..=16_000));
}

#[test]
fn get_and_set_racing_a_kill_bring_nothing_back() {
    let server = Server::new();
    for _ in 0..300 {
        let token = server.create("/app/create/u?ip=1");
        let start = Barrier::new(3);
        let send = |method: &str, verb: &str, body: Option<&str>| {
            start.wait();
            server
                .send(method, &format!("/app/{verb}/{token}"), body)
                .body
        };
        thread::scope(|scope| {
            let get = scope.spawn(|| send("GET", "get", None));
            let set = scope.spawn(|| send("POST", "set", Some("{\"a\":1}")));
            assert_eq!(send("DELETE", "kill", None), "{\"kill\":1}");
            for answer in [get.join().unwrap(), set.join().unwrap()] {
                assert!(
                    answer == "{}" || answer.starts_with("{\"id\":\"u\","),
                    "{answer}"
                );
            }
        });
        assert_eq!(
            server.send("GET", &format!("/app/get/{token}"), None).body,
            "{}"
        );
    }
    assert_eq!(
        server.json("GET", "/app/activity?dt=600", None)["activity"],
        0
    );
    assert_eq!(server.json("DELETE", "/app/killall", None)["kill"], 0);
    server.engine.check_invariants().unwrap();
}
