//! Kills beside a snapshot: all of it or nothing of it comes back.

use cloakroom::log::Durability;

use crate::durable::End;
use crate::server::Server;

const SESSIONS: usize = 400;

/// Begins a snapshot, lets it go over some of the eight shards, kills the app, and goes on for so many
/// steps. Answers the server, the tokens, and whether the snapshot is complete.
fn kill_beside_snapshot(steps: u64) -> (Server, Vec<Vec<u8>>, bool) {
    let mut server = Server::new(Durability::EverySecond);
    let tokens = (0..SESSIONS).map(|_| server.create("shop")).collect();
    server.pass(3_000);
    for _ in 0..5 {
        assert!(!server.durable.save(&server.engine));
        server.durable.write();
    }
    assert_eq!(server.kill_all("shop"), SESSIONS as u64);
    server.durable.write();
    let mut is_complete = false;
    for _ in 0..steps {
        server.pass(50);
        is_complete = is_complete || server.durable.save(&server.engine);
    }
    (server, tokens, is_complete)
}

#[test]
fn snapshot_that_met_a_kill_of_an_app_is_complete_only_when_the_log_has_the_kill() {
    let (mut completed, mut undone) = (0, 0);
    for steps in 0..40 {
        let (server, tokens, is_complete) = kill_beside_snapshot(steps);
        let now = server.now;
        let server = server.restart_at(End::PowerCut, now);
        let is_served = |token: &&Vec<u8>| server.is_served("shop", token);
        let back = tokens.iter().filter(is_served).count();
        // A kill that was not synced may be undone, but not by half.
        assert!([0, SESSIONS].contains(&back), "{back} after {steps} steps");
        assert!(!is_complete || back == 0);
        completed += u64::from(is_complete);
        undone += u64::from(back > 0);
    }
    assert!(completed > 10, "{completed} complete");
    assert!(undone > 5, "{undone} undone");
}
