//! The judge judged: planted differences have to be found, and what a rule lets vary has to pass.

use super::compare::{Comparer, Leniency};
use super::placeholder::fresh;
use super::transcript::{Scenario, read};
use super::wire::Answer;

const NOW: i128 = 1_795_000_000;
const STRICT: Leniency<'static> = Leniency {
    ignored_fields: &["allow"],
    status_only: false,
};

fn step(body: &str, volatile: &str) -> Vec<Scenario> {
    let body = serde_json::to_string(body).unwrap();
    let line = format!(
        r#"{{"scenario":"s","step":1,"request":{{"method":"GET","target":"/","headers":[]}},
        "response":{{"status":200,"headers":[["Content-Type","application/json; charset=utf-8"],
        ["Location","/x"],["Allow","GET"],["Cache-Control","no-store"]],"body":{body}}},
        "volatile":{volatile}}}"#
    );
    read(&line.replace('\n', ""))
}

fn answer(body: &str) -> Answer {
    let field = |name: &str, value: &str| (name.to_string(), value.to_string());
    Answer {
        status: 200,
        fields: vec![
            field("content-type", "Application/JSON;charset=utf-8"),
            field("Location", "/x"),
            field("Cache-Control", "no-store"),
            field("Date", "whenever"),
        ],
        bytes: body.as_bytes().to_vec(),
    }
}

fn judged(body: &str, volatile: &str, answer: &Answer, leniency: &Leniency<'_>) -> Vec<String> {
    let scenarios = step(body, volatile);
    let step = &scenarios[0].steps[0];
    let values = fresh(1);
    let comparer = Comparer {
        rules: step.rules.iter().collect(),
        values: &values,
        now: NOW,
    };
    comparer.mismatches(&step.responses[0], answer, leniency)
}

fn count(body: &str, volatile: &str, got: &str) -> usize {
    judged(body, volatile, &answer(got), &STRICT).len()
}

#[test]
fn equal_answers_pass() {
    for (body, got) in [
        ("", ""),
        ("text", "text"),
        (
            r#"{"a":1,"b":[1,"x",null]}"#,
            r#" {"b":[1.0,"\u0078",null],"a":1e0}"#,
        ),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
    ] {
        assert_eq!(count(body, "[]", got), 0, "{body} {got}");
    }
}

#[test]
fn different_bodies_are_found() {
    for (body, got) in [
        ("", "x"),
        ("text", "Text"),
        ("{}", "[]"),
        (r#"{"a":1}"#, r#"{"a":2}"#),
        (r#"{"a":1}"#, r#"{"a":"1"}"#),
        (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
        (r#"{"a":1,"b":1}"#, r#"{"a":1}"#),
        (r#"{"a":null}"#, r#"{"a":false}"#),
        (r#"{"a":{"b":[{"c":"d"}]}}"#, r#"{"a":{"b":[{"c":"e"}]}}"#),
        ("[1,2]", "[2,1]"),
        ("[1,2]", "[1,2,3]"),
        (r#""\ud83d""#, "\"\u{fffd}\""),
        ("9007199254740993", "9007199254740992"),
        (r#"{"a":1}"#, r#"{"a":1}x"#),
    ] {
        assert_ne!(count(body, "[]", got), 0, "{body} {got}");
    }
}

#[test]
fn different_statuses_and_fields_are_found() {
    let status = Answer {
        status: 201,
        ..answer("{}")
    };
    assert_eq!(judged("{}", "[]", &status, &STRICT).len(), 1);
    let lenient = Leniency {
        status_only: true,
        ..STRICT
    };
    assert_eq!(judged("{}", "[]", &status, &lenient).len(), 1);
    assert_eq!(judged("{}", "[]", &answer("other"), &lenient).len(), 0);
    for name in ["content-type", "Location", "Cache-Control"] {
        let mut missing = answer("{}");
        missing.fields.retain(|(n, _)| n != name);
        assert_eq!(judged("{}", "[]", &missing, &STRICT).len(), 1, "{name}");
        let mut other = answer("{}");
        for (n, value) in &mut other.fields {
            if n == name {
                value.push('x');
            }
        }
        assert_eq!(judged("{}", "[]", &other, &STRICT).len(), 1, "{name}");
        let ignored = name.to_ascii_lowercase();
        let lenient = Leniency {
            ignored_fields: &["allow", &ignored],
            status_only: false,
        };
        assert_eq!(judged("{}", "[]", &other, &lenient).len(), 0, "{name}");
    }
    let allow = Leniency {
        ignored_fields: &[],
        status_only: false,
    };
    assert_eq!(judged("{}", "[]", &answer("{}"), &allow).len(), 1);
}

#[test]
fn bytes_outside_utf8_are_found() {
    let mut broken = answer("");
    broken.bytes = b"\"\xff\"".to_vec();
    assert_eq!(
        judged("\"x\"", "[]", &broken, &STRICT),
        ["body is not UTF-8"]
    );
}

#[test]
fn rules_let_vary_what_they_name_and_nothing_else() {
    let now = NOW.to_string();
    let late = (NOW + 6).to_string();
    for (body, rule, good, bad) in [
        ("1", r#"{"path":[],"type":"int","min":1,"max":3}"#, "3", "4"),
        ("1", r#"{"path":[],"type":"int"}"#, "-7", "1.5"),
        ("1", r#"{"path":[],"type":"int","min":1}"#, "9", "\"2\""),
        (
            "1",
            r#"{"path":[],"type":"now","tol":5}"#,
            now.as_str(),
            late.as_str(),
        ),
        (
            "\"a\"",
            r#"{"path":[],"type":"regex","pattern":"a|b+"}"#,
            "\"bb\"",
            "\"ab\"",
        ),
        (
            "\"a\"",
            r#"{"path":[],"type":"regex","pattern":"\\d"}"#,
            "\"1\"",
            "1",
        ),
        (
            "1",
            r#"{"path":[],"type":"oneof","values":[1,"x"]}"#,
            "\"x\"",
            "\"1\"",
        ),
        (
            r#"{"a":1,"b":1}"#,
            r#"{"path":["a"],"type":"any"}"#,
            r#"{"a":[],"b":1}"#,
            r#"{"a":1,"b":2}"#,
        ),
        (
            r#"{"a":{"n":1}}"#,
            r#"{"path":["*","n"],"type":"any"}"#,
            r#"{"a":{"n":2}}"#,
            r#"{"a":2}"#,
        ),
        ("[1,2]", r#"{"path":[1],"type":"any"}"#, "[1,9]", "[9,2]"),
        (
            "[1,2,2]",
            r#"{"path":[],"type":"unordered"}"#,
            "[2,1,2]",
            "[1,1,2]",
        ),
        (
            r#"{"a":1}"#,
            r#"{"path":[],"type":"sorted-keys"}"#,
            r#"{"a":1}"#,
            r#"{"b":1}"#,
        ),
        ("x", r#"{"body":"prefix","value":"ab"}"#, "abc", "a"),
        ("x", r#"{"body":"regex","pattern":"a.c"}"#, "a\nc", "a\ncd"),
    ] {
        let rules = format!("[{rule}]");
        assert_eq!(count(body, &rules, good), 0, "{rule} {good}");
        assert_ne!(count(body, &rules, bad), 0, "{rule} {bad}");
    }
    assert_eq!(count("x", r#"[{"body":"any"}]"#, "y"), 0);
}

#[test]
fn rules_for_fields_let_vary_what_they_name() {
    let any = r#"[{"header":"Location","type":"any"}]"#;
    let mut moved = answer("");
    moved.fields.retain(|(name, _)| name != "Location");
    assert_eq!(judged("", any, &moved, &STRICT).len(), 1);
    moved
        .fields
        .push(("Location".to_string(), "/y".to_string()));
    assert_eq!(judged("", any, &moved, &STRICT).len(), 0);
    let like = r#"[{"header":"Location","type":"regex","pattern":"/[a-c]"}]"#;
    assert_eq!(judged("", like, &moved, &STRICT).len(), 1);
}

#[test]
fn elements_in_any_order_are_matched_one_to_one_even_where_the_first_choice_is_wrong() {
    // The wanted first element fits both, the second only the first of what came.
    let rules = r#"[{"path":[],"type":"unordered"},{"path":[0,"n"],"type":"any"}]"#;
    let body = r#"[{"n":1},{"n":2}]"#;
    assert_eq!(count(body, rules, r#"[{"n":2},{"n":7}]"#), 0);
    assert_eq!(count(body, rules, r#"[{"n":7},{"n":2}]"#), 0);
    assert_eq!(count(body, rules, r#"[{"n":7},{"n":7}]"#), 1);
}
