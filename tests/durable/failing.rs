//! A disk that fails under a running server: 503 for changes, reads go on, nothing acknowledged is
//! lost, and the server heals itself. The data directory is taken away and brought back.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::client::Client;
use crate::home::{Home, client, kill_nine, until};

const LARGE: usize = 50_000;

/// Creates sessions until the log has failed: their tokens. The answer to the last one may come when
/// the log is well again.
fn create_until_failed(address: &str, has_failed: &AtomicBool) -> Vec<String> {
    let mut client = Client::connect(address);
    let data = format!(r#"{{"x":"{}"}}"#, "y".repeat(LARGE));
    let mut tokens = Vec::new();
    while !has_failed.load(Ordering::Relaxed) {
        let (status, body) = client.ask("PUT", "/shop/create/u?ip=1&ttl=3600", Some(&data));
        if status == 503 {
            assert!(body.starts_with(r#"{"name":"unavailable""#), "{body}");
            break;
        }
        assert_eq!(status, 200, "{body}");
        tokens.push(body.split('"').nth(3).unwrap().to_owned());
        assert!(tokens.len() < 2_000, "the log does not fail");
    }
    tokens
}

/// The status of a kill that finds nothing. Its answer waits for what is not safe yet, so one that
/// does not come soon is asked for again.
fn status_of_a_kill(address: &str) -> u16 {
    let kill = format!("/shop/kill/{}", "k".repeat(64));
    let mut answer = None;
    until("a kill is answered", || {
        let mut client = Client::impatient(address);
        answer = client.try_ask("DELETE", &kill, None);
        answer.is_some()
    });
    answer.unwrap().0
}

#[test]
fn log_that_cannot_go_on_refuses_changes_with_503_and_heals_when_the_disk_is_back() {
    let home = Home::new();
    let server = home.serve("d");
    let mut watcher = client(&server);
    let tokens = watcher.create_all(1);
    // The files that are open go on; the next ones cannot be made.
    fs::rename(home.path("d"), home.path("away")).unwrap();
    let (address, has_failed) = (server.address(), AtomicBool::new(false));
    let created = thread::scope(|scope| {
        let creating = scope.spawn(|| create_until_failed(address, &has_failed));
        until("the log fails", || status_of_a_kill(address) == 503);
        has_failed.store(true, Ordering::Relaxed);
        assert_eq!(tokens.served(&mut watcher), [true; 3]);
        assert_eq!(watcher.ask("GET", "/new?user_id=1&ip=1", None).0, 503);
        let body = Some(r#"{"user_id":"u"}"#);
        assert_eq!(watcher.ask("POST", "/a01/session", body).0, 503);
        fs::rename(home.path("away"), home.path("d")).unwrap();
        until("the log heals", || status_of_a_kill(address) != 503);
        creating.join().unwrap()
    });
    assert!(created.len() > 20, "{}", created.len());
    let fresh = watcher.create_all(2);
    kill_nine(server);

    let server = home.serve("d");
    let mut after = client(&server);
    assert_eq!(tokens.served(&mut after), [true; 3]);
    assert_eq!(fresh.served(&mut after), [true; 3]);
    for token in created {
        let session = after.json("GET", &format!("/shop/get/{token}"), None);
        assert_eq!(session["d"]["x"].as_str().unwrap().len(), LARGE);
    }
    let (_, log) = server.stop();
    assert!(!log.contains("set aside"), "{log}");
}
