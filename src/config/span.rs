//! Spans of time as people write them.

use std::time::Duration;

/// The time that `90s`, `30m`, `8h` or `2d` means. At least a second; a bare number has no unit and
/// is refused.
///
/// # Errors
/// A sentence when it is no span of time.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a span of time; write it as 90s, 30m, 8h or 2d");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_not_a_number| wrong())?;
    let seconds: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    // Ten years in any unit are far from where durations end.
    let seconds = number
        .checked_mul(seconds)
        .filter(|seconds| (1..=315_360_000).contains(seconds))
        .ok_or_else(|| format!("`{text}` is not between a second and ten years"))?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_span;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("1s", 1),
            ("90 s", 90),
            ("30m", 1_800),
            ("8h", 28_800),
            ("2D", 172_800),
        ] {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "", "8", "h", "0s", "1.5h", "-1h", "5 moons", "99999d", "1h30m",
        ] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
