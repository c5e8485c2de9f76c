//! What can go wrong, told apart by what a caller can do about it.

use std::sync::Arc;
use std::{fmt, io};

use cloakroom_protocol::{Class, DecodeError, ErrorCode};

use crate::config::UrlError;

/// Why a request has no result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server has refused the request, and has changed nothing.
    Refused(Refusal),
    /// The reply did not come in time. **Whether the request was carried out is not known.**
    Timeout,
    /// The connection ended before the reply came. **Whether the request was carried out is not
    /// known.**
    Lost(Arc<ConnectError>),
    /// There is no connection, or none in time. The request was not sent.
    Unavailable(Arc<ConnectError>),
    /// The request is outside the bounds of the protocol. It was not sent.
    Invalid(DecodeError),
    /// The client has been closed. The request was not sent.
    Closed,
    /// The reply is none to the request: the peer is broken.
    Protocol,
    /// The URL cannot be read.
    Url(UrlError),
}

/// What the server said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The number of the error.
    pub status: u16,
    /// The same request may succeed later.
    pub retryable: bool,
    /// The version that the session has, where the error is about that.
    pub version: Option<u64>,
    /// A sentence for people.
    pub message: String,
}

impl Refusal {
    /// The error, if this client knows it.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::from_number(self.status)
    }

    /// Its class, also of an error that this client does not know.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        Class::of_status(self.status)
    }
}

impl Error {
    /// What the server refused with, if it did.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Timeout
            | Self::Lost(_)
            | Self::Unavailable(_)
            | Self::Invalid(_)
            | Self::Closed
            | Self::Protocol
            | Self::Url(_) => None,
        }
    }

    /// The server says that there is no such session. Nothing else means that.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.code() == Some(ErrorCode::Gone)
    }

    /// Somebody else was faster: the id exists, or the version is another.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::Exists | ErrorCode::VersionDiffers)
        )
    }

    /// The request has changed nothing, and may succeed when it is made again later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.retryable,
            Self::Unavailable(_) => true,
            Self::Timeout
            | Self::Lost(_)
            | Self::Invalid(_)
            | Self::Closed
            | Self::Protocol
            | Self::Url(_) => false,
        }
    }

    /// Whether the request may have been carried out nevertheless.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::Timeout | Self::Lost(_) | Self::Protocol)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) if refusal.message.is_empty() => match refusal.code() {
                Some(code) => write!(out, "{}", code.sentence()),
                None => write!(out, "the server refuses with error {:#06x}", refusal.status),
            },
            Self::Refused(refusal) => out.write_str(&refusal.message),
            Self::Timeout => out
                .write_str("no reply in time; the request may have been carried out nevertheless"),
            Self::Lost(cause) => write!(
                out,
                "the connection was lost ({cause}); the request may have been carried out"
            ),
            Self::Unavailable(cause) => write!(out, "no connection to the server: {cause}"),
            Self::Invalid(error) => write!(out, "the request was not sent: {error}"),
            Self::Closed => out.write_str("the client has been closed"),
            Self::Protocol => out.write_str("the server's reply does not fit the request"),
            Self::Url(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lost(cause) | Self::Unavailable(cause) => Some(&**cause),
            Self::Invalid(error) => Some(error),
            Self::Url(error) => Some(error),
            Self::Refused(_) | Self::Timeout | Self::Closed | Self::Protocol => None,
        }
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The network or the operating system.
    Io(io::Error),
    /// It did not come about in time, or no room for the request came free in time.
    Timeout,
    /// The server closed it.
    ClosedByServer,
    /// Replies were due and nothing came.
    Stalled,
    /// The server refused the connection, or said why it closed it.
    Refused(Refusal),
    /// What came was not this protocol.
    Protocol(DecodeError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(out),
            Self::Timeout => out.write_str("it took too long"),
            Self::ClosedByServer => out.write_str("the server closed the connection"),
            Self::Stalled => out.write_str("the server did not answer any more"),
            Self::Refused(refusal) => match refusal.code() {
                Some(code) => write!(out, "the server refuses: {}", code.sentence()),
                None => write!(out, "the server refuses: {}", refusal.message),
            },
            Self::Protocol(error) => write!(out, "the peer is no cloakroom server: {error}"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::Timeout | Self::ClosedByServer | Self::Stalled | Self::Refused(_) => None,
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DecodeError> for ConnectError {
    fn from(error: DecodeError) -> Self {
        Self::Protocol(error)
    }
}
