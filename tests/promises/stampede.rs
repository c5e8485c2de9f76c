//! Many threads at all verbs of one engine, with time running on and apps coming and going.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use cloakroom::clock::{Clock, ManualClock, Millis};
use cloakroom::engine::{
    DataEdit, Edit, Engine, EngineConfig, Key, LifeEdit, NewSession, NewToken, Read, Refusal, Scope,
};
use cloakroom::model::json::merge::{MemberOrder, Patch};
use cloakroom::model::{ContentType, Life, TextChange};

use crate::engines::{Dice, app, engine, is_served, kill_matching, list, plain, sweep_all};
use crate::recorder::Recorder;

const APPS: [&str; 4] = ["shop", "indexed", "@sessions", "other"];
const THREADS: u64 = 4;

/// What all threads share.
struct Stampede {
    engine: Engine,
    clock: ManualClock,
    /// Tokens handed out lately, by app.
    tokens: Mutex<Vec<(usize, Vec<u8>)>>,
    refused: AtomicU64,
}

fn config(max_apps: usize) -> EngineConfig {
    EngineConfig {
        max_apps,
        ip_indexed_apps: vec!["indexed".to_owned()],
        token_shards: 8,
        name_shards: 2,
        ..EngineConfig::default()
    }
}

impl Stampede {
    fn run(engine: Engine, seed: u64, steps: u64) -> Self {
        let stampede = Self {
            engine,
            clock: ManualClock::new(Millis(1_795_000_000_123)),
            tokens: Mutex::default(),
            refused: AtomicU64::new(0),
        };
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let stampede = &stampede;
                let mut dice = Dice::new(seed * 100 + thread);
                scope.spawn(move || (0..steps).for_each(|_| stampede.step(&mut dice)));
            }
        });
        stampede
    }

    fn step(&self, dice: &mut Dice) {
        let now = self.clock.now();
        let number = dice.roll(APPS.len() as u64) as usize;
        let name = APPS[number];
        let user = format!("u{}", dice.roll(7));
        let ip = format!("10.0.0.{}", dice.roll(3));
        match dice.roll(100) {
            0..25 => self.create(dice, now, number, &user, &ip),
            25..45 => drop(self.with_token(dice, |name, key| {
                let reads = |view: &cloakroom::model::SessionView<'_>| view.reads;
                self.engine
                    .read(now, app(name), key, Read::Touch, reads)
                    .answer
            })),
            45..60 => self.edit(dice, now, &ip),
            60..75 => drop(self.with_token(dice, |name, key| {
                self.engine
                    .remove(now, app(name), key, |_| ())
                    .unwrap()
                    .answer
            })),
            75..79 => drop(kill_matching(&self.engine, now, name, Scope::User(&user))),
            79..80 => drop(kill_matching(&self.engine, now, name, Scope::Ip(&ip))),
            80..81 => drop(self.engine.remove_app(now, app(name)).unwrap()),
            81..84 => list(&self.engine, now, name, Scope::User(&user), &mut |view| {
                assert_eq!(view.user(), Some(user.as_str()));
            }),
            84..86 => {
                let since = Millis(now.0 - 30_000);
                list(
                    &self.engine,
                    now,
                    name,
                    Scope::ActiveSince(since),
                    &mut |view| {
                        assert!(view.last_active.seconds() >= since.seconds());
                    },
                );
            }
            86..88 => drop(self.engine.activity(now, app(name), 600)),
            88..96 => drop(self.engine.sweep(now, 1 + dice.roll(12) as usize)),
            _ => self.clock.advance(dice.roll(700)),
        }
    }

    fn create(&self, dice: &mut Dice, now: Millis, number: usize, user: &str, ip: &str) {
        let life = match dice.roll(3) {
            0 => Life::whole_seconds(10),
            1 => Life::sliding(1 + dice.roll(9_000)),
            _ => Life::ENDLESS,
        };
        let chosen = format!("chosen-{}", dice.roll(30));
        let mut new = NewSession {
            ip: Some(ip),
            ..plain(APPS[number], user, life)
        };
        if dice.roll(3) == 0 {
            new.token = NewToken::Chosen(chosen.as_bytes());
        }
        match self.engine.create(now, &new) {
            Ok(created) => {
                let token = created.answer.token.as_bytes().to_vec();
                let mut tokens = self.tokens.lock().unwrap();
                tokens.push((number, token));
                if tokens.len() > 60 {
                    tokens.swap_remove(dice.roll(60) as usize);
                }
            }
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::Exists | Refusal::TooManyApps));
                self.refused.fetch_add(1, SeqCst);
            }
        }
    }

    fn with_token<R>(&self, dice: &mut Dice, act: impl FnOnce(&str, Key<'_>) -> R) -> Option<R> {
        let (number, token) = {
            let tokens = self.tokens.lock().unwrap();
            let at = dice.roll(60) as usize;
            tokens.get(at).cloned()?
        };
        Some(act(APPS[number], Key::Token(&token)))
    }

    fn edit(&self, dice: &mut Dice, now: Millis, ip: &str) {
        let text = format!(r#"{{"k{}":{}}}"#, dice.roll(4), dice.roll(100));
        let patch = Patch::new(text.as_bytes()).unwrap();
        let data = match dice.roll(3) {
            0 => DataEdit::Keep,
            1 => DataEdit::Replace(ContentType::JSON_OBJECT, b"{\"z\":9}"),
            _ => DataEdit::Merge(&patch, MemberOrder::Insertion),
        };
        let edit = Edit {
            touch: dice.roll(2) == 0,
            ip: match dice.roll(4) {
                0 => TextChange::Keep,
                1 => TextChange::Clear,
                _ => TextChange::Set(ip),
            },
            user: match dice.roll(8) {
                0 => TextChange::Clear,
                1 => TextChange::Set(ip),
                _ => TextChange::Keep,
            },
            life: match dice.roll(8) {
                0 => LifeEdit::Replace(Life::sliding(dice.roll(5_000))),
                _ => LifeEdit::Keep,
            },
            data,
            ..Edit::TOUCH
        };
        let edited = self.with_token(dice, |name, key| {
            self.engine.edit(now, app(name), key, &edit, |_| ())
        });
        assert!(edited.is_none_or(|edited| matches!(edited, Ok(_) | Err(Refusal::Gone))));
    }

    /// All indexes agree, before and after the sweeps have done all they can, and at the end of
    /// every life nothing is left.
    fn assert_sound(&self) {
        assert_eq!(self.engine.check_invariants(), Ok(()));
        sweep_all(&self.engine, self.clock.now());
        assert_eq!(self.engine.check_invariants(), Ok(()));
        for (number, token) in &*self.tokens.lock().unwrap() {
            is_served(&self.engine, self.clock.now(), APPS[*number], token);
        }
        for name in APPS {
            self.engine.remove_app(self.clock.now(), app(name)).unwrap();
        }
        sweep_all(&self.engine, self.clock.now());
        assert_eq!(self.engine.check_invariants(), Ok(()));
        let left = self.engine.memory_use();
        assert_eq!((left.sessions, left.apps, left.accounted), (0, 0, 0));
    }

    /// Every session served now, with what identifies its state.
    fn served_by(&self, engine: &Engine) -> BTreeMap<u64, (String, String, u64, u64, u64)> {
        let mut served = BTreeMap::new();
        let mut from = Some(0);
        while let Some(position) = from {
            from = engine.walk(self.clock.now(), position, 64, &mut |app, view| {
                let user = view.user().unwrap_or_default().to_owned();
                let state = (
                    app.as_str().to_owned(),
                    user,
                    view.reads,
                    view.version(),
                    view.deadline.0,
                );
                served.insert(view.handle.0, state);
            });
        }
        served
    }
}

#[test]
fn many_threads_at_all_verbs_leave_every_index_true() {
    for seed in 1..=6 {
        Stampede::run(engine(&config(100)), seed, 12_000).assert_sound();
    }
}

#[test]
fn apps_coming_and_going_at_their_bound_leave_every_index_true() {
    for max_apps in 1..=3 {
        for seed in 1..=3 {
            let stampede = Stampede::run(engine(&config(max_apps)), seed, 12_000);
            assert!(stampede.refused.load(SeqCst) > 0);
            assert!(stampede.engine.memory_use().apps <= max_apps as u64);
            stampede.assert_sound();
        }
    }
}

#[test]
fn changes_written_down_by_many_threads_make_the_same_sessions_again() {
    for (max_apps, seed) in [(100, 1), (100, 2), (2, 3), (1, 4), (1, 5), (3, 6)] {
        let recorder = Recorder::default();
        let engine_with_log = engine(&config(max_apps)).with_log(Box::new(recorder.clone()));
        let stampede = Stampede::run(engine_with_log, seed, 8_000);
        let copy = engine(&config(max_apps));
        recorder.replay(&copy, 1);
        assert_eq!(copy.check_invariants(), Ok(()));
        assert_eq!(
            stampede.served_by(&copy),
            stampede.served_by(&stampede.engine),
            "{max_apps} apps"
        );
    }
}

#[test]
fn app_dropped_with_its_last_session_while_others_create_loses_nobody() {
    let engine = engine(&config(1));
    let now = Millis(1_795_000_000_123);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let engine = &engine;
            scope.spawn(move || {
                for step in 0..8_000u64 {
                    let name = APPS[((thread + step / 500) % 2) as usize];
                    let Ok(created) = engine.create(now, &plain(name, "u", Life::ENDLESS)) else {
                        continue;
                    };
                    let token = created.answer.token;
                    let key = Key::Token(token.as_bytes());
                    let read = engine.read(now, app(name), key, Read::Touch, |v| v.reads);
                    assert_eq!(read.answer, Some(1));
                    let killed = engine.remove(now, app(name), key, |v| v.reads).unwrap();
                    assert_eq!(killed.answer, Some(2));
                }
            });
        }
    });
    assert_eq!(engine.check_invariants(), Ok(()));
    let left = engine.memory_use();
    assert_eq!((left.sessions, left.apps, left.accounted), (0, 0, 0));
}
