//! The verbs on one session: create, read, edit, remove.

use cloakroom::clock::Millis;
use cloakroom::engine::{
    DataEdit, Edit, Key, LifeEdit, NewSession, NewToken, Read, Refusal, Rotate,
};
use cloakroom::model::json::merge::{MemberOrder, Patch};
use cloakroom::model::{ContentType, Life, TextChange, TokenStyle};

use super::Driver;
use super::facts::Facts;
use crate::twin::{Session, at};

impl Driver {
    pub(super) fn create(&mut self) {
        let app = self.app();
        let (user, ip, life) = (self.user(), self.ip(), self.life());
        let no_resave = self.dice.roll(10) == 0;
        let chosen = format!("chosen-{}", self.dice.roll(40));
        let token = if self.dice.roll(4) == 0 {
            NewToken::Chosen(chosen.as_bytes())
        } else {
            NewToken::Draw(TokenStyle::UuidV4)
        };
        let members = (self.dice.roll(2) == 0)
            .then(|| ("a".to_owned(), 1))
            .into_iter()
            .collect();
        let deadline_life = if no_resave {
            Life {
                until: life.deadline(at(self.now)),
                ..life
            }
        } else {
            life
        };
        let mut session = Session {
            app,
            token: chosen.clone().into_bytes(),
            user,
            ip,
            created: self.now,
            last: self.now,
            recorded: self.now,
            life: deadline_life,
            reads: 1,
            writes: 1,
            members,
            trail: Vec::new(),
        };
        session.written_down(self.now);
        let data = session.data();
        let new = NewSession {
            app: Self::name(app),
            token,
            keep_token: true,
            user: session.user.as_deref(),
            ip: session.ip.as_deref(),
            life,
            no_resave,
            content_type: ContentType::JSON_OBJECT,
            data: data.as_bytes(),
        };
        let created = self.engine.create(at(self.now), &new);
        let exists = matches!(token, NewToken::Chosen(_))
            && self.twin.is_taken(app, chosen.as_bytes(), self.now);
        if exists {
            assert_eq!(created.err(), Some(Refusal::Exists));
            return;
        }
        let created = created.unwrap().answer;
        assert_eq!(created.version, session.version());
        session.token = created.token.as_bytes().to_vec();
        if session.deadline() <= self.now {
            return;
        }
        self.tokens.push((app, session.token.clone()));
        if self.tokens.len() > 2 * self.shape.most_sessions {
            self.tokens
                .swap_remove(self.dice.roll(self.shape.most_sessions as u64) as usize);
        }
        self.twin.add(session);
    }

    /// A token that was handed out once; sometimes with the wrong app.
    fn token(&mut self) -> (usize, Vec<u8>) {
        if self.tokens.is_empty() || self.dice.roll(50) == 0 {
            return (self.app(), b"never".to_vec());
        }
        let (app, token) = self.tokens[self.dice.roll(self.tokens.len() as u64) as usize].clone();
        if self.dice.roll(50) == 0 {
            (self.app(), token)
        } else {
            (app, token)
        }
    }

    pub(super) fn read(&mut self) {
        let (app, token) = self.token();
        let how = if self.dice.roll(4) == 0 {
            Read::Peek
        } else {
            Read::Touch
        };
        let seen = self.engine.read(
            at(self.now),
            Self::name(app),
            Key::Token(&token),
            how,
            |view| {
                let sealed = view.token().unwrap().as_bytes().to_vec();
                (Facts::of_view(view), view.handle, sealed)
            },
        );
        let found = self.twin.find(app, &token, self.now);
        let Some(found) = found else {
            assert!(seen.answer.is_none(), "served a session that is gone");
            return;
        };
        let (facts, handle, sealed) = seen.answer.unwrap();
        assert_eq!(sealed, self.twin.sessions[found].token);
        let mut expected = Facts::of_twin(&self.twin.sessions[found], self.now);
        if how == Read::Touch {
            let session = &mut self.twin.sessions[found];
            session.touch(self.now);
            session.reads += 1;
            session.touched(self.now);
            (expected.last, expected.deadline) =
                (session.last, session.deadline().min(Millis::NEVER.0));
            self.twin.note_active(found, self.now);
        }
        assert_eq!(facts, expected);
        let by_handle = Key::Handle(handle);
        let peek = self.engine.read(
            at(self.now),
            Self::name(app),
            by_handle,
            Read::Peek,
            Facts::of_view,
        );
        assert_eq!(
            peek.answer,
            Some(Facts::of_twin(&self.twin.sessions[found], self.now))
        );
    }

    pub(super) fn edit(&mut self) {
        let (app, token) = self.token();
        let key = ["a", "b", "c", "d"][self.dice.roll(4) as usize];
        let value = (self.dice.roll(3) > 0).then(|| self.dice.roll(100) as u32);
        let patch_text = value.map_or(format!("{{\"{key}\":null}}"), |v| {
            format!("{{\"{key}\":{v}}}")
        });
        let patch = Patch::new(patch_text.as_bytes()).unwrap();
        let (user, ip, life) = (self.user(), self.ip(), self.life());
        let known = self
            .twin
            .find(app, &token, self.now)
            .map(|i| self.twin.sessions[i].clone());
        let expect_version = (self.dice.roll(5) == 0).then(|| {
            known.as_ref().map_or(1, Session::version) ^ u64::from(self.dice.roll(2) == 0)
        });
        let expect_user = (self.dice.roll(5) == 0).then_some("user-1");
        let data = match self.dice.roll(4) {
            0 => DataEdit::Keep,
            1 => DataEdit::Replace(ContentType::JSON_OBJECT, b"{\"z\":9}"),
            _ => DataEdit::Merge(&patch, MemberOrder::Insertion),
        };
        let edit = Edit {
            touch: self.dice.roll(2) == 0,
            count_read: self.dice.roll(2) == 0,
            expect_version,
            expect_user,
            user: self.text_change(user.as_deref()),
            ip: self.text_change(ip.as_deref()),
            life: match self.dice.roll(6) {
                0 => LifeEdit::Replace(life),
                1 => LifeEdit::Limits {
                    idle: (self.dice.roll(2) == 0).then_some(life.idle),
                    until: (self.dice.roll(2) == 0).then_some(life.until),
                },
                _ => LifeEdit::Keep,
            },
            data,
        };
        let seen = self.engine.edit(
            at(self.now),
            Self::name(app),
            Key::Token(&token),
            &edit,
            Facts::of_view,
        );
        let Some(mut expected) = known else {
            assert_eq!(seen.err(), Some(Refusal::Gone));
            return;
        };
        if expect_user.is_some() && expected.user.as_deref() != expect_user {
            assert_eq!(seen.err(), Some(Refusal::UserDiffers));
            return;
        }
        if expect_version.is_some_and(|v| v != expected.version()) {
            assert_eq!(seen.err(), Some(Refusal::VersionDiffers));
            return;
        }
        let (reads, idle) = (expected.reads, expected.idle_seconds(self.now));
        apply_edit(&mut expected, &edit, key, value, self.now);
        let at = self.twin.find(app, &token, self.now).unwrap();
        self.twin.replace(at, expected.clone());
        if edit.touch {
            self.twin.note_active(at, self.now);
        }
        let facts = Facts {
            reads,
            idle_seconds: idle,
            ..Facts::of_twin(&expected, self.now)
        };
        assert_eq!(seen.unwrap().answer, facts);
    }

    /// Mostly none.
    fn text_change<'t>(&mut self, text: Option<&'t str>) -> TextChange<'t> {
        match (self.dice.roll(5), text) {
            (0, Some(text)) => TextChange::Set(text),
            (0, None) => TextChange::Clear,
            _ => TextChange::Keep,
        }
    }

    pub(super) fn rotate(&mut self) {
        let (app, token) = self.token();
        let chosen = format!("chosen-{}", self.dice.roll(40));
        let new = if self.dice.roll(3) == 0 {
            NewToken::Chosen(chosen.as_bytes())
        } else {
            NewToken::Draw(TokenStyle::UuidV4)
        };
        let grace = self.dice.roll(2) * self.dice.roll(9_000);
        let (now, user) = (at(self.now), self.user());
        let user = self.text_change(user.as_deref());
        let key = Key::Token(&token);
        let rotate = Rotate {
            token: new,
            user,
            grace,
        };
        let rotated = self.engine.rotate(now, Self::name(app), key, &rotate);
        let Some(found) = self.twin.find(app, &token, self.now) else {
            assert_eq!(rotated.err(), Some(Refusal::Gone));
            return;
        };
        if self.twin.is_old_id(app, &token, self.now) {
            assert_eq!(rotated.err(), Some(Refusal::Rotated));
            return;
        }
        let is_chosen = matches!(new, NewToken::Chosen(_));
        if is_chosen && self.twin.is_taken(app, chosen.as_bytes(), self.now) {
            assert_eq!(rotated.err(), Some(Refusal::Exists));
            return;
        }
        let rotated = rotated.unwrap().answer;
        let new = rotated.token.as_bytes().to_vec();
        self.twin.rotate(found, new.clone(), self.now + grace);
        let mut session = self.twin.sessions[found].clone();
        session.touch(self.now);
        if !user.is_keep() {
            session.writes += 1;
            session.user = user.of(session.user.as_deref()).map(str::to_owned);
        }
        session.written_down(self.now);
        let deadline = session.deadline().min(Millis::NEVER.0);
        assert_eq!(
            (rotated.version, rotated.deadline.0),
            (session.version(), deadline)
        );
        self.twin.replace(found, session);
        self.twin.note_active(found, self.now);
        self.tokens.push((app, new));
    }

    pub(super) fn remove(&mut self) {
        let (app, token) = self.token();
        let removed = self
            .engine
            .remove(
                at(self.now),
                Self::name(app),
                Key::Token(&token),
                Facts::of_view,
            )
            .unwrap();
        match self.twin.find(app, &token, self.now) {
            Some(found) => {
                let facts = Facts::of_twin(&self.twin.sessions[found], self.now);
                assert_eq!(removed.answer, Some(facts));
                self.twin.remove(found);
            }
            None => assert!(removed.answer.is_none()),
        }
    }
}

fn apply_edit(session: &mut Session, edit: &Edit<'_>, key: &str, value: Option<u32>, now: u64) {
    let writes = session.writes;
    match edit.data {
        DataEdit::Keep => {}
        DataEdit::Replace(..) => session.members = vec![("z".to_owned(), 9)],
        DataEdit::Merge(..) => {
            let place = session.members.iter().position(|(k, _)| k == key);
            match (place, value) {
                (Some(place), Some(value)) => session.members[place].1 = value,
                (Some(place), None) => drop(session.members.remove(place)),
                (None, Some(value)) => session.members.push((key.to_owned(), value)),
                (None, None) => {}
            }
        }
    }
    if !edit.user.is_keep() || !edit.ip.is_keep() || !matches!(edit.data, DataEdit::Keep) {
        session.writes += 1;
    }
    session.user = edit.user.of(session.user.as_deref()).map(str::to_owned);
    session.ip = edit.ip.of(session.ip.as_deref()).map(str::to_owned);
    if edit.touch {
        session.touch(now);
    }
    if edit.count_read {
        session.reads += 1;
    }
    match edit.life {
        LifeEdit::Keep => {}
        LifeEdit::Replace(life) => {
            session.life = life;
            if !life.whole_seconds {
                session.recorded = session.last;
            }
        }
        LifeEdit::Limits { idle, until } => {
            session.life.idle = idle.unwrap_or(session.life.idle);
            session.life.until = until.unwrap_or(session.life.until);
        }
    }
    let same_life = matches!(
        edit.life,
        LifeEdit::Keep
            | LifeEdit::Limits {
                idle: None,
                until: None
            }
    );
    let changed = !same_life || session.writes > writes;
    if !changed && (edit.touch || !edit.count_read) {
        session.touched(now);
    } else {
        session.written_down(now);
    }
}
