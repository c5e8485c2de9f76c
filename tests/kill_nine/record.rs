//! What one client knows for certain of its sessions, and what is open since a request was not
//! answered.

use std::collections::{BTreeMap, BTreeSet};

use crate::choice::{Choice, Dice};

/// A value that counts up with every set of a session.
pub(crate) type Value = u64;

/// A session of the record: the states it may be in. `None` is dead; more than one when the last
/// request was not answered.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) user: u64,
    pub(crate) states: Vec<Option<Value>>,
}

/// All sessions of one app by their tokens. Nothing is forgotten.
#[derive(Default)]
pub(crate) struct Record {
    sessions: BTreeMap<String, Known>,
    living: Vec<String>,
    dead: Vec<String>,
    /// How many of the dead were seen to be dead by a later server.
    buried: usize,
    /// Users for whom a session may have been created that nobody knows.
    pub(crate) maybe_created: Vec<u64>,
}

impl Record {
    pub(crate) fn created(&mut self, token: String, user: u64, value: Value) {
        let states = vec![Some(value)];
        self.living.push(token.clone());
        let before = self.sessions.insert(token, Known { user, states });
        assert!(before.is_none(), "a token was given out twice");
    }

    /// What the next server is asked for: all that live or may live, all that died since the last
    /// time, and `sample` of those that died before.
    pub(crate) fn due(&mut self, sample: usize, dice: &mut Dice) -> Vec<(String, Known)> {
        let (old, fresh) = self.dead.split_at(self.buried);
        let drawn = (0..sample.min(old.len())).map(|_| &old[dice.choose(old.len())]);
        let tokens = self.living.iter().chain(fresh).chain(drawn);
        let known = |token: &String| (token.clone(), self.sessions[token].clone());
        let all = tokens.map(known).collect();
        self.buried = self.dead.len();
        all
    }

    /// The values of a user's living sessions.
    pub(crate) fn values(&self, user: u64) -> BTreeSet<Value> {
        let values = self
            .living(Some(user))
            .into_iter()
            .filter_map(|token| self.sessions[&token].states[0]);
        values.collect()
    }

    /// A session that lives for certain.
    pub(crate) fn pick(&self, number: usize) -> Option<(String, Value)> {
        let count = self.living.len();
        let token = self.living.get(number.checked_rem(count)?)?;
        let known = self.sessions.get(token)?;
        known.states.first()?.map(|value| (token.clone(), value))
    }

    /// The living sessions of one user or, with `None`, of all.
    pub(crate) fn living(&self, user: Option<u64>) -> Vec<String> {
        let is_of = |token: &&String| user.is_none_or(|user| self.sessions[*token].user == user);
        self.living.iter().filter(is_of).cloned().collect()
    }

    /// The only state the session can be in.
    pub(crate) fn settle(&mut self, token: &str, state: Option<Value>) {
        self.sessions.get_mut(token).unwrap().states = vec![state];
        let lived = self.living.len();
        if state.is_none() {
            self.living.retain(|living| living != token);
        }
        if self.living.len() < lived {
            self.dead.push(token.to_owned());
        }
    }

    /// A state the session may be in as well: the request for it was not answered.
    pub(crate) fn doubt(&mut self, token: &str, state: Option<Value>) {
        let known = self.sessions.get_mut(token).unwrap();
        known.states.push(state);
    }
}
