//! Times as the command line writes them.

use std::time::Duration;

/// Units of time and their nanoseconds. Longer names first, so that `ms` is not read as `s`.
const UNITS: [(&str, f64); 5] = [("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("", 1e9)];

/// A time as `10s`, `500ms`, `250us`, `2m`, `1.5s`, or plain seconds.
///
/// # Errors
/// A sentence that says how to write it.
pub(in crate::bench) fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("{unit:?} is no unit of time: use us, ms, s or m"));
    };
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: Option<f64> = digits.parse().ok().filter(|_| is_plain);
    number
        .and_then(|number| Duration::try_from_secs_f64(number * nanos / 1e9).ok())
        .ok_or_else(|| "write a time as 10s, 500ms, 250us or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_time;

    #[test]
    fn times_are_read_with_and_without_unit() {
        for (text, micros) in [
            ("10", 10_000_000),
            ("10s", 10_000_000),
            ("5ms", 5_000),
            ("250us", 250),
            ("1.5s", 1_500_000),
            ("2m", 120_000_000),
        ] {
            assert_eq!(parse_time(text), Ok(Duration::from_micros(micros)));
        }
        for text in [
            "",
            "s",
            "1h",
            "-1s",
            "1.2.3s",
            "infs",
            "1e3",
            "99999999999999999999m",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
