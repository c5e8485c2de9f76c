//! What is put under load. A target writes requests and reads replies; everything else is the same
//! for every protocol.

use std::borrow::Cow;
use std::fmt;

mod chosen;
mod cloakroom;
mod echo;
pub(super) mod http;
mod kind;
mod memcached;
mod redis;
mod settings;
mod template;

pub(super) use kind::Kind;
pub(super) use settings::TargetSettings;

/// Bytes of the largest reply that is accepted.
pub(super) const REPLY_BYTES: usize = 16 << 20;

/// What one request asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verb {
    /// A new session.
    Create,
    /// Read a session; counts as its use.
    Get,
    /// Prolong a session without reading it.
    Touch,
    /// Write data of a session.
    Set,
    /// Give a session another token.
    Rotate,
    /// End a session.
    Kill,
    /// Show all sessions of the app, page by page.
    List,
    /// A request that concerns no session: the fixed path of HTTP, elsewhere the protocol's ping.
    Fetch,
}

impl Verb {
    /// All verbs, in the order of the report.
    pub(super) const ALL: [Self; 8] = [
        Self::Create,
        Self::Get,
        Self::Touch,
        Self::Set,
        Self::Rotate,
        Self::Kill,
        Self::List,
        Self::Fetch,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::Touch => "touch",
            Self::Set => "set",
            Self::Rotate => "rotate",
            Self::Kill => "kill",
            Self::List => "list",
            Self::Fetch => "fetch",
        }
    }

    /// Place in [`Verb::ALL`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Create => 0,
            Self::Get => 1,
            Self::Touch => 2,
            Self::Set => 3,
            Self::Rotate => 4,
            Self::Kill => 5,
            Self::List => 6,
            Self::Fetch => 7,
        }
    }
}

/// Independent places in a session's data that verification writes to.
pub(super) const SLOTS: usize = 4;

/// A numbered value in one slot of a session's data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    /// Which slot, below [`SLOTS`].
    pub(super) slot: usize,
    /// The value; counts up from 1 in every slot of every session.
    pub(super) value: u32,
}

/// A request to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) verb: Verb,
    /// The session. For [`Verb::Create`] the token chosen for it, empty where the server chooses;
    /// empty for [`Verb::Fetch`].
    pub(super) token: &'a [u8],
    /// Number of the user who owns a session to be created.
    pub(super) user: u64,
    /// What a verified [`Verb::Set`] writes.
    pub(super) mark: Option<Mark>,
    /// The version that a [`Verb::Set`] demands.
    pub(super) if_version: Option<u64>,
    /// Seconds since 1970, for protocols whose callers keep the time.
    pub(super) now: u64,
    /// Counts the requests of a thread, for protocols that number them.
    pub(super) number: u32,
}

/// What a request waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Awaited {
    pub(super) verb: Verb,
    /// Which of the request's round trips this is, from 0.
    pub(super) stage: u8,
    /// How many replies of the protocol make up the answer; the last one is what counts.
    pub(super) replies: u8,
    /// When the request was written, in seconds since 1970.
    pub(super) now: u64,
    /// The number of the request.
    pub(super) number: u32,
}

impl Awaited {
    /// One reply to one round trip.
    pub(super) fn one(request: &Request<'_>) -> Self {
        Self {
            verb: request.verb,
            stage: 0,
            replies: 1,
            now: request.now,
            number: request.number,
        }
    }

    /// One reply to a greeting.
    pub(super) fn greeting() -> Self {
        Self {
            verb: Verb::Fetch,
            stage: 0,
            replies: 1,
            now: 0,
            number: 0,
        }
    }
}

/// What a reply says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning<'i> {
    /// A session was created under this token; `None` when the request had chosen it.
    Created(Option<&'i [u8]>),
    /// The session was read, touched or written, or the path fetched.
    Served,
    /// There is no such session.
    Missing,
    /// The session has ended.
    Killed,
    /// The session has this token from now on.
    Rotated(&'i [u8]),
    /// The session has another version than the request demands: nothing was done.
    Conflict,
    /// An error.
    Refused(Refusal),
    /// All is well so far, and another round trip is needed.
    Unfinished,
}

/// How a server says that it will not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Refusal {
    /// A status of HTTP.
    Status(u16),
    /// The first word of an error in text.
    Word(Word),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(200) => f.write_str("status 200 with an error inside"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Word(word) => write!(f, "error {word}"),
        }
    }
}

/// A short word: letters, digits and underscores of the start of an error, at most 24.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Word([u8; 24]);

impl Word {
    pub(super) fn of(text: &[u8]) -> Self {
        let mut word = Self::default();
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        for (to, from) in word
            .0
            .iter_mut()
            .zip(text.iter().take_while(|b| is_part(b)))
        {
            *to = *from;
        }
        word
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        let word = self.0.get(..length).unwrap_or_default();
        f.write_str(std::str::from_utf8(word).unwrap_or("unknown"))
    }
}

/// One reply at the start of the input.
#[derive(Debug)]
pub(super) struct Reply<'i> {
    /// Status and body as the protocol has them.
    pub(super) frame: Frame<'i>,
    /// Bytes of the input that it takes.
    pub(super) length: usize,
    /// The server closes the connection behind it.
    pub(super) closes: bool,
}

/// A reply without its framing.
#[derive(Debug)]
pub(super) struct Frame<'i> {
    /// Status or error code, in protocols that number them.
    pub(super) status: u16,
    pub(super) body: Cow<'i, [u8]>,
}

/// What verification reads from the reply to a get.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Contents {
    /// The counter of reads, where the service has one.
    pub(super) reads: Option<u64>,
    /// The values of the slots; 0 where nothing was ever written.
    pub(super) slots: [u32; SLOTS],
    /// The version, where the service has one.
    pub(super) version: Option<u64>,
}

/// How long a session of the target lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Life {
    /// Nanoseconds.
    pub(super) span: u64,
    /// Counted from the last use instead of the create.
    pub(super) sliding: bool,
    /// Nanoseconds that the recorded last use may lie behind the true one.
    pub(super) lag: u64,
    /// Nanoseconds that a session may outlive its span by the service's rounding.
    pub(super) rounding: u64,
}

/// Bytes that are no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed(pub(super) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A server under load: how its requests are written and its replies understood.
///
/// Replies come in the order of the requests. Nothing here waits, and after the first few requests
/// nothing allocates, except in runs that are verified.
pub(super) trait Target: Send + Sync {
    /// Appends what is said first on a new connection; how many replies it gets.
    fn greet(&self, _out: &mut Vec<u8>) -> usize {
        0
    }

    /// Takes a reply to the greeting; they are numbered from 0.
    ///
    /// # Errors
    /// When the server does not let this connection work, as a sentence.
    fn greeted(&self, _number: usize, _frame: &Frame<'_>) -> Result<(), String> {
        Ok(())
    }

    /// What the server has said in its greeting about what its acknowledgements survive.
    fn durability(&self) -> Option<String> {
        None
    }

    /// The token of the session that this user creates; `None` where the server chooses it.
    fn chosen_token(&self, _user: u64) -> Option<ChosenToken> {
        None
    }

    /// Appends a request, or the first part of it.
    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Awaited;

    /// Reads the first reply of the input, `None` while it is incomplete.
    ///
    /// # Errors
    /// When the input is not a reply of this protocol.
    fn read<'i>(&self, awaited: Awaited, input: &'i [u8]) -> Result<Option<Reply<'i>>, Malformed>;

    /// What the reply says.
    fn meaning<'f>(&self, awaited: Awaited, frame: &'f Frame<'_>) -> Meaning<'f>;

    /// Appends the next part of a request whose reply meant [`Meaning::Unfinished`].
    fn go_on(
        &self,
        _request: &Request<'_>,
        awaited: Awaited,
        _frame: &Frame<'_>,
        _out: &mut Vec<u8>,
    ) -> Awaited {
        awaited
    }

    /// What a served get shows, or the first part of its answer when that is what the session is
    /// in; `None` when it cannot be understood.
    fn contents(&self, body: &[u8]) -> Option<Contents>;

    /// The version that the reply to a served set tells.
    fn version(&self, _body: &[u8]) -> Option<u64> {
        None
    }

    /// Bytes of a token of this service.
    fn token_bytes(&self) -> usize;

    /// Slots of a session's data that can be written without touching the others.
    fn slots(&self) -> usize;

    /// How long its sessions live.
    fn life(&self) -> Life;
}

/// Bytes of a token that the load tester chooses.
pub(super) const CHOSEN_BYTES: usize = 64;
/// A token that the load tester chooses.
pub(super) type ChosenToken = [u8; CHOSEN_BYTES];
