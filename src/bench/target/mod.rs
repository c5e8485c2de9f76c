//! What is put under load. A target writes requests and reads replies; everything else is the same
//! for every protocol.

use std::borrow::Cow;
use std::fmt;

mod back_session;
pub(super) mod http;
mod http_reply;
mod rest_sessions;
mod tarantool;
mod template;

/// What one request asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verb {
    /// A new session.
    Create,
    /// Read a session.
    Get,
    /// Write data of a session.
    Set,
    /// End a session.
    Kill,
    /// The fixed path of the `url` workload.
    Fetch,
}

impl Verb {
    /// All verbs, in the order of the report.
    pub(super) const ALL: [Self; 5] = [Self::Create, Self::Get, Self::Set, Self::Kill, Self::Fetch];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::Set => "set",
            Self::Kill => "kill",
            Self::Fetch => "fetch",
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
    /// The session; empty for [`Verb::Create`] and [`Verb::Fetch`].
    pub(super) token: &'a [u8],
    /// Number of the user who owns a session to be created.
    pub(super) user: u64,
    /// What a verified [`Verb::Set`] writes.
    pub(super) mark: Option<Mark>,
}

/// What a reply says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning<'i> {
    /// A session was created under this token.
    Created(&'i [u8]),
    /// The session was read or written, or the path fetched.
    Served,
    /// There is no such session.
    Missing,
    /// The session has ended.
    Killed,
    /// An error, with the status of the reply.
    Refused(u16),
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

/// A service under load: how its requests are written and its replies understood.
pub(super) trait Target: Send + Sync {
    /// Appends a request.
    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>);

    /// Reads the first reply of the input, `None` while it is incomplete.
    ///
    /// # Errors
    /// When the input is not a reply of this protocol.
    fn read<'i>(&self, input: &'i [u8]) -> Result<Option<Reply<'i>>, Malformed>;

    /// What the reply to a request with this verb says.
    fn meaning<'f>(&self, verb: Verb, frame: &'f Frame<'_>) -> Meaning<'f>;

    /// What a served get shows; `None` when it cannot be understood.
    fn contents(&self, body: &[u8]) -> Option<Contents>;

    /// Bytes of a token of this service.
    fn token_bytes(&self) -> usize;

    /// Slots of a session's data that can be written without touching the others.
    fn slots(&self) -> usize;

    /// How long its sessions live.
    fn life(&self) -> Life;
}
