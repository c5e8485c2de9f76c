//! User ids: any text that Lua takes for a number, rounded down, from 0 to 2^64 - 1.

use crate::net::tarantool::parameters::Parameter;

/// First whole number that does not fit 64 bits.
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// A user id as a caller may write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum UserId {
    /// A whole number that can be stored.
    Id(u64),
    /// A number of 2^64 or more: no session can have it.
    TooLarge,
}

/// The user id that a parameter gives.
pub(super) fn of_parameter(parameter: &Parameter<'_>) -> Option<UserId> {
    match parameter {
        Parameter::Text(text) => parse(text),
        Parameter::Number(number) => parse(number),
        Parameter::Missing | Parameter::False | Parameter::Unusable => None,
    }
}

/// Reads a user id; `None` for what is no number, is negative after rounding down, or is not
/// finite.
///
/// Numbers are doubles, so ids above 2^53 are rounded to the nearest double.
fn parse(text: &[u8]) -> Option<UserId> {
    let value = lua_number(text)?.floor();
    if !value.is_finite() || value < 0.0 {
        return None;
    }
    if value >= TWO_TO_64 {
        return Some(UserId::TooLarge);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 2^64 - 1, checked above"
    )]
    let id = value as u64;
    Some(UserId::Id(id))
}

/// The number syntax of LuaJIT's `tonumber`, without its spellings of infinity and not-a-number:
/// blanks around, a sign, then decimal, `0x` hexadecimal (with fraction and `p` exponent) or `0b`
/// binary.
fn lua_number(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match trim(text) {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let magnitude = match digits {
        [b'0', b'x' | b'X', hex @ ..] => hexadecimal(hex),
        [b'0', b'b' | b'B', bits @ ..] => binary(bits),
        decimal_digits => decimal(decimal_digits),
    }?;
    Some(if negative { -magnitude } else { magnitude })
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b'\t'..=b'\r' | b' ');
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |i| i + 1);
    text.get(start..end).unwrap_or_default()
}

fn decimal(text: &[u8]) -> Option<f64> {
    let (mantissa, _) = split_exponent(text, b'e')?;
    split_point(mantissa, u8::is_ascii_digit)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn hexadecimal(text: &[u8]) -> Option<f64> {
    let (mantissa, exponent) = split_exponent(text, b'p')?;
    let (whole, fraction) = split_point(mantissa, u8::is_ascii_hexdigit)?;
    let (mut bits, mut scale) = (0u64, 0i32);
    for (digit, weight) in whole
        .iter()
        .map(|d| (d, 0))
        .chain(fraction.iter().map(|d| (d, -4)))
    {
        let value = u64::from(char::from(*digit).to_digit(16)?);
        if bits >> 60 == 0 {
            bits = bits << 4 | value;
            scale = scale.saturating_add(weight);
        } else {
            // Digits beyond the 64 bits only decide how the last kept bit is rounded.
            bits |= u64::from(value != 0);
            scale = scale.saturating_add(weight + 4);
        }
    }
    Some(scaled(bits, scale.saturating_add(exponent)))
}

/// `bits * 2^scale`, in two steps so that neither factor leaves the range of a double early.
fn scaled(bits: u64, scale: i32) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let scale = scale.clamp(-2_200, 2_200);
    let half = scale / 2;
    bits as f64 * 2f64.powi(half) * 2f64.powi(scale - half)
}

fn binary(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return None;
    }
    text.iter()
        .try_fold(0u64, |bits, digit| match digit {
            b'0' | b'1' if bits >> 63 == 0 => Some(bits << 1 | u64::from(digit & 1)),
            _ => None,
        })
        .map(|bits| bits as f64)
}

/// Cuts `text` at its exponent `marker`, in either case, and reads the exponent: 0 when there is
/// none; what is beyond 32 bits stops at their edge.
fn split_exponent(text: &[u8], marker: u8) -> Option<(&[u8], i32)> {
    let Some(at) = text.iter().position(|b| b.eq_ignore_ascii_case(&marker)) else {
        return Some((text, 0));
    };
    let (mantissa, exponent) = text.split_at_checked(at)?;
    let (negative, digits) = match exponent {
        [_, b'-', digits @ ..] => (true, digits),
        [_, b'+', digits @ ..] | [_, digits @ ..] => (false, digits),
        [] => return None,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0i32, |size, digit| {
        size.saturating_mul(10)
            .saturating_add(i32::from(digit - b'0'))
    });
    Some((mantissa, if negative { -size } else { size }))
}

/// Cuts a mantissa at its point; `None` unless it has a digit and nothing but digits and at most
/// one point.
fn split_point(mantissa: &[u8], is_digit: fn(&u8) -> bool) -> Option<(&[u8], &[u8])> {
    let at = mantissa.iter().position(|b| *b == b'.');
    let (whole, fraction) = match at {
        Some(at) => (mantissa.get(..at)?, mantissa.get(at + 1..)?),
        None => (mantissa, &[][..]),
    };
    let digits_only = whole.iter().chain(fraction).all(is_digit);
    let any = !whole.is_empty() || !fraction.is_empty();
    (any && digits_only).then_some((whole, fraction))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{UserId, parse};

    fn id(text: &str) -> Option<u64> {
        match parse(text.as_bytes()) {
            Some(UserId::Id(id)) => Some(id),
            Some(UserId::TooLarge) | None => None,
        }
    }

    #[test]
    fn lua_numbers_are_floored() {
        for (text, expected) in [
            ("0", 0),
            ("00012", 12),
            ("1.5", 1),
            ("1.999999", 1),
            ("1e3", 1000),
            ("1E3", 1000),
            ("1e+3", 1000),
            ("15e-1", 1),
            ("0x10", 16),
            ("0X1f", 31),
            ("0x1p4", 16),
            ("0x1P+4", 16),
            ("0x.8p1", 1),
            ("0x1.8", 1),
            ("0x10p-4", 1),
            ("0b11", 3),
            ("0B0", 0),
            (" 5 ", 5),
            ("\t5", 5),
            ("5\n", 5),
            ("\u{b}5\u{c}\r", 5),
            ("+5", 5),
            (" +5", 5),
            ("-0", 0),
            ("-0.0", 0),
            ("-0x0", 0),
            ("0.5", 0),
            (".5", 0),
            ("5.", 5),
            ("5.e1", 50),
            ("0e99999999999", 0),
            ("1e-99999999999", 0),
            ("-1e-99999999999", 0),
        ] {
            assert_eq!(id(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn ids_above_two_to_the_53_are_doubles() {
        for (text, expected) in [
            ("99999999999999", 99_999_999_999_999),
            ("9007199254740991", 9_007_199_254_740_991),
            ("9007199254740993", 9_007_199_254_740_992),
            ("9223372036854775807", 9_223_372_036_854_775_808),
            ("18446744073709549568", 18_446_744_073_709_549_568),
            ("1e19", 10_000_000_000_000_000_000),
            ("0xfffffffffffff800", 18_446_744_073_709_549_568),
            ("0x20000000000001", 9_007_199_254_740_992),
            ("0x20000000000001000000000000p-48", 9_007_199_254_740_992),
            ("0x20000000000001000000000001p-48", 9_007_199_254_740_994),
        ] {
            assert_eq!(id(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn numbers_of_two_to_the_64_or_more_are_too_large() {
        for text in [
            "18446744073709551615",
            "18446744073709551616",
            "1e20",
            "1e308",
            "0x1p64",
            "0xffffffffffffffff",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(UserId::TooLarge), "{text:?}");
        }
    }

    #[test]
    fn other_texts_and_negative_or_endless_numbers_are_refused() {
        for text in [
            "", " ", "-1", "-0.5", "-1e3", "1e309", "-1e309", "inf", "-inf", "nan", "-nan",
            "infinity", "0x", "0b", "0b2", "0b1.1", "0b1e1", "0b1p1", "1_000", "1,5", "5ULL", "5i",
            "1e", "1e+", "0x1p", "1p4", "1\0", "\0", "\u{ff15}", "abc", "12abc", "null", "true",
            "{}", ".", "-", "+", "+ 5", "--5", "1..2", "1.2.3", "0x1.2.3", "1 2", "0x-1", "0x 1",
            "00x10", "1e5.5", "0xg",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        let too_many_bits = format!("0b1{}", "0".repeat(64));
        assert_eq!(parse(too_many_bits.as_bytes()), None);
        let leading_zeros = format!("0b{}1", "0".repeat(64));
        assert_eq!(id(&leading_zeros), Some(1));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _: Option<UserId> = parse(&text);
        }

        #[test]
        fn no_number_like_text_panics(text in "[-+]?0?[xXbB]?[0-9a-fA-F.eEpP+-]{0,30}") {
            let _: Option<UserId> = parse(text.as_bytes());
        }

        #[test]
        fn whole_numbers_below_two_to_the_53_are_kept(number in 0..=(1u64 << 53)) {
            assert_eq!(parse(number.to_string().as_bytes()), Some(UserId::Id(number)));
            assert_eq!(parse(format!("{number:#x}").as_bytes()), Some(UserId::Id(number)));
            assert_eq!(parse(format!("{number:#b}").as_bytes()), Some(UserId::Id(number)));
        }
    }
}
