//! Giving a session another id.

use super::{Created, Engine, Key, NewToken, Position, Refusal, Reply, Weight};
use crate::clock::Millis;
use crate::model::change::CreateChange;
use crate::model::session::version;
use crate::model::{AppName, Change, ContentType, Handle, Life, Tag, Token};
use crate::store::{App, Applied, Lookup};

/// What becomes of the old id.
#[derive(Clone, Copy)]
struct Rotation {
    now: Millis,
    old: Tag,
    new: Tag,
    /// Until when the old id still answers; `now` for not at all.
    grace: Millis,
}

impl Engine {
    /// Gives a living session another id. Data, counters, times and version stay. The old id answers
    /// for `grace` more milliseconds, as the same session, and then no more.
    ///
    /// # Errors
    /// [`Refusal::Gone`]; [`Refusal::Exists`] for a client-chosen id that is in use;
    /// [`Refusal::BadName`], [`Refusal::LogFailed`], [`Refusal::DiskFull`]. Nothing is changed then.
    pub fn rotate(
        &self,
        now: Millis,
        app: AppName<'_>,
        key: Key<'_>,
        token: NewToken<'_>,
        grace: u64,
    ) -> Result<Reply<Created>, Refusal> {
        self.admit(Weight::Grow)?;
        let mut kept = None;
        let (app, lookup) = self.resolve(app, key, &mut kept).ok_or(Refusal::Gone)?;
        loop {
            // Where the session is may change until both shards are locked, so it is looked up again.
            let old = {
                let locked = self.store.lock(app, lookup, now);
                locked.record().ok_or(Refusal::Gone)?.tag()
            };
            let token_text = match token {
                NewToken::Draw(style) => Token::draw(style, &*self.random),
                NewToken::Chosen(text) => Token::chosen(text).ok_or(Refusal::BadName)?,
            };
            let rotation = Rotation {
                now,
                old,
                new: app.keys.tag(token_text.as_bytes()),
                grace: now.plus(grace),
            };
            match self.rotate_to(app, &rotation, &token_text) {
                Err(Refusal::Exists) if matches!(token, NewToken::Draw(_)) => {}
                Ok(None) => {}
                Ok(Some(rotated)) => return Ok(rotated),
                Err(refusal) => return Err(refusal),
            }
        }
    }

    /// One try; `None` when the session was rotated by somebody else meanwhile.
    fn rotate_to(
        &self,
        app: &App,
        rotation: &Rotation,
        token: &Token,
    ) -> Result<Option<Reply<Created>>, Refusal> {
        let (old, new) = (Handle(rotation.old.high), Handle(rotation.new.high));
        let mut pair = self.store.lock_pair(old, new);
        let place = pair.of(new);
        place.find(app, Lookup::Handle(new), rotation.now);
        if place.record().is_some() {
            return Err(Refusal::Exists);
        }
        let source = pair.of(old);
        source.find(app, Lookup::Tag(rotation.old), rotation.now);
        if source.alias().is_some() {
            return Ok(None);
        }
        let state = source.state(app).ok_or(Refusal::Gone)?;
        let version = version(state.created, state.writes);
        let mut sealed = Vec::new();
        if !state.sealed.is_empty() {
            app.keys.sealer(rotation.new).seal(token, &mut sealed);
        }
        let (user, ip) = (state.user.map(str::to_owned), state.ip.map(str::to_owned));
        let data = state.data.to_vec();
        let create = CreateChange {
            app: app.name(),
            tag: rotation.new,
            user: user.as_deref(),
            ip: ip.as_deref(),
            data: &data,
            sealed: &sealed,
            ..state
        };
        let target = rotation.new.to_bytes();
        let farewell = rotation.farewell(&create, &target);
        let mut wait_for: Option<Position> = None;
        let applied = pair.of(new).create(app, &create, |create| {
            let both = [Change::Create(create.clone()), farewell.clone()];
            wait_for = self.log.append_together(&both);
        });
        if applied == Applied::AppMovedOn {
            return Err(Refusal::Gone);
        }
        let source = pair.of(old);
        source.find(app, Lookup::Tag(rotation.old), rotation.now);
        source.apply(app, &farewell);
        let answer = Created {
            token: token.clone(),
            handle: new,
            version,
        };
        Ok(Some(Reply { answer, wait_for }))
    }
}

impl Rotation {
    /// What becomes of the record of the old id: it goes, or leads to the new one for a while.
    fn farewell<'c>(&self, create: &CreateChange<'c>, target: &'c [u8; 16]) -> Change<'c> {
        if self.grace <= self.now {
            let handle = Handle(self.old.high);
            return Change::Remove { handle };
        }
        Change::Create(CreateChange {
            tag: self.old,
            user: None,
            ip: None,
            created: self.now,
            last_active: self.now,
            lag: false,
            life: Life::fixed(self.grace),
            no_resave: false,
            reads: 0,
            writes: 0,
            content_type: ContentType::BYTES,
            data: target,
            sealed: &[],
            alias: true,
            ..create.clone()
        })
    }
}
