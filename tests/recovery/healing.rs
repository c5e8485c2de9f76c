//! Kills beside the snapshot that heals a failed log: all of it or nothing of it comes back.

use cloakroom::engine::ChangeLog;
use cloakroom::log::{Durability, Log, SnapshotError};
use cloakroom::model::{Change, Position};

use crate::durable::End;
use crate::server::Server;

const SESSIONS: usize = 400;

/// Lets every change in: the log of somebody who had asked before it failed.
struct AskedBefore(Log);

impl ChangeLog for AskedBefore {
    fn append(&self, change: &Change<'_>) -> Option<Position> {
        Some(self.0.append(change))
    }

    fn head(&self) -> Option<Position> {
        Some(self.0.head())
    }
}

#[test]
fn healing_that_meets_a_kill_of_an_app_begins_anew() {
    let mut server = Server::new(Durability::Always);
    let log = AskedBefore(server.durable.log().clone());
    server.engine = server.engine.with_log(Box::new(log));
    let tokens: Vec<_> = (0..SESSIONS).map(|_| server.create("shop")).collect();
    server.pass(10);
    let other = server.create("other");
    server.durable.fail();
    // Over some of the eight shards.
    for _ in 0..4 {
        assert!(!server.durable.heal(&server.engine, 0).unwrap());
    }
    assert_eq!(server.kill_all("shop"), SESSIONS as u64);
    let met = loop {
        match server.durable.heal(&server.engine, 0) {
            Ok(is_complete) => assert!(!is_complete, "it holds half of the app"),
            Err(error) => break error,
        }
    };
    assert!(matches!(met, SnapshotError::Overtaken), "{met}");
    while !server.durable.heal(&server.engine, 1_000).unwrap() {}
    server.pass(10);
    let now = server.now;
    let server = server.restart_at(End::PowerCut, now);
    assert!(server.is_served("other", &other));
    assert!(!tokens.iter().any(|token| server.is_served("shop", token)));
}
