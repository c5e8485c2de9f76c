//! Replies: encode and decode side by side.
//!
//! Bytes behind the last field of a reply are ignored, so that replies can grow. What a reply holds
//! follows from the operation and the flags in its header, so it can be read without knowing the
//! request.

mod connection;
mod many;
mod refusal;

pub use connection::{Figure, Figures, FiguresBuffer, Pong, Welcome};
pub use many::{Page, Sessions, SessionsBuffer};
pub use refusal::Refusal;

use crate::error::{DecodeError, ErrorCode};
use crate::flags::ReplyFlags;
use crate::framer::Frame;
use crate::header::Header;
use crate::opcode::{Opcode, REPLY_BIT};
use crate::primitive::{Reader, frame, put_counted, put_u64};
use crate::session::{Receipt, Session};
use crate::token::Token;

/// The operation of a frame that no request asked for: why the server closes the connection.
pub const NOTICE: u8 = 0;

/// A reply with what its header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply<'a> {
    /// The id of the request; 0 in a notice.
    pub id: u32,
    /// The number of the request's operation, without the top bit; [`NOTICE`] in a notice.
    pub opcode: u8,
    /// The flags.
    pub flags: ReplyFlags,
    /// What is answered.
    pub answer: Answer<'a>,
}

/// What a reply answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer<'a> {
    /// To HELLO.
    Welcome(Welcome<'a>),
    /// To PING.
    Pong(Pong<'a>),
    /// To STATS.
    Figures(Figures<'a>),
    /// To GET, and to SET and TOUCH that asked for it.
    Session(Session<'a>),
    /// To MGET: what was found for the first keys, in their order.
    Sessions(Sessions<'a>),
    /// To PUT, SET, TOUCH and KILL.
    Receipt(Receipt),
    /// To CREATE and ROTATE.
    Made(Made<'a>),
    /// To KILLMANY: how many sessions it has ended.
    Killed(u64),
    /// To LIST.
    Page(Page<'a>),
    /// To ACTIVITY.
    Activity(Activity),
    /// To anything: why nothing was done.
    Refusal(Refusal<'a>),
}

/// A new id of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Made<'a> {
    /// Name, version and deadline.
    pub receipt: Receipt,
    /// The id.
    pub token: Token<'a>,
}

/// Who was active lately.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Activity {
    /// Users with a session that was active.
    pub users: u64,
    /// Sessions that were active.
    pub sessions: u64,
}

impl<'a> Reply<'a> {
    /// A reply to a request.
    #[must_use]
    pub const fn new(id: u32, opcode: Opcode, answer: Answer<'a>) -> Self {
        Self {
            id,
            opcode: opcode.number(),
            flags: ReplyFlags::NONE,
            answer,
        }
    }

    /// A refusal of a request, whose opcode may be any number. The flags follow from the error.
    #[must_use]
    pub const fn refusal(id: u32, opcode: u8, code: ErrorCode, message: &'a str) -> Self {
        let retryable = if code.is_retryable() {
            ReplyFlags::RETRYABLE
        } else {
            0
        };
        let closing = if code.closes() {
            ReplyFlags::CLOSING
        } else {
            0
        };
        Self {
            id,
            opcode: opcode & !REPLY_BIT,
            flags: ReplyFlags(retryable | closing),
            answer: Answer::Refusal(Refusal {
                status: code.number(),
                version: 0,
                message,
            }),
        }
    }

    /// Why the server closes the connection, where no request is the cause.
    #[must_use]
    pub const fn notice(code: ErrorCode, message: &'a str) -> Self {
        Self::refusal(0, NOTICE, code, message).with_flags(ReplyFlags::CLOSING)
    }

    /// The same refusal, naming the version that the session has.
    #[must_use]
    pub const fn naming_version(mut self, version: u64) -> Self {
        if let Answer::Refusal(refusal) = &mut self.answer {
            refusal.version = version;
        }
        self
    }

    /// The same reply with flags.
    #[must_use]
    pub const fn with_flags(self, mask: u8) -> Self {
        Self {
            flags: self.flags.with(mask),
            ..self
        }
    }

    /// Reads a reply. A client ignores flags that it does not know.
    ///
    /// # Errors
    /// [`DecodeError`], when the peer does not speak this protocol.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, DecodeError> {
        let Header {
            id,
            opcode,
            flags,
            key_or_status: status,
            ..
        } = frame.header;
        if !frame.header.is_reply() {
            return Err(DecodeError::UnknownOperation(opcode));
        }
        let opcode = opcode & !REPLY_BIT;
        let flags = ReplyFlags(flags);
        let mut reader = Reader::new(frame.payload);
        let answer = if status == 0 {
            Answer::decode(opcode, flags, &mut reader)?
        } else {
            Answer::Refusal(Refusal::decode(status, &mut reader)?)
        };
        Ok(Self {
            id,
            opcode,
            flags,
            answer,
        })
    }

    /// Appends the frame of this reply. Everything in it is within its bound; a message that is too
    /// long is cut.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let header = Header {
            length: 0,
            id: self.id,
            opcode: self.opcode | REPLY_BIT,
            flags: self.flags.0,
            key_or_status: match &self.answer {
                Answer::Refusal(refusal) => refusal.status,
                Answer::Welcome(_)
                | Answer::Pong(_)
                | Answer::Figures(_)
                | Answer::Session(_)
                | Answer::Sessions(_)
                | Answer::Receipt(_)
                | Answer::Made(_)
                | Answer::Killed(_)
                | Answer::Page(_)
                | Answer::Activity(_) => 0,
            },
        };
        frame(out, header, |out| self.answer.encode(out));
    }
}

impl<'a> Answer<'a> {
    fn decode(opcode: u8, flags: ReplyFlags, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let opcode = Opcode::from_number(opcode).ok_or(DecodeError::UnknownOperation(opcode))?;
        Ok(match opcode {
            Opcode::Hello => Self::Welcome(Welcome::decode(reader)?),
            Opcode::Ping => Self::Pong(Pong::decode(reader)?),
            Opcode::Stats => Self::Figures(Figures::decode(reader)?),
            Opcode::Get => Self::Session(Session::decode(reader)?),
            Opcode::MultiGet => Self::Sessions(Sessions::decode(reader)?),
            Opcode::Set | Opcode::Touch if flags.has(ReplyFlags::SHOWN) => {
                Self::Session(Session::decode(reader)?)
            }
            Opcode::Put | Opcode::Set | Opcode::Touch | Opcode::Kill => {
                Self::Receipt(Receipt::decode(reader)?)
            }
            Opcode::Create | Opcode::Rotate => Self::Made(Made::decode(reader)?),
            Opcode::KillMany => Self::Killed(reader.u64()?),
            Opcode::List => Self::Page(Page::decode(reader)?),
            Opcode::Activity => Self::Activity(Activity {
                users: reader.u64()?,
                sessions: reader.u64()?,
            }),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Session(session) => session.encode(out),
            Self::Receipt(receipt) => receipt.encode(out),
            Self::Welcome(welcome) => welcome.encode(out),
            Self::Pong(pong) => pong.encode(out),
            Self::Figures(figures) => figures.encode(out),
            Self::Sessions(sessions) => sessions.encode(out),
            Self::Made(Made { receipt, token }) => {
                receipt.encode(out);
                put_counted(out, token.0);
            }
            Self::Killed(count) => put_u64(out, *count),
            Self::Page(page) => page.encode(out),
            Self::Activity(Activity { users, sessions }) => {
                put_u64(out, *users);
                put_u64(out, *sessions);
            }
            Self::Refusal(refusal) => refusal.encode(out),
        }
    }
}

impl<'a> Made<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let receipt = Receipt::decode(reader)?;
        let token = Token(reader.counted()?);
        token.check()?;
        Ok(Self { receipt, token })
    }
}
