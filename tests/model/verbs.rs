//! The verbs on one session: create, read, edit, remove.

use cloakroom::clock::Millis;
use cloakroom::engine::{DataEdit, Edit, Key, NewSession, NewToken, Read, Refusal};
use cloakroom::model::json::merge::{MemberOrder, Patch};
use cloakroom::model::{ContentType, Life, TokenStyle};

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
            && self.twin.find(app, chosen.as_bytes(), self.now).is_some();
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
                let sealed = view.token().unwrap();
                assert_eq!(sealed.as_bytes(), token);
                (Facts::of_view(view), view.handle)
            },
        );
        let found = self.twin.find(app, &token, self.now);
        let Some(found) = found else {
            assert!(seen.answer.is_none(), "served a session that is gone");
            return;
        };
        let (facts, handle) = seen.answer.unwrap();
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
        let (ip, life) = (self.ip().filter(|_| self.dice.roll(4) == 0), self.life());
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
            ip: ip.as_deref(),
            life: (self.dice.roll(4) == 0).then_some(life),
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
        self.twin.sessions[at] = expected.clone();
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
    if edit.ip.is_some() || !matches!(edit.data, DataEdit::Keep) {
        session.writes += 1;
    }
    if let Some(ip) = edit.ip {
        session.ip = Some(ip.to_owned());
    }
    if edit.touch {
        session.touch(now);
    }
    if edit.count_read {
        session.reads += 1;
    }
    if let Some(life) = edit.life {
        session.life = life;
        if !life.whole_seconds {
            session.recorded = session.last;
        }
    }
    let changed = edit.ip.is_some() || edit.life.is_some() || !matches!(edit.data, DataEdit::Keep);
    if !changed && (edit.touch || !edit.count_read) {
        session.touched(now);
    } else {
        session.written_down(now);
    }
}
