//! The JSON module against its twin: what serde_json accepts is accepted, and what is rewritten
//! means the same to it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloakroom::model::json::merge::{MemberOrder, Patch, merge};
use cloakroom::model::json::scan::{Bounds, Value as Scanned, parse, parse_first};
use cloakroom::model::json::{canonical, number, string};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value, from_slice};

const WIDE: Bounds = Bounds {
    depth: 128,
    values: usize::MAX,
};

fn canonical(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    canonical::write(parse(text, &WIDE).unwrap(), number::write_exact, &mut out);
    out
}

/// JSON-like text: pieces that are often, but not always, in their right place.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => proptest::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "{\"a\":", "\"b\":", "[1,", "true", "false",
            "null", "nul", " ", "\t", "\n", "\r", "\u{c}", "0", "-0", "-", "1", "12", "01", ".5",
            "1.5", "1.", "e", "1e5", "1E+5", "1e-", "\"\"", "\"x\"", "\"\\n\"", "\"\\u00e9\"",
            "\"\\ud83d\"", "\"\\ud83d\\ude00\"", "\\u12", "/", "\u{7f}", "\u{e9}", "\u{feff}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Any JSON value whose numbers both sides keep exactly.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter_map("finite", Number::from_f64)
            .prop_map(Value::Number),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            proptest::collection::vec((key(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-c0-2]{0,2}", 1 => any::<String>()]
}

/// Members in order, keys repeated, as one object's text and as pairs.
fn members() -> impl Strategy<Value = Vec<(String, Value)>> {
    proptest::collection::vec((key(), json()), 0..40)
}

fn object_text(members: &[(String, Value)]) -> Vec<u8> {
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!(" {} :\t{value} ", Value::from(key.as_str())))
        .collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// Integers that are written as doubles count as integers, as both sides read them.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            ours == theirs || ours.as_f64() == theirs.as_f64()
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|((a, x), (b, y))| a == b && same(x, y))
        }
        (ours, theirs) => ours == theirs,
    }
}

/// The merge rule over pairs, as simply as it can be said.
fn merged(stored: &[(String, Value)], patch: &[(String, Value)]) -> Vec<(String, Value)> {
    let mut result = stored.to_vec();
    for (key, value) in patch {
        let place = result.iter().position(|(k, _)| k == key);
        match (place, value.is_null()) {
            (Some(place), true) => drop(result.remove(place)),
            (Some(place), false) => result.get_mut(place).unwrap().1 = value.clone(),
            (None, true) => {}
            (None, false) => result.push((key.clone(), value.clone())),
        }
    }
    result
}

/// Every key once: the last value at the first place.
fn distinct(members: &[(String, Value)]) -> Vec<(String, Value)> {
    let mut result: Vec<(String, Value)> = Vec::new();
    for (key, value) in members {
        match result.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value.clone(),
            None => result.push((key.clone(), value.clone())),
        }
    }
    result
}

fn javascript_order(mut members: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let index = |key: &str| {
        key.parse::<u32>()
            .ok()
            .filter(|n| *n < u32::MAX && n.to_string() == key)
    };
    members.sort_by_key(|(key, _)| index(key).map_or(u64::MAX, u64::from));
    members
}

fn pairs(text: &[u8]) -> Vec<(String, Value)> {
    if text.is_empty() {
        return Vec::new();
    }
    let object: Scanned<'_> = parse(text, &WIDE).unwrap();
    object
        .members()
        .map(|(key, value)| {
            (
                string::decode(key).into_owned(),
                from_slice(value.text()).unwrap(),
            )
        })
        .collect()
}

fn same_pairs(ours: &[(String, Value)], theirs: &[(String, Value)]) -> bool {
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|((a, x), (b, y))| a == b && same(x, y))
}

proptest! {
    #![proptest_config(Config { cases: 1024, failure_persistence: None, ..Config::default() })]

    #[test]
    fn what_the_twin_accepts_is_accepted_and_nothing_else(text in nearly_json()) {
        let theirs = from_slice::<&RawValue>(&text).map(RawValue::get);
        match (parse(&text, &WIDE), theirs) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours.text(), theirs.as_bytes()),
            (ours, theirs) => assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?}"),
        }
    }

    #[test]
    fn cut_text_never_panics_and_a_first_value_is_a_value(
        text in json(), cut in any::<proptest::sample::Index>()
    ) {
        let text = text.to_string();
        let at = cut.index(text.len());
        if let Ok((value, end)) = parse_first(&text.as_bytes()[..at], &WIDE) {
            assert_eq!(parse(value.text(), &WIDE).unwrap().text(), value.text());
            assert!(end <= at);
        }
    }

    #[test]
    fn canonical_copy_means_the_same_and_is_its_own_copy(value in json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let copy = canonical(text.as_bytes());
            assert!(same(&from_slice(&copy).unwrap(), &value), "{text}");
            assert_eq!(canonical(&copy), copy);
        }
    }

    #[test]
    fn repeated_keys_leave_the_last_value_at_the_first_place(members in members()) {
        let copy = canonical(&object_text(&members));
        assert!(same_pairs(&pairs(&copy), &distinct(&members)));
    }

    #[test]
    fn escaped_text_is_decoded_and_spelled_canonically(text in any::<String>()) {
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        let literal = format!("\"{escaped}\"");
        assert_eq!(string::decode(literal.as_bytes()), text);
        let (mut from_escapes, mut from_text) = (Vec::new(), Vec::new());
        string::write_canonical(literal.as_bytes(), &mut from_escapes);
        string::write_text(&text, &mut from_text);
        assert_eq!(&from_escapes, &from_text);
        assert_eq!(from_slice::<String>(&from_text).unwrap(), text);
    }

    #[test]
    fn merge_is_the_simple_rule_in_both_orders(stored in members(), patch in members()) {
        let stored = canonical(&object_text(&merged(&[], &distinct(&stored))));
        let stored = if stored == b"{}" { Vec::new() } else { stored };
        let patch_text = canonical(&object_text(&patch));
        let ready = Patch::new(&patch_text).unwrap();
        let expected = merged(&pairs(&stored), &distinct(&patch));
        let mut out = Vec::new();
        merge(&stored, &ready, MemberOrder::Insertion, &mut out).unwrap();
        assert!(same_pairs(&pairs(&out), &expected));
        assert_ne!(&out, b"{}");
        merge(&stored, &ready, MemberOrder::JavaScript, &mut out).unwrap();
        assert!(same_pairs(&pairs(&out), &javascript_order(expected)));
    }

    #[test]
    fn numbers_mean_the_same_in_both_spellings(
        sign in "-?", whole in "0|[1-9][0-9]{0,24}", fraction in "(\\.[0-9]{1,24})?",
        exponent in "([eE][+-]?[0-9]{1,3})?"
    ) {
        let raw = format!("{sign}{whole}{fraction}{exponent}");
        let double: f64 = raw.parse().unwrap();
        let (mut exact, mut javascript) = (Vec::new(), Vec::new());
        number::write_exact(raw.as_bytes(), &mut exact);
        number::write_javascript(raw.as_bytes(), &mut javascript);
        for written in [&exact, &javascript] {
            let text = std::str::from_utf8(written).unwrap();
            assert!(parse(written, &WIDE).is_ok(), "{raw} -> {text}");
            match double.is_finite() {
                true => assert_eq!(text.parse::<f64>().unwrap(), double, "{raw} -> {text}"),
                false => assert_eq!(text, "null", "{raw}"),
            }
        }
    }
}

#[test]
fn objects_of_the_twin_keep_every_member_of_a_large_merge() {
    let object = |from: u32, to: u32, value: u32| {
        let members: Map<String, Value> = (from..to)
            .map(|n| (format!("key{n}"), Value::from(value)))
            .collect();
        canonical(Value::Object(members).to_string().as_bytes())
    };
    let (stored, patch) = (object(0, 3000, 1), object(2000, 5000, 2));
    let mut out = Vec::new();
    let ready = Patch::new(&patch).unwrap();
    merge(&stored, &ready, MemberOrder::Insertion, &mut out).unwrap();
    let merged: Map<String, Value> = from_slice(&out).unwrap();
    assert_eq!(merged.len(), 5000);
    assert_eq!(merged["key1999"], 1);
    assert_eq!(merged["key2000"], 2);
}
