//! Giving a session another id.

use super::read::touch;
use super::{Engine, Key, NewToken, Position, Refusal, Reply, Weight};
use crate::clock::Millis;
use crate::limits;
use crate::model::change::CreateChange;
use crate::model::session::version;
use crate::model::{AppName, Change, ContentType, Handle, Life, Tag, TextChange, Token};
use crate::store::{App, Applied, Lookup};

/// How a session gets another id.
#[derive(Clone, Copy, Debug)]
pub struct Rotate<'a> {
    /// The new one.
    pub token: NewToken<'a>,
    /// Whose session it is from then on.
    pub user: TextChange<'a>,
    /// Milliseconds in which the old id still answers.
    pub grace: u64,
}

/// A session under its new id.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// Its token from now on.
    pub token: Token,
    /// Its handle from now on.
    pub handle: Handle,
    /// Its version.
    pub version: u64,
    /// First moment at which it is no longer served.
    pub deadline: Millis,
}

/// What becomes of the old id.
#[derive(Clone, Copy)]
struct Rotation<'r> {
    now: Millis,
    user: TextChange<'r>,
    old: Tag,
    new: Tag,
    /// Nobody answers to the new tag.
    is_new_free: bool,
    /// Until when the old id still answers; `now` for not at all.
    grace: Millis,
}

impl Engine {
    /// Gives a living session another id, and where `rotate` says so another user; that is activity.
    /// Everything else stays, the version too unless the user changes. The old id answers for the grace of some
    /// milliseconds, as the same session, and then no more.
    ///
    /// # Errors
    /// [`Refusal::Gone`]; [`Refusal::Rotated`] for an old id; [`Refusal::Exists`] for a client-chosen id that is in use;
    /// [`Refusal::BadName`], [`Refusal::LogFailed`], [`Refusal::DiskFull`]. Nothing is changed then.
    pub fn rotate(
        &self,
        now: Millis,
        app: AppName<'_>,
        key: Key<'_>,
        rotate: &Rotate<'_>,
    ) -> Result<Reply<Rotated>, Refusal> {
        let &Rotate { token, user, grace } = rotate;
        if user
            .text()
            .is_some_and(|user| !(1..=limits::USER_BYTES).contains(&user.len()))
        {
            return Err(Refusal::BadName);
        }
        self.admit(Weight::Grow)?;
        let mut kept = None;
        let (app, lookup) = self.resolve(app, key, &mut kept).ok_or(Refusal::Gone)?;
        loop {
            // Where the session is may change until both shards are locked, so it is looked up again.
            let old = {
                let locked = self.store.lock(app, lookup, now);
                let record = locked.record().ok_or(Refusal::Gone)?;
                if locked.is_by_old_id() {
                    return Err(Refusal::Rotated);
                }
                record.tag()
            };
            let token_text = match token {
                NewToken::Draw(style) => Token::draw(style, &*self.random),
                NewToken::Chosen(text) => Token::chosen(text).ok_or(Refusal::BadName)?,
            };
            let new = app.keys.tag(token_text.as_bytes());
            let rotation = Rotation {
                now,
                user,
                old,
                new,
                is_new_free: self.has_ended(app, new, now),
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
        rotation: &Rotation<'_>,
        token: &Token,
    ) -> Result<Option<Reply<Rotated>>, Refusal> {
        let (old, new) = (Handle(rotation.old.high), Handle(rotation.new.high));
        let mut pair = self.store.lock_pair(old, new);
        let place = pair.of(new);
        place.find(app, Lookup::Handle(new), rotation.now);
        if !place.is_free(rotation.is_new_free) {
            return Err(Refusal::Exists);
        }
        let source = pair.of(old);
        source.find(app, Lookup::Tag(rotation.old), rotation.now);
        if source.alias().is_some() {
            return Ok(None);
        }
        let touch = touch(source.record().ok_or(Refusal::Gone)?, rotation.now);
        let state = source.state(app).ok_or(Refusal::Gone)?;
        let mut sealed = Vec::new();
        if !state.sealed.is_empty() {
            app.keys.sealer(rotation.new).seal(token, &mut sealed);
        }
        let user = rotation.user.of(state.user).map(str::to_owned);
        let ip = state.ip.map(str::to_owned);
        let renamed = u64::from(!rotation.user.is_keep());
        let data = state.data.to_vec();
        let create = CreateChange {
            app: app.name(),
            tag: rotation.new,
            user: user.as_deref(),
            ip: ip.as_deref(),
            data: &data,
            sealed: &sealed,
            last_active: touch.last_active,
            lag: touch.lag,
            writes: state.writes.saturating_add(renamed),
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
        self.followers.moved(old, new);
        let source = pair.of(old);
        source.find(app, Lookup::Tag(rotation.old), rotation.now);
        source.apply(app, &farewell);
        let recorded = create.last_active.0 - if create.lag { 1_000 } else { 0 };
        let answer = Rotated {
            token: token.clone(),
            handle: new,
            version: version(create.created, create.writes),
            deadline: create.life.deadline(Millis(recorded)),
        };
        Ok(Some(Reply { answer, wait_for }))
    }
}

impl Rotation<'_> {
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
            // As that of the session: by this it is known from another that gets the id.
            created: create.created,
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
