//! An engine over a data directory in memory, which can be stopped and started again.

use cloakroom::clock::Millis;
use cloakroom::engine::{Engine, EngineConfig, NewSession};
use cloakroom::log::Durability;
use cloakroom::model::Life;

use crate::durable::{Durable, End};
use crate::engines::{app, engine, is_served, plain};

pub(crate) const NOW: u64 = 1_795_000_000_123;

pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) durable: Durable,
    pub(crate) now: u64,
}

fn fresh() -> Engine {
    engine(&EngineConfig {
        token_shards: 8,
        name_shards: 4,
        ip_indexed_apps: vec!["shop".to_owned()],
        ..EngineConfig::default()
    })
}

impl Server {
    pub(crate) fn new(durability: Durability) -> Self {
        let (engine, durable) = Durable::new(fresh(), NOW, durability);
        Self {
            engine,
            durable,
            now: NOW,
        }
    }

    pub(crate) fn at(&self) -> Millis {
        Millis(self.now)
    }

    pub(crate) fn create(&self, name: &str) -> Vec<u8> {
        self.create_with(&plain(name, "u", Life::ENDLESS))
    }

    pub(crate) fn create_with(&self, new: &NewSession<'_>) -> Vec<u8> {
        let created = self.engine.create(self.at(), new).unwrap().answer;
        created.token.as_bytes().to_vec()
    }

    pub(crate) fn kill_all(&self, name: &str) -> u64 {
        self.engine.remove_app(self.at(), app(name)).unwrap().answer
    }

    pub(crate) fn is_served(&self, name: &str, token: &[u8]) -> bool {
        is_served(&self.engine, self.at(), name, token)
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now += millis;
        self.durable.pass(&self.engine, self.now, millis);
    }

    /// Takes a whole snapshot.
    pub(crate) fn snapshot(&mut self) {
        while !self.durable.save(&self.engine) {
            self.pass(1);
        }
    }

    /// Stops and starts again at `now`.
    pub(crate) fn restart_at(self, end: End, now: u64) -> Self {
        let (engine, durable, _) = self.durable.restart(end, &self.engine, fresh(), now);
        assert_eq!(engine.check_invariants(), Ok(()));
        Self {
            engine,
            durable,
            now,
        }
    }

    pub(crate) fn restart(self) -> Self {
        let now = self.now;
        self.restart_at(End::Stop, now)
    }
}
