//! Random verbs on the engine of a process, and what the chronicle learns from each.

use cloakroom::clock::Millis;
use cloakroom::engine::{
    DataEdit, Edit, Key, LifeEdit, ListCursor, ListProgress, NewSession, NewToken, Position, Read,
    Refusal, Scope,
};
use cloakroom::log::Health;
use cloakroom::model::json::merge::{MemberOrder, Patch};
use cloakroom::model::{AppName, ContentType, Life, TextChange, TokenStyle};

use crate::chronicle::{Name, State};
use crate::fault_disk::Choice;
use crate::history::History;
use crate::tape::Noted;

/// The second keeps an index by IP, and so does the third by itself.
pub(crate) const APPS: [&str; 3] = ["shop", "indexed", "@sessions"];
const USERS: u64 = 5;
const CHOSEN: u64 = 8;

pub(crate) fn app_name(app: usize) -> AppName<'static> {
    AppName::new(APPS[app]).unwrap()
}

/// What came of a verb that the log may refuse.
type Outcome = Result<(), Refusal>;

impl History {
    /// Does one verb. Refusals by the log are counted, any other is a fault of the test.
    pub(crate) fn verb(&mut self) {
        let outcome = match self.dice.roll(100) {
            0..34 => self.create(),
            34..58 => self.edit(),
            58..75 => self.read(),
            75..90 => {
                let name = self.pick();
                self.remove(&name)
            }
            90..96 => self.remove_matching(),
            96..98 => self.remove_app(),
            _ => {
                self.process.engine.sweep(self.now(), 4);
                Ok(())
            }
        };
        match outcome {
            Ok(()) => {}
            Err(Refusal::LogFailed | Refusal::DiskFull) => self.refused += 1,
            Err(refusal) => unreachable!("{refusal}"),
        }
        self.read_some();
    }

    /// Reads go on, whatever the disk does.
    fn read_some(&mut self) {
        let (name, now) = (self.pick(), self.now().0);
        let newest = self.chronicle.newest(&name);
        let served = newest.filter(|state| now < state.deadline);
        assert_eq!(self.process.peek(&name).as_ref(), served);
    }

    fn app(&mut self) -> usize {
        self.dice.choose(APPS.len())
    }

    fn life(&mut self) -> Life {
        let now = self.now();
        match self.dice.roll(8) {
            0..2 => Life::whole_seconds(10 + self.dice.roll(20)),
            2 => Life::sliding(1 + self.dice.roll(9_000)),
            3 => Life::fixed(now.plus(self.dice.roll(30_000))),
            4 => Life {
                until: now.plus(20_000),
                ..Life::sliding(1 + self.dice.roll(9_000))
            },
            _ => Life::ENDLESS,
        }
    }

    fn user(&mut self) -> Option<String> {
        (self.dice.roll(6) > 0).then(|| format!("user-{}", self.dice.roll(USERS)))
    }

    fn ip(&mut self) -> Option<String> {
        (self.dice.roll(3) > 0).then(|| format!("10.0.0.{}", self.dice.roll(4)))
    }

    /// Data of mostly few bytes, sometimes of some sectors.
    fn data(&mut self) -> Vec<u8> {
        let length = match self.dice.roll(12) {
            0 => self.dice.roll(3_000),
            1..4 => self.dice.roll(300),
            _ => self.dice.roll(30),
        };
        let length = length.min(self.most_data);
        let fill = b'a' + self.dice.roll(26) as u8;
        let text = String::from_utf8(vec![fill; length as usize]).unwrap();
        format!("{{\"k\":\"{text}\"}}").into_bytes()
    }

    /// Creates a session like any.
    pub(crate) fn create(&mut self) -> Outcome {
        let app = self.app();
        let (user, ip, life, data) = (self.user(), self.ip(), self.life(), self.data());
        let chosen = format!("chosen-{}", self.dice.roll(CHOSEN));
        let token = if self.dice.roll(2) == 0 {
            NewToken::Chosen(chosen.as_bytes())
        } else {
            NewToken::Draw(TokenStyle::UuidV4)
        };
        let new = NewSession {
            app: app_name(app),
            token,
            keep_token: true,
            user: user.as_deref(),
            ip: ip.as_deref(),
            life,
            no_resave: self.dice.roll(10) == 0,
            content_type: ContentType::JSON_OBJECT,
            data: &data,
        };
        let created = match self.process.engine.create(self.now(), &new) {
            Err(Refusal::Exists) => return Ok(()),
            created => created?,
        };
        let name = (app, created.answer.token.as_bytes().to_vec());
        self.chronicle.meet(created.answer.handle, &name);
        self.note(created.wait_for);
        Ok(())
    }

    /// A session that there is or was; sometimes none that ever was.
    fn pick(&mut self) -> Name {
        let count = self.chronicle.names().len();
        if count == 0 || self.dice.roll(40) == 0 {
            return (self.app(), b"never".to_vec());
        }
        let chosen = self.dice.choose(count);
        self.chronicle.names().nth(chosen).unwrap().clone()
    }

    fn read(&mut self) -> Outcome {
        let (app, token) = self.pick();
        let (name, key) = (app_name(app), Key::Token(&token));
        let how = if self.dice.roll(4) == 0 {
            Read::Peek
        } else {
            Read::Touch
        };
        let reply = self.process.engine.read(self.now(), name, key, how, |_| ());
        assert_eq!(reply.wait_for, None, "nobody waits for a touch");
        self.note(None);
        Ok(())
    }

    fn edit(&mut self) -> Outcome {
        let (app, token) = self.pick();
        let (data, user, ip, life) = (self.data(), self.user(), self.ip(), self.life());
        let patch = Patch::new(&data).unwrap();
        let (touch, counts) = (self.dice.coin(), self.dice.coin());
        let edit = Edit {
            touch,
            // What is not active is in no second's harvest, so no door counts such a read.
            count_read: touch && counts,
            expect_version: None,
            expect_user: None,
            user: match (self.dice.roll(8), user.as_deref()) {
                (0, Some(user)) => TextChange::Set(user),
                (0, None) => TextChange::Clear,
                _ => TextChange::Keep,
            },
            ip: match (self.dice.roll(4), ip.as_deref()) {
                (0, Some(ip)) => TextChange::Set(ip),
                (0, None) => TextChange::Clear,
                _ => TextChange::Keep,
            },
            life: match self.dice.roll(4) {
                0 => LifeEdit::Replace(life),
                _ => LifeEdit::Keep,
            },
            data: match self.dice.roll(4) {
                0 => DataEdit::Keep,
                1 => DataEdit::Replace(ContentType::BYTES, &data),
                2 => DataEdit::Replace(ContentType::JSON_OBJECT, &data),
                _ => DataEdit::Merge(&patch, MemberOrder::Insertion),
            },
        };
        let (name, key) = (app_name(app), Key::Token(&token));
        match self
            .process
            .engine
            .edit(self.now(), name, key, &edit, |_| ())
        {
            Err(Refusal::Gone | Refusal::NotAnObject) => Ok(()),
            edited => {
                self.note(edited?.wait_for);
                Ok(())
            }
        }
    }

    /// Ends one session.
    pub(crate) fn remove(&mut self, name: &Name) -> Outcome {
        let (name, key) = (app_name(name.0), Key::Token(&name.1));
        let removed = self.process.engine.remove(self.now(), name, key, |_| ())?;
        if removed.answer.is_none() {
            self.assert_waits_for_all(removed.wait_for);
        }
        self.note(removed.wait_for);
        Ok(())
    }

    fn remove_matching(&mut self) -> Outcome {
        let app = self.app();
        let (user, ip) = (self.user(), self.ip());
        let scope = match (&user, &ip) {
            (Some(user), _) => Scope::User(user),
            (None, Some(ip)) => Scope::Ip(ip),
            (None, None) => return Ok(()),
        };
        let mut cursor = ListCursor::default();
        loop {
            let (now, engine) = (self.now(), &self.process.engine);
            let (progress, reply) =
                engine.remove_matching(now, app_name(app), scope, None, &mut cursor)?;
            if progress == ListProgress::Done {
                self.assert_waits_for_all(reply.wait_for);
            }
            self.note(reply.wait_for);
            if progress == ListProgress::Done {
                return Ok(());
            }
        }
    }

    fn remove_app(&mut self) -> Outcome {
        let app = self.app();
        let removed = self.process.engine.remove_app(self.now(), app_name(app))?;
        if removed.answer == 0 {
            self.assert_waits_for_all(removed.wait_for);
        }
        self.end_app = Some(app);
        self.note(removed.wait_for);
        Ok(())
    }

    /// "Nothing there" is said only when all ends that were written down are safe.
    fn assert_waits_for_all(&self, wait_for: Option<Position>) {
        assert_eq!(wait_for, self.process.head(), "a kill that found nothing");
    }

    /// Writes down in the chronicle what the tape has of the last verb.
    pub(crate) fn note(&mut self, wait_for: Option<Position>) {
        for (noted, position) in self.process.tape.take() {
            match noted {
                Noted::Touch(handle) => {
                    let name = self.chronicle.name(handle).clone();
                    let state = self.process.peek(&name);
                    self.chronicle.touch(&name, state);
                    continue;
                }
                Noted::Harvest(handle) => {
                    let name = self.chronicle.name(handle).clone();
                    self.chronicle.written_down(&name, position);
                    continue;
                }
                Noted::Change(handle) | Noted::End(handle) => {
                    let name = self.chronicle.name(handle).clone();
                    let state = self.process.peek(&name);
                    assert!(state.is_none() || matches!(noted, Noted::Change(_)));
                    self.chronicle.change(&name, position, state);
                }
                Noted::EndApp => self.note_end_of_app(position),
            }
            let is_failed = self.process.log.health() == Health::Failed;
            assert!(!is_failed, "{noted:?} while the log is failed");
            let waits = wait_for.is_some_and(|waits| waits.0 >= position);
            assert!(
                waits,
                "{noted:?} at {position} is acknowledged at {wait_for:?}"
            );
        }
    }

    fn note_end_of_app(&mut self, position: u64) {
        let app = self.end_app.take().unwrap();
        for name in self.chronicle.end_app(app, position) {
            assert_eq!(self.process.peek(&name), None);
        }
    }

    pub(crate) fn now(&self) -> Millis {
        self.process.now()
    }
}

/// What a peek shows of a session.
pub(crate) fn peek(engine: &cloakroom::engine::Engine, now: Millis, name: &Name) -> Option<State> {
    let (app, key) = (app_name(name.0), Key::Token(&name.1));
    let reply = engine.read(now, app, key, Read::Peek, |view| State::of(view, now.0));
    reply.answer
}
