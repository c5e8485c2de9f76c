//! Nothing that clients do at the same time is lost or counted twice.

use std::sync::Barrier;
use std::thread;

use serde_json::Value;

use crate::served::{Served, request};

#[test]
fn two_hundred_parallel_sets_of_different_keys_all_survive() {
    const CLIENTS: usize = 200;
    let server = Served::start(|_| {});
    let mut client = server.connect();
    let token = client.create_rest("app", "u");
    let start = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (server, token, start) = (&server, &token, &start);
            scope.spawn(move || {
                let mut client = server.connect();
                let body = format!(r#"{{"key{n}":{n}}}"#);
                start.wait();
                let target = format!("/app/set/{token}");
                let session = client.json("POST", &target, Some(&body));
                assert_eq!(session["d"][format!("key{n}")], n);
            });
        }
    });
    let session = client.json("GET", &format!("/app/get/{token}"), None);
    assert_eq!(session["w"], Value::from(CLIENTS + 1));
    assert_eq!(session["d"].as_object().unwrap().len(), CLIENTS);
    for n in 0..CLIENTS {
        assert_eq!(session["d"][format!("key{n}")], n);
    }
    server.assert_sound();
}

#[test]
fn r_of_100_000_reads_by_eight_clients_is_distinct_and_consecutive() {
    const CLIENTS: usize = 8;
    const READS: usize = 100_000;
    /// Requests sent at once.
    const DEPTH: usize = 50;
    let server = Served::start(|_| {});
    let token = server.connect().create_rest("app", "u");
    let requests = request("GET", &format!("/app/get/{token}"), None).repeat(DEPTH);
    let start = Barrier::new(CLIENTS);
    let read_all = || {
        let mut client = server.connect();
        start.wait();
        let mut seen = Vec::with_capacity(READS / CLIENTS);
        while seen.len() < READS / CLIENTS {
            client.send(&requests);
            for _ in 0..DEPTH {
                let (_, body) = client.answer();
                let session: Value = serde_json::from_str(&body).unwrap();
                seen.push(session["r"].as_u64().unwrap());
            }
        }
        assert!(seen.is_sorted(), "one client sees them grow");
        seen
    };
    let mut seen: Vec<u64> = thread::scope(|scope| {
        let readers: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(read_all)).collect();
        let seen = readers.into_iter().flat_map(|r| r.join().unwrap());
        seen.collect()
    });
    seen.sort_unstable();
    assert!(seen.into_iter().eq(1..=READS as u64));
}
