//! What goes into requests and what comes out of replies, owned.

use std::time::Duration;

use cloakroom_protocol::{
    Answer, Attributes, ContentType, Cursor, Data, Fields, Handle, NEVER, NewToken, Reply,
    ReplyFlags, Token, TokenStyle,
};

use crate::codec::OwnedFrame;
use crate::error::{ConnectError, Refusal};

/// What every reply about one session says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The session's public name.
    pub handle: Handle,
    /// Another one whenever the session's content has been written. Compare for equality only.
    pub version: u64,
    /// Until when the session is served: milliseconds since 1970 on the server's clock, or
    /// [`NEVER`].
    pub deadline: u64,
    /// The token of the request has been rotated and is in its grace: use the new one.
    pub old_id: bool,
}

/// A session. Times are milliseconds since 1970 on the server's clock.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The session's public name.
    pub handle: Handle,
    /// Another one whenever the session's content has been written. Compare for equality only.
    pub version: u64,
    /// Until when it is served, or [`NEVER`].
    pub deadline: u64,
    /// When it was made.
    pub created: u64,
    /// When it was last active.
    pub last_active: u64,
    /// How long it may be idle, in milliseconds, or [`NEVER`].
    pub idle: u64,
    /// When it ends however busy it is, or [`NEVER`].
    pub until: u64,
    /// Reads before this one; 1 in a new session.
    pub reads: u64,
    /// Writes; 1 in a new session.
    pub writes: u64,
    /// What the data are.
    pub content_type: ContentType,
    /// What is fixed about it.
    pub attributes: Attributes,
    /// Whose it is; empty for nobody's.
    pub user: String,
    /// The IP text; empty for none.
    pub ip: String,
    /// Its data. For [`ContentType::JSON_OBJECT`], nothing is the object without members.
    pub data: Vec<u8>,
    /// The token of the request has been rotated and is in its grace: use the new one.
    pub old_id: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Data belong to somebody and have no place in a log.
        out.debug_struct("Session")
            .field("handle", &self.handle)
            .field("version", &self.version)
            .field("deadline", &self.deadline)
            .field("user", &self.user)
            .field("data bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}

/// What [`crate::Client::get_if_changed`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// There is no such session.
    Gone,
    /// It has the version that you know; user, IP and data are left out.
    Unchanged(Session),
    /// It has changed.
    Changed(Session),
}

/// A session's new id.
#[derive(Clone, PartialEq, Eq)]
pub struct Made {
    /// The id: the secret that the visitor keeps.
    pub token: Vec<u8>,
    /// Name, version and deadline.
    pub receipt: Receipt,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Made({:?})", self.receipt)
    }
}

impl Made {
    /// The token as text. Tokens that the server draws are always text.
    #[must_use]
    pub fn token_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.token).ok()
    }
}

/// What [`crate::Client::put`] has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Name, version and deadline.
    pub receipt: Receipt,
    /// The session came to be.
    pub created: bool,
}

/// Who was active.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Activity {
    /// Users with a session that was.
    pub users: u64,
    /// Sessions that were.
    pub sessions: u64,
}

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The sessions of this page.
    pub sessions: Vec<Session>,
    /// Where the next page begins; `None` when there is none.
    pub next: Option<Cursor>,
    /// The moment of this page on the server's clock.
    pub now: u64,
}

/// What is written of a session. What you do not name stays as it is; in a session that comes to be
/// there is then no limit, no user, no IP, no data.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    pub(crate) fields: Fields<'a>,
    pub(crate) style: TokenStyle,
    pub(crate) quiet: bool,
}

impl Default for Write<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Write<'a> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            fields: Fields {
                idle: None,
                until: None,
                user: None,
                ip: None,
                attributes: Attributes::NONE,
                data: None,
            },
            style: TokenStyle::Alphanumeric64,
            quiet: false,
        }
    }

    /// The text of a JSON object.
    #[must_use]
    pub fn json(text: &'a str) -> Self {
        Self::new().data(ContentType::JSON_OBJECT, text.as_bytes())
    }

    /// Opaque bytes.
    #[must_use]
    pub const fn bytes(data: &'a [u8]) -> Self {
        Self::new().data(ContentType::BYTES, data)
    }

    /// Data of a type.
    #[must_use]
    pub const fn data(mut self, content_type: ContentType, data: &'a [u8]) -> Self {
        self.fields.data = Some((content_type, Data(data)));
        self
    }

    /// Whose the session is; empty for nobody's.
    #[must_use]
    pub const fn user(mut self, user: &'a str) -> Self {
        self.fields.user = Some(user);
        self
    }

    /// The IP text; empty for none.
    #[must_use]
    pub const fn ip(mut self, ip: &'a str) -> Self {
        self.fields.ip = Some(ip);
        self
    }

    /// How long it may be idle.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.fields.idle = Some(millis(idle));
        self
    }

    /// It may be idle for ever.
    #[must_use]
    pub const fn idle_for_ever(mut self) -> Self {
        self.fields.idle = Some(NEVER);
        self
    }

    /// When it ends however busy it is: milliseconds since 1970, or [`NEVER`].
    #[must_use]
    pub const fn until(mut self, moment: u64) -> Self {
        self.fields.until = Some(if moment > NEVER { NEVER } else { moment });
        self
    }

    /// What is fixed about a session that comes to be.
    #[must_use]
    pub const fn attributes(mut self, mask: u8) -> Self {
        self.fields.attributes = Attributes(mask);
        self
    }

    /// What an id looks like that the server draws; 64 alphanumerics if not named.
    #[must_use]
    pub const fn style(mut self, style: TokenStyle) -> Self {
        self.style = style;
        self
    }

    /// Leaves a session that exists as active as it was.
    #[must_use]
    pub const fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }
}

/// How a session gets its new id.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    pub(crate) new: NewToken<'a>,
    pub(crate) grace: Duration,
    pub(crate) user: Option<&'a str>,
}

impl Default for Rotation<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Rotation<'a> {
    /// The server draws the id, 64 alphanumerics, and the old one ends at once.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            new: NewToken::Draw(TokenStyle::Alphanumeric64),
            grace: Duration::ZERO,
            user: None,
        }
    }

    /// The server draws an id of this style.
    #[must_use]
    pub const fn style(mut self, style: TokenStyle) -> Self {
        self.new = NewToken::Draw(style);
        self
    }

    /// The id is this one.
    #[must_use]
    pub const fn to(mut self, token: &'a [u8]) -> Self {
        self.new = NewToken::Chosen(Token(token));
        self
    }

    /// For requests that are under way the old id still answers for a while; 5 minutes at most.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Whose the session is from now on: a log-in.
    #[must_use]
    pub const fn user(mut self, user: &'a str) -> Self {
        self.user = Some(user);
        self
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(NEVER)
        .min(NEVER)
}

pub(crate) fn receipt(from: cloakroom_protocol::Receipt, flags: ReplyFlags) -> Receipt {
    Receipt {
        handle: from.handle(),
        version: from.version,
        deadline: from.deadline,
        old_id: flags.has(ReplyFlags::OLD_ID),
    }
}

pub(crate) fn session(from: &cloakroom_protocol::Session<'_>, flags: ReplyFlags) -> Session {
    Session {
        handle: from.receipt.handle(),
        version: from.receipt.version,
        deadline: from.receipt.deadline,
        created: from.created,
        last_active: from.last_active,
        idle: from.idle,
        until: from.until,
        reads: from.reads,
        writes: from.writes,
        content_type: from.content_type,
        attributes: from.attributes,
        user: from.user.into(),
        ip: from.ip.into(),
        data: from.data.0.into(),
        old_id: flags.has(ReplyFlags::OLD_ID),
    }
}

/// What a reply refuses with; of a reply that refuses nothing, an error of no known number.
pub(crate) fn refusal(reply: &Reply<'_>) -> Refusal {
    let (status, version, message) = if let Answer::Refusal(refusal) = reply.answer {
        (refusal.status, refusal.version, refusal.message)
    } else {
        (0, 0, "")
    };
    Refusal {
        status,
        retryable: reply.flags.has(ReplyFlags::RETRYABLE),
        version: (version != 0).then_some(version),
        message: message.into(),
    }
}

/// Why the server closes the connection.
pub(crate) fn notice(frame: &OwnedFrame) -> Result<ConnectError, ConnectError> {
    let reply = Reply::decode(&frame.borrow())?;
    Ok(ConnectError::Refused(refusal(&reply)))
}
