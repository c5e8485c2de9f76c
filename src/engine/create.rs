//! Creating a session.

use super::{Created, Engine, NewSession, NewToken, Refusal, Reply, Weight};
use crate::clock::Millis;
use crate::limits;
use crate::model::change::CreateChange;
use crate::model::session::version;
use crate::model::{Change, Handle, Life, Tag, Token, U48};
use crate::store::{App, Applied, Lookup, TooManyApps};

impl Engine {
    /// Creates a session.
    ///
    /// # Errors
    /// [`Refusal::Exists`] for a client-chosen token that lives, [`Refusal::BadName`],
    /// [`Refusal::DataTooLarge`], [`Refusal::TooManyApps`], [`Refusal::MemoryFull`],
    /// [`Refusal::LogFailed`], [`Refusal::DiskFull`].
    pub fn create(&self, now: Millis, new: &NewSession<'_>) -> Result<Reply<Created>, Refusal> {
        check_sizes(new)?;
        self.admit(Weight::Grow)?;
        if self.is_full() {
            return Err(Refusal::MemoryFull);
        }
        loop {
            let app = self
                .store
                .app_or_make(new.app)
                .map_err(|TooManyApps| Refusal::TooManyApps)?;
            match self.create_in(now, &app, new) {
                Ok(Some(created)) => return Ok(created),
                // Between the two steps the app was killed or went with its last session.
                Ok(None) => {}
                Err(refusal) => {
                    self.store.drop_unused(&app);
                    return Err(refusal);
                }
            }
        }
    }

    fn create_in(
        &self,
        now: Millis,
        app: &App,
        new: &NewSession<'_>,
    ) -> Result<Option<Reply<Created>>, Refusal> {
        loop {
            let token = match new.token {
                NewToken::Draw(style) => Token::draw(style, &*self.random),
                NewToken::Chosen(text) => Token::chosen(text).ok_or(Refusal::BadName)?,
            };
            let tag = app.keys.tag(token.as_bytes());
            let mut sealed = Vec::new();
            if new.keep_token {
                app.keys.sealer(tag).seal(&token, &mut sealed);
            }
            let place = Lookup::Handle(Handle(tag.high));
            let mut locked = self.store.lock_place(app, place, now);
            let mut is_free = locked.record().is_none();
            if locked.alias().is_some() {
                drop(locked);
                let has_ended = self.has_ended(app, tag, now);
                locked = self.store.lock_place(app, place, now);
                is_free = locked.is_free(has_ended);
            }
            if !is_free {
                match new.token {
                    // Two living sessions never share a handle: draw again.
                    NewToken::Draw(_) => continue,
                    NewToken::Chosen(_) => return Err(Refusal::Exists),
                }
            }
            let life = starting_life(now, new);
            let created = Created {
                token,
                handle: Handle(tag.high),
                version: version(now, 1),
                deadline: life.deadline(now),
            };
            if created.deadline <= now {
                // Dead at once: nobody could ever see it, so there is nothing to keep.
                drop(locked);
                self.store.drop_unused(app);
                return Ok(Some(Reply {
                    answer: created,
                    wait_for: None,
                }));
            }
            let change = CreateChange {
                app: new.app,
                epoch: app.epoch(),
                tag,
                user: new.user,
                ip: new.ip,
                created: now,
                last_active: now,
                lag: false,
                life,
                no_resave: new.no_resave,
                reads: 1,
                writes: 1,
                content_type: new.content_type,
                data: new.data,
                sealed: &sealed,
                alias: false,
            };
            let mut wait_for = None;
            let applied = locked.create(app, &change, |change| {
                wait_for = self.log.append(&Change::Create(change.clone()));
            });
            return Ok(match applied {
                Applied::Done => Some(Reply {
                    answer: created,
                    wait_for,
                }),
                Applied::AppMovedOn => None,
            });
        }
    }
}

impl Engine {
    /// Whether nobody answers to this tag: no session, and no old id that leads to one.
    pub(super) fn has_ended(&self, app: &App, tag: Tag, now: Millis) -> bool {
        let locked = self.store.lock(app, Lookup::Tag(tag), now);
        locked.record().is_none()
    }
}

/// With `no_resave` the first deadline is the last one.
fn starting_life(now: Millis, new: &NewSession<'_>) -> Life {
    if new.no_resave {
        Life {
            until: new.life.deadline(now),
            ..new.life
        }
    } else {
        new.life
    }
}

fn check_sizes(new: &NewSession<'_>) -> Result<(), Refusal> {
    let user = new
        .user
        .is_none_or(|u| (1..=limits::USER_BYTES).contains(&u.len()));
    let ip = new.ip.is_none_or(|i| i.len() <= limits::IP_BYTES);
    if !user || !ip {
        return Err(Refusal::BadName);
    }
    if new.data.len() > limits::DATA_BYTES {
        return Err(Refusal::DataTooLarge);
    }
    debug_assert!(new.life.idle <= U48::MAX, "limits of a life are below 2^48");
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::clock::Millis;
    use crate::engine::{Engine, EngineConfig, Key, NewSession, NewToken, OsRandomness, Read};
    use crate::model::{AppName, ContentType, Handle, Keys, Life};
    use crate::store::Lookup;

    const NOW: Millis = Millis(1_795_000_000_123);

    #[test]
    fn who_holds_an_app_that_was_dropped_never_touches_the_one_that_came_back() {
        let random = Box::new(OsRandomness::new());
        let engine = Engine::new(&EngineConfig::default(), Keys::new([7; 32]), random);
        let name = AppName::new("app").unwrap();
        let new = NewSession {
            app: name,
            token: NewToken::Chosen(b"a"),
            keep_token: false,
            user: Some("u"),
            ip: None,
            life: Life::ENDLESS,
            no_resave: false,
            content_type: ContentType::JSON_OBJECT,
            data: b"",
        };
        engine.create(NOW, &new).unwrap();
        let dropped = engine.app(name).unwrap();
        engine.remove(NOW, name, Key::Token(b"a"), |_| ()).unwrap();
        engine.create(NOW, &new).unwrap();
        // The same name, number, epoch and token.
        let back = engine.app(name).unwrap();
        assert!(dropped.is_closed() && dropped.epoch() == back.epoch());
        let tag = dropped.keys.tag(b"a");
        for lookup in [Lookup::Tag(tag), Lookup::Handle(Handle(tag.high))] {
            let locked = engine.store.lock(&dropped, lookup, NOW);
            assert!(locked.record().is_none(), "{lookup:?}");
        }
        assert!(engine.create_in(NOW, &dropped, &new).unwrap().is_none());
        let read = engine.read(NOW, name, Key::Token(b"a"), Read::Touch, |view| view.reads);
        assert_eq!(read.answer, Some(1));
        assert_eq!(engine.check_invariants(), Ok(()));
    }
}
