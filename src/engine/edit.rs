//! Changing a living session, and ending one.

use std::cell::RefCell;

use super::read::{Before, touch, untouched, with_locked};
use super::{DataEdit, Edit, Engine, Key, Position, Refusal, Reply, Weight};
use crate::clock::Millis;
use crate::limits;
use crate::model::change::{TouchChange, UpdateChange};
use crate::model::json::merge::{MergeError, merge};
use crate::model::session::version;
use crate::model::{AppName, Change, ContentType, DataChange, SessionView};
use crate::store::{App, Locked, Record};

thread_local! {
    /// Merged data on its way from the old body to the new one.
    static MERGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Engine {
    /// Changes a living session if everything expected holds. `answer` sees it after the change.
    /// Never brings back a session that is gone.
    ///
    /// # Errors
    /// [`Refusal::Gone`], [`Refusal::VersionDiffers`], [`Refusal::UserDiffers`],
    /// [`Refusal::NotAnObject`], [`Refusal::BadName`], [`Refusal::DataTooLarge`],
    /// [`Refusal::MemoryFull`], [`Refusal::LogFailed`], [`Refusal::DiskFull`]. Nothing is changed
    /// then. An edit that comes to a mere touch is not refused by the log.
    pub fn edit<R>(
        &self,
        now: Millis,
        app: AppName<'_>,
        key: Key<'_>,
        edit: &Edit<'_>,
        answer: impl FnOnce(&SessionView<'_>) -> R,
    ) -> Result<Reply<R>, Refusal> {
        check_texts(edit)?;
        let full = self.is_full();
        let admitted = self.admit(Weight::Grow);
        with_locked(self, now, app, key, |app, locked| {
            let record = *locked.record().ok_or(Refusal::Gone)?;
            let before = Before::of(&record, now);
            let wait_for = MERGED.with_borrow_mut(|merged| {
                merged.clear();
                let view = locked.view(app, now).ok_or(Refusal::Gone)?;
                check_expected(&view, edit)?;
                let content_type = edited_data(&view, edit.data, merged)?;
                if full && content_type.is_some() && merged.len() > view.data().len() {
                    return Err(Refusal::MemoryFull);
                }
                let data = content_type.map(|kind| DataChange {
                    content_type: kind,
                    bytes: merged,
                });
                let change = change(&record, now, edit, data);
                if !matches!(change, Change::Touch(_)) {
                    admitted?;
                }
                Ok(self.commit(app, locked, &change))
            })?;
            let view = locked.view(app, now).ok_or(Refusal::Gone)?;
            let over = view.deadline <= now;
            let answer = answer(&before.shown_in(view));
            // A life cut to nothing ends here and not with some later sweep: counts stay exact.
            let ended = if over { self.end(app, locked) } else { None };
            Ok(Reply {
                answer,
                wait_for: wait_for.max(ended),
            })
        })
        .unwrap_or(Err(Refusal::Gone))
    }

    /// Ends a session. `answer` sees it as it was; `None` when there was no such session.
    ///
    /// # Errors
    /// [`Refusal::LogFailed`], [`Refusal::DiskFull`]. Nothing is changed then.
    pub fn remove<R>(
        &self,
        now: Millis,
        app: AppName<'_>,
        key: Key<'_>,
        answer: impl FnOnce(&SessionView<'_>) -> R,
    ) -> Result<Reply<Option<R>>, Refusal> {
        self.admit(Weight::Shrink)?;
        let removed = with_locked(self, now, app, key, |app, locked| {
            let answer = locked.view(app, now).map(|view| answer(&view));
            Reply {
                answer,
                wait_for: self.end(app, locked),
            }
        });
        Ok(removed.unwrap_or_else(|| self.nothing_there(None)))
    }

    /// Ends the session that was found.
    pub(super) fn end(&self, app: &App, locked: &mut Locked<'_>) -> Option<Position> {
        let handle = locked.record()?.handle();
        self.commit(app, locked, &Change::Remove { handle })
    }
}

fn check_texts(edit: &Edit<'_>) -> Result<(), Refusal> {
    let user = edit.user.text().map(str::len);
    let ip = edit.ip.text().map(str::len);
    if user.is_some_and(|length| !(1..=limits::USER_BYTES).contains(&length))
        || ip.is_some_and(|length| length > limits::IP_BYTES)
    {
        return Err(Refusal::BadName);
    }
    Ok(())
}

fn check_expected(view: &SessionView<'_>, edit: &Edit<'_>) -> Result<(), Refusal> {
    if edit
        .expect_user
        .is_some_and(|user| view.user() != Some(user))
    {
        return Err(Refusal::UserDiffers);
    }
    let actual = version(view.created(), view.writes);
    if edit
        .expect_version
        .is_some_and(|expected| expected != actual)
    {
        return Err(Refusal::VersionDiffers);
    }
    Ok(())
}

/// Writes the new data to `out` and answers what it is; `None` when the data stays.
fn edited_data(
    view: &SessionView<'_>,
    edit: DataEdit<'_>,
    out: &mut Vec<u8>,
) -> Result<Option<ContentType>, Refusal> {
    let kind = match edit {
        DataEdit::Keep => return Ok(None),
        DataEdit::Replace(kind, bytes) => {
            out.extend_from_slice(bytes);
            kind
        }
        DataEdit::Merge(patch, order) => {
            if view.content_type != ContentType::JSON_OBJECT && !view.data().is_empty() {
                return Err(Refusal::NotAnObject);
            }
            merge(view.data(), patch, order, out).map_err(|error| match error {
                MergeError::NotAnObject => Refusal::NotAnObject,
                MergeError::TooManyMembers => Refusal::DataTooLarge,
            })?;
            ContentType::JSON_OBJECT
        }
    };
    if out.len() > limits::DATA_BYTES {
        return Err(Refusal::DataTooLarge);
    }
    Ok(Some(kind))
}

fn change<'e>(
    record: &Record,
    now: Millis,
    edit: &Edit<'e>,
    data: Option<DataChange<'e>>,
) -> Change<'e> {
    let base = if edit.touch {
        touch(record, now)
    } else {
        untouched(record)
    };
    let reads = base.reads.saturating_add(u64::from(edit.count_read));
    let content_changed = data.is_some() || !edit.user.is_keep() || !edit.ip.is_keep();
    let life = edit.life.of(record.life());
    // Touches reach the log by their activity, so a read that is none is a change like others.
    let is_touch = edit.touch || !edit.count_read;
    if !content_changed && life.is_none() && is_touch {
        return Change::Touch(TouchChange { reads, ..base });
    }
    Change::Update(UpdateChange {
        handle: base.handle,
        last_active: base.last_active,
        // Only lives in whole seconds have an access that lags.
        lag: base.lag && life.is_none_or(|life| life.whole_seconds),
        reads,
        writes: record.writes().saturating_add(u64::from(content_changed)),
        life,
        user: edit.user,
        ip: edit.ip,
        data,
    })
}
