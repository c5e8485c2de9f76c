//! The outside record: every state that every session ever had, and where in the log it stands.
//!
//! States are taken from the running engine, which `tests/model.rs` compares with a twin of its own;
//! here the question is which of them a recovered engine may show. That follows from one number, the
//! position up to which the log was recovered: changes at or before it are all there, changes behind
//! it are not, and touches that were never written down may be missing.

use std::collections::BTreeMap;

use cloakroom::model::{Handle, Life, SessionView};

/// A session, named as the clients name it.
pub(crate) type Name = (usize, Vec<u8>);

/// Everything that a session shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) user: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) created: u64,
    pub(crate) last: u64,
    /// The second of the recorded access.
    pub(crate) recorded: u64,
    pub(crate) deadline: u64,
    pub(crate) life: Life,
    pub(crate) no_resave: bool,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) content_type: u8,
    pub(crate) data: Vec<u8>,
    pub(crate) token: Vec<u8>,
}

impl State {
    /// What a peek at `now` shows.
    pub(crate) fn of(view: &SessionView<'_>, now: u64) -> Self {
        Self {
            user: view.user().map(str::to_owned),
            ip: view.ip().map(str::to_owned),
            created: view.created().0,
            last: view.last_active.0,
            recorded: now / 1000 - view.idle_seconds,
            deadline: view.deadline.0,
            life: view.life,
            no_resave: view.no_resave,
            reads: view.reads,
            writes: view.writes,
            content_type: view.content_type.0,
            data: view.data().to_vec(),
            token: view.token().unwrap().as_bytes().to_vec(),
        }
    }
}

/// Short, since a failure shows many of them.
impl std::fmt::Debug for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (user, ip) = (self.user.as_deref(), self.ip.as_deref());
        write!(
            out,
            "{}@{} created {} last {} recorded {} deadline {} idle {} until {} flags {}{} reads {} \
             writes {} data {}:{}..{}",
            user.unwrap_or("-"),
            ip.unwrap_or("-"),
            self.created,
            self.last,
            self.recorded,
            self.deadline,
            self.life.idle,
            self.life.until.0,
            u8::from(self.life.whole_seconds),
            u8::from(self.no_resave),
            self.reads,
            self.writes,
            self.content_type,
            String::from_utf8_lossy(&self.data[..self.data.len().min(8)]),
            self.data.len(),
        )
    }
}

/// What a session was from some moment on.
#[derive(Clone, Debug)]
struct Moment {
    /// `None`: there was no session.
    state: Option<State>,
    /// Something that is waited for, and not a mere touch.
    is_change: bool,
    /// Where it stands in the log; never for a touch that was not written down.
    position: Option<u64>,
}

/// What may be found of a session after a recovery.
#[derive(Debug)]
pub(crate) struct Allowed<'a>(&'a [Moment]);

impl Allowed<'_> {
    /// Whether the session may be as it was found: one of its states, unless that has expired.
    pub(crate) fn fits(&self, found: Option<&State>, now: u64) -> bool {
        self.0.iter().any(|moment| match (&moment.state, found) {
            (Some(state), Some(found)) => state == found && now < found.deadline,
            (Some(state), None) => state.deadline <= now,
            (None, found) => found.is_none(),
        })
    }
}

/// How much of what lies behind the recovered position may be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Beyond {
    /// Nothing but touches.
    Nothing,
    /// States that a snapshot has met while it was being written.
    Anything,
}

/// The states of all sessions that there ever were.
#[derive(Clone, Default, Debug)]
pub(crate) struct Chronicle {
    sessions: BTreeMap<Name, Vec<Moment>>,
    names: BTreeMap<u64, Name>,
    app_ends: Vec<AppEnd>,
}

/// An end of all sessions of an app.
#[derive(Clone, Debug)]
struct AppEnd {
    position: u64,
    /// The sessions that it ended, each with the number of its moment.
    ended: Vec<(Name, usize)>,
}

impl Chronicle {
    /// Learns under which handle a session is written down.
    pub(crate) fn meet(&mut self, handle: Handle, name: &Name) {
        self.names.insert(handle.0, name.clone());
        self.sessions.entry(name.clone()).or_insert_with(|| {
            vec![Moment {
                state: None,
                is_change: true,
                position: Some(0),
            }]
        });
    }

    /// The name of the session with this handle.
    pub(crate) fn name(&self, handle: u64) -> &Name {
        &self.names[&handle]
    }

    /// All names, of the living and the dead.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.sessions.keys()
    }

    /// What is served of the newest states.
    pub(crate) fn all_newest(&self, now: u64) -> BTreeMap<Name, State> {
        let newest = self.sessions.keys().filter_map(|name| {
            let state = self.newest(name).filter(|state| now < state.deadline)?;
            Some((name.clone(), state.clone()))
        });
        newest.collect()
    }

    /// A change of a session that stands at `position` of the log.
    pub(crate) fn change(&mut self, name: &Name, position: u64, state: Option<State>) {
        self.add(name, true, Some(position), state);
    }

    /// All sessions of an app end at `position`. Answers their names.
    pub(crate) fn end_app(&mut self, app: usize, position: u64) -> Vec<Name> {
        let mut ended = Vec::new();
        for (name, moments) in &mut self.sessions {
            if name.0 == app && moments.last().is_some_and(|last| last.state.is_some()) {
                ended.push((name.clone(), moments.len()));
                moments.push(Moment {
                    state: None,
                    is_change: true,
                    position: Some(position),
                });
            }
        }
        let names = ended.iter().map(|(name, _)| name.clone()).collect();
        self.app_ends.push(AppEnd { position, ended });
        names
    }

    /// Of the sessions that an end of an app behind `position` has ended, all are there or none.
    pub(crate) fn no_end_is_half(
        &self,
        position: u64,
        found: &BTreeMap<Name, State>,
        now: u64,
    ) -> bool {
        let behind = self.app_ends.iter().filter(|end| end.position > position);
        behind.into_iter().all(|end| {
            let (mut spared, mut ended) = (0, 0);
            for (name, at) in &end.ended {
                let moments = &self.sessions[name][..*at];
                let is_in = |moment: &Moment| moment.position.is_some_and(|at| at <= position);
                let before = &moments[moments.iter().rposition(is_in).unwrap()..];
                let lives = |moment: &Moment| {
                    let state = moment.state.as_ref();
                    state.is_some_and(|state| now < state.deadline)
                };
                if before.iter().all(lives) {
                    let is_spared = Allowed(before).fits(found.get(name), now);
                    spared += u64::from(is_spared);
                    ended += u64::from(!is_spared);
                }
            }
            spared == 0 || ended == 0
        })
    }

    /// A session whose newest touch is not written down though its second ended a quarter of a second
    /// ago, or longer.
    pub(crate) fn overdue(&self, now: u64) -> Option<&Name> {
        let is_overdue = |moments: &&Vec<Moment>| {
            let newest = moments.last().filter(|moment| moment.position.is_none());
            let state = newest.and_then(|moment| moment.state.as_ref());
            state.is_some_and(|state| {
                let due = (state.last / 1000 + 1) * 1000 + 250;
                due <= now && now < state.deadline
            })
        };
        let mut sessions = self.sessions.iter();
        sessions
            .find(|(_, moments)| is_overdue(moments))
            .map(|(name, _)| name)
    }

    /// A touch that is not written down yet.
    pub(crate) fn touch(&mut self, name: &Name, state: Option<State>) {
        if self.newest(name) != state.as_ref() {
            self.add(name, false, None, state);
        }
    }

    fn add(&mut self, name: &Name, is_change: bool, position: Option<u64>, state: Option<State>) {
        let moments = self.sessions.get_mut(name).unwrap();
        moments.push(Moment {
            state,
            is_change,
            position,
        });
    }

    /// The present state of a session was written down as a touch.
    pub(crate) fn written_down(&mut self, name: &Name, position: u64) {
        let moment = self.sessions.get_mut(name).unwrap().last_mut().unwrap();
        moment.position = moment.position.or(Some(position));
    }

    /// The newest state of a session.
    pub(crate) fn newest(&self, name: &Name) -> Option<&State> {
        self.sessions.get(name)?.last()?.state.as_ref()
    }

    /// What may be found of a session when the log was recovered up to `position`.
    pub(crate) fn allowed(&self, name: &Name, position: u64, beyond: Beyond) -> Allowed<'_> {
        let moments = self.sessions[name].as_slice();
        let is_in = |moment: &Moment| moment.position.is_some_and(|at| at <= position);
        let first = moments.iter().rposition(is_in).unwrap();
        let behind = &moments[first + 1..];
        let changed = behind.iter().position(|moment| moment.is_change);
        let end = match beyond {
            Beyond::Nothing => changed.unwrap_or(behind.len()),
            Beyond::Anything => behind.len(),
        };
        Allowed(&moments[first..=first + end])
    }

    /// A new process begins with what it has recovered: nothing else was ever there.
    pub(crate) fn begin_anew(&mut self, found: &BTreeMap<Name, State>) {
        self.app_ends.clear();
        for (name, moments) in &mut self.sessions {
            moments.clear();
            moments.push(Moment {
                state: found.get(name).cloned(),
                is_change: true,
                position: Some(0),
            });
        }
    }
}
