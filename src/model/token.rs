//! Tokens: drawn from handed-in randomness, packed for sealing, never shown by `Debug`.

/// The longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = crate::limits::TOKEN_BYTES;

/// A source of unpredictable bytes. In production the operating system's, in tests a seeded one.
pub trait Randomness: Send + Sync {
    /// Fills `bytes` completely.
    fn fill(&self, bytes: &mut [u8]);
}

/// What a token looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenStyle {
    /// Chosen by the client: 1..=128 opaque bytes.
    Chosen,
    /// 64 of `[A-Za-z0-9]`, 381 bits: rest-sessions clients check this pattern.
    Alphanumeric64,
    /// A version 4 UUID in lower case, 122 bits: the tarantool dialect.
    UuidV4,
    /// 47 bytes in base64url with padding, 376 bits: the back-session dialect.
    Base64Url47,
}

impl TokenStyle {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Chosen => 0,
            Self::Alphanumeric64 => 1,
            Self::UuidV4 => 2,
            Self::Base64Url47 => 3,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Chosen),
            1 => Some(Self::Alphanumeric64),
            2 => Some(Self::UuidV4),
            3 => Some(Self::Base64Url47),
            _ => None,
        }
    }
}

/// A token: the secret a client shows to be recognised.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    style: TokenStyle,
    length: u8,
    bytes: [u8; TOKEN_BYTES_MAX],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Token(..)")
    }
}

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &[u8; 16] = b"0123456789abcdef";

impl Token {
    /// A token that the client chose; `None` unless it has 1..=128 bytes.
    #[must_use]
    pub fn chosen(text: &[u8]) -> Option<Self> {
        if text.is_empty() {
            None
        } else {
            Self::from_text(TokenStyle::Chosen, text)
        }
    }

    /// A token that was made elsewhere, 1..=128 bytes: of the server's own style where it looks like
    /// one, so that it is packed as tightly.
    #[must_use]
    pub fn recognised(text: &[u8]) -> Option<Self> {
        let chosen = Self::chosen(text)?;
        let styles = [
            TokenStyle::Alphanumeric64,
            TokenStyle::UuidV4,
            TokenStyle::Base64Url47,
        ];
        let same = styles.into_iter().find_map(|style| {
            let lengths = match style {
                TokenStyle::UuidV4 => 36,
                TokenStyle::Base64Url47 | TokenStyle::Alphanumeric64 | TokenStyle::Chosen => 64,
            };
            let token = Self::from_text(style, text).filter(|_| text.len() == lengths)?;
            let plain =
                style != TokenStyle::Alphanumeric64 || text.iter().all(u8::is_ascii_alphanumeric);
            let mut packed = Vec::new();
            token.pack(&mut packed);
            Self::unpack(style, &packed).filter(|again| plain && again.as_bytes() == text)
        });
        Some(same.unwrap_or(chosen))
    }

    /// Draws a new token of a server-made style. For [`TokenStyle::Chosen`] 64 alphanumerics.
    #[must_use]
    pub fn draw(style: TokenStyle, random: &dyn Randomness) -> Self {
        match style {
            TokenStyle::Chosen | TokenStyle::Alphanumeric64 => Self::draw_alphanumeric(random),
            TokenStyle::UuidV4 => {
                let mut raw = [0u8; 16];
                random.fill(&mut raw);
                // RFC 9562 section 5.4: version 4 and variant 10 in their places.
                raw[6] = raw[6] & 0x0f | 0x40;
                raw[8] = raw[8] & 0x3f | 0x80;
                Self::from_uuid(&raw)
            }
            TokenStyle::Base64Url47 => {
                let mut raw = [0u8; 47];
                random.fill(&mut raw);
                Self::from_base64url(&raw)
            }
        }
    }

    /// The token's text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    /// The token's text, for styles made by the server (always ASCII); `""` for other bytes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// What the token looks like.
    #[must_use]
    pub fn style(&self) -> TokenStyle {
        self.style
    }

    fn from_text(style: TokenStyle, text: &[u8]) -> Option<Self> {
        let mut bytes = [0u8; TOKEN_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            style,
            length: u8::try_from(text.len()).ok()?,
            bytes,
        })
    }

    fn collect(style: TokenStyle, text: impl Iterator<Item = u8>) -> Self {
        let mut bytes = [0u8; TOKEN_BYTES_MAX];
        let mut length = 0;
        for (place, byte) in bytes.iter_mut().zip(text) {
            *place = byte;
            length += 1;
        }
        Self {
            style,
            length,
            bytes,
        }
    }

    fn draw_alphanumeric(random: &dyn Randomness) -> Self {
        let mut bytes = [0u8; TOKEN_BYTES_MAX];
        let mut filled = 0usize;
        while filled < 64 {
            let mut raw = [0u8; 80];
            random.fill(&mut raw);
            // 248 = 4 * 62: bytes above would make some letters likelier than others.
            for byte in raw.into_iter().filter(|b| *b < 248) {
                let letter = ALPHANUMERIC.get(usize::from(byte % 62));
                if let (Some(place), Some(letter), true) =
                    (bytes.get_mut(filled), letter, filled < 64)
                {
                    *place = *letter;
                    filled += 1;
                }
            }
        }
        Self {
            style: TokenStyle::Alphanumeric64,
            length: 64,
            bytes,
        }
    }

    fn from_uuid(raw: &[u8; 16]) -> Self {
        let text = raw.iter().enumerate().flat_map(|(i, byte)| {
            let dash = matches!(i, 4 | 6 | 8 | 10).then_some(b'-');
            let digit = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
            dash.into_iter().chain([digit(byte >> 4), digit(byte & 15)])
        });
        Self::collect(TokenStyle::UuidV4, text)
    }

    fn from_base64url(raw: &[u8; 47]) -> Self {
        let text = raw.chunks(3).flat_map(|group| {
            let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            let letter = move |shift: u32| {
                BASE64URL
                    .get((bits >> shift & 63) as usize)
                    .copied()
                    .unwrap_or(b'A')
            };
            let last = if group.len() == 3 { letter(0) } else { b'=' };
            [letter(18), letter(12), letter(6), last]
        });
        Self::collect(TokenStyle::Base64Url47, text)
    }

    /// Appends the shortest form from which [`Token::unpack`] makes the same token.
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        match self.style {
            TokenStyle::UuidV4 => {
                let digits = self
                    .as_bytes()
                    .iter()
                    .filter(|b| **b != b'-')
                    .map(|b| nibble(*b));
                pack_bits(digits, 4, 16, out);
            }
            TokenStyle::Base64Url47 => {
                let digits = self
                    .as_bytes()
                    .iter()
                    .filter(|b| **b != b'=')
                    .map(|b| sextet(*b));
                pack_bits(digits, 6, 47, out);
            }
            TokenStyle::Chosen | TokenStyle::Alphanumeric64 => {
                out.extend_from_slice(self.as_bytes());
            }
        }
    }

    /// The token that [`Token::pack`] wrote; `None` when the length is not one of its style.
    pub(crate) fn unpack(style: TokenStyle, packed: &[u8]) -> Option<Self> {
        match style {
            TokenStyle::UuidV4 => Some(Self::from_uuid(packed.try_into().ok()?)),
            TokenStyle::Base64Url47 => Some(Self::from_base64url(packed.try_into().ok()?)),
            TokenStyle::Chosen | TokenStyle::Alphanumeric64 => Self::from_text(style, packed),
        }
    }
}

fn nibble(digit: u8) -> u32 {
    HEX.iter()
        .zip(0u32..)
        .find(|(d, _)| **d == digit)
        .map_or(0, |(_, n)| n)
}

fn sextet(letter: u8) -> u32 {
    BASE64URL
        .iter()
        .zip(0u32..)
        .find(|(l, _)| **l == letter)
        .map_or(0, |(_, n)| n)
}

/// Packs digits of `width` bits, most significant first, into `length` bytes.
fn pack_bits(digits: impl Iterator<Item = u32>, width: u32, length: usize, out: &mut Vec<u8>) {
    let (mut bits, mut held, mut written) = (0u32, 0u32, 0usize);
    for digit in digits {
        bits = bits << width | digit;
        held += width;
        if held >= 8 && written < length {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
            written += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Randomness, Token, TokenStyle};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    struct Mixed(AtomicU64);
    impl Randomness for Mixed {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                let x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
                *byte = ((x ^ x >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8;
            }
        }
    }

    #[test]
    fn every_style_has_its_shape_and_survives_packing() {
        let random = Mixed(AtomicU64::new(1));
        for _ in 0..500 {
            for style in [
                TokenStyle::Alphanumeric64,
                TokenStyle::UuidV4,
                TokenStyle::Base64Url47,
            ] {
                let token = Token::draw(style, &random);
                let text = token.as_str();
                match style {
                    TokenStyle::UuidV4 => {
                        assert_eq!(text.len(), 36);
                        assert_eq!(text.as_bytes()[14], b'4');
                        assert!(b"89ab".contains(&text.as_bytes()[19]));
                    }
                    TokenStyle::Base64Url47 => {
                        assert_eq!(text.len(), 64);
                        assert!(text.ends_with('=') && !text.ends_with("=="));
                    }
                    TokenStyle::Alphanumeric64 | TokenStyle::Chosen => {
                        assert_eq!(text.len(), 64);
                        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()));
                    }
                }
                let mut packed = Vec::new();
                token.pack(&mut packed);
                assert_eq!(Token::unpack(style, &packed), Some(token));
            }
        }
    }

    #[test]
    fn tokens_made_elsewhere_are_recognised_by_their_shape() {
        let random = Mixed(AtomicU64::new(9));
        for style in [
            TokenStyle::Alphanumeric64,
            TokenStyle::UuidV4,
            TokenStyle::Base64Url47,
        ] {
            let token = Token::draw(style, &random);
            assert_eq!(Token::recognised(token.as_bytes()), Some(token));
        }
        for text in [
            "61494096-9AF7-49ba-9fb4-e89c0811e6d3",
            "61494096+9af7-49ba-9fb4-e89c0811e6d3",
            &"=".repeat(64),
            "short",
        ] {
            let token = Token::recognised(text.as_bytes()).unwrap();
            assert_eq!((token.style(), token.as_str()), (TokenStyle::Chosen, text));
        }
        assert_eq!(Token::recognised(b""), None);
    }

    #[test]
    fn chosen_tokens_have_one_to_128_bytes_and_stay_hidden() {
        assert_eq!(Token::chosen(b""), None);
        assert!(Token::chosen(&[0xff; 128]).is_some());
        assert_eq!(Token::chosen(&[0xff; 129]), None);
        assert_eq!(format!("{:?}", Token::chosen(b"secret")), "Some(Token(..))");
    }
}
