//! Messages that come back as they were sent: what a connection costs without any work.
//!
//! A message is its length in four bytes, little-endian and without themselves, the token of a
//! session, and as many bytes as the session's data has.

use std::borrow::Cow;

use crate::bench::target::chosen;
use crate::bench::target::{Awaited, CHOSEN_BYTES, ChosenToken, Contents, Frame, Life, Malformed};
use crate::bench::target::{Meaning, Reply, Request, Target, TargetSettings, Verb};

/// A server that sends back what it gets.
pub(in crate::bench) struct EchoTarget {
    /// The length of a message behind its first four bytes.
    length: u32,
    data: Vec<u8>,
}

impl EchoTarget {
    pub(in crate::bench) fn new(settings: &TargetSettings) -> Self {
        let data = settings.data().into_bytes();
        Self {
            length: u32::try_from(CHOSEN_BYTES + data.len()).unwrap_or(u32::MAX),
            data,
        }
    }
}

impl Target for EchoTarget {
    fn chosen_token(&self, user: u64) -> Option<ChosenToken> {
        Some(chosen::token(user))
    }

    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Awaited {
        out.extend_from_slice(&self.length.to_le_bytes());
        if request.token.is_empty() {
            out.extend_from_slice(&[0; CHOSEN_BYTES]);
        }
        out.extend_from_slice(request.token);
        out.extend_from_slice(&self.data);
        Awaited::one(request)
    }

    fn read<'i>(&self, _awaited: Awaited, input: &'i [u8]) -> Result<Option<Reply<'i>>, Malformed> {
        let Some((head, rest)) = input.split_first_chunk::<4>() else {
            return Ok(None);
        };
        // All messages of a run have one length.
        if u32::from_le_bytes(*head) != self.length {
            return Err(Malformed("the message is not the one that was sent"));
        }
        let length = CHOSEN_BYTES + self.data.len();
        Ok(rest.get(..length).map(|body| Reply {
            frame: Frame {
                status: 0,
                body: Cow::Borrowed(body),
            },
            length: head.len() + length,
            closes: false,
        }))
    }

    fn meaning<'f>(&self, awaited: Awaited, _frame: &'f Frame<'_>) -> Meaning<'f> {
        match awaited.verb {
            Verb::Create => Meaning::Created(None),
            Verb::Kill => Meaning::Killed,
            Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate | Verb::List | Verb::Fetch => {
                Meaning::Served
            }
        }
    }

    fn contents(&self, _body: &[u8]) -> Option<Contents> {
        None
    }

    fn token_bytes(&self) -> usize {
        CHOSEN_BYTES
    }

    fn slots(&self) -> usize {
        0
    }

    fn life(&self) -> Life {
        Life {
            span: u64::MAX,
            sliding: false,
            lag: 0,
            rounding: 0,
        }
    }
}
