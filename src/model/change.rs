//! The one word for "something was altered". The store applies it, live and in replay.

use crate::clock::Millis;
use crate::model::life::Life;
use crate::model::name::AppName;
use crate::model::secret::{Handle, Tag};
use crate::model::session::ContentType;

/// A position in the log: the number of a block. What waits for one is safe once the log has
/// reached it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Position(pub u64);

/// One alteration of one session, or of one whole app. It carries states, not differences, so
/// applying it twice is the same as applying it once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change<'a> {
    /// A session comes to be.
    Create(CreateChange<'a>),
    /// A session was changed: counters, times, and what else is given.
    Update(UpdateChange<'a>),
    /// A session was read, or active without any other change. The only change that nobody waits
    /// for: the log takes one down per session and second.
    Touch(TouchChange),
    /// A session ends by a kill. (Expiry is no change: it follows from the deadline.)
    Remove {
        /// Which session.
        handle: Handle,
    },
    /// All sessions of an app end at once.
    RemoveApp {
        /// Which app.
        app: AppName<'a>,
        /// The app's epoch from now on; sessions of earlier epochs are dead. Epochs only grow, over
        /// all apps, so that an app that comes back never repeats one.
        epoch: u32,
    },
}

/// The whole state of a new session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateChange<'a> {
    /// The app it belongs to.
    pub app: AppName<'a>,
    /// The app's epoch. If the app has left it meanwhile, the session was killed with it.
    pub epoch: u32,
    /// Its tag.
    pub tag: Tag,
    /// Whose session it is.
    pub user: Option<&'a str>,
    /// The IP text as given.
    pub ip: Option<&'a str>,
    /// When it was created.
    pub created: Millis,
    /// When it was last active; `created` for a new one.
    pub last_active: Millis,
    /// The recorded access lags `last_active` by one whole second.
    pub lag: bool,
    /// The limits of its life.
    pub life: Life,
    /// Reads do not prolong its life.
    pub no_resave: bool,
    /// Read counter.
    pub reads: u64,
    /// Write counter.
    pub writes: u64,
    /// What the data are.
    pub content_type: ContentType,
    /// The data bytes.
    pub data: &'a [u8],
    /// The sealed token, empty when it is not kept.
    pub sealed: &'a [u8],
    /// This is no session but leads to one, for the grace after a rotation: the data are the 16
    /// bytes of its tag. Nothing lists it, and nothing but its deadline and its tag counts.
    pub alias: bool,
}

/// How far a session has been read and when. Times and counters only move forward: what is older
/// than the session changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TouchChange {
    /// Which session.
    pub handle: Handle,
    /// When it was last active.
    pub last_active: Millis,
    /// The recorded access lags `last_active` by one whole second.
    pub lag: bool,
    /// Read counter.
    pub reads: u64,
}

/// The new state of a living session. What is `None` stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateChange<'a> {
    /// Which session.
    pub handle: Handle,
    /// When it was last active.
    pub last_active: Millis,
    /// The recorded access lags `last_active` by one whole second.
    pub lag: bool,
    /// Read counter.
    pub reads: u64,
    /// Write counter.
    pub writes: u64,
    /// New limits of its life.
    pub life: Option<Life>,
    /// Whose session it is from now on.
    pub user: TextChange<'a>,
    /// The IP text from now on.
    pub ip: TextChange<'a>,
    /// New data.
    pub data: Option<DataChange<'a>>,
}

/// What becomes of a text that a session may have.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum TextChange<'a> {
    /// It stays.
    #[default]
    Keep,
    /// There is none from now on.
    Clear,
    /// It is this one from now on.
    Set(&'a str),
}

impl<'a> TextChange<'a> {
    /// Whether anything is asked for.
    #[must_use]
    pub fn is_keep(self) -> bool {
        self == Self::Keep
    }

    /// The text that is asked for, if it is one.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Set(text) => Some(text),
            Self::Keep | Self::Clear => None,
        }
    }

    /// The text that comes of `present`.
    #[must_use]
    pub fn of(self, present: Option<&'a str>) -> Option<&'a str> {
        match self {
            Self::Keep => present,
            Self::Clear => None,
            Self::Set(text) => Some(text),
        }
    }
}

/// New data of a session, whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataChange<'a> {
    /// What the data are.
    pub content_type: ContentType,
    /// The data bytes.
    pub bytes: &'a [u8],
}
