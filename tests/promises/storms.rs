//! However many sessions end at once, each hold of a lock handles at most 256 entries, and all memory
//! comes back.

use cloakroom::clock::Millis;
use cloakroom::engine::{Engine, EngineConfig};
use cloakroom::limits;
use cloakroom::model::Life;

use crate::engines::{app, engine, plain};

const SESSIONS: u64 = 200_000;
const NOW: Millis = Millis(1_795_000_000_123);

/// As many sessions in a shard as a server with three million has.
fn crowded() -> Engine {
    engine(&EngineConfig {
        token_shards: 64,
        name_shards: 16,
        ..EngineConfig::default()
    })
}

fn fill(engine: &Engine, now: Millis) {
    for n in 0..SESSIONS {
        let user = format!("u{}", n % 50_000);
        engine
            .create(now, &plain("app", &user, Life::whole_seconds(600)))
            .unwrap();
    }
    assert_eq!(engine.memory_use().sessions, SESSIONS);
}

/// Sweeps with one hold at a time: none handles more than its share. How many were counted expired.
fn sweep_one_hold_at_a_time(engine: &Engine, now: Millis) -> u64 {
    let (mut expired, mut before) = (0, engine.memory_use().sessions);
    loop {
        let swept = engine.sweep(now, 1);
        let after = engine.memory_use().sessions;
        assert!(swept.expired <= limits::ENTRIES_PER_HOLD as u64);
        assert!(before - after <= limits::ENTRIES_PER_HOLD as u64);
        expired += swept.expired;
        before = after;
        if !swept.more {
            return expired;
        }
    }
}

fn assert_empty(engine: &Engine) {
    assert_eq!(engine.check_invariants(), Ok(()));
    let left = engine.memory_use();
    assert_eq!((left.sessions, left.apps, left.accounted), (0, 0, 0));
}

#[test]
fn storm_of_200_000_expiries_is_swept_in_holds_of_at_most_256_and_frees_all() {
    let engine = crowded();
    fill(&engine, NOW);
    let full = engine.memory_use().allocated();
    let end = NOW.plus(700_000);
    assert_eq!(sweep_one_hold_at_a_time(&engine, end), SESSIONS);
    assert_empty(&engine);
    // Bodies and time index are given back; the rest is kept, and enough, for the sessions to come.
    let kept = engine.memory_use();
    assert_eq!((kept.bodies, kept.activity), (0, 0));
    fill(&engine, end);
    let again = engine.memory_use().allocated();
    assert!(again <= full + full / 10, "{full} B first, then {again} B");
}

#[test]
fn killall_of_200_000_is_at_once_and_reaped_in_holds_of_at_most_256() {
    let engine = crowded();
    fill(&engine, NOW);
    assert_eq!(engine.remove_app(NOW, app("app")).unwrap().answer, SESSIONS);
    assert_eq!(engine.activity(NOW, app("app"), 600), 0);
    assert_eq!(engine.remove_app(NOW, app("app")).unwrap().answer, 0);
    assert_eq!(sweep_one_hold_at_a_time(&engine, NOW), 0);
    assert_empty(&engine);
}
