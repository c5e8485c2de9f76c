//! Epochs over restarts: what a kill of an app has ended stays dead, what came after it lives.

use cloakroom::log::Durability;

use crate::durable::End;
use crate::server::Server;

/// Sessions that must be dead, and sessions that must live.
#[derive(Default)]
struct Known {
    dead: Vec<Vec<u8>>,
    living: Vec<Vec<u8>>,
}

impl Known {
    fn create(&mut self, server: &Server, count: usize) {
        self.living
            .extend((0..count).map(|_| server.create("shop")));
    }

    fn kill(&mut self, server: &Server) {
        assert_eq!(server.kill_all("shop"), self.living.len() as u64);
        self.dead.append(&mut self.living);
    }

    fn check(&self, server: &Server) {
        let is_served = |token: &Vec<u8>| server.is_served("shop", token);
        assert!(!self.dead.iter().any(is_served), "came back from the dead");
        assert!(self.living.iter().all(is_served), "lost");
        let sessions = server.engine.memory_use().sessions;
        assert_eq!(sessions, self.living.len() as u64);
    }
}

/// Every way to end a process and every place for a snapshot.
fn ways() -> impl Iterator<Item = (End, u64)> {
    let ends = [End::Stop, End::Kill, End::PowerCut];
    ends.into_iter()
        .flat_map(|end| (0..8).map(move |s| (end, s)))
}

fn restart(mut server: Server, end: End, snapshot: bool) -> Server {
    server.pass(5_000);
    if snapshot {
        server.snapshot();
        server.pass(5_000);
    }
    let now = server.now;
    server.restart_at(end, now)
}

#[test]
fn kills_of_an_app_hold_through_restarts_and_so_do_the_sessions_after_them() {
    for (end, snapshots) in ways() {
        let mut known = Known::default();
        let mut server = Server::new(Durability::Always);
        known.create(&server, 20);
        server = restart(server, end, snapshots & 1 > 0);
        known.check(&server);
        known.kill(&server);
        known.create(&server, 20);
        server = restart(server, end, snapshots & 2 > 0);
        known.check(&server);
        // Epochs are counted over all apps.
        server.create("other");
        assert_eq!(server.kill_all("other"), 1);
        server = restart(server, end, snapshots & 4 > 0);
        known.check(&server);
        known.kill(&server);
        known.create(&server, 20);
        server = restart(server, end, false);
        known.check(&server);
    }
}

#[test]
fn app_that_went_and_came_back_never_repeats_an_epoch_over_restarts() {
    for (end, snapshots) in ways() {
        let mut known = Known::default();
        let mut server = Server::new(Durability::Always);
        known.create(&server, 5);
        known.kill(&server);
        // The app goes with its last record.
        while server.engine.sweep(server.at(), 64).more {}
        assert_eq!(server.engine.memory_use().apps, 0);
        let epoch = server.engine.newest_epoch();
        server = restart(server, end, snapshots & 1 > 0);
        known.check(&server);
        assert_eq!(server.engine.newest_epoch(), epoch);
        known.create(&server, 5);
        server = restart(server, end, snapshots & 2 > 0);
        known.check(&server);
        known.kill(&server);
        assert!(server.engine.newest_epoch() > epoch);
        server = restart(server, end, snapshots & 4 > 0);
        known.create(&server, 5);
        server = restart(server, end, false);
        known.check(&server);
    }
}

#[test]
fn older_snapshot_and_the_log_behind_it_give_the_same_sessions() {
    let mut known = Known::default();
    let mut server = Server::new(Durability::Always);
    known.create(&server, 20);
    server.snapshot();
    known.kill(&server);
    known.create(&server, 20);
    server.pass(5_000);
    server.snapshot();
    let newest = server.durable.newest_snapshot();
    known.kill(&server);
    known.create(&server, 20);
    server.pass(5_000);
    // What an operator does when told that the newest snapshot is damaged.
    server.durable.move_aside(newest);
    server = server.restart();
    assert!(server.durable.recovered_from() < newest);
    known.check(&server);
    known.kill(&server);
    server = server.restart();
    known.check(&server);
}
