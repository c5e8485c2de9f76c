//! What only threads can bring about: changes of one session by many of them, snapshots beside kills.
//! The log's own threads write to the faulty disk here, by the machine's sense of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

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

/// What each thread does to the sessions.
const CHANGES: u64 = 4_000;
/// Looks at a snapshot that must not come to its end yet, a millisecond each.
const LOOKS: u64 = 100;

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
fn storm(engine: &Engine, seed: u64) {
    let mut dice = Dice::new(seed);
    for _ in 0..CHANGES {
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
        let taking = scope.spawn(|| take_snapshots(&engine, &log, &stop));
        let engine = &engine;
        let storms: Vec<_> = (0..3)
            .map(|number| scope.spawn(move || storm(engine, seed * 7 + number)))
            .collect();
        storms.into_iter().for_each(|storm| storm.join().unwrap());
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
    let (tell, told) = sync_channel(1);
    std::thread::scope(|scope| {
        scope.spawn(|| engine.remove_app(START, app_name(0)).unwrap());
        hold.await_end();
        // Written down, and not carried out yet.
        process.step();
        scope.spawn(|| tell.send(take_snapshot(&engine, &log)).unwrap());
        let mut taken = None;
        for _ in 0..LOOKS {
            process.step();
            taken = taken.or(told.recv_timeout(Duration::from_millis(1)).ok());
        }
        hold.go_on();
        while taken.is_none() {
            process.step();
            taken = told.recv_timeout(Duration::from_millis(1)).ok();
        }
        assert_eq!(taken, Some(true));
    });
    let next = start(&disk.fork(), 2);
    assert!(next.recovered.snapshot.is_some());
    for name in &names {
        assert_eq!(next.peek(name), None, "{name:?} is back");
    }
    assert_eq!(next.engine.check_invariants(), Ok(()));
}
