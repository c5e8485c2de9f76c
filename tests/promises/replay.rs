//! The changes that an engine writes down make the same sessions again, in an engine where nothing
//! expires and nobody sweeps meanwhile.

use cloakroom::clock::Millis;
use cloakroom::engine::{Engine, EngineConfig};
use cloakroom::model::Life;

use crate::engines::{app, create, engine, is_served, plain, sweep_all};
use crate::recorder::Recorder;

const NOW: Millis = Millis(1_795_000_000_123);

fn recorded(max_apps: usize) -> (Engine, Recorder, Engine) {
    let config = EngineConfig {
        max_apps,
        ..EngineConfig::default()
    };
    let recorder = Recorder::default();
    let original = engine(&config).with_log(Box::new(recorder.clone()));
    (original, recorder, engine(&config))
}

#[test]
fn replay_keeps_the_sessions_of_apps_that_took_the_place_of_expired_ones() {
    let (original, recorder, copy) = recorded(1);
    let mut now = NOW;
    for name in ["first", "second", "third"] {
        original
            .create(now, &plain(name, "u", Life::whole_seconds(10)))
            .unwrap();
        now = now.plus(20_000);
        sweep_all(&original, now);
    }
    let token = create(&original, now, "last", "u");
    recorder.replay(&copy, 1);
    assert!(is_served(&copy, now, "last", &token));
    assert_eq!(copy.check_invariants(), Ok(()));
    sweep_all(&copy, now);
    let (left, right) = (copy.memory_use(), original.memory_use());
    assert_eq!((left.sessions, left.apps), (right.sessions, right.apps));
    assert_eq!(left.accounted, right.accounted);
}

#[test]
fn replay_keeps_killed_sessions_dead_through_hundreds_of_kills() {
    let (original, recorder, copy) = recorded(10);
    let killed: Vec<_> = (0..10)
        .map(|_| create(&original, NOW, "big", "u"))
        .collect();
    original.remove_app(NOW, app("big")).unwrap();
    for _ in 0..255 {
        create(&original, NOW, "small", "u");
        original.remove_app(NOW, app("small")).unwrap();
        sweep_all(&original, NOW);
    }
    let token = create(&original, NOW, "big", "u");
    recorder.replay(&copy, 1);
    for engine in [&original, &copy] {
        assert_eq!(engine.check_invariants(), Ok(()));
        assert!(is_served(engine, NOW, "big", &token));
        assert!(
            !killed
                .iter()
                .any(|token| is_served(engine, NOW, "big", token))
        );
    }
}
