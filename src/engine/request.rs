//! What a verb is asked and what it answers.

use super::locate::Located;
use crate::clock::Millis;
use crate::model::json::merge::{MemberOrder, Patch};
use crate::model::{AppName, ContentType, Handle, Life, Position, TextChange, Token, TokenStyle};
use crate::store::Order;

/// What a verb answers, and what has to be durable before the answer may be sent.
#[derive(Clone, Copy, Debug)]
pub struct Reply<T> {
    /// The answer.
    pub answer: T,
    /// `None`: send it at once.
    pub wait_for: Option<Position>,
}

/// Why a verb changed nothing. None of these ever means "no such session" but [`Refusal::Gone`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No living session has this token or handle.
    Gone,
    /// A living session already has this client-chosen token.
    Exists,
    /// The token has been rotated and is in its grace: only the new one can be rotated again.
    Rotated,
    /// The session's version is another than the expected one.
    VersionDiffers,
    /// The session belongs to another user than the expected one.
    UserDiffers,
    /// A merge was asked of data that is not a JSON object.
    NotAnObject,
    /// User, IP or token text is empty or too long.
    BadName,
    /// The data would be larger than [`crate::limits::DATA_BYTES`].
    DataTooLarge,
    /// The server holds as many apps as it may.
    TooManyApps,
    /// The server holds as much as `--max-memory` allows.
    MemoryFull,
    /// The log cannot be written at present, so nothing may be changed.
    LogFailed,
    /// The disk of the log is full, so nothing may be changed that takes room on it.
    DiskFull,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Gone => "there is no such session",
            Self::Exists => "a session with this id exists",
            Self::Rotated => "this id has been rotated already",
            Self::VersionDiffers => "the session has changed since that version",
            Self::UserDiffers => "the session belongs to another user",
            Self::NotAnObject => {
                "the session's data is not a JSON object, so nothing can be merged"
            }
            Self::BadName => "a user, IP or token is empty or too long",
            Self::DataTooLarge => "the session's data would exceed 1 MiB",
            Self::TooManyApps => "the server holds as many apps as --max-apps allows",
            Self::MemoryFull => "the server holds as much as --max-memory allows",
            Self::LogFailed => {
                "the server cannot write its log; nothing was changed, try again later"
            }
            Self::DiskFull => "the disk of the server's log is full; nothing was changed",
        })
    }
}

impl std::error::Error for Refusal {}

/// How a request names a session.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// By its token: what a client shows.
    Token(&'a [u8]),
    /// By its token, which was hashed before.
    Located(&'a Located),
    /// By its handle: what lists show.
    Handle(Handle),
}

/// Which token a new session gets.
#[derive(Clone, Copy, Debug)]
pub enum NewToken<'a> {
    /// A fresh one of this style.
    Draw(TokenStyle),
    /// This one, 1..=128 bytes, chosen by the client.
    Chosen(&'a [u8]),
}

/// A session to create.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// The app it belongs to; it comes to be with its first session.
    pub app: AppName<'a>,
    /// Its token.
    pub token: NewToken<'a>,
    /// Keep the token sealed beside the session, for dialects that list tokens.
    pub keep_token: bool,
    /// Whose session it is, 1..=1024 bytes.
    pub user: Option<&'a str>,
    /// The IP text, 0..=1024 bytes.
    pub ip: Option<&'a str>,
    /// The limits of its life.
    pub life: Life,
    /// Reads do not prolong its life: it ends where the first deadline is.
    pub no_resave: bool,
    /// What the data are.
    pub content_type: ContentType,
    /// The data: for [`ContentType::JSON_OBJECT`] canonical text, empty for "no data".
    pub data: &'a [u8],
}

/// A session that was created.
#[derive(Clone, Debug)]
pub struct Created {
    /// Its token.
    pub token: Token,
    /// Its handle.
    pub handle: Handle,
    /// Its version.
    pub version: u64,
    /// First moment at which it is no longer served.
    pub deadline: Millis,
}

/// How a session is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Counts as a read and as activity, and prolongs an idle limit.
    Touch,
    /// Leaves no trace.
    Peek,
}

/// What to do with a session's data.
#[derive(Clone, Copy, Debug)]
pub enum DataEdit<'a> {
    /// Leave it.
    Keep,
    /// Put these bytes in its place.
    Replace(ContentType, &'a [u8]),
    /// Splice these members into the JSON object: `null` removes, order is kept.
    Merge(&'a Patch<'a>, MemberOrder),
}

/// What to do with the limits of a session's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LifeEdit {
    /// Leave them.
    Keep,
    /// Put these in their place.
    Replace(Life),
    /// Put in their place what is given.
    Limits {
        /// The idle limit in milliseconds, at most [`crate::model::U48::MAX`], which is never.
        idle: Option<u64>,
        /// The moment at which it ends however busy it is.
        until: Option<Millis>,
    },
}

impl LifeEdit {
    /// The new limits, if there are any.
    pub(super) fn of(self, present: Life) -> Option<Life> {
        match self {
            Self::Keep
            | Self::Limits {
                idle: None,
                until: None,
            } => None,
            Self::Replace(life) => Some(life),
            Self::Limits { idle, until } => Some(Life {
                idle: idle.unwrap_or(present.idle),
                until: until.unwrap_or(present.until),
                ..present
            }),
        }
    }
}

/// A change of a living session, done only if everything expected holds. Never re-creates.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// Counts as activity and prolongs an idle limit.
    pub touch: bool,
    /// Counts as a read.
    pub count_read: bool,
    /// Do it only if the session has this version.
    pub expect_version: Option<u64>,
    /// Do it only if the session belongs to this user.
    pub expect_user: Option<&'a str>,
    /// Whose session it is from now on, 1..=1024 bytes.
    pub user: TextChange<'a>,
    /// The IP text from now on, 0..=1024 bytes.
    pub ip: TextChange<'a>,
    /// What becomes of the limits of its life.
    pub life: LifeEdit,
    /// What to do with the data.
    pub data: DataEdit<'a>,
}

impl Edit<'_> {
    /// An edit that touches and changes nothing else.
    pub const TOUCH: Self = Self {
        touch: true,
        count_read: false,
        expect_version: None,
        expect_user: None,
        user: TextChange::Keep,
        ip: TextChange::Keep,
        life: LifeEdit::Keep,
        data: DataEdit::Keep,
    };
}

/// Which sessions of an app a list, a count or a kill means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope<'a> {
    /// All sessions of this user.
    User(&'a str),
    /// All sessions with exactly this IP text. Without an index of IPs, all sessions of the app are
    /// looked at.
    Ip(&'a str),
    /// All sessions active at or after this moment (whole seconds), the most recent first.
    ActiveSince(Millis),
}

/// Where a list or kill in slices goes on. Starts as `Default`; belongs to one scope of one app.
#[derive(Clone, Debug, Default)]
pub struct ListCursor {
    pub(super) inner: Box<crate::store::Cursor>,
}

impl ListCursor {
    /// Shows the sessions in the order of their handles, from behind `after` on. A session that is in
    /// scope all the time is on exactly one of the pages that are cut from such lists. The caller is
    /// likely to stop after `room` sessions: more are shown, but cost more.
    #[must_use]
    pub fn by_handle(after: Option<Handle>, room: usize) -> Self {
        Self {
            inner: Box::new(crate::store::Cursor::new(Order::Handle { after, room })),
        }
    }

    /// Shows the sessions whose handles are greater than `after` in any order, for a count. Many may be
    /// shown under one hold of a lock. A session that is rotated meanwhile may be shown as both.
    #[must_use]
    pub fn in_any_order(after: Option<Handle>) -> Self {
        Self {
            inner: Box::new(crate::store::Cursor::new(Order::Any { after })),
        }
    }
}

/// Whether a list or kill in slices has more to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListProgress {
    /// Call again with the same cursor.
    More,
    /// All done.
    Done,
}

/// What one sweep came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Sessions whose deadline had passed and whose memory is free now.
    pub expired: u64,
    /// Work is left: sweep again soon.
    pub more: bool,
}
