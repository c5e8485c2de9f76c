//! Taking a session over as it stood elsewhere: what `cloakroom import` does line by line.

use super::{Engine, Refusal, Reply, Weight, at_once};
use crate::clock::Millis;
use crate::limits;
use crate::model::change::CreateChange;
use crate::model::{AppName, Change, ContentType, Handle, Life, Tag, Token, U48};
use crate::store::{App, Applied, Lookup, TooManyApps};

/// How a session that is taken over is named.
#[derive(Clone, Copy, Debug)]
pub enum ImportName<'a> {
    /// By its token; `keep` has the token kept sealed, for dialects that list tokens.
    Token {
        /// The token, 1..=128 bytes.
        text: &'a [u8],
        /// Whether lists can show it.
        keep: bool,
    },
    /// By the keyed hash of its token, made under this server's key.
    Tag(Tag),
}

/// A session as it stood elsewhere.
#[derive(Clone, Debug)]
pub struct ImportedSession<'a> {
    /// The app it belongs to.
    pub app: AppName<'a>,
    /// Which session it is.
    pub name: ImportName<'a>,
    /// Whose session it is, 1..=1024 bytes.
    pub user: Option<&'a str>,
    /// The IP text, 0..=1024 bytes.
    pub ip: Option<&'a str>,
    /// When it was created; what lies ahead counts as now.
    pub created: Millis,
    /// When it was last active; what lies ahead counts as now.
    pub last_active: Millis,
    /// The recorded access is one whole second before `last_active`.
    pub lag: bool,
    /// The limits of its life.
    pub life: Life,
    /// Reads do not prolong its life.
    pub no_resave: bool,
    /// What the next read answers.
    pub reads: u64,
    /// The write counter.
    pub writes: u64,
    /// What the data are.
    pub content_type: ContentType,
    /// The data; canonical text where they are JSON.
    pub data: &'a [u8],
}

/// What came of a session that was to be taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Imported {
    /// It lives here now.
    New,
    /// It lived here already and was left alone.
    Living,
    /// Its life had ended.
    Expired,
}

impl Engine {
    /// Takes a session over, unless one with its token lives here.
    ///
    /// # Errors
    /// [`Refusal::BadName`], [`Refusal::DataTooLarge`], [`Refusal::TooManyApps`],
    /// [`Refusal::MemoryFull`], [`Refusal::LogFailed`], [`Refusal::DiskFull`]. Nothing is changed then.
    pub fn import(
        &self,
        now: Millis,
        session: &ImportedSession<'_>,
    ) -> Result<Reply<Imported>, Refusal> {
        check_sizes(session)?;
        self.admit(Weight::Grow)?;
        if self.is_full() {
            return Err(Refusal::MemoryFull);
        }
        loop {
            let app = self
                .store
                .app_or_make(session.app)
                .map_err(|TooManyApps| Refusal::TooManyApps)?;
            match self.import_in(now, &app, session) {
                Ok(Some(reply)) => {
                    if reply.answer != Imported::New {
                        self.store.drop_unused(&app);
                    }
                    return Ok(reply);
                }
                // Between the two steps the app was killed or went with its last session.
                Ok(None) => {}
                Err(refusal) => {
                    self.store.drop_unused(&app);
                    return Err(refusal);
                }
            }
        }
    }

    fn import_in(
        &self,
        now: Millis,
        app: &App,
        session: &ImportedSession<'_>,
    ) -> Result<Option<Reply<Imported>>, Refusal> {
        let (tag, sealed) = identity(app, session.name)?;
        let handle = Handle(tag.high);
        let mut locked = self.store.lock(app, Lookup::Handle(handle), now);
        if locked.record().is_some() {
            return Ok(Some(at_once(Imported::Living)));
        }
        let last_active = session.last_active.min(now);
        let lag = session.lag && session.life.whole_seconds;
        let recorded = Millis(last_active.0.saturating_sub(u64::from(lag) * 1000));
        let created = session.created.min(now);
        // An end that is named is the first deadline already.
        let life = if session.no_resave && session.life.until == Millis::NEVER {
            Life {
                until: session.life.deadline(created),
                ..session.life
            }
        } else {
            session.life
        };
        if life.deadline(recorded) <= now {
            return Ok(Some(at_once(Imported::Expired)));
        }
        let change = CreateChange {
            app: session.app,
            epoch: app.epoch(),
            tag,
            user: session.user,
            ip: session.ip,
            created,
            last_active,
            lag,
            life,
            no_resave: session.no_resave,
            reads: session.reads,
            writes: session.writes,
            content_type: session.content_type,
            data: session.data,
            sealed: &sealed,
            alias: false,
        };
        let mut wait_for = None;
        let applied = locked.create(app, &change, |change| {
            wait_for = self.log.append(&Change::Create(change.clone()));
        });
        Ok(match applied {
            Applied::Done => Some(Reply {
                answer: Imported::New,
                wait_for,
            }),
            Applied::AppMovedOn => None,
        })
    }
}

fn identity(app: &App, name: ImportName<'_>) -> Result<(Tag, Vec<u8>), Refusal> {
    match name {
        ImportName::Tag(tag) => Ok((tag, Vec::new())),
        ImportName::Token { text, keep } => {
            let token = Token::recognised(text).ok_or(Refusal::BadName)?;
            let tag = app.keys.tag(token.as_bytes());
            let mut sealed = Vec::new();
            if keep {
                app.keys.sealer(tag).seal(&token, &mut sealed);
            }
            Ok((tag, sealed))
        }
    }
}

fn check_sizes(session: &ImportedSession<'_>) -> Result<(), Refusal> {
    let user = session
        .user
        .is_none_or(|u| (1..=limits::USER_BYTES).contains(&u.len()));
    let ip = session.ip.is_none_or(|i| i.len() <= limits::IP_BYTES);
    if !user || !ip {
        return Err(Refusal::BadName);
    }
    if session.data.len() > limits::DATA_BYTES {
        return Err(Refusal::DataTooLarge);
    }
    debug_assert!(
        session.life.idle <= U48::MAX,
        "limits of a life are below 2^48"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ImportName, Imported, ImportedSession};
    use crate::clock::Millis;
    use crate::engine::{Engine, EngineConfig, Key, OsRandomness, Read, Refusal};
    use crate::model::{AppName, ContentType, Keys, Life};

    const NOW: Millis = Millis(1_795_161_703_019);
    const TOKEN: &[u8] = b"61494096-9af7-49ba-9fb4-e89c0811e6d3";

    fn engine() -> Engine {
        let random = Box::new(OsRandomness::new());
        Engine::new(&EngineConfig::default(), Keys::new([7; 32]), random)
    }

    fn session<'a>() -> ImportedSession<'a> {
        ImportedSession {
            app: AppName::TARANTOOL,
            name: ImportName::Token {
                text: TOKEN,
                keep: true,
            },
            user: Some("7"),
            ip: Some("10.0.0.1"),
            created: Millis(NOW.0 - 60_000),
            last_active: Millis(NOW.0 - 2_000),
            lag: false,
            life: Life::whole_seconds(10),
            no_resave: false,
            reads: 5,
            writes: 3,
            content_type: ContentType::JSON_OBJECT,
            data: b"{\"a\":1}",
        }
    }

    fn import(engine: &Engine, session: &ImportedSession<'_>) -> Result<Imported, Refusal> {
        engine.import(NOW, session).map(|reply| reply.answer)
    }

    #[test]
    fn session_is_taken_over_as_it_stood_and_a_second_time_left_alone() {
        let engine = engine();
        assert_eq!(import(&engine, &session()), Ok(Imported::New));
        let key = Key::Token(TOKEN);
        let seen = engine.read(NOW, AppName::TARANTOOL, key, Read::Touch, |view| {
            assert_eq!((view.user(), view.ip()), (Some("7"), Some("10.0.0.1")));
            assert_eq!(view.created(), Millis(NOW.0 - 60_000));
            assert_eq!((view.reads, view.writes, view.idle_seconds), (5, 3, 2));
            assert_eq!(view.life, Life::whole_seconds(10));
            assert_eq!(view.data(), b"{\"a\":1}");
            assert_eq!(view.token().unwrap().as_bytes(), TOKEN);
        });
        assert_eq!(seen.answer, Some(()));
        let other = ImportedSession {
            reads: 99,
            ..session()
        };
        assert_eq!(import(&engine, &other), Ok(Imported::Living));
        let reads = engine.read(NOW, AppName::TARANTOOL, key, Read::Peek, |view| view.reads);
        assert_eq!(reads.answer, Some(6));
        engine.check_invariants().unwrap();
    }

    #[test]
    fn session_named_by_its_tag_is_found_by_its_token() {
        let engine = engine();
        let tag = Keys::new([7; 32]).of_app(AppName::TARANTOOL).tag(TOKEN);
        let named = ImportedSession {
            name: ImportName::Tag(tag),
            ..session()
        };
        assert_eq!(import(&engine, &named), Ok(Imported::New));
        let found = engine.read(
            NOW,
            AppName::TARANTOOL,
            Key::Token(TOKEN),
            Read::Peek,
            |view| view.token().is_none(),
        );
        assert_eq!(found.answer, Some(true));
    }

    #[test]
    fn expired_and_impossible_sessions_leave_nothing_behind() {
        let engine = engine();
        for (last, life, no_resave) in [
            (13_000, Life::whole_seconds(10), false),
            (0, Life::fixed(NOW), false),
            // Its first deadline was its last one.
            (0, Life::sliding(30_000), true),
        ] {
            let ended = ImportedSession {
                last_active: Millis(NOW.0 - last),
                life,
                no_resave,
                ..session()
            };
            assert_eq!(import(&engine, &ended), Ok(Imported::Expired));
        }
        let nameless = ImportedSession {
            user: Some(""),
            ..session()
        };
        assert_eq!(import(&engine, &nameless), Err(Refusal::BadName));
        let long = [b'x'; 129];
        let tokenless = ImportedSession {
            name: ImportName::Token {
                text: &long,
                keep: false,
            },
            ..session()
        };
        assert_eq!(import(&engine, &tokenless), Err(Refusal::BadName));
        assert_eq!(engine.memory_use().apps, 0);
        engine.check_invariants().unwrap();
    }

    #[test]
    fn activity_that_lies_ahead_counts_as_now() {
        let engine = engine();
        let ahead = ImportedSession {
            created: Millis(NOW.0 + 5_000),
            last_active: Millis(NOW.0 + 5_000),
            ..session()
        };
        assert_eq!(import(&engine, &ahead), Ok(Imported::New));
        let key = Key::Token(TOKEN);
        let seen = engine.read(NOW, AppName::TARANTOOL, key, Read::Peek, |view| {
            (view.created(), view.last_active)
        });
        assert_eq!(seen.answer, Some((NOW, NOW)));
    }
}
