//! Backups: of a running server and of a stopped one, restored to the same answers.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::client::Client;
use crate::home::{Home, client, files};

#[test]
fn backup_taken_while_serving_restores_to_the_same_answers() {
    let home = Home::new();
    let server = home.serve("d");
    let mut before = client(&server);
    let all: Vec<_> = (0..300).map(|user| before.create_all(user)).collect();
    let lists: Vec<_> = (0..300).map(|user| before.lists(user)).collect();
    let (data, backup, key) = (home.text("d"), home.text("b"), home.text("d/key"));
    let is_over = AtomicBool::new(false);
    let out = thread::scope(|scope| {
        let (address, is_over) = (server.address(), &is_over);
        let busy = scope.spawn(move || {
            let mut client = Client::connect(address);
            let mut sessions = 0;
            while !is_over.load(Ordering::Relaxed) {
                client.create_rest("busy", "u", Some(r#"{"a":1}"#));
                sessions += 1;
            }
            sessions
        });
        let out = home.done(&["backup", "--data", &data, &backup]);
        is_over.store(true, Ordering::Relaxed);
        assert!(busy.join().unwrap() > 0);
        out
    });
    assert!(out.contains("sessions backed up to"), "{out}");
    // What happens behind the backup is not in it.
    assert_eq!(before.json("DELETE", "/shop/killall", None)["kill"], 300);

    home.done(&["restore", &backup, "--data", &home.text("r"), "--key", &key]);
    let checked = home.done(&["check", "--data", &home.text("r")]);
    assert!(checked.ends_with("all in order\n"), "{checked}");
    let restored = home.serve("r");
    let mut after = client(&restored);
    for (user, (tokens, list)) in (0..).zip(all.iter().zip(&lists)) {
        assert_eq!(&after.lists(user), list);
        assert_eq!(tokens.served(&mut after), [true; 3]);
    }
    // It is a server like any other: its log goes on behind the backup.
    let fresh = after.create_all(1_000);
    restored.stop();
    let restored = home.serve("r");
    assert_eq!(fresh.served(&mut client(&restored)), [true; 3]);
    assert_eq!(all[0].served(&mut client(&restored)), [true; 3]);
}

#[test]
fn backup_of_a_stopped_server_holds_the_same_and_its_key_only_if_asked() {
    let home = Home::new();
    let server = home.serve("d");
    let tokens = client(&server).create_all(7);
    let lists = client(&server).lists(7);
    server.stop();
    let data = home.text("d");
    let out = home.done(&["backup", "--data", &data, &home.text("plain")]);
    assert!(out.starts_with("3 sessions backed up"), "{out}");
    home.done(&["backup", "--data", &data, &home.text("keyed"), "--with-key"]);
    let digits = fs::read_to_string(home.path("d/key")).unwrap();
    let digits = digits.trim_end().rsplit(' ').next().unwrap();
    let pairs = digits.as_bytes().chunks(2);
    let secret: Vec<u8> = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    for (name, holds) in [("plain", false), ("keyed", true)] {
        let bytes = fs::read(home.path(name)).unwrap();
        assert_eq!(bytes.windows(32).any(|w| w == secret), holds, "{name}");
    }
    home.done(&["restore", &home.text("keyed"), "--data", &home.text("r")]);
    let restored = home.serve("r");
    assert_eq!(client(&restored).lists(7), lists);
    assert_eq!(tokens.served(&mut client(&restored)), [true; 3]);
    // The key is where it belongs, and nowhere else.
    for path in files(&home.path("r")) {
        let bytes = fs::read(&path).unwrap_or_default();
        assert!(
            !bytes.windows(32).any(|w| w == secret),
            "{}",
            path.display()
        );
    }
}

#[test]
fn nothing_is_overwritten_by_a_backup_or_a_restore() {
    let home = Home::new();
    let server = home.serve("d");
    client(&server).create_all(7);
    let (data, backup) = (home.text("d"), home.text("b"));
    home.done(&["backup", "--data", &data, &backup, "--with-key"]);
    let first = fs::read(&backup).unwrap();
    for arguments in [
        ["backup", "--data", &data, &backup],
        ["export", "--data", &data, &backup],
    ] {
        let err = home.refused(2, &arguments);
        assert!(err.contains("exists, and is not overwritten"), "{err}");
    }
    assert_eq!(fs::read(&backup).unwrap(), first);
    server.stop();
    let before = files(&home.path("d"));
    let err = home.refused(2, &["restore", &backup, "--data", &data]);
    assert!(err.contains("is not empty"), "{err}");
    assert_eq!(files(&home.path("d")), before);
    assert_eq!(files(&home.path("")).len(), 2, "nothing is left half done");
}

#[test]
fn restore_wants_the_key_of_the_backup_and_a_backup_that_is_whole() {
    let home = Home::new();
    let server = home.serve("d");
    client(&server).create_all(7);
    server.stop();
    home.serve("other").stop();
    let (data, backup, new) = (home.text("d"), home.text("b"), home.text("r"));
    home.done(&["backup", "--data", &data, &backup]);
    let restore = ["restore", &backup, "--data", &new];
    let err = home.refused(2, &restore);
    assert!(
        err.contains("--key") && err.contains("fingerprint"),
        "{err}"
    );
    let other = home.text("other/key");
    let err = home.refused(2, &[&restore[..], &["--key", &other]].concat());
    assert!(err.contains("is another key"), "{err}");
    let key = home.text("d/key");
    let with_key = [&restore[..], &["--key", &key]].concat();
    let whole = fs::read(&backup).unwrap();
    let mut damaged = [
        whole[..whole.len() - 1].to_vec(),
        [&whole[..], b"x"].concat(),
        whole.clone(),
        whole.clone(),
        b"no backup".to_vec(),
    ];
    damaged[2][100] ^= 1;
    damaged[3][4096 + 50] ^= 1;
    for bytes in damaged {
        fs::write(&backup, bytes).unwrap();
        let err = home.refused(65, &with_key);
        assert!(err.contains("nothing was restored"), "{err}");
        assert!(!home.path("r").exists());
    }
    fs::write(&backup, whole).unwrap();
    let out = home.done(&with_key);
    assert!(out.starts_with("restored 3 sessions"), "{out}");
}

#[test]
fn commands_on_a_directory_without_sessions_make_nothing() {
    let home = Home::new();
    let nowhere = home.text("nowhere");
    fs::create_dir(home.path("empty")).unwrap();
    let empty = home.text("empty");
    for data in [&nowhere, &empty] {
        for command in ["backup", "export"] {
            let err = home.refused(2, &[command, "--data", data, &home.text("out")]);
            assert!(err.contains("there are no sessions here"), "{err}");
        }
    }
    assert!(!home.path("nowhere").exists() && !home.path("out").exists());
    assert!(!home.path("empty/key").exists());
}
