//! Placeholders: `{{name}}` and `{{name|filter}}` in what is sent and expected.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::transcript::Environment;

static PLACE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{([A-Za-z0-9_]+)(?:\|([a-z]+))?\}\}").unwrap());

/// Fills in the values that are known; other placeholders stay as they are.
pub(crate) fn fill(text: &str, values: &Environment) -> String {
    let one = |place: &Captures<'_>| match values.get(&place[1]) {
        None => place[0].to_string(),
        Some(value) => match place.get(2).map(|filter| filter.as_str()) {
            None => value.clone(),
            Some("pct") => escaped(value, |_| false),
            Some("q") => escaped(value, |b| {
                b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~')
            }),
            Some("flip") => flipped(value),
            Some("upper") => value.to_uppercase(),
            Some(other) => panic!("unknown filter {other}"),
        },
    };
    PLACE.replace_all(text, one).into_owned()
}

fn escaped(value: &str, is_plain: fn(u8) -> bool) -> String {
    let byte = |b: u8| {
        if is_plain(b) {
            char::from(b).to_string()
        } else {
            format!("%{b:02X}")
        }
    };
    value.bytes().map(byte).collect()
}

/// The value with its last letter but one changed: the same shape, another value.
fn flipped(value: &str) -> String {
    let mut letters: Vec<char> = value.chars().collect();
    let place = letters.len() - 2;
    letters[place] = if letters[place] == 'A' { 'B' } else { 'A' };
    letters.into_iter().collect()
}

/// The values that every scenario starts with: different for each scenario, the same in each run.
pub(crate) fn fresh(scenario: u64) -> Environment {
    // An 'e' among the digits could make a number of the text.
    const LETTERS: [char; 35] = [
        'a', 'b', 'c', 'd', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's',
        't', 'u', 'v', 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
    ];
    let mut state = scenario.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut draw = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let run = (0..8).map(|_| LETTERS[draw(35) as usize]).collect();
    Environment::from([
        ("prefix".to_string(), String::new()),
        ("run".to_string(), run),
        (
            "num".to_string(),
            (100_000_000 + draw(900_000_000)).to_string(),
        ),
        ("num4".to_string(), (1_000 + draw(9_000)).to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::{Environment, fill, fresh};

    #[test]
    fn known_placeholders_are_filled_in_and_filtered() {
        let values = Environment::from([("s".to_string(), "aB=~".to_string())]);
        for (text, filled) in [
            ("x{{s}}y{{s}}", "xaB=~yaB=~"),
            ("{{s|q}}", "aB%3D~"),
            ("{{s|pct}}", "%61%42%3D%7E"),
            ("{{s|flip}}", "aBA~"),
            ("{{s|upper}}", "AB=~"),
            ("{{auto}} {{t|q}} {s}", "{{auto}} {{t|q}} {s}"),
        ] {
            assert_eq!(fill(text, &values), filled, "{text}");
        }
    }

    #[test]
    fn every_scenario_has_its_own_values() {
        let (one, other) = (fresh(1), fresh(2));
        assert_ne!(one["run"], other["run"]);
        assert_ne!(one["num"], other["num"]);
        assert_eq!(
            (one["run"].len(), one["num"].len(), one["num4"].len()),
            (8, 9, 4)
        );
        assert_eq!(one, fresh(1));
    }
}
