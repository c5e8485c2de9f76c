//! Any two texts, merged where both are objects: the result is canonical, in order, and no member
//! is lost or invented.

#![no_main]

use cloakroom::model::json::merge::{MemberOrder, Patch, merge};
use cloakroom::model::json::scan::{Bounds, Kind, members_of, parse, parse_first};
use cloakroom::model::json::{canonical, number, string};
use libfuzzer_sys::fuzz_target;

fn canonical(text: &[u8]) -> Option<Vec<u8>> {
    let value = parse(text, &Bounds::default()).ok()?;
    let mut copy = Vec::new();
    canonical::write(value, number::write_exact, &mut copy);
    let again = parse(&copy, &Bounds::default()).expect("a canonical copy is JSON");
    let overflowed = value.kind() == Kind::Number && again.kind() == Kind::Null;
    assert!(again.kind() == value.kind() || overflowed);
    let mut twice = Vec::new();
    canonical::write(again, number::write_exact, &mut twice);
    assert_eq!(copy, twice, "a canonical copy is its own copy");
    serde_json::from_slice::<&serde_json::value::RawValue>(&copy).expect("the twin reads it");
    (again.kind() == Kind::Object).then_some(copy)
}

fn keys(object: &[u8]) -> Vec<&[u8]> {
    members_of(object).map(|(key, _)| key).collect()
}

fuzz_target!(|data: &[u8]| {
    if let Ok((_, end)) = parse_first(data, &Bounds::default()) {
        assert!(end <= data.len());
    }
    for key in members_of(data).map(|(key, _)| key) {
        drop(string::decode(key));
    }
    let mut halves = data.splitn(2, |b| *b == b'\n');
    let (Some(first), Some(second)) = (halves.next(), halves.next()) else {
        return;
    };
    let (Some(first), Some(patch)) = (canonical(first), canonical(second)) else {
        return;
    };
    let mut stored = Vec::new();
    let all = Patch::new(&first).expect("canonical objects are patches");
    merge(&[], &all, MemberOrder::Insertion, &mut stored).expect("few members");
    let ready = Patch::new(&patch).expect("canonical objects are patches");
    for order in [MemberOrder::Insertion, MemberOrder::JavaScript] {
        let mut merged = Vec::new();
        merge(&stored, &ready, order, &mut merged).expect("few members");
        let mut expected: Vec<&[u8]> = keys(&stored);
        for (key, value) in members_of(&patch) {
            expected.retain(|k| *k != key);
            if value.kind() != Kind::Null {
                expected.push(key);
            }
        }
        let mut found = keys(&merged);
        assert_eq!(found.is_empty(), merged.is_empty());
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        if !merged.is_empty() {
            assert_eq!(canonical(&merged).as_deref(), Some(merged.as_slice()));
        }
    }
});
