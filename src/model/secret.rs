//! Keys and what they make of a token: the tag that names a session, and the seal that hides it.

use crate::model::name::AppName;
use crate::model::token::{TOKEN_BYTES_MAX, Token, TokenStyle};

/// First 128 bits of the keyed BLAKE3 of a token. Memory and disk hold this, not the token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    /// The first 64 bits: also the handle, and what places the session in shard and table.
    pub high: u64,
    /// The other 64 bits.
    pub low: u64,
}

impl Tag {
    /// Its 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.low) << 64 | u128::from(self.high)).to_le_bytes()
    }

    /// The tag of [`Tag::to_bytes`]; `None` for another number of bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (high, rest) = bytes.split_first_chunk::<8>()?;
        let low: &[u8; 8] = rest.try_into().ok()?;
        Some(Self {
            high: u64::from_le_bytes(*high),
            low: u64::from_le_bytes(*low),
        })
    }
}

/// The public name of a session: the first 64 bits of its tag. Unique among living sessions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

impl std::fmt::Debug for Handle {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl std::fmt::Display for Handle {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// The secret from which all keys are derived. Handed in at start; never printed.
#[derive(Clone)]
pub struct Keys {
    secret: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Keys(..)")
    }
}

impl Keys {
    /// Keys from 32 secret bytes.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The keys of one app. They depend on its name only, so an app that comes back finds its own.
    #[must_use]
    pub fn of_app(&self, app: AppName<'_>) -> AppKeys {
        AppKeys {
            tag: self.derive("tag", app.as_str()),
            seal: self.derive("seal", app.as_str()),
        }
    }

    /// The key under which users and IPs of all apps are named in the directories.
    #[must_use]
    pub fn directory(&self) -> [u8; 32] {
        self.derive("directory", "")
    }

    fn derive(&self, purpose: &str, app: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher
            .update(purpose.as_bytes())
            .update(&[0])
            .update(app.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// The two keys of an app.
pub struct AppKeys {
    tag: [u8; 32],
    seal: [u8; 32],
}

impl AppKeys {
    /// The tag of a token in this app.
    #[must_use]
    pub fn tag(&self, token: &[u8]) -> Tag {
        let hash = blake3::keyed_hash(&self.tag, token);
        let (high, rest) = first_u64(hash.as_bytes());
        let (low, _) = first_u64(rest);
        Tag { high, low }
    }

    /// What opens and closes the seal of the session with this tag.
    #[must_use]
    pub fn sealer(&self, tag: Tag) -> Sealer<'_> {
        Sealer {
            key: &self.seal,
            tag,
        }
    }
}

/// Hides a token beside its session: the packed token XOR a keystream that only this tag has.
///
/// The keystream is BLAKE3 in keyed mode over the tag. A tag names one token of one app, so a
/// keystream is never used for two different texts.
#[derive(Clone, Copy)]
pub struct Sealer<'a> {
    key: &'a [u8; 32],
    tag: Tag,
}

impl Sealer<'_> {
    /// Writes the sealed form of `token` to `out`: one byte of style, then the hidden bytes.
    pub fn seal(&self, token: &Token, out: &mut Vec<u8>) {
        out.push(token.style().code());
        let start = out.len();
        token.pack(out);
        self.apply_keystream(out.get_mut(start..).unwrap_or_default());
    }

    /// Opens what [`Sealer::seal`] wrote. `None` for the empty slice: no token was kept.
    #[must_use]
    pub fn open(&self, sealed: &[u8]) -> Option<Token> {
        let (&code, hidden) = sealed.split_first()?;
        let style = TokenStyle::from_code(code)?;
        let mut buffer = [0u8; TOKEN_BYTES_MAX];
        let packed = buffer.get_mut(..hidden.len())?;
        packed.copy_from_slice(hidden);
        self.apply_keystream(packed);
        Token::unpack(style, packed)
    }

    fn apply_keystream(&self, bytes: &mut [u8]) {
        let mut hasher = blake3::Hasher::new_keyed(self.key);
        hasher
            .update(&self.tag.high.to_le_bytes())
            .update(&self.tag.low.to_le_bytes());
        let mut stream = [0u8; TOKEN_BYTES_MAX];
        hasher.finalize_xof().fill(&mut stream);
        for (byte, key) in bytes.iter_mut().zip(stream) {
            *byte ^= key;
        }
    }
}

fn first_u64(bytes: &[u8]) -> (u64, &[u8]) {
    match bytes.split_first_chunk::<8>() {
        Some((head, rest)) => (u64::from_le_bytes(*head), rest),
        None => (0, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::{AppName, Keys, Token, TokenStyle};

    struct Counting(std::sync::atomic::AtomicU8);
    impl crate::model::token::Randomness for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(7, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn tags_differ_between_apps_and_secrets() {
        let one = Keys::new([1; 32]);
        let two = Keys::new([2; 32]);
        let app = AppName::new("app").unwrap();
        let other = AppName::new("apq").unwrap();
        let tag = one.of_app(app).tag(b"token");
        assert_eq!(tag, one.of_app(app).tag(b"token"));
        assert_ne!(tag, one.of_app(other).tag(b"token"));
        assert_ne!(tag, two.of_app(app).tag(b"token"));
        assert_ne!(tag, one.of_app(app).tag(b"tokem"));
    }

    #[test]
    fn sealed_tokens_open_under_their_own_tag_only() {
        let keys = Keys::new([3; 32]).of_app(AppName::TARANTOOL);
        let random = Counting(std::sync::atomic::AtomicU8::new(1));
        for style in [
            TokenStyle::Alphanumeric64,
            TokenStyle::UuidV4,
            TokenStyle::Base64Url47,
        ] {
            let token = Token::draw(style, &random);
            let tag = keys.tag(token.as_bytes());
            let mut sealed = Vec::new();
            keys.sealer(tag).seal(&token, &mut sealed);
            assert!(
                !sealed
                    .windows(8)
                    .any(|w| token.as_bytes().windows(8).any(|t| t == w))
            );
            assert_eq!(keys.sealer(tag).open(&sealed), Some(token.clone()));
            let other = keys.tag(b"another");
            assert_ne!(keys.sealer(other).open(&sealed), Some(token));
        }
        let tag = keys.tag(b"x");
        assert_eq!(keys.sealer(tag).open(&[]), None);
    }
}
