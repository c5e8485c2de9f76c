//! The naive twin: a vector of sessions, every question answered by looking at all of them.

use std::collections::BTreeMap;

use cloakroom::clock::Millis;
use cloakroom::model::Life;

/// A session as the twin sees it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) app: usize,
    pub(crate) token: Vec<u8>,
    pub(crate) user: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) created: u64,
    pub(crate) last: u64,
    /// The recorded access, in milliseconds: what idleness counts from.
    pub(crate) recorded: u64,
    pub(crate) life: Life,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) members: Vec<(String, u32)>,
    /// What it was after each touch since the last change that the log takes down at once, the oldest
    /// first.
    pub(crate) trail: Vec<Step>,
}

/// What of a session a touch moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    at: u64,
    last: u64,
    recorded: u64,
    reads: u64,
}

impl Session {
    /// Notes that the log takes its whole state down at this moment.
    pub(crate) fn written_down(&mut self, now: u64) {
        self.trail.clear();
        self.touched(now);
    }

    /// Notes a touch that was carried out.
    pub(crate) fn touched(&mut self, now: u64) {
        self.trail.push(Step {
            at: now,
            last: self.last,
            recorded: self.recorded,
            reads: self.reads,
        });
    }

    /// What it may be after a crash at `now` that takes the touches of `lag` milliseconds.
    pub(crate) fn after_crash(&self, now: u64, lag: u64) -> impl Iterator<Item = Self> {
        let certain = |step: &&Step| step.at + lag <= now;
        let first = self.trail.iter().take_while(certain).count().max(1) - 1;
        self.trail.iter().skip(first).map(|step| Self {
            last: step.last,
            recorded: step.recorded,
            reads: step.reads,
            trail: vec![*step],
            ..self.clone()
        })
    }

    pub(crate) fn deadline(&self) -> u64 {
        let idle = self.life.idle;
        let sliding = if idle == (1 << 48) - 1 {
            u64::MAX
        } else if self.life.whole_seconds {
            (self.recorded / 1000 + idle / 1000 + 1) * 1000
        } else {
            self.recorded + idle
        };
        sliding.min(self.life.until.0)
    }

    pub(crate) fn idle_seconds(&self, now: u64) -> u64 {
        now / 1000 - self.recorded / 1000
    }

    pub(crate) fn touch(&mut self, now: u64) {
        self.last = now;
        if !self.life.whole_seconds
            || self.idle_seconds(now) > 1
            || now / 1000 == self.recorded / 1000
        {
            self.recorded = now;
        }
    }

    pub(crate) fn data(&self) -> String {
        if self.members.is_empty() {
            return String::new();
        }
        let members: Vec<String> = self
            .members
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    pub(crate) fn version(&self) -> u64 {
        (self.created & 0xffff) << 48 | self.writes
    }
}

/// All sessions of all apps.
#[derive(Clone, Default)]
pub(crate) struct Twin {
    pub(crate) sessions: Vec<Session>,
    /// Last activity of each user of each app, kept until the user's last session is gone.
    users: BTreeMap<(usize, String), u64>,
    /// The same as far as a restart may have kept it: it knows of what sessions there are.
    certain: BTreeMap<(usize, String), u64>,
    aliases: Vec<Alias>,
}

/// An old id that still answers.
#[derive(Clone)]
struct Alias {
    app: usize,
    token: Vec<u8>,
    to: Vec<u8>,
    until: u64,
    /// When the session was made that it leads to.
    created: u64,
}

impl Twin {
    pub(crate) fn find(&self, app: usize, token: &[u8], now: u64) -> Option<usize> {
        let token = match self.alias(app, token, now) {
            Some(alias) => {
                let found = self.find(app, &alias.to, now)?;
                return (self.sessions[found].created == alias.created).then_some(found);
            }
            None => token,
        };
        let is = |s: &Session| s.app == app && s.token == token && now < s.deadline();
        self.sessions.iter().position(is)
    }

    fn alias(&self, app: usize, token: &[u8], now: u64) -> Option<&Alias> {
        let is = |a: &&Alias| a.app == app && a.token == token && now < a.until;
        self.aliases.iter().rev().find(is)
    }

    /// Whether a session was called so until a while ago, and still answers to it.
    pub(crate) fn is_old_id(&self, app: usize, token: &[u8], now: u64) -> bool {
        self.alias(app, token, now).is_some()
    }

    /// Whether no session can get this token.
    pub(crate) fn is_taken(&self, app: usize, token: &[u8], now: u64) -> bool {
        self.find(app, token, now).is_some()
    }

    /// Gives a session another token; the old one answers until `until`.
    pub(crate) fn rotate(&mut self, at: usize, token: Vec<u8>, until: u64) {
        let (app, to) = (self.sessions[at].app, token.clone());
        self.aliases.retain(|a| a.app != app || a.token != to);
        let created = self.sessions[at].created;
        let token = std::mem::replace(&mut self.sessions[at].token, token);
        self.aliases.push(Alias {
            app,
            token,
            to,
            until,
            created,
        });
    }

    pub(crate) fn add(&mut self, session: Session) {
        // A dead session with the same token makes place.
        let (app, token) = (session.app, session.token.clone());
        let dead = |s: &Session| s.app == app && s.token == token;
        if let Some(at) = self.sessions.iter().position(dead) {
            self.remove(at);
        }
        // So does an old id whose session has ended.
        let (app, token) = (session.app, session.token.clone());
        self.aliases.retain(|a| a.app != app || a.token != token);
        let last = session.last;
        self.sessions.push(session);
        self.note_active(self.sessions.len() - 1, last);
    }

    pub(crate) fn note_active(&mut self, at: usize, now: u64) {
        let session = &self.sessions[at];
        if let Some(user) = &session.user {
            for users in [&mut self.users, &mut self.certain] {
                let last = users.entry((session.app, user.clone())).or_default();
                *last = now.max(*last);
            }
        }
    }

    /// Forgets what a restart may forget of users.
    pub(crate) fn restart(&mut self, now: u64) {
        self.certain.clear();
        for session in self.sessions.iter().filter(|s| now < s.deadline()) {
            if let Some(user) = &session.user {
                let active = self.certain.entry((session.app, user.clone()));
                let active = active.or_default();
                *active = session.last.max(*active);
            }
        }
    }

    /// Puts the session as it is after an edit in the place of the one before.
    pub(crate) fn replace(&mut self, at: usize, session: Session) {
        let before = std::mem::replace(&mut self.sessions[at], session);
        if self.sessions[at].user != before.user {
            self.note_active(at, before.last);
            self.forget_user(before);
        }
    }

    pub(crate) fn remove(&mut self, at: usize) {
        let gone = self.sessions.swap_remove(at);
        self.forget_user(gone);
    }

    /// Forgets the user of a session that is no longer his, if it was his last.
    fn forget_user(&mut self, session: Session) {
        let Some(user) = session.user else { return };
        let of_user = |s: &Session| s.app == session.app && s.user.as_deref() == Some(&user);
        if !self.sessions.iter().any(of_user) {
            self.certain.remove(&(session.app, user.clone()));
            self.users.remove(&(session.app, user));
        }
    }

    pub(crate) fn remove_app(&mut self, app: usize) -> u64 {
        let before = self.sessions.len();
        self.sessions.retain(|s| s.app != app);
        self.aliases.retain(|a| a.app != app);
        self.users.retain(|(of, _), _| *of != app);
        self.certain.retain(|(of, _), _| *of != app);
        (before - self.sessions.len()) as u64
    }

    /// Drops what the server has dropped at the latest when it counts: sessions whose deadline lies
    /// at or before the start of the present second.
    pub(crate) fn settle(&mut self, now: u64) {
        self.remove_expired(now / 1000 * 1000);
    }

    pub(crate) fn remove_expired(&mut self, now: u64) {
        while let Some(at) = self.sessions.iter().position(|s| s.deadline() <= now) {
            self.remove(at);
        }
    }

    /// How many users were active: at least, and at most.
    pub(crate) fn activity(&self, app: usize, now: u64, window: u64) -> (u64, u64) {
        let start = (now / 1000).saturating_sub(window);
        let unit = match window {
            0..=3_600 => 1,
            3_601..=86_400 => 60,
            _ => 3_600,
        };
        let start = start / unit * unit;
        let active = |entry: &(&(usize, String), &u64)| entry.0.0 == app && entry.1 / 1000 >= start;
        let count = |users: &BTreeMap<_, _>| users.iter().filter(active).count() as u64;
        (count(&self.certain), count(&self.users))
    }

    pub(crate) fn living(&self, app: usize, now: u64) -> impl Iterator<Item = &Session> {
        self.sessions
            .iter()
            .filter(move |s| s.app == app && now < s.deadline())
    }
}

/// A moment as the engine takes it.
pub(crate) fn at(now: u64) -> Millis {
    Millis(now)
}
