//! What only threads can bring about: changes of one session by many of them, snapshots beside kills.
//! The log's own threads write to the faulty disk here, by the machine's sense of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloakroom::engine::{
    Created, DataEdit, Edit, Engine, Key, NewSession, NewToken, Read, Saving, SavingStep,
};
use cloakroom::log::{Durability, Log, LogThread};
use cloakroom::model::{ContentType, Life};

use crate::chronicle::Name;
use crate::fault_disk::{Choice, CutRules, Dice, FaultDisk};
use crate::history::START;
use crate::process::Process;
use crate::seeded;
use crate::seeds;
use crate::setting;
use crate::verbs::app_name;

fn start(disk: &FaultDisk, seed: u64) -> Process {
    let reached = Arc::new(AtomicU64::new(0));
    let process = Process::start(disk, START, Durability::Always, seed, &reached);
    process.unwrap_or_else(|error| unreachable!("{error}"))
}

fn create(engine: &Engine, name: &Name) -> Option<Created> {
    let new = NewSession {
        app: app_name(name.0),
        token: NewToken::Chosen(&name.1),
        keep_token: true,
        user: Some("user"),
        ip: Some("10.0.0.1"),
        life: Life::ENDLESS,
        no_resave: false,
        content_type: ContentType::JSON_OBJECT,
        data: b"",
    };
    Some(engine.create(START, &new).ok()?.answer)
}

/// Alters a few sessions at random, many times.
fn storm(engine: &Engine, seed: u64, stop: &AtomicBool) {
    let mut dice = Dice::new(seed);
    while !stop.load(Ordering::Relaxed) {
        let name = (dice.choose(3), vec![b'a' + dice.choose(4) as u8]);
        let (app, key) = (app_name(name.0), Key::Token(&name.1));
        let data = format!("{{\"n\":{}}}", dice.roll(1 << 30));
        let edit = Edit {
            data: DataEdit::Replace(ContentType::JSON_OBJECT, data.as_bytes()),
            ..Edit::TOUCH
        };
        match dice.roll(40) {
            0..15 => drop(create(engine, &name)),
            15..28 => drop(engine.edit(START, app, key, &edit, |_| ())),
            28..34 => drop(engine.remove(START, app, key, |_| ())),
            34..39 => drop(engine.read(START, app, key, Read::Touch, |_| ())),
            _ => drop(engine.remove_app(START, app)),
        }
    }
}

/// Takes snapshots, one behind the other; answers how many.
fn take_snapshots(engine: &Engine, log: &Log, stop: &AtomicBool) -> u64 {
    let mut taken = 0;
    while !stop.load(Ordering::Relaxed) {
        taken += u64::from(take_snapshot(engine, log));
    }
    taken
}

fn take_snapshot(engine: &Engine, log: &Log) -> bool {
    let Ok(mut saving) = Saving::begin(log) else {
        return false;
    };
    loop {
        match saving.step(engine, log, 1) {
            Ok(SavingStep::More) => {}
            Ok(SavingStep::Wait) => std::thread::yield_now(),
            done => return done.is_ok(),
        }
    }
}

fn race(seed: u64) -> u64 {
    let disk = FaultDisk::new();
    let process = start(&disk, seed);
    let (engine, log, writer) = process.into_parts();
    let thread = LogThread::spawn(writer).unwrap();
    let stop = AtomicBool::new(false);
    let taken = std::thread::scope(|scope| {
        for number in 0..3 {
            let (engine, stop) = (&engine, &stop);
            scope.spawn(move || storm(engine, seed * 7 + number, stop));
        }
        let taking = scope.spawn(|| take_snapshots(&engine, &log, &stop));
        std::thread::sleep(Duration::from_millis(
            setting("CLOAKROOM_MILLIS").unwrap_or(60),
        ));
        stop.store(true, Ordering::Relaxed);
        taking.join().unwrap()
    });
    engine.harvest_all(START);
    assert!(thread.stop().unwrap() >= log.head());
    let image = disk.cut().image(CutRules::JOURNALED, &mut Dice::new(seed));
    let next = start(&image, seed + 1);
    let names = (0..3).flat_map(|app| (0..4).map(move |n| (app, vec![b'a' + n])));
    for name in names {
        let before = crate::verbs::peek(&engine, START, &name);
        assert_eq!(next.peek(&name), before, "{name:?}");
    }
    assert_eq!(next.engine.check_invariants(), Ok(()));
    taken
}

#[test]
fn r1_r2_what_many_threads_did_to_one_session_is_the_same_after_a_restart() {
    let mut taken = 0;
    for seed in seeds().take(setting("CLOAKROOM_HISTORIES").unwrap_or(20) as usize) {
        taken += seeded(seed, || race(seed));
    }
    eprintln!("{taken} snapshots");
    assert!(taken > 0);
}

#[test]
fn r2_snapshot_that_begins_behind_a_kill_of_an_app_under_way_has_none_of_its_sessions() {
    let disk = FaultDisk::new();
    let mut process = start(&disk, 1);
    let names: Vec<Name> = (0..20).map(|n| (0, vec![b'a' + n])).collect();
    for name in &names {
        create(&process.engine, name).unwrap();
    }
    process.step();
    let hold = process.tape.hold_next_end();
    let (engine, log) = (process.engine.clone(), process.log.clone());
    let is_taken = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| engine.remove_app(START, app_name(0)).unwrap());
        hold.await_end();
        // Written down, and not carried out yet.
        process.step();
        let taking = scope.spawn(|| {
            let taken = take_snapshot(&engine, &log);
            is_taken.store(true, Ordering::SeqCst);
            taken
        });
        let patience = Instant::now() + Duration::from_millis(100);
        while !is_taken.load(Ordering::SeqCst) && Instant::now() < patience {
            process.step();
        }
        hold.go_on();
        while !taking.is_finished() {
            process.step();
        }
        assert!(taking.join().unwrap());
    });
    let next = start(&disk.fork(), 2);
    assert!(next.recovered.snapshot.is_some());
    for name in &names {
        assert_eq!(next.peek(name), None, "{name:?} is back");
    }
    assert_eq!(next.engine.check_invariants(), Ok(()));
}
