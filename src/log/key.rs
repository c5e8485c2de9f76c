//! The key file, and the fingerprint by which a log tells under which key it was written.

/// What the key file begins with; 64 hexadecimal digits and a line feed follow.
const PREFIX: &[u8] = b"cloakroom key v1 blake3 ";

/// The context of the fingerprint: BLAKE3 derives it in a mode of its own, so that it says nothing
/// about any other key made from the secret.
const CONTEXT: &str = "cloakroom 2026 key id v1";

/// The fingerprint of a secret. It stands in every segment and snapshot; printed as 32 hexadecimal
/// digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// The fingerprint of `secret`.
    #[must_use]
    pub fn of(secret: &[u8; 32]) -> Self {
        let derived = blake3::derive_key(CONTEXT, secret);
        Self(derived.first_chunk::<16>().copied().unwrap_or_default())
    }

    /// The fingerprint with these bytes, as they stand in a header.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes that stand in a header.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyId({self})")
    }
}

/// The text is no key file of version 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadKeyFile;

impl std::fmt::Display for BadKeyFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(
            "not a key file: it must be one line, `cloakroom key v1 blake3 ` and 64 of 0-9 a-f; \
             put back the file from where it was kept",
        )
    }
}

impl std::error::Error for BadKeyFile {}

/// Reads the secret from the text of a key file. The line feed at its end may be missing, nothing
/// else may differ.
///
/// # Errors
/// [`BadKeyFile`] when the text is anything else.
pub fn parse_key_file(text: &[u8]) -> Result<[u8; 32], BadKeyFile> {
    let digits = text.strip_prefix(PREFIX).ok_or(BadKeyFile)?;
    let digits = digits.strip_suffix(b"\n").unwrap_or(digits);
    if digits.len() != 64 {
        return Err(BadKeyFile);
    }
    let mut secret = [0u8; 32];
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair
            .iter()
            .try_fold(0u8, |value, digit| Some(value << 4 | nibble(*digit)?))
            .ok_or(BadKeyFile)?;
    }
    Ok(secret)
}

/// The text of the key file that holds `secret`.
#[must_use]
pub fn key_file_text(secret: &[u8; 32]) -> String {
    let mut text = String::from_utf8_lossy(PREFIX).into_owned();
    for byte in secret {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text.push('\n');
    text
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{BadKeyFile, KeyId, key_file_text, parse_key_file};

    fn secret() -> [u8; 32] {
        std::array::from_fn(|i| u8::try_from(i * 7 + 3).unwrap())
    }

    #[test]
    fn key_files_round_trip() {
        let text = key_file_text(&secret());
        assert_eq!(
            text,
            "cloakroom key v1 blake3 \
             030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc\n"
        );
        assert_eq!(parse_key_file(text.as_bytes()), Ok(secret()));
        assert_eq!(parse_key_file(text.trim_end().as_bytes()), Ok(secret()));
    }

    #[test]
    fn anything_but_the_one_spelling_is_refused() {
        let text = key_file_text(&secret());
        for length in 0..text.len() - 1 {
            assert_eq!(
                parse_key_file(&text.as_bytes()[..length]),
                Err(BadKeyFile),
                "{length} bytes"
            );
        }
        for other in [
            text.replace("v1", "v2"),
            text.to_uppercase(),
            text.replace("0a", "0A"),
            text.replace('\n', "\r\n"),
            text.replace('\n', "\n\n"),
            format!(" {text}"),
        ] {
            assert_eq!(parse_key_file(other.as_bytes()), Err(BadKeyFile), "{other}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_key_file_is_refused_or_changes_the_key_id() {
        let text = key_file_text(&secret());
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = parse_key_file(&flipped) {
                assert_ne!(KeyId::of(&found), KeyId::of(&secret()), "bit {bit}");
            }
        }
    }

    #[test]
    fn key_ids_are_printed_as_digits_and_stay_what_they_are() {
        let id = KeyId::of(&secret());
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(KeyId::from_bytes(id.bytes()), id);
        assert_eq!(format!("{id:?}"), format!("KeyId({id})"));
    }
}
