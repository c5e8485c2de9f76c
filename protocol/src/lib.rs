//! The binary protocol of cloakroom: bytes to requests and replies, and back. No I/O, no clock.
//!
//! ```text
//!  0        4        8    9   10     12
//! +--------+--------+----+---+------+-----+-------------+
//! | length | id     | op | f | key  | key | other fields |   a request
//! +--------+--------+----+---+------+-----+-------------+
//! | length | id     | op | f |status| fields            |   its reply: op has its top bit set
//! +--------+--------+----+---+------+-------------------+
//!   u32      u32      u8   u8  u16    <---- length ---->     little-endian
//! ```
//!
//! The key (a token, a handle, a user, an IP) stands directly behind the header, so the payload of
//! a plain GET is nothing but the token. `SPEC.md` beside this crate says what every operation
//! means; `vectors/` has golden frames for all of them.
//!
//! | module | what it is for |
//! |---|---|
//! | [`limits`] | every bound |
//! | [`header`] | the twelve bytes in front |
//! | [`framer`] | bytes in, whole frames out |
//! | [`opcode`] | the operations and their numbers |
//! | [`flags`] | what the bits of a header mean |
//! | [`error`] | what a reply can refuse with, and what cannot be decoded |
//! | [`token`], [`session`] | what requests and replies are made of |
//! | [`request`] | requests, encode and decode side by side |
//! | [`reply`] | replies, encode and decode side by side |
//!
//! Decoding borrows from the frame and allocates nothing.
//!
//! ```
//! use cloakroom_protocol::{Call, Get, Header, Key, Request, Token, cut, Cut};
//!
//! let call = Call::new(7, Request::Get(Get::touch(Token(b"a-token"))));
//! let mut bytes = Vec::new();
//! call.encode(&mut bytes).unwrap();
//! assert_eq!(bytes.len(), Header::BYTES + 7);
//!
//! let Ok(Cut::Frame(frame)) = cut(&bytes, 1024) else { panic!("a whole frame") };
//! assert_eq!(Call::decode(&frame), Ok(call));
//! ```

pub mod error;
pub mod flags;
pub mod framer;
pub mod header;
pub mod limits;
pub mod opcode;
mod primitive;
pub mod reply;
pub mod request;
pub mod session;
pub mod token;

pub use error::{Class, DecodeError, ErrorCode};
pub use flags::{ReplyFlags, RequestFlags};
pub use framer::{Cut, Frame, Framer, cut};
pub use header::Header;
pub use opcode::Opcode;
pub use reply::{
    Activity, Answer, Figure, Figures, FiguresBuffer, Made, NOTICE, Page, Pong, Refusal, Reply,
    Sessions, SessionsBuffer, Welcome,
};
pub use request::{
    ActiveUsers, Call, Create, Fields, Get, Hello, Kill, KillMany, List, MultiGet, Ping, Put,
    PutMode, Request, Rotate, Scope, Set, Stats, TokenStyle, Touch,
};
pub use session::{Attributes, ContentType, Cursor, Data, NEVER, Receipt, Session};
pub use token::{AccessKey, Handle, Key, Keys, KeysBuffer, NewToken, Token};

/// The version of the protocol that this crate speaks.
pub const VERSION: u8 = 1;
