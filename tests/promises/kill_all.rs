//! A kill of all sessions of an app against everything else at the same time.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

use cloakroom::clock::Millis;
use cloakroom::engine::{DataEdit, Edit, Engine, EngineConfig, Key, Read, Scope};
use cloakroom::model::json::merge::{MemberOrder, Patch};

use crate::engines::{Dice, app, create, engine, is_served, kill_matching, list, sweep_all};

const NOW: Millis = Millis(1_795_000_000_123);
const NAME: &str = "shop";

/// One kill and what is known about its time: whoever sees `begun` unset after his create was
/// before it, whoever sees `done` set before his create is behind it.
#[derive(Default)]
struct Kill {
    begun: AtomicBool,
    done: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Before,
    Beside,
    Behind,
}

/// Creates sessions until some are behind the kill.
fn create_around(engine: &Engine, kill: &Kill, user: &str) -> Vec<(Vec<u8>, Order)> {
    let (mut created, mut behind) = (Vec::new(), 0);
    while behind < 5 {
        let is_behind = kill.done.load(SeqCst);
        let token = create(engine, NOW, NAME, user);
        let order = match (is_behind, kill.begun.load(SeqCst)) {
            (true, _) => Order::Behind,
            (false, true) => Order::Beside,
            (false, false) => Order::Before,
        };
        behind += usize::from(is_behind);
        created.push((token, order));
    }
    created
}

/// Gets and sets sessions that stood before the kill: none is seen behind it.
fn use_around(engine: &Engine, kill: &Kill, tokens: &[Vec<u8>]) {
    let patch = Patch::new(br#"{"a":1}"#).unwrap();
    let set = Edit {
        data: DataEdit::Merge(&patch, MemberOrder::Insertion),
        ..Edit::TOUCH
    };
    let mut rounds_behind = 0;
    while rounds_behind < 2 {
        let is_behind = kill.done.load(SeqCst);
        rounds_behind += usize::from(is_behind);
        for token in tokens {
            let key = Key::Token(token);
            let read = engine.read(NOW, app(NAME), key, Read::Touch, |_| ());
            let edited = engine.edit(NOW, app(NAME), key, &set, |_| ());
            if is_behind {
                assert!(read.answer.is_none(), "served after a killall");
                assert!(edited.is_err(), "changed after a killall");
            }
        }
    }
}

fn run_round(engine: &Engine, seed: u64) {
    let kill = Kill::default();
    let standing: Vec<_> = (0..30)
        .map(|n| create(engine, NOW, NAME, &format!("u{}", n % 4)))
        .collect();
    let start = Barrier::new(5);
    let (created, killed) = thread::scope(|scope| {
        let creators = ["u1", "other"].map(|user| {
            let (kill, start) = (&kill, &start);
            scope.spawn(move || {
                start.wait();
                create_around(engine, kill, user)
            })
        });
        scope.spawn(|| {
            start.wait();
            use_around(engine, &kill, &standing);
        });
        scope.spawn(|| {
            let mut dice = Dice::new(seed);
            start.wait();
            while !kill.done.load(SeqCst) {
                engine.sweep(NOW, 1 + dice.roll(5) as usize);
            }
        });
        start.wait();
        Dice::new(seed).dawdle();
        kill.begun.store(true, SeqCst);
        let killed = engine.remove_app(NOW, app(NAME)).unwrap().answer;
        kill.done.store(true, SeqCst);
        let created: Vec<_> = creators
            .into_iter()
            .flat_map(|c| c.join().unwrap())
            .collect();
        (created, killed)
    });
    let mut dead = standing.len() as u64;
    for (token, order) in created {
        let is_alive = is_served(engine, NOW, NAME, &token);
        dead += u64::from(!is_alive);
        assert!(order != Order::Before || !is_alive, "outlived a killall");
        assert!(
            order != Order::Behind || is_alive,
            "lost, though made after a killall"
        );
    }
    assert_eq!(killed, dead, "a killall counts what it kills");
    assert!(
        !standing
            .iter()
            .any(|token| is_served(engine, NOW, NAME, token))
    );
}

#[test]
fn killall_racing_creates_gets_sets_and_sweeps_kills_all_before_it_and_nothing_after_it() {
    let engine = engine(&EngineConfig {
        token_shards: 8,
        name_shards: 4,
        ..EngineConfig::default()
    });
    for seed in 1..=400 {
        run_round(&engine, seed);
        if seed % 20 == 0 {
            assert_eq!(engine.check_invariants(), Ok(()), "round {seed}");
        }
        // What is left is killed with little sweeping, so that dead memory of many epochs lies about.
        engine.remove_app(NOW, app(NAME)).unwrap();
        assert_eq!(engine.activity(NOW, app(NAME), 600), 0);
    }
    sweep_all(&engine, NOW);
    assert_eq!(engine.check_invariants(), Ok(()));
    let left = engine.memory_use();
    assert_eq!((left.sessions, left.apps, left.accounted), (0, 0, 0));
}

/// Records carry eight bits of their app's epoch, and epochs are counted over all apps.
#[test]
fn killed_sessions_stay_dead_through_hundreds_of_kills_while_their_memory_is_freed() {
    let engine = engine(&EngineConfig::default());
    sweep_all(&engine, NOW);
    for _ in 0..3 {
        let tokens: Vec<_> = (0..60_000)
            .map(|n| create(&engine, NOW, "big", &format!("u{}", n % 5_000)))
            .collect();
        assert_eq!(engine.remove_app(NOW, app("big")).unwrap().answer, 60_000);
        let full = engine.memory_use().sessions;
        thread::scope(|scope| {
            scope.spawn(|| while engine.sweep(NOW, usize::MAX).more {});
            while engine.memory_use().sessions == full {
                std::hint::spin_loop();
            }
            for kill in 0..260 {
                let small = format!("small{}", kill % 4);
                create(&engine, NOW, &small, "u");
                assert_eq!(engine.remove_app(NOW, app(&small)).unwrap().answer, 1);
                // Around the kill that brings the low bits of the dead epoch round again.
                if kill < 250 {
                    continue;
                }
                for _ in 0..2 {
                    engine.remove_app(NOW, app("big")).unwrap();
                    let back = |token: &&Vec<u8>| is_served(&engine, NOW, "big", token);
                    let back = tokens.iter().step_by(100).filter(back).count();
                    assert_eq!(back, 0, "sessions came back");
                }
            }
        });
        sweep_all(&engine, NOW);
        assert_eq!(engine.check_invariants(), Ok(()));
    }
    assert_eq!(engine.memory_use().sessions, 0);
}

#[test]
fn kills_of_one_user_from_two_sides_leave_no_session_when_either_has_returned() {
    let engine = engine(&EngineConfig::default());
    for _ in 0..60 {
        let others = (0..600).map(|_| create(&engine, NOW, NAME, "u"));
        let tokens: Vec<_> = others.collect();
        let killed = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    killed.fetch_add(kill_matching(&engine, NOW, NAME, Scope::User("u")), SeqCst);
                    let mut listed = 0;
                    list(&engine, NOW, NAME, Scope::User("u"), &mut |_| listed += 1);
                    assert_eq!(listed, 0);
                    assert!(
                        !tokens
                            .iter()
                            .any(|token| is_served(&engine, NOW, NAME, token))
                    );
                });
            }
        });
        assert_eq!(killed.into_inner(), 600);
    }
    assert_eq!(engine.check_invariants(), Ok(()));
}

#[test]
fn list_shows_every_session_that_lives_through_it_whoever_else_comes_and_goes() {
    const STAYING: usize = 300;
    let engine = engine(&EngineConfig::default());
    for _ in 0..STAYING {
        create(&engine, NOW, NAME, "u");
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                let coming = (0..400).map(|_| create(&engine, NOW, NAME, "u"));
                for token in coming.collect::<Vec<_>>().iter().rev() {
                    engine
                        .remove(NOW, app(NAME), Key::Token(token), |_| ())
                        .unwrap();
                }
            }
        });
        let mut fewest = usize::MAX;
        for _ in 0..3_000 {
            let mut shown = 0;
            list(&engine, NOW, NAME, Scope::User("u"), &mut |_| shown += 1);
            fewest = fewest.min(shown);
        }
        done.store(true, SeqCst);
        assert!(fewest >= STAYING, "{fewest} of {STAYING} shown");
    });
}
