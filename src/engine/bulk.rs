//! Verbs over many sessions, in bounded slices: lists, kills, counts.

use super::{Engine, Followed, ListCursor, ListProgress, Refusal, Reply, Scope, Weight, at_once};
use crate::clock::Millis;
use crate::model::{AppName, Change, SessionView};
use crate::store::{App, Locked, Members, Record, Visit};

/// Lock holds that an exact count may spend on sessions that expired since the last sweep: a full
/// round over all shards with some 100,000 of them. Beyond, the sweeps catch up within a second.
const HOLDS_BEFORE_COUNT: usize = 2_048;

impl Engine {
    /// Ends a bounded number of the sessions in `scope` but for the one that `except` follows; the answer
    /// counts them. Call again with the same cursor while the progress is [`ListProgress::More`].
    ///
    /// # Errors
    /// [`Refusal::LogFailed`], [`Refusal::DiskFull`]. This call has ended nothing then; what calls
    /// before it ended stays so.
    pub fn remove_matching(
        &self,
        now: Millis,
        app: AppName<'_>,
        scope: Scope<'_>,
        except: Option<&Followed>,
        cursor: &mut ListCursor,
    ) -> Result<(ListProgress, Reply<u64>), Refusal> {
        self.admit(Weight::Shrink)?;
        let mut reply = at_once(0);
        let mut end = |app: &App, locked: &mut Locked<'_>| {
            // Under the lock of this session, so that no rotation comes between look and end.
            let stays = |except: &Followed| {
                let is_it = |record: &Record| record.handle() == except.handle();
                locked.record().is_some_and(is_it)
            };
            if except.is_some_and(stays) {
                return;
            }
            reply.wait_for = reply.wait_for.max(self.end(app, locked));
            reply.answer += 1;
        };
        let progress = self.visit(now, app, scope, cursor, &mut Visit::Locked(&mut end));
        if progress == ListProgress::Done {
            // What others ended meanwhile was not found here, and the answer says it is gone.
            reply.wait_for = reply.wait_for.max(self.log.head());
        }
        Ok((progress, reply))
    }

    /// Ends all sessions of an app at once; the answer counts them.
    ///
    /// # Errors
    /// [`Refusal::LogFailed`], [`Refusal::DiskFull`]. Nothing is changed then.
    pub fn remove_app(&self, now: Millis, app: AppName<'_>) -> Result<Reply<u64>, Refusal> {
        self.admit(Weight::Shrink)?;
        let Some(app) = self.app(app) else {
            return Ok(self.nothing_there(0));
        };
        self.settle(now);
        loop {
            let mut wait_for = None;
            let killed = self.store.remove_app(&app, |epoch| {
                let app = app.name();
                wait_for = self.log.append(&Change::RemoveApp { app, epoch });
            });
            if let Some(answer) = killed {
                let wait_for = wait_for.or_else(|| self.log.head());
                return Ok(Reply { answer, wait_for });
            }
            self.store.sweep(now, HOLDS_BEFORE_COUNT);
        }
    }

    /// Shows a bounded number of the living sessions in `scope`, each at most once, without a trace.
    /// Call again with the same cursor while the progress is [`ListProgress::More`].
    pub fn list(
        &self,
        now: Millis,
        app: AppName<'_>,
        scope: Scope<'_>,
        cursor: &mut ListCursor,
        each: &mut dyn FnMut(&SessionView<'_>),
    ) -> ListProgress {
        self.visit(now, app, scope, cursor, &mut Visit::Show(each))
    }

    /// How many users of the app were active in the last `seconds` seconds. Exact up to an hour;
    /// beyond, the start is rounded down to the minute, beyond a day to the hour.
    #[must_use]
    pub fn activity(&self, now: Millis, app: AppName<'_>, seconds: u64) -> u64 {
        self.active(now, app, seconds).0
    }

    /// How many users and how many sessions of the app were active in the last `seconds` seconds, as
    /// exact as [`Engine::activity`].
    #[must_use]
    pub fn active(&self, now: Millis, app: AppName<'_>, seconds: u64) -> (u64, u64) {
        let Some(app) = self.app(app) else {
            return (0, 0);
        };
        self.settle(now);
        self.store.activity(&app, now, seconds)
    }

    /// How many users and sessions the app has, with those that have expired and are not cleared away
    /// yet.
    #[must_use]
    pub fn population(&self, app: AppName<'_>) -> (u64, u64) {
        self.app(app)
            .map_or((0, 0), |app| self.store.population(&app))
    }

    fn visit(
        &self,
        now: Millis,
        app: AppName<'_>,
        scope: Scope<'_>,
        cursor: &mut ListCursor,
        visit: &mut Visit<'_>,
    ) -> ListProgress {
        let Some(app) = self.app(app) else {
            return ListProgress::Done;
        };
        let members = members(&app, scope);
        let inner = &mut cursor.inner;
        if self.store.walk_members(&app, members, now, inner, visit) {
            ListProgress::More
        } else {
            ListProgress::Done
        }
    }

    /// Removes what expired up to this second, so that counts are exact.
    fn settle(&self, now: Millis) {
        if !self.store.is_swept(now) {
            self.store.sweep(now, HOLDS_BEFORE_COUNT);
        }
    }
}

fn members<'a>(app: &App, scope: Scope<'a>) -> Members<'a> {
    match scope {
        Scope::User(user) => Members::User(user),
        Scope::Ip(ip) if app.ip_indexed => Members::Ip(ip),
        Scope::Ip(ip) => Members::IpOfAny(ip),
        Scope::ActiveSince(since) => Members::ActiveSince(since),
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::Millis;
    use crate::engine::{
        Engine, EngineConfig, Key, ListCursor, NewSession, NewToken, OsRandomness,
    };
    use crate::model::{AppName, ContentType, Keys, Life};
    use crate::store::{Members, Visit};

    const NOW: Millis = Millis(1_795_000_000_123);

    fn create(engine: &Engine, app: AppName<'_>, token: &[u8]) {
        let new = NewSession {
            app,
            token: NewToken::Chosen(token),
            keep_token: false,
            user: Some("u"),
            ip: None,
            life: Life::ENDLESS,
            no_resave: false,
            content_type: ContentType::JSON_OBJECT,
            data: b"",
        };
        engine.create(NOW, &new).unwrap();
    }

    #[test]
    fn walk_of_an_app_that_was_dropped_never_meets_the_app_that_got_its_number() {
        let random = Box::new(OsRandomness::new());
        let engine = Engine::new(&EngineConfig::default(), Keys::new([7; 32]), random);
        let [one, other] = ["one", "other"].map(|name| AppName::new(name).unwrap());
        create(&engine, one, b"a");
        let dropped = engine.app(one).unwrap();
        engine.remove(NOW, one, Key::Token(b"a"), |_| ()).unwrap();
        create(&engine, other, b"b");
        for members in [Members::User("u"), Members::ActiveSince(Millis(0))] {
            let (mut shown, mut cursor) = (0, ListCursor::default());
            let mut show = |_: &crate::model::SessionView<'_>| shown += 1;
            let mut visit = Visit::Show(&mut show);
            let store = &engine.store;
            while store.walk_members(&dropped, members, NOW, &mut cursor.inner, &mut visit) {}
            assert_eq!(shown, 0, "a session of another app");
        }
    }
}
