//! Numbers in the two canonical spellings: as JavaScript prints a double, and exact for integers.

/// How a dialect spells the numbers it stores: appends the canonical text of a validated number.
pub type WriteNumber = fn(raw: &[u8], out: &mut Vec<u8>);

/// So many digits are the same as an integer and as a double, so the text stays as it is.
const PLAIN_DIGITS: usize = 15;
/// More digits than any integer that is kept exactly.
const EXACT_DIGITS: usize = 20;

/// Appends a validated number as ECMAScript's `Number::toString` prints the nearest double. What
/// overflows to infinity becomes `null`, as `JSON.stringify` has it; `-0` becomes `0`.
pub fn write_javascript(raw: &[u8], out: &mut Vec<u8>) {
    if is_plain(raw) {
        out.extend_from_slice(raw);
    } else {
        write_double(raw, out);
    }
}

/// Appends a validated number: integers from -2^63 to 2^64-1 exactly, also when they are written
/// with a fraction or an exponent (`1.0`, `1e3`); others with the shortest digits that read back as
/// the same double, `1e21` as `1e+21`. What overflows to infinity becomes `null`.
pub fn write_exact(raw: &[u8], out: &mut Vec<u8>) {
    if is_plain(raw) {
        out.extend_from_slice(raw);
    } else if let Some(integer) = exact_integer(raw) {
        out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    } else {
        write_double(raw, out);
    }
}

/// A short integer that needs no work; `-0` is not among them.
fn is_plain(raw: &[u8]) -> bool {
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    digits.len() <= PLAIN_DIGITS
        && !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit)
        && raw != b"-0"
}

fn write_double(raw: &[u8], out: &mut Vec<u8>) {
    let double = std::str::from_utf8(raw)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|double| double.is_finite());
    match double {
        Some(double) => {
            out.extend_from_slice(ryu_js::Buffer::new().format_finite(double).as_bytes());
        }
        None => out.extend_from_slice(b"null"),
    }
}

/// The value of a number that is an integer from -2^63 to 2^64-1, however it is written.
fn exact_integer(raw: &[u8]) -> Option<i128> {
    let magnitude = raw.strip_prefix(b"-").unwrap_or(raw);
    let mut parts = magnitude.splitn(2, |b| matches!(b, b'e' | b'E'));
    let mantissa = parts.next()?;
    let exponent = match parts.next() {
        Some(text) => std::str::from_utf8(text).ok()?.parse::<i64>().ok()?,
        None => 0,
    };
    let mut halves = mantissa.splitn(2, |b| *b == b'.');
    let (whole, fraction) = (halves.next()?, halves.next().unwrap_or_default());

    let mut value = 0i128;
    let mut length = 0usize;
    // Zeros are held back: at the end of a mantissa they are only a power of ten.
    let mut zeros = 0usize;
    for digit in whole.iter().chain(fraction) {
        if *digit == b'0' {
            zeros += usize::from(length > 0);
            continue;
        }
        length += zeros + 1;
        if length > EXACT_DIGITS {
            return None;
        }
        value = scale(value, zeros + 1)? + i128::from(digit.checked_sub(b'0')?);
        zeros = 0;
    }
    let power = exponent
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(i64::try_from(zeros).ok()?)?;
    if value != 0 {
        value = scale(value, usize::try_from(power).ok()?)?;
    }
    let value = if raw.len() > magnitude.len() {
        -value
    } else {
        value
    };
    (i128::from(i64::MIN)..=i128::from(u64::MAX))
        .contains(&value)
        .then_some(value)
}

fn scale(value: i128, power: usize) -> Option<i128> {
    value.checked_mul(10i128.checked_pow(u32::try_from(power).ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::{write_exact, write_javascript};

    fn javascript(raw: &str) -> String {
        let mut out = Vec::new();
        write_javascript(raw.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn exact(raw: &str) -> String {
        let mut out = Vec::new();
        write_exact(raw.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn javascript_spelling_is_that_of_the_nearest_double() {
        for (raw, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("100000000000000000000", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1e-7", "1e-7"),
            ("0.000001", "0.000001"),
            ("-1.50", "-1.5"),
            ("123456789012345", "123456789012345"),
            ("9007199254740993", "9007199254740992"),
            ("123456789012345678901234567890", "1.2345678901234568e+29"),
            ("1e400", "null"),
            ("-1e400", "null"),
            ("1e-400", "0"),
            ("5e-324", "5e-324"),
            ("1e99999999999999999999", "null"),
            ("0e99999999999999999999", "0"),
        ] {
            assert_eq!(javascript(raw), expected, "{raw}");
        }
    }

    #[test]
    fn integers_of_64_bits_stay_exact_however_they_are_written() {
        for (raw, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0e5", "0"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("-12.50e1", "-125"),
            ("1200e-2", "12"),
            ("1000000000000000000000e-21", "1"),
            ("9007199254740993", "9007199254740993"),
            ("9007199254740993.0", "9007199254740993"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
            ("1844674407370955161.5e1", "18446744073709551615"),
            ("1e19", "10000000000000000000"),
            ("0.00000000000000000000000000000000000000005e41", "5"),
        ] {
            assert_eq!(exact(raw), expected, "{raw}");
        }
    }

    #[test]
    fn numbers_that_are_no_64_bit_integers_are_doubles() {
        for (raw, expected) in [
            ("18446744073709551616", "18446744073709552000"),
            ("-9223372036854775809", "-9223372036854776000"),
            ("1e21", "1e+21"),
            ("3.141592653589793", "3.141592653589793"),
            ("1e-7", "1e-7"),
            ("0.1", "0.1"),
            ("1e400", "null"),
            ("1e9223372036854775807", "null"),
            ("0.1e-9223372036854775808", "0"),
            ("1e-99999999999999999999", "0"),
            ("1.00000000000000000000000000000001", "1"),
        ] {
            assert_eq!(exact(raw), expected, "{raw}");
        }
        assert_eq!(exact(&format!("1{}", "0".repeat(100_000))), "null");
        assert_eq!(exact(&format!("0.{}1", "0".repeat(100_000))), "0");
    }
}
