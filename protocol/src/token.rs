//! What names a session: tokens and handles, one or many. Secrets are never shown by `Debug`.

use std::fmt;

use crate::error::DecodeError;
use crate::limits;
use crate::primitive::{Reader, put_counted, put_u16};

/// A token: the secret that a client shows to be recognised. 1 to 128 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token<'a>(pub &'a [u8]);

impl fmt::Debug for Token<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(..)")
    }
}

impl Token<'_> {
    pub(crate) fn check(self) -> Result<(), DecodeError> {
        if (1..=limits::TOKEN_BYTES).contains(&self.0.len()) {
            Ok(())
        } else {
            Err(DecodeError::BadToken)
        }
    }
}

/// What admits a client to a server that wants it: up to 256 bytes, empty for none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessKey<'a>(pub &'a [u8]);

impl fmt::Debug for AccessKey<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("AccessKey(..)")
    }
}

/// The public name of a session, which tells nothing of its token. Shown to people as 16
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

impl fmt::Debug for Handle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// How a request names a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key<'a> {
    /// By its token: what a client shows.
    Token(Token<'a>),
    /// By its handle: what lists show.
    Handle(Handle),
}

impl<'a> Key<'a> {
    /// `handle` says which of the two the bytes are.
    pub(crate) fn decode(bytes: &'a [u8], handle: bool) -> Result<Self, DecodeError> {
        if handle {
            let Ok(bytes) = bytes.try_into() else {
                return Err(DecodeError::BadToken);
            };
            return Ok(Self::Handle(Handle(u64::from_le_bytes(bytes))));
        }
        let token = Token(bytes);
        token.check()?;
        Ok(Self::Token(token))
    }

    pub(crate) fn check(self) -> Result<(), DecodeError> {
        match self {
            Self::Token(token) => token.check(),
            Self::Handle(_) => Ok(()),
        }
    }

    pub(crate) fn part(self) -> KeyPart<'a> {
        match self {
            Self::Token(Token(bytes)) => KeyPart::Bytes(bytes),
            Self::Handle(Handle(number)) => KeyPart::Handle(number.to_le_bytes()),
        }
    }

    /// Whether this is a handle.
    #[must_use]
    pub fn is_handle(self) -> bool {
        matches!(self, Self::Handle(_))
    }
}

impl<'a> From<Token<'a>> for Key<'a> {
    fn from(token: Token<'a>) -> Self {
        Self::Token(token)
    }
}

impl From<Handle> for Key<'_> {
    fn from(handle: Handle) -> Self {
        Self::Handle(handle)
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> From<&'a T> for Key<'a> {
    fn from(token: &'a T) -> Self {
        Self::Token(Token(token.as_ref()))
    }
}

/// The key of a request as bytes.
#[derive(Clone, Copy)]
pub(crate) enum KeyPart<'a> {
    Bytes(&'a [u8]),
    Handle([u8; 8]),
}

impl KeyPart<'_> {
    pub(crate) const NONE: KeyPart<'static> = KeyPart::Bytes(&[]);

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Handle(bytes) => bytes,
        }
    }
}

/// Which token a session gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewToken<'a> {
    /// One that the server draws.
    Draw(crate::request::TokenStyle),
    /// This one, chosen by the client.
    Chosen(Token<'a>),
}

/// The keys of an MGET, as they stand in its frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keys<'a> {
    count: u16,
    handles: bool,
    bytes: &'a [u8],
}

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Keys({})", self.count)
    }
}

impl<'a> Keys<'a> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether they are handles and not tokens.
    #[must_use]
    pub fn are_handles(&self) -> bool {
        self.handles
    }

    /// The keys in order.
    pub fn iter(&self) -> impl Iterator<Item = Key<'a>> + use<'a> {
        let handles = self.handles;
        let mut reader = Reader::new(self.bytes);
        // All of them were looked at when the frame was decoded.
        std::iter::from_fn(move || Key::decode(reader.counted().ok()?, handles).ok())
    }

    pub(crate) fn decode(mut reader: Reader<'a>, handles: bool) -> Result<Self, DecodeError> {
        let count = reader.u16()?;
        if usize::from(count) > limits::MGET_KEYS {
            return Err(DecodeError::TooManyKeys);
        }
        let bytes = reader.rest();
        for _ in 0..count {
            Key::decode(reader.counted()?, handles)?;
        }
        reader.end()?;
        Ok(Self {
            count,
            handles,
            bytes,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_u16(out, self.count);
        out.extend_from_slice(self.bytes);
    }
}

/// Collects the keys of an MGET.
#[derive(Clone, Default)]
pub struct KeysBuffer {
    count: u16,
    handles: bool,
    bytes: Vec<u8>,
}

impl fmt::Debug for KeysBuffer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeysBuffer({})", self.count)
    }
}

impl KeysBuffer {
    /// An empty collection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key behind the others.
    ///
    /// # Errors
    /// [`DecodeError::TooManyKeys`], [`DecodeError::BadToken`]; and [`DecodeError::BadKey`] when
    /// handles and tokens would stand together.
    pub fn push(&mut self, key: Key<'_>) -> Result<(), DecodeError> {
        if usize::from(self.count) >= limits::MGET_KEYS {
            return Err(DecodeError::TooManyKeys);
        }
        if self.count > 0 && self.handles != key.is_handle() {
            return Err(DecodeError::BadKey);
        }
        key.check()?;
        put_counted(&mut self.bytes, key.part().as_slice());
        self.handles = key.is_handle();
        self.count += 1;
        Ok(())
    }

    /// The keys so far.
    #[must_use]
    pub fn keys(&self) -> Keys<'_> {
        Keys {
            count: self.count,
            handles: self.handles,
            bytes: &self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessKey, Handle, Key, KeysBuffer, Token};
    use crate::error::DecodeError;
    use crate::limits;

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?} {:?}", Token(b"abc"), AccessKey(b"abc"));
        assert_eq!(shown, "Token(..) AccessKey(..)");
    }

    #[test]
    fn keys_are_collected_up_to_the_bound_and_of_one_kind() {
        let mut keys = KeysBuffer::new();
        let token = Key::Token(Token(b"t"));
        for _ in 0..limits::MGET_KEYS {
            keys.push(token).unwrap();
        }
        assert_eq!(keys.push(token), Err(DecodeError::TooManyKeys));
        assert_eq!(keys.keys().iter().count(), limits::MGET_KEYS);
        let mut keys = KeysBuffer::new();
        keys.push(Key::Handle(Handle(7))).unwrap();
        assert_eq!(keys.push(token), Err(DecodeError::BadKey));
        assert_eq!(keys.keys().iter().next(), Some(Key::Handle(Handle(7))));
    }
}
