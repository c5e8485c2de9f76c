//! A body that is being collected: what its dialect wants of it, and what has come so far.

use crate::limits;
use crate::net::http::body::BodyReader;
use crate::net::http::dialect::{BodyProblem, BodyRule, Dialect};
use crate::net::http::head::{Fault, Framing, ParsedHead};
use crate::net::http::inflate::Encoding;

/// What is done with a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Who will answer.
    pub(super) dialect: Dialect,
    /// Hand it over; else it is dropped.
    pub(super) keep: bool,
    /// The most bytes it may have.
    pub(super) limit: usize,
    /// How it is compressed.
    pub(super) encoding: Encoding,
}

impl Plan {
    /// The plan for a request with a body.
    ///
    /// # Errors
    /// A problem that the head alone shows.
    pub(super) fn of(dialect: Dialect, parsed: &ParsedHead<'_>) -> Result<Self, BodyProblem> {
        let rule = if parsed.head.target == b"*" {
            BodyRule::Ignore
        } else {
            dialect.body_rule(&parsed.head)
        };
        let BodyRule::Collect { limit, inflate } = rule else {
            return Ok(Self {
                dialect,
                keep: false,
                limit: usize::try_from(limits::DISCARD_BYTES).unwrap_or(usize::MAX),
                encoding: Encoding::Identity,
            });
        };
        let encoding = if inflate {
            Encoding::of(&parsed.head)?
        } else {
            Encoding::Identity
        };
        match parsed.framing {
            Framing::Length(length) if usize::try_from(length).is_ok_and(|n| n <= limit) => {}
            Framing::Length(_) => return Err(BodyProblem::TooLarge),
            Framing::Chunked | Framing::Empty => {}
        }
        Ok(Self {
            dialect,
            keep: true,
            limit,
            encoding,
        })
    }
}

/// A request whose body has not come whole.
pub(super) struct Incoming {
    /// Its head, to be parsed again.
    pub(super) head: Vec<u8>,
    /// What is done with its body.
    pub(super) plan: Plan,
    /// Where the body ends.
    pub(super) reader: BodyReader,
    /// The body so far; stays empty when it is dropped.
    pub(super) body: Vec<u8>,
    dropped: usize,
}

/// How far a body has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// More is to come.
    Part,
    /// It is whole.
    Whole,
    /// It is larger than the plan allows.
    TooLarge,
}

impl Incoming {
    /// A request of which nothing but the head has been read.
    pub(super) fn new(head: &[u8], framing: Framing, plan: Plan) -> Self {
        Self {
            head: head.to_vec(),
            plan,
            reader: BodyReader::new(framing),
            body: Vec::new(),
            dropped: 0,
        }
    }

    /// Takes bytes from the start of `bytes`: how many, and how far the body has come.
    ///
    /// # Errors
    /// A [`Fault`] when the framing of the body is malformed.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(usize, Taken), Fault> {
        let mut at = 0;
        while !self.reader.is_done() {
            let (used, piece) = self.reader.read(bytes.get(at..).unwrap_or_default())?;
            if used == 0 {
                return Ok((at, Taken::Part));
            }
            at += used;
            if self.plan.keep {
                self.body.extend_from_slice(piece);
            } else {
                self.dropped += piece.len();
            }
            if self.body.len().max(self.dropped) > self.plan.limit {
                return Ok((at, Taken::TooLarge));
            }
        }
        Ok((at, Taken::Whole))
    }
}
