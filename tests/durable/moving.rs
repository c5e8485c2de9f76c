//! Export and import: sessions moved from one server to another, line by line.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt;

use cloakroom::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::home::{Home, client};

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn export_and_import_move_all_sessions_and_a_second_import_changes_nothing() {
    let home = Home::new();
    let server = home.serve("d");
    let mut before = client(&server);
    let all: Vec<_> = (0..50).map(|user| before.create_all(user)).collect();
    for tokens in &all[..10] {
        tokens.served(&mut before);
    }
    let lists: Vec<_> = (0..50).map(|user| before.lists(user)).collect();
    let (data, file) = (home.text("d"), home.text("out.ndjson"));
    let online = home.done(&["export", "--data", &data]);
    home.done(&["export", "--data", &data, &file]);
    assert_eq!(lines(&fs::read_to_string(&file).unwrap()), lines(&online));
    assert_eq!(lines(&online).len(), 150);
    server.stop();
    let offline = home.done(&["export", "--data", &data]);
    assert_eq!(lines(&offline), lines(&online));

    // With its key the other server knows all of them by the same tokens.
    let new = home.text("n");
    let mut owners = fs::DirBuilder::new();
    owners.mode(0o700).create(home.path("n")).unwrap();
    fs::copy(home.path("d/key"), home.path("n/key")).unwrap();
    let out = home.done(&["import", &file, "--data", &new]);
    assert!(out.starts_with("150 sessions imported, 0 lived"), "{out}");
    let server = home.serve("n");
    let out = home.done(&["import", &file, "--data", &new]);
    assert!(
        out.starts_with("0 sessions imported, 150 lived here already"),
        "{out}"
    );
    assert_eq!(
        lines(&home.done(&["export", "--data", &new])),
        lines(&online)
    );
    let mut after = client(&server);
    for (user, (tokens, list)) in (0..).zip(all.iter().zip(&lists)) {
        assert_eq!(&after.lists(user), list);
        assert_eq!(tokens.served(&mut after), [true; 3]);
    }
}

#[test]
fn server_with_another_key_takes_the_sessions_whose_tokens_are_listed() {
    let home = Home::new();
    let server = home.serve("d");
    let tokens = client(&server).create_all(7);
    let file = home.text("out.ndjson");
    home.done(&["export", "--data", &home.text("d"), &file]);
    server.stop();
    let server = home.serve("n");
    let import = ["import", &file, "--data", &home.text("n")];
    let err = home.refused(65, &import);
    assert!(err.contains("made under another key"), "{err}");
    let skip = [&import[..], &["--on-error", "skip"]].concat();
    let (code, out, err) = home.run(&skip);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("1 bad lines"), "{out}");
    assert!(
        err.contains("line ") && err.contains("made under another key"),
        "{err}"
    );
    assert_eq!(tokens.served(&mut client(&server)), [false, true, true]);
}

#[test]
fn bad_line_stops_an_import_or_is_skipped_and_both_tell_its_number() {
    let home = Home::new();
    let file = home.text("in.ndjson");
    let token = |n: u32| format!("{n:064}");
    let good = |n: u32| json!({"app":"shop","token":token(n),"user":"u","ttl":60}).to_string();
    let text = [
        good(1),
        String::new(),
        r#"{"app":"shop"}"#.to_owned(),
        good(2),
        r#"{"app":"no app","token":"t"}"#.to_owned(),
        format!(
            "{}{}",
            r#"{"app":"shop","token":"t","x":""#,
            "y".repeat(9 << 20)
        ),
        json!({"app":"shop","token":"dead","last":1_000_000_000,"ttl":60}).to_string(),
        good(3),
    ]
    .join("\n");
    fs::write(&file, text).unwrap();
    // Without a server, then with one: the same.
    let assert_imports = |data: &str| {
        let err = home.refused(65, &["import", &file, "--data", data]);
        assert!(
            err.contains("line 3: a `token` or a `tag` is missing"),
            "{err}"
        );
        let skip = ["import", &file, "--data", data, "--on-error", "skip"];
        let (code, out, err) = home.run(&skip);
        assert_eq!(code, 0, "{err}");
        let expected = "2 sessions imported, 1 lived here already, 1 had expired, 3 bad lines\n";
        assert_eq!(out, expected);
        for line in ["line 3: ", "line 5: ", "line 6: "] {
            assert!(err.contains(line), "{err}");
        }
    };
    assert_imports(&home.text("a"));
    let server = home.serve("b");
    assert_imports(&home.text("b"));
    let mut client = client(&server);
    for n in 1..=3 {
        let session = client.json("GET", &format!("/shop/get/{}", token(n)), None);
        assert_eq!((&session["id"], &session["r"]), (&json!("u"), &json!(1)));
    }
}

#[test]
fn imported_session_lives_as_its_line_says_also_after_kill_nine() {
    let home = Home::new();
    let file = home.text("in.ndjson");
    let now = SystemClock::start().now().seconds();
    let token = "A".repeat(64);
    let line = json!({
        "app":"shop", "token":token, "user":"u", "ip":"::1", "created":now - 100, "last":now - 50,
        "ttl":3600, "whole_seconds":true, "r":5, "w":9, "data":{"a":1.50,"b":["\u{1f600}"]}
    });
    fs::write(&file, line.to_string()).unwrap();
    let server = home.serve("d");
    home.done(&["import", &file, "--data", &home.text("d")]);
    crate::home::kill_nine(server);
    let server = home.serve("d");
    let session = client(&server).json("GET", &format!("/shop/get/{token}"), None);
    let expected: Value = json!({"a":1.5,"b":["\u{1f600}"]});
    assert_eq!(session["d"], expected);
    assert_eq!((&session["r"], &session["w"]), (&json!(5), &json!(9)));
    assert_eq!(
        (&session["ttl"], &session["ip"]),
        (&json!(3600), &json!("::1"))
    );
    assert!(session["idle"].as_u64().unwrap() >= 50);
}
