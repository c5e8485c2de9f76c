//! Reading a session: the most frequent verb.

use super::{Engine, Key, Read, Reply, at_once};
use crate::clock::Millis;
use crate::model::change::TouchChange;
use crate::model::{AppName, Change, SessionView};
use crate::store::{App, Locked, Record};

/// How to read a session, and which one is wanted at all.
#[derive(Clone, Copy, Debug)]
pub struct ReadIf<W> {
    /// Whether the read counts.
    pub how: Read,
    /// Asked of the session before it is read, under its lock.
    pub wanted: W,
}

impl Engine {
    /// Reads a session. `answer` is called with the session under its lock and must be quick; the
    /// reply is `None` when there is no such session.
    pub fn read<R>(
        &self,
        now: Millis,
        app: AppName<'_>,
        key: Key<'_>,
        how: Read,
        answer: impl FnOnce(&SessionView<'_>) -> R,
    ) -> Reply<Option<R>> {
        let mut kept = None;
        let Some((app, lookup)) = self.resolve(app, key, &mut kept) else {
            return at_once(None);
        };
        let mut locked = self.store.lock(app, lookup, now);
        at_once(self.read_locked(now, app, &mut locked, how, answer))
    }

    /// Reads a session if it is wanted as it stands; one that is not is left as if nobody had asked.
    /// Nothing happens to it between the question and the answer.
    pub fn read_if<R>(
        &self,
        now: Millis,
        app: AppName<'_>,
        key: Key<'_>,
        condition: ReadIf<impl FnOnce(&SessionView<'_>) -> bool>,
        answer: impl FnOnce(&SessionView<'_>) -> R,
    ) -> Reply<Option<R>> {
        let mut kept = None;
        let Some((app, lookup)) = self.resolve(app, key, &mut kept) else {
            return at_once(None);
        };
        let mut locked = self.store.lock(app, lookup, now);
        let ReadIf { how, wanted } = condition;
        if !locked.view(app, now).is_some_and(|view| wanted(&view)) {
            return at_once(None);
        }
        at_once(self.read_locked(now, app, &mut locked, how, answer))
    }

    /// Reads the session that was found.
    #[inline]
    fn read_locked<R>(
        &self,
        now: Millis,
        app: &App,
        locked: &mut Locked<'_>,
        how: Read,
        answer: impl FnOnce(&SessionView<'_>) -> R,
    ) -> Option<R> {
        let record = locked.record()?;
        let before = Before::of(record, now);
        if how == Read::Touch {
            let touch = TouchChange {
                reads: before.reads.saturating_add(1),
                ..touch(record, now)
            };
            self.commit(app, locked, &Change::Touch(touch));
        }
        let view = locked.view(app, now)?;
        Some(answer(&before.shown_in(view)))
    }
}

/// What an answer shows as it was before the request.
pub(super) struct Before {
    pub(super) reads: u64,
    idle_seconds: u64,
}

impl Before {
    pub(super) fn of(record: &Record, now: Millis) -> Self {
        let recorded = record.recorded().seconds();
        Self {
            reads: record.reads(),
            idle_seconds: now.seconds().saturating_sub(recorded),
        }
    }

    pub(super) fn shown_in<'v>(&self, view: SessionView<'v>) -> SessionView<'v> {
        SessionView {
            reads: self.reads,
            idle_seconds: self.idle_seconds,
            ..view
        }
    }
}

/// The change that a touch at `now` is, with the counter as it stands.
///
/// For lives in whole seconds the recorded access moves only when more than one whole second has
/// passed since (rest-sessions); otherwise it lags the last activity by that second. With
/// `no_resave` the deadline is absolute, so a touch cannot prolong it.
pub(super) fn touch(record: &Record, now: Millis) -> TouchChange {
    let last_active = now.max(record.last_active());
    let idle = last_active
        .seconds()
        .saturating_sub(record.recorded().seconds());
    TouchChange {
        handle: record.handle(),
        last_active,
        lag: record.life().whole_seconds && idle == 1,
        reads: record.reads(),
    }
}

/// The touch that alters nothing.
pub(super) fn untouched(record: &Record) -> TouchChange {
    TouchChange {
        handle: record.handle(),
        last_active: record.last_active(),
        lag: record.lag(),
        reads: record.reads(),
    }
}

/// Looks up and locks; keeps the app beside the lock for as long as both are needed.
pub(super) fn with_locked<R>(
    engine: &Engine,
    now: Millis,
    app: AppName<'_>,
    key: Key<'_>,
    act: impl FnOnce(&App, &mut Locked<'_>) -> R,
) -> Option<R> {
    let mut kept = None;
    let (app, lookup) = engine.resolve(app, key, &mut kept)?;
    let mut locked = engine.store.lock(app, lookup, now);
    locked.record()?;
    Some(act(app, &mut locked))
}

#[cfg(test)]
mod tests {
    use crate::clock::Millis;
    use crate::engine::{
        Engine, EngineConfig, Key, NewSession, NewToken, OsRandomness, Read, ReadIf,
    };
    use crate::model::{AppName, ContentType, Keys, Life, SessionView};

    const NOW: Millis = Millis(1_795_000_000_123);
    const LATER: Millis = Millis(1_795_000_009_000);

    #[test]
    fn read_that_is_not_wanted_is_neither_counted_nor_keeps_the_session_alive() {
        let random = Box::new(OsRandomness::new());
        let engine = Engine::new(&EngineConfig::default(), Keys::new([7; 32]), random);
        let (app, key) = (AppName::new("shop").unwrap(), Key::Token(b"t"));
        let new = NewSession {
            app,
            token: NewToken::Chosen(b"t"),
            keep_token: false,
            user: None,
            ip: None,
            life: Life {
                idle: 60_000,
                ..Life::ENDLESS
            },
            no_resave: false,
            content_type: ContentType::BYTES,
            data: b"too long",
        };
        engine.create(NOW, &new).unwrap();
        let read_up_to = |now, bytes| {
            let short = |view: &SessionView<'_>| view.data().len() <= bytes;
            let condition = ReadIf {
                how: Read::Touch,
                wanted: short,
            };
            let facts = |view: &SessionView<'_>| (view.reads, view.deadline);
            engine.read_if(now, app, key, condition, facts).answer
        };
        assert_eq!(read_up_to(LATER, 7), None);
        let peeked = engine.read(LATER, app, key, Read::Peek, |view| {
            (view.reads, view.deadline)
        });
        assert_eq!(peeked.answer, Some((1, NOW.plus(60_000))));
        assert_eq!(read_up_to(LATER, 8), Some((1, LATER.plus(60_000))));
        assert_eq!(read_up_to(LATER, 8), Some((2, LATER.plus(60_000))));
        assert_eq!(read_up_to(LATER.plus(60_000), 8), None);
    }
}
