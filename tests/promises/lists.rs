//! Lists in pages, while the sessions of the app and those of a neighbour come and go between any two
//! slices: who is in scope from the first page to the last is on exactly one of them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use cloakroom::clock::Millis;
use cloakroom::engine::{
    Engine, EngineConfig, Key, ListCursor, ListProgress, NewSession, NewToken, Read, Rotate, Scope,
};
use cloakroom::model::{Handle, Life, SessionView, TextChange, TokenStyle};

use crate::engines::{Dice, app, create, engine, plain, sweep_all};

const START: Millis = Millis(1_795_000_000_123);

fn config() -> EngineConfig {
    EngineConfig {
        // Few, so that some hundred sessions are much for a shard.
        token_shards: 8,
        name_shards: 2,
        ip_indexed_apps: vec!["indexed".to_owned()],
        ..EngineConfig::default()
    }
}

/// A session as it should be.
struct Known {
    token: Vec<u8>,
    handle: Handle,
    user: &'static str,
    ip: &'static str,
    last: Millis,
    until: Millis,
}

impl Known {
    fn is_in(&self, scope: Scope<'_>) -> bool {
        match scope {
            Scope::User(user) => self.user == user,
            Scope::Ip(ip) => self.ip == ip,
            Scope::ActiveSince(since) => self.last.seconds() >= since.seconds(),
        }
    }
}

/// Who may and who must be on the list that is being read.
struct Watch<'w> {
    scope: Scope<'w>,
    /// In scope since the list began.
    always: HashSet<Handle>,
    /// In scope at some time since.
    ever: HashSet<Handle>,
}

struct World<'w> {
    engine: Engine,
    name: &'static str,
    now: Millis,
    dice: Dice,
    sessions: Vec<Known>,
    watch: Watch<'w>,
}

impl<'w> World<'w> {
    fn new(name: &'static str, seed: u64) -> Self {
        let watch = Watch {
            scope: Scope::User(""),
            always: HashSet::new(),
            ever: HashSet::new(),
        };
        Self {
            engine: engine(&config()),
            name,
            now: START,
            dice: Dice::new(seed),
            sessions: Vec::new(),
            watch,
        }
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.dice.roll(choices.len() as u64) as usize]
    }

    /// Makes a session, with a token of an ended one if there is one.
    fn create(&mut self, token: Option<&[u8]>) {
        let user = self.pick(&["u", "v"]);
        let ip = self.pick(&["10.0.0.1", "10.0.0.2"]);
        let until = match self.dice.roll(4) {
            0 => self.now.plus(1 + self.dice.roll(20_000)),
            _ => Millis(u64::MAX >> 20),
        };
        let new = NewSession {
            token: token.map_or(NewToken::Draw(TokenStyle::UuidV4), NewToken::Chosen),
            ip: Some(ip),
            ..plain(self.name, user, Life::fixed(until))
        };
        let created = self.engine.create(self.now, &new).unwrap().answer;
        self.sessions.push(Known {
            token: created.token.as_bytes().to_vec(),
            handle: created.handle,
            user,
            ip,
            last: self.now,
            until,
        });
    }

    fn any(&mut self) -> Option<usize> {
        let living = self.sessions.len() as u64;
        (living > 0).then(|| self.dice.roll(living) as usize)
    }

    fn kill(&mut self, at: usize) -> Vec<u8> {
        let ended = self.sessions.swap_remove(at);
        let key = Key::Token(&ended.token);
        let removed = self.engine.remove(self.now, app(self.name), key, |_| ());
        assert!(removed.unwrap().answer.is_some());
        self.watch.always.remove(&ended.handle);
        ended.token
    }

    fn rotate(&mut self, at: usize) {
        let grace = self.pick(&[0, 500]);
        let to = Rotate {
            token: NewToken::Draw(TokenStyle::UuidV4),
            user: TextChange::Keep,
            grace,
        };
        let known = &mut self.sessions[at];
        let key = Key::Token(&known.token);
        let rotated = self.engine.rotate(self.now, app(self.name), key, &to);
        let rotated = rotated.unwrap().answer;
        self.watch.always.remove(&known.handle);
        known.token = rotated.token.as_bytes().to_vec();
        known.handle = rotated.handle;
        known.last = self.now;
    }

    fn touch(&mut self, at: usize) {
        let known = &mut self.sessions[at];
        let key = Key::Token(&known.token);
        let read = self
            .engine
            .read(self.now, app(self.name), key, Read::Touch, |_| ());
        assert!(read.answer.is_some());
        known.last = self.now;
    }

    /// One thing happens.
    fn step(&mut self) {
        let any = self.any();
        match (self.dice.roll(1_000), any) {
            (0..300, _) | (_, None) => self.create(None),
            (300..450, Some(at)) => drop(self.kill(at)),
            (450..500, Some(at)) => {
                let token = self.kill(at);
                self.create(Some(&token));
            }
            (500..650, Some(at)) => self.rotate(at),
            (650..950, Some(at)) => self.touch(at),
            (950..970, _) => {
                self.now = self.now.plus(self.dice.roll(1_500));
                self.sessions.retain(|known| self.now < known.until);
            }
            (970..990, _) => {
                self.engine.sweep(self.now, 8);
            }
            (990..996, _) => self.change_neighbour(),
            (996..997, _) => {
                self.engine.remove_app(self.now, app(self.name)).unwrap();
                self.sessions.clear();
                self.watch.always.clear();
            }
            _ => {}
        }
    }

    /// A neighbour fills the store, or leaves it: another way to list becomes the cheaper one.
    fn change_neighbour(&mut self) {
        if self.dice.roll(2) == 0 {
            self.engine.remove_app(self.now, app("neighbour")).unwrap();
            sweep_all(&self.engine, self.now);
        } else {
            for _ in 0..1_000 {
                create(&self.engine, self.now, "neighbour", "u");
            }
        }
    }

    /// Lets some things happen between two slices.
    fn go_on(&mut self) {
        for _ in 0..self.dice.roll(12) {
            self.step();
        }
        let (scope, now) = (self.watch.scope, self.now);
        self.sessions.retain(|known| now < known.until);
        let in_scope = self.sessions.iter().filter(|known| known.is_in(scope));
        let handles: HashSet<Handle> = in_scope.map(|known| known.handle).collect();
        self.watch.always.retain(|handle| handles.contains(handle));
        self.watch.ever.extend(handles);
    }

    fn begin(&mut self, scope: Scope<'w>) {
        let in_scope = self.sessions.iter().filter(|known| known.is_in(scope));
        let always: HashSet<Handle> = in_scope.map(|known| known.handle).collect();
        let ever = always.clone();
        self.watch = Watch {
            scope,
            always,
            ever,
        };
    }

    /// Goes through a list in pages of `room` sessions.
    fn list(&mut self, scope: Scope<'w>, room: usize) {
        self.begin(scope);
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (mut page, mut is_full) = (Vec::new(), false);
            let mut cursor = ListCursor::by_handle(after, room);
            loop {
                let mut show = |view: &SessionView<'_>| {
                    is_full |= page.len() == room;
                    if !is_full {
                        page.push(view.handle);
                    }
                };
                let of = app(self.name);
                let progress = self
                    .engine
                    .list(self.now, of, scope, &mut cursor, &mut show);
                self.go_on();
                if is_full || progress == ListProgress::Done {
                    break;
                }
            }
            after = page.last().copied();
            seen.extend(page);
            if !is_full {
                break;
            }
        }
        assert!(seen.is_sorted_by(|a, b| a < b), "twice, or out of order");
        let shown: HashSet<Handle> = seen.iter().copied().collect();
        assert!(shown.is_subset(&self.watch.ever), "{scope:?}: a stranger");
        let missed = self.watch.always.difference(&shown).count();
        assert_eq!(missed, 0, "{scope:?}, pages of {room}");
    }

    /// Counts a scope.
    fn count(&mut self, scope: Scope<'w>) {
        self.begin(scope);
        let (mut count, mut cursor) = (0, ListCursor::in_any_order(None));
        loop {
            let mut show = |_: &SessionView<'_>| count += 1;
            let of = app(self.name);
            let progress = self
                .engine
                .list(self.now, of, scope, &mut cursor, &mut show);
            if progress == ListProgress::Done {
                break;
            }
            self.go_on();
        }
        let (least, most) = (self.watch.always.len(), self.watch.ever.len());
        assert!((least..=most).contains(&count), "{least} {count} {most}");
    }
}

#[test]
fn who_is_in_scope_from_the_first_page_to_the_last_is_on_exactly_one() {
    for seed in 1..=12 {
        for name in ["plain", "indexed"] {
            let mut world = World::new(name, seed);
            let sessions = [40, 700, 3_000][seed as usize % 3];
            (0..sessions).for_each(|_| world.create(None));
            if seed % 2 == 0 {
                world.change_neighbour();
            }
            for _ in 0..10 {
                let recent = Scope::ActiveSince(world.now);
                let all = Scope::ActiveSince(Millis(0));
                let (user, ip) = (Scope::User("u"), Scope::Ip("10.0.0.1"));
                let scope = world.pick(&[all, all, recent, user, ip]);
                let room = world.pick(&[1, 7, 100, 1_000]);
                // One at a time, a long list would never get to its end.
                let room = if world.sessions.len() > 500 {
                    room.max(50)
                } else {
                    room
                };
                world.list(scope, room);
                world.count(scope);
            }
            assert_eq!(world.engine.check_invariants(), Ok(()));
        }
    }
}

#[test]
fn lists_beside_other_threads_show_everybody_who_stays_once() {
    const STAY: usize = 2_000;
    const ROUNDS: usize = 24;
    let engine = engine(&config());
    let stay: HashSet<Handle> = (0..STAY)
        .map(|_| {
            let new = plain("app", "u", Life::ENDLESS);
            engine.create(START, &new).unwrap().answer.handle
        })
        .collect();
    // All of it happens in one second, whose index lists whoever came and went: not too many.
    let (done, allowed) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let _at_the_end = Raise(&done);
        for seed in 0..2 {
            let (engine, done, allowed) = (&engine, &done, &allowed);
            let mut dice = Dice::new(seed);
            scope.spawn(move || {
                let mut tokens: Vec<_> = (0..300)
                    .map(|_| create(engine, START, "app", "u"))
                    .collect();
                let mut changes = 0;
                while !done.load(Ordering::Relaxed) {
                    if changes >= allowed.load(Ordering::Relaxed) {
                        thread::yield_now();
                        continue;
                    }
                    changes += 1;
                    let at = dice.roll(tokens.len() as u64) as usize;
                    let key = Key::Token(&tokens[at]);
                    let to = Rotate {
                        token: NewToken::Draw(TokenStyle::UuidV4),
                        user: TextChange::Keep,
                        grace: 0,
                    };
                    tokens[at] = if dice.roll(3) == 0 {
                        let rotated = engine.rotate(START, app("app"), key, &to).unwrap();
                        rotated.answer.token.as_bytes().to_vec()
                    } else {
                        engine.remove(START, app("app"), key, |_| ()).unwrap();
                        create(engine, START, "app", "u")
                    };
                }
            });
        }
        for round in 0..ROUNDS {
            // Beside a large neighbour the index is the cheaper way.
            if round == ROUNDS / 2 {
                (0..60_000).for_each(|_| drop(create(&engine, START, "neighbour", "u")));
            }
            allowed.fetch_add(1_000, Ordering::Relaxed);
            let room = [60, 500, 5_000][round % 3];
            let seen = pages(&engine, room);
            assert!(seen.is_sorted_by(|a, b| a < b), "twice, or out of order");
            let stayed = seen.iter().filter(|handle| stay.contains(handle));
            assert_eq!(stayed.count(), STAY, "round {round}");
        }
    });
}

/// Raised when the test is over, also when that is because it has failed: others wait for it.
struct Raise<'f>(&'f AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A list of all sessions of the app, cut into pages.
fn pages(engine: &Engine, room: usize) -> Vec<Handle> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let mut page = Vec::new();
        let mut cursor = ListCursor::by_handle(after, room);
        let scope = Scope::ActiveSince(Millis(0));
        let mut progress = ListProgress::More;
        while page.len() <= room && progress == ListProgress::More {
            let mut show = |view: &SessionView<'_>| page.push(view.handle);
            progress = engine.list(START, app("app"), scope, &mut cursor, &mut show);
        }
        let is_last = page.len() <= room;
        page.truncate(room);
        after = page.last().copied();
        seen.extend(page);
        if is_last {
            return seen;
        }
    }
}
