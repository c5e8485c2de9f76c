//! What the verbs ask of the log before they change anything, and what a kill that finds nothing
//! waits for.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use cloakroom::clock::Millis;
use cloakroom::engine::{
    ChangeLog, DataEdit, Edit, Engine, EngineConfig, Key, ListCursor, ListProgress, Position, Read,
    Refusal, Scope, Unavailable, Weight,
};
use cloakroom::model::{Change, ContentType, Life};

use crate::engines::{app, create, engine, is_served, plain};

const NOW: Millis = Millis(1_795_000_000_123);
const NAME: &str = "shop";

/// A log that refuses as it is told to.
#[derive(Clone, Default)]
pub(crate) struct Moody {
    grow: Arc<Mutex<Option<Unavailable>>>,
    shrink: Arc<Mutex<Option<Unavailable>>>,
    head: Arc<AtomicU64>,
}

impl Moody {
    pub(crate) fn set(&self, grow: Option<Unavailable>, shrink: Option<Unavailable>) {
        *self.grow.lock().unwrap() = grow;
        *self.shrink.lock().unwrap() = shrink;
    }
}

impl ChangeLog for Moody {
    fn append(&self, _: &Change<'_>) -> Option<Position> {
        Some(Position(self.head.fetch_add(1, SeqCst) + 1))
    }

    fn admit(&self, weight: Weight) -> Result<(), Unavailable> {
        let mood = match weight {
            Weight::Grow => &self.grow,
            Weight::Shrink => &self.shrink,
        };
        mood.lock().unwrap().map_or(Ok(()), Err)
    }

    fn head(&self) -> Option<Position> {
        Some(Position(self.head.load(SeqCst)))
    }
}

pub(crate) fn moody() -> (Engine, Moody) {
    let log = Moody::default();
    let engine = engine(&EngineConfig::default()).with_log(Box::new(log.clone()));
    (engine, log)
}

const REPLACE: Edit<'_> = Edit {
    data: DataEdit::Replace(ContentType::BYTES, b"new"),
    ..Edit::TOUCH
};

fn refusals_of_kills(engine: &Engine, token: &[u8]) -> [Option<Refusal>; 3] {
    let mut cursor = ListCursor::default();
    let scope = Scope::User("u");
    [
        engine
            .remove(NOW, app(NAME), Key::Token(token), |_| ())
            .err(),
        engine
            .remove_matching(NOW, app(NAME), scope, None, &mut cursor)
            .err(),
        engine.remove_app(NOW, app(NAME)).err(),
    ]
}

#[test]
fn log_that_has_failed_lets_nothing_be_changed_and_everything_be_read() {
    let (engine, log) = moody();
    let token = create(&engine, NOW, NAME, "u");
    let failed = Some(Unavailable::Failed);
    log.set(failed, failed);
    let refused = engine.create(NOW, &plain(NAME, "u", Life::ENDLESS)).err();
    assert_eq!(refused, Some(Refusal::LogFailed));
    let edit = |edit: &Edit<'_>| engine.edit(NOW, app(NAME), Key::Token(&token), edit, |v| v.reads);
    assert_eq!(edit(&REPLACE).err(), Some(Refusal::LogFailed));
    assert_eq!(
        refusals_of_kills(&engine, &token),
        [Some(Refusal::LogFailed); 3]
    );
    // The session is as it was, and touches go on.
    let count = Edit {
        count_read: true,
        ..Edit::TOUCH
    };
    assert_eq!(edit(&count).unwrap().answer, 1);
    let key = Key::Token(&token);
    let read = engine.read(NOW, app(NAME), key, Read::Touch, |v| (v.reads, v.writes));
    assert_eq!(read.answer, Some((2, 1)));
    log.set(None, None);
    assert_eq!(edit(&REPLACE).unwrap().wait_for, Some(Position(2)));
}

#[test]
fn full_disk_refuses_what_grows_and_takes_kills() {
    let (engine, log) = moody();
    let token = create(&engine, NOW, NAME, "u");
    log.set(Some(Unavailable::Full), None);
    let refused = engine.create(NOW, &plain(NAME, "u", Life::ENDLESS)).err();
    assert_eq!(refused, Some(Refusal::DiskFull));
    let edited = engine.edit(NOW, app(NAME), Key::Token(&token), &REPLACE, |_| ());
    assert_eq!(edited.err(), Some(Refusal::DiskFull));
    assert_eq!(refusals_of_kills(&engine, &token), [None; 3]);
    assert!(!is_served(&engine, NOW, NAME, &token));
    log.set(None, Some(Unavailable::Full));
    assert_eq!(
        refusals_of_kills(&engine, &token),
        [Some(Refusal::DiskFull); 3]
    );
}

#[test]
fn refused_create_leaves_no_app_behind() {
    let (engine, log) = moody();
    log.set(Some(Unavailable::Failed), None);
    assert!(
        engine
            .create(NOW, &plain(NAME, "u", Life::ENDLESS))
            .is_err()
    );
    assert_eq!(engine.memory_use().apps, 0);
}

#[test]
fn kill_that_finds_nothing_waits_for_all_changes_before_it() {
    let (engine, log) = moody();
    let gone = create(&engine, NOW, NAME, "u");
    create(&engine, NOW, NAME, "stays");
    let kill = |token: &[u8]| {
        let reply = engine.remove(NOW, app(NAME), Key::Token(token), |_| ());
        reply.unwrap().wait_for
    };
    assert_eq!(kill(&gone), Some(Position(3)));
    assert_eq!(kill(&gone), Some(Position(3)));
    assert_eq!(kill(b"never was"), Some(Position(3)));
    // A later change of another session counts too: positions are blocks, not sessions.
    create(&engine, NOW, NAME, "other");
    assert_eq!(kill(&gone), Some(Position(4)));
    let (progress, reply) = engine
        .remove_matching(
            NOW,
            app(NAME),
            Scope::User("u"),
            None,
            &mut ListCursor::default(),
        )
        .unwrap();
    assert_eq!(
        (progress, reply.answer, reply.wait_for),
        (ListProgress::Done, 0, Some(Position(4)))
    );
    let reply = engine.remove_app(NOW, app("unknown")).unwrap();
    assert_eq!((reply.answer, reply.wait_for), (0, Some(Position(4))));
    assert_eq!(
        engine.remove_app(NOW, app(NAME)).unwrap().wait_for,
        Some(Position(5))
    );
    assert_eq!(log.head(), Some(Position(5)));
}
