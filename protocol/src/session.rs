//! What replies show of a session, and what both directions say of one.

use std::fmt;

use crate::error::DecodeError;
use crate::flags::ReplyFlags;
use crate::limits::{self, SESSION_FIXED_BYTES};
use crate::primitive::{Reader, length_u16, length_u32, put_u64};
use crate::token::Handle;

/// A moment that never comes, or a duration without end.
pub const NEVER: u64 = limits::U48_MAX;

/// The bytes of a session's data. Not shown by `Debug`: they belong to somebody.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Data<'a>(pub &'a [u8]);

impl fmt::Debug for Data<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Data({} bytes)", self.0.len())
    }
}

/// What kind of bytes a session's data are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ContentType(pub u8);

impl ContentType {
    /// Opaque bytes.
    pub const BYTES: Self = Self(0);
    /// The text of a JSON object. Checked, and members can be merged into it. No bytes at all are
    /// the object without members.
    pub const JSON_OBJECT: Self = Self(1);
    /// The text of a JSON array. Checked.
    pub const JSON_ARRAY: Self = Self(2);
    /// The first number that means what the clients agree on; the server treats it as bytes.
    pub const FIRST_OF_CLIENTS: Self = Self(16);
    /// In a request: leave the data and their type as they are.
    pub(crate) const KEEP: u8 = u8::MAX;

    /// Whether a request may give data this type.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 <= Self::JSON_ARRAY.0 || (self.0 >= Self::FIRST_OF_CLIENTS.0 && self.0 != Self::KEEP)
    }
}

/// What is fixed about a session when it is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes(pub u8);

impl Attributes {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// The idle limit counts in whole seconds of the clock: the session lives through all of the
    /// second in which it has been idle so long.
    pub const WHOLE_SECONDS: u8 = 0x01;
    /// Reads do not prolong the life: it ends where the first deadline is.
    pub const NO_RESAVE: u8 = 0x02;
    const KNOWN: u8 = Self::WHOLE_SECONDS | Self::NO_RESAVE;

    /// Whether any bit of `mask` is set.
    #[must_use]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask != 0
    }

    pub(crate) const fn is_known(self) -> bool {
        self.0 & !Self::KNOWN == 0
    }
}

/// What every reply about one session says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Receipt {
    /// The session's public name; 0 only in a default value.
    pub handle: u64,
    /// Changes with the session's content. An opaque number, never 0.
    pub version: u64,
    /// First millisecond at which the session is no longer served, or [`NEVER`].
    pub deadline: u64,
}

impl Receipt {
    /// The session's public name.
    #[must_use]
    pub const fn handle(&self) -> Handle {
        Handle(self.handle)
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            handle: reader.u64()?,
            version: reader.u64()?,
            deadline: reader.u64()?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.handle, self.version, self.deadline] {
            put_u64(out, field);
        }
    }
}

/// A session as replies show it. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Session<'a> {
    /// Name, version and deadline.
    pub receipt: Receipt,
    /// When it was made.
    pub created: u64,
    /// When it was last active, with this request when that counts as activity.
    pub last_active: u64,
    /// The idle limit in milliseconds, or [`NEVER`].
    pub idle: u64,
    /// The moment at which it ends however busy it is, or [`NEVER`].
    pub until: u64,
    /// The read counter as it was before this request: the first read says 1.
    pub reads: u64,
    /// The write counter: 1 when it is made.
    pub writes: u64,
    /// What the data are.
    pub content_type: ContentType,
    /// What is fixed about it.
    pub attributes: Attributes,
    /// Whose it is; empty for nobody's.
    pub user: &'a str,
    /// The IP text; empty for none.
    pub ip: &'a str,
    /// Its data.
    pub data: Data<'a>,
}

impl<'a> Session<'a> {
    /// Bytes of this session in a reply.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        SESSION_FIXED_BYTES + self.user.len() + self.ip.len() + self.data.0.len()
    }

    #[inline]
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let fixed: &[u8; SESSION_FIXED_BYTES] = reader.chunk()?;
        let (numbers, bytes) = fixed.as_chunks::<8>();
        let (&[n0, n1, n2, n3, n4, n5, n6, n7, n8, lengths], &[content_type, attributes]) =
            (numbers, bytes)
        else {
            return Err(DecodeError::Short);
        };
        let [d0, d1, d2, d3, u0, u1, i0, i1] = lengths;
        let data = usize::try_from(u32::from_le_bytes([d0, d1, d2, d3])).unwrap_or(usize::MAX);
        let user = reader.bytes(usize::from(u16::from_le_bytes([u0, u1])))?;
        let ip = reader.bytes(usize::from(u16::from_le_bytes([i0, i1])))?;
        Ok(Self {
            receipt: Receipt {
                handle: u64::from_le_bytes(n0),
                version: u64::from_le_bytes(n1),
                deadline: u64::from_le_bytes(n2),
            },
            created: u64::from_le_bytes(n3),
            last_active: u64::from_le_bytes(n4),
            idle: u64::from_le_bytes(n5),
            until: u64::from_le_bytes(n6),
            reads: u64::from_le_bytes(n7),
            writes: u64::from_le_bytes(n8),
            content_type: ContentType(content_type),
            attributes: Attributes(attributes),
            user: text(user).ok_or(DecodeError::BadUser)?,
            ip: text(ip).ok_or(DecodeError::BadIp)?,
            data: Data(reader.bytes(data)?),
        })
    }

    /// Appends the session as a reply has it. Texts and data are within their bounds.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        out.extend_from_slice(&self.fixed());
        out.extend_from_slice(self.user.as_bytes());
        out.extend_from_slice(self.ip.as_bytes());
        out.extend_from_slice(self.data.0);
    }

    fn fixed(&self) -> [u8; SESSION_FIXED_BYTES] {
        let mut fixed = [0; SESSION_FIXED_BYTES];
        let (numbers, rest) = fixed.as_chunks_mut::<8>();
        let values = [
            self.receipt.handle,
            self.receipt.version,
            self.receipt.deadline,
            self.created,
            self.last_active,
            self.idle,
            self.until,
            self.reads,
            self.writes,
            // The lengths: data in the low half, then user, then IP.
            u64::from(length_u32(self.data.0.len()))
                | u64::from(length_u16(self.user.len())) << 32
                | u64::from(length_u16(self.ip.len())) << 48,
        ];
        for (place, value) in numbers.iter_mut().zip(values) {
            *place = value.to_le_bytes();
        }
        rest.copy_from_slice(&[self.content_type.0, self.attributes.0]);
        fixed
    }

    /// This session without its texts and data, for a client that knows them.
    #[must_use]
    pub fn without_content(self) -> Session<'static> {
        Session {
            user: "",
            ip: "",
            data: Data(&[]),
            receipt: self.receipt,
            created: self.created,
            last_active: self.last_active,
            idle: self.idle,
            until: self.until,
            reads: self.reads,
            writes: self.writes,
            content_type: self.content_type,
            attributes: self.attributes,
        }
    }

    /// Whether these flags of a reply say that texts and data were left out.
    #[must_use]
    pub const fn is_left_out(flags: ReplyFlags) -> bool {
        flags.has(ReplyFlags::UNCHANGED)
    }
}

/// Where a list goes on. Opaque; made by the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor(pub [u8; 16]);

impl Cursor {
    /// The start of a list in a request, the end of it in a reply.
    pub const ENDS: Self = Self([0; 16]);

    /// Whether this is the start or the end of a list.
    #[must_use]
    pub fn is_end(&self) -> bool {
        *self == Self::ENDS
    }
}

pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
