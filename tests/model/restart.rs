//! Stops, crashes and power cuts in the middle of a history, and what must be there afterwards.

use std::collections::BTreeMap;

use cloakroom::engine::Position;
use cloakroom::log::Durability;

use super::facts::Facts;
use super::{Driver, Shape, engine};
use crate::durable::{Durable, End};
use crate::twin::{Session, Twin, at};

/// Milliseconds of touches that a crash may take: those of the second that is not over, and of the
/// one before until a quarter second after its end. (Callers are promised two seconds, since writing
/// takes time.)
const LAG_MILLIS: u64 = 1_250;

impl Driver {
    /// A history over a data directory.
    pub(crate) fn durable(shape: Shape, seed: u64) -> Self {
        let mut driver = Self::new(shape, seed);
        let durability = match seed % 3 {
            0 => Durability::Always,
            1 => Durability::EverySecond,
            _ => Durability::Os,
        };
        let (engine, durable) = Durable::new(engine(seed), driver.now, durability);
        driver.engine = engine;
        driver.durable = Some(durable);
        driver
    }

    /// Lets time pass. A log gets the touches of a second a quarter second after its end.
    pub(super) fn pass(&mut self, millis: u64) {
        let target = self.now + millis;
        if let Some(durable) = &mut self.durable {
            let second = self.now / 1000 * 1000;
            for stop in [second + 250, second + 1_250, target] {
                if self.now < stop && stop <= target {
                    durable.pass(&self.engine, stop, stop - self.now);
                    self.now = stop;
                }
            }
        }
        self.now = target;
    }

    /// Goes on with a snapshot, or ends the process in one way or another.
    pub(super) fn look_after_data(&mut self) {
        let Some(durable) = &mut self.durable else {
            return;
        };
        match self.dice.roll(12) {
            0 => {
                let end = self.end();
                self.restart(end);
            }
            _ => drop(durable.save(&self.engine)),
        }
    }

    fn end(&mut self) -> End {
        match self.dice.roll(3) {
            0 => End::Stop,
            1 if self.is_synced_at_once() => End::PowerCut,
            _ => End::Kill,
        }
    }

    fn is_synced_at_once(&self) -> bool {
        self.seed.is_multiple_of(3)
    }

    /// A stop loses nothing; the run is over. Answers how many restarts and snapshots there were.
    pub(super) fn end_durable(&mut self) -> (u64, u64) {
        self.restart(End::Stop);
        (self.restarts, self.durable.as_ref().unwrap().snapshots)
    }

    fn restart(&mut self, end: End) {
        self.durable.as_mut().unwrap().write();
        let mut past = vec![(Position(0), self.twin.clone())];
        if end == End::Kill {
            self.do_things_unwritten(&mut past);
        }
        self.restarts += 1;
        let fresh = engine(self.seed + (self.restarts << 32));
        let durable = self.durable.take().unwrap();
        let (engine, durable, last) = durable.restart(end, &self.engine, fresh, self.now);
        (self.engine, self.durable) = (engine, Some(durable));
        assert_eq!(self.engine.check_invariants(), Ok(()));
        past.retain(|(head, _)| end != End::Kill || *head <= last);
        let (_, twin) = past.pop().unwrap();
        let lag = if end == End::Stop { 0 } else { LAG_MILLIS };
        self.twin = self.adopt(twin, lag);
    }

    /// Does some verbs within the present millisecond, of which the log may write a part.
    fn do_things_unwritten(&mut self, past: &mut Vec<(Position, Twin)>) {
        for _ in 0..self.dice.roll(8) {
            let before = self.durable.as_ref().unwrap().head();
            let roll = self.dice.roll(84);
            self.verb(roll);
            let durable = self.durable.as_mut().unwrap();
            let head = durable.head();
            past.push((head, self.twin.clone()));
            // A verb that fills more than one block may be cut in two.
            if self.dice.roll(4) == 0 || head.0 > before.0 + 1 {
                durable.write();
            }
        }
    }

    /// The twin as it must be taken from now on: `twin`, but for the touches that a crash may take.
    fn adopt(&self, mut twin: Twin, lag: u64) -> Twin {
        let now = self.now;
        let mut shown = self.shown();
        for session in &mut twin.sessions {
            let found = shown.remove(&(Self::name(session.app).as_str(), session.token.clone()));
            let fits = |state: &Session| match &found {
                Some(facts) => {
                    // A walk does not count idleness.
                    let idle_seconds = 0;
                    *facts
                        == Facts {
                            idle_seconds,
                            ..Facts::of_twin(state, now)
                        }
                }
                None => state.deadline() <= now,
            };
            let state = session.after_crash(now, lag).find(fits);
            *session = state.unwrap_or_else(|| panic!("{session:?} came back as {found:?}"));
        }
        assert!(shown.is_empty(), "came back from the dead: {shown:?}");
        twin.restart(now);
        twin
    }

    /// All sessions that are served, by app and token.
    fn shown(&self) -> BTreeMap<(&'static str, Vec<u8>), Facts> {
        let mut shown = BTreeMap::new();
        let mut from = Some(0);
        while let Some(place) = from {
            from = self.engine.walk(at(self.now), place, 7, &mut |app, view| {
                let name = super::APPS.into_iter().find(|name| *name == app.as_str());
                let token = view.token().unwrap().as_bytes().to_vec();
                let before = shown.insert((name.unwrap(), token), Facts::of_view(view));
                assert!(before.is_none(), "shown twice");
            });
        }
        shown
    }
}
