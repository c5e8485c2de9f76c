//! What a verb shows of a session.

use std::cell::OnceCell;

use crate::clock::Millis;
use crate::model::body::Body;
use crate::model::life::Life;
use crate::model::secret::{Handle, Sealer};
use crate::model::token::Token;

/// What kind of bytes a session's data are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentType(pub u8);

impl ContentType {
    /// Opaque bytes.
    pub const BYTES: Self = Self(0);
    /// The canonical text of a JSON object; the empty text is "no data".
    pub const JSON_OBJECT: Self = Self(1);
    /// The canonical text of a JSON array (the tarantool dialect accepts one as `extra`).
    pub const JSON_ARRAY: Self = Self(2);
}

/// A session as one verb answers it: borrowed from the store, valid while the answer is written.
///
/// Where a verb changes the session, the view shows it after the change, with two exceptions that
/// the doors need: `reads` and `idle_seconds` are as they were before this request.
///
/// What is a field stands in the session's hot record; what is a method is read from its body when
/// it is asked for, which costs a cache miss or two.
pub struct SessionView<'a> {
    /// The public name of the session: the first 64 bits of its tag.
    pub handle: Handle,
    /// When the session was last read or changed with a touch.
    pub last_active: Millis,
    /// Whole seconds since the recorded access, before this request.
    pub idle_seconds: u64,
    /// The read counter before this request is counted: the first read answers 1.
    pub reads: u64,
    /// The write counter: 1 after the create, one more with every accepted change.
    pub writes: u64,
    /// The limits of its life.
    pub life: Life,
    /// First moment at which it is no longer served.
    pub deadline: Millis,
    /// Created with `no_resave`: reads do not prolong its life.
    pub no_resave: bool,
    /// What the data are.
    pub content_type: ContentType,
    /// The request named it by an id that has been rotated and is in its grace.
    pub by_old_id: bool,
    pub(crate) body: LazyBody<'a>,
    pub(crate) sealer: Sealer<'a>,
}

impl<'a> SessionView<'a> {
    /// Whose session it is.
    #[must_use]
    pub fn user(&self) -> Option<&'a str> {
        self.body.get().user
    }

    /// The IP text as given, never parsed.
    #[must_use]
    pub fn ip(&self) -> Option<&'a str> {
        self.body.get().ip
    }

    /// When the session was created.
    #[must_use]
    pub fn created(&self) -> Millis {
        self.body.get().created
    }

    /// The data bytes.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.body.get().data
    }

    /// The token, when the session keeps it sealed (dialects that list tokens).
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.sealer.open(self.body.get().sealed)
    }

    /// The version: an opaque number that differs between any two states of the session's content,
    /// also across a re-creation of the same id (16 bits of `created`, 48 bits of the write counter).
    #[must_use]
    pub fn version(&self) -> u64 {
        version(self.created(), self.writes)
    }
}

/// A body block that is taken apart when somebody asks.
pub(crate) struct LazyBody<'a> {
    block: &'a [u8],
    read: OnceCell<Body<'a>>,
}

impl<'a> LazyBody<'a> {
    pub(crate) fn new(block: &'a [u8]) -> Self {
        Self {
            block,
            read: OnceCell::new(),
        }
    }

    fn get(&self) -> &Body<'a> {
        self.read.get_or_init(|| Body::read(self.block))
    }
}

/// The version made of the creation time and the write counter.
#[must_use]
pub fn version(created: Millis, writes: u64) -> u64 {
    (created.0 & 0xffff) << 48 | writes & crate::model::u48::U48::MAX
}
