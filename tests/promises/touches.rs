//! Touches reach the log in time, once per session and second, whatever upkeep and kills do meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use cloakroom::clock::Millis;
use cloakroom::engine::{
    ChangeLog, Edit, Engine, EngineConfig, Key, Position, Read, Unavailable, Weight,
};
use cloakroom::model::change::TouchChange;
use cloakroom::model::{Change, Handle, Life};

use crate::engines::{app, engine, plain, sweep_all};

/// The start of a second.
const START: u64 = 1_795_000_000_000;
const NAME: &str = "shop";
/// Slices that are as good as no bound.
const ALL: usize = 1 << 20;

/// Keeps the touches that were written down.
#[derive(Clone, Default)]
struct Touches {
    kept: Arc<Mutex<Vec<TouchChange>>>,
    is_full: Arc<AtomicBool>,
}

impl ChangeLog for Touches {
    fn append(&self, change: &Change<'_>) -> Option<Position> {
        if let Change::Touch(touch) = change {
            self.kept.lock().unwrap().push(*touch);
        }
        None
    }

    fn admit(&self, _: Weight) -> Result<(), Unavailable> {
        if self.is_full.load(SeqCst) {
            Err(Unavailable::Full)
        } else {
            Ok(())
        }
    }
}

struct Bench {
    engine: Engine,
    touches: Touches,
}

impl Bench {
    fn new() -> Self {
        let touches = Touches::default();
        let engine = engine(&EngineConfig::default()).with_log(Box::new(touches.clone()));
        engine.start_harvest(Millis(START));
        Self { engine, touches }
    }

    fn create(&self, now: u64) -> Vec<u8> {
        let new = plain(NAME, "u", Life::ENDLESS);
        let created = self.engine.create(Millis(now), &new).unwrap().answer;
        created.token.as_bytes().to_vec()
    }

    /// Sessions whose second of birth is harvested already.
    fn born(count: usize) -> (Self, Vec<Vec<u8>>) {
        let bench = Self::new();
        let tokens = (0..count).map(|_| bench.create(START)).collect();
        assert_eq!(facts(&bench.harvest(START + 1_250)), []);
        (bench, tokens)
    }

    fn touch(&self, now: u64, token: &[u8]) {
        let key = Key::Token(token);
        let seen = self
            .engine
            .read(Millis(now), app(NAME), key, Read::Touch, |_| ());
        assert!(seen.answer.is_some());
    }

    fn harvest(&self, now: u64) -> Vec<TouchChange> {
        assert!(!self.engine.harvest(Millis(now), ALL));
        self.taken()
    }

    fn taken(&self) -> Vec<TouchChange> {
        std::mem::take(&mut *self.touches.kept.lock().unwrap())
    }
}

fn facts(touches: &[TouchChange]) -> Vec<(u64, u64)> {
    let mut facts: Vec<_> = touches
        .iter()
        .map(|touch| (touch.last_active.0 - START, touch.reads))
        .collect();
    facts.sort_unstable();
    facts
}

#[test]
fn touched_session_is_written_down_once_for_the_second_a_quarter_second_after_it() {
    let bench = Bench::new();
    let token = bench.create(START);
    bench.create(START + 10);
    assert_eq!(
        facts(&bench.harvest(START + 1_300)),
        [],
        "as they were created"
    );
    for millis in [2_000, 2_500, 2_999] {
        bench.touch(START + millis, &token);
    }
    assert_eq!(facts(&bench.harvest(START + 3_249)), []);
    assert_eq!(facts(&bench.harvest(START + 3_250)), [(2_999, 4)]);
    assert_eq!(facts(&bench.harvest(START + 9_000)), []);
    // An activity that is no read counts as well.
    let key = Key::Token(&token);
    let edited = bench
        .engine
        .edit(Millis(START + 9_500), app(NAME), key, &Edit::TOUCH, |_| ());
    assert_eq!(edited.unwrap().wait_for, None);
    assert_eq!(facts(&bench.harvest(START + 10_250)), [(9_500, 4)]);
}

#[test]
fn session_that_is_touched_all_the_time_is_never_two_seconds_behind_in_the_log() {
    let (bench, tokens) = Bench::born(100);
    let mut now = START;
    let mut newest = BTreeMap::<Handle, u64>::new();
    for _ in 0..400 {
        now += 100;
        tokens.iter().for_each(|token| bench.touch(now, token));
        // Sweeps drop entries of sessions that have moved on, but not before their harvest.
        sweep_all(&bench.engine, Millis(now));
        if now % 1_000 == 300 {
            for touch in bench.harvest(now) {
                newest.insert(touch.handle, touch.last_active.0);
            }
        }
        if now > START + 3_000 {
            assert_eq!(newest.len(), 100);
            assert!(newest.values().all(|last| now - last < 2_000));
        }
    }
}

#[test]
fn harvest_after_a_long_stall_catches_up_in_bounded_slices() {
    let (bench, tokens) = Bench::born(1_000);
    // Two hours without a harvest, in which upkeep would merge and rewrite all of these buckets.
    for second in 1..=20 {
        let now = START + second * 360_000;
        for token in &tokens[..50 * second as usize] {
            bench.touch(now, token);
        }
        sweep_all(&bench.engine, Millis(now + 1_000));
    }
    let now = START + 7_300_000;
    let (mut all, mut slices) = (Vec::new(), 0);
    loop {
        let more = bench.engine.harvest(Millis(now), 1);
        let slice = bench.taken();
        assert!(slice.len() <= 256);
        all.extend(slice);
        slices += 1;
        if !more {
            break;
        }
    }
    assert!(slices > 20);
    // Each second in which it was touched counts, with the state of now.
    let mut newest = BTreeMap::new();
    for touch in &all {
        *newest.entry(touch.handle).or_insert(0) = touch.last_active.0;
    }
    assert_eq!(newest.len(), 1_000);
    assert!(newest.values().all(|last| *last == START + 7_200_000));
    assert_eq!(all.len(), (1..=20).map(|second| 50 * second).sum::<usize>());
    sweep_all(&bench.engine, Millis(now));
    assert_eq!(bench.engine.check_invariants(), Ok(()));
}

#[test]
fn touch_that_comes_late_with_an_old_clock_is_harvested_with_the_next_second() {
    let (bench, tokens) = Bench::born(2);
    bench.touch(START + 5_000, &tokens[0]);
    assert_eq!(facts(&bench.harvest(START + 6_250)), [(5_000, 2)]);
    bench.touch(START + 5_900, &tokens[1]);
    sweep_all(&bench.engine, Millis(START + 6_900));
    assert_eq!(facts(&bench.harvest(START + 7_250)), [(5_900, 2)]);
}

#[test]
fn kill_of_all_sessions_between_touch_and_harvest_does_no_harm() {
    let (bench, tokens) = Bench::born(600);
    tokens
        .iter()
        .for_each(|token| bench.touch(START + 1_500, token));
    // Some are harvested before the kill, the rest is gone.
    assert!(bench.engine.harvest(Millis(START + 2_250), 1));
    assert_eq!(bench.taken().len(), 256);
    bench.engine.remove_app(Millis(START), app(NAME)).unwrap();
    sweep_all(&bench.engine, Millis(START + 2_250));
    let token = bench.create(START + 2_300);
    assert_eq!(facts(&bench.harvest(START + 3_250)), []);
    bench.touch(START + 3_500, &token);
    assert_eq!(facts(&bench.harvest(START + 4_250)), [(3_500, 2)]);
    assert_eq!(bench.engine.check_invariants(), Ok(()));
}

#[test]
fn stop_writes_down_the_touches_of_the_present_second_also_what_was_harvested_in_it() {
    let (bench, tokens) = Bench::born(3);
    let now = Millis(START + 1_900);
    bench.touch(START + 1_100, &tokens[0]);
    bench.touch(START + 1_200, &tokens[1]);
    bench.engine.harvest_all(now);
    assert_eq!(facts(&bench.taken()), [(1_100, 2), (1_200, 2)]);
    bench.touch(START + 1_900, &tokens[0]);
    bench.engine.harvest_all(now);
    assert_eq!(facts(&bench.taken()), [(1_200, 2), (1_900, 3)]);
    // It may also go on.
    bench.touch(START + 2_000, &tokens[2]);
    assert!(facts(&bench.harvest(START + 3_250)).contains(&(2_000, 2)));
}

#[test]
fn touches_are_skipped_while_the_log_takes_nothing() {
    let bench = Bench::new();
    let token = bench.create(START);
    bench.touch(START + 1_000, &token);
    bench.touches.is_full.store(true, SeqCst);
    assert_eq!(facts(&bench.harvest(START + 2_250)), []);
    bench.touches.is_full.store(false, SeqCst);
    bench.touch(START + 2_500, &token);
    assert_eq!(facts(&bench.harvest(START + 3_250)), [(2_500, 3)]);
}
