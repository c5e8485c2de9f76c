//! Tokens that the load tester chooses itself, for servers that leave it to the client.

use crate::bench::random::Random;
use crate::bench::target::ChosenToken;
use crate::bench::target::template::USER_DIGITS;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ab";

/// Letters made from one random number.
const LETTERS: usize = 10;

/// The token of the session of this user: its number, then characters that look like chance and are
/// the same every time.
pub(super) fn token(user: u64) -> ChosenToken {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(user).as_bytes();
    let zeros = USER_DIGITS.saturating_sub(digits.len());
    let mut random = Random::new(user, 0);
    let mut bits = 0;
    std::array::from_fn(|place| {
        if place < zeros {
            return b'0';
        }
        if place < USER_DIGITS {
            return digits.get(place - zeros).copied().unwrap_or(b'0');
        }
        if (place - USER_DIGITS).is_multiple_of(LETTERS) {
            bits = random.next();
        }
        let letter = usize::try_from(bits % 64).unwrap_or(0);
        bits >>= 6;
        ALPHABET.get(letter).copied().unwrap_or(b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn tokens_begin_with_the_user_and_differ_behind_it() {
        let (first, other) = (token(7), token(8));
        assert_eq!(&first[..12], b"000000000007");
        assert_ne!(first[12..], other[12..]);
        assert_eq!(first, token(7));
        let plain = u8::is_ascii_alphanumeric;
        assert!(first.iter().all(plain));
    }
}
