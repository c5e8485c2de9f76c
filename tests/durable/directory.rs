//! The data directory: whose it is, and what belongs into it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use crate::commanded::{PING, ask, refusal};
use crate::home::{Home, client, files, kill_nine, only_file};

#[test]
fn second_process_on_a_directory_ends_with_73_and_the_first_goes_on() {
    let home = Home::new();
    let server = home.serve("d");
    let data = home.text("d");
    let serve = ["serve", "--http", "127.0.0.1:0", "--data", &data];
    for arguments in [&serve[..], &["check", "--data", &data]] {
        let err = home.refused(73, arguments);
        assert!(
            err.contains(&data) && err.contains("another process"),
            "{err}"
        );
    }
    assert!(ask(server.address(), PING).ends_with("PONG"));
    kill_nine(server);
    // Nothing has to be cleared away behind a killed server.
    let server = home.serve("d");
    assert!(ask(server.address(), PING).ends_with("PONG"));
}

#[test]
fn bad_listener_is_refused_before_anything_is_written() {
    let home = Home::new();
    let data = home.text("d");
    let err = refusal(&["serve", "--http", "0.0.0.0:0", "--data", &data], &[]);
    assert!(err.contains("allow=CIDR"), "{err}");
    assert!(!home.path("d/key").exists());
}

#[test]
fn directory_and_all_its_files_are_the_owners_alone() {
    let home = Home::new();
    fs::create_dir(home.path("d")).unwrap();
    fs::set_permissions(home.path("d"), fs::Permissions::from_mode(0o755)).unwrap();
    let server = home.serve("d");
    client(&server).create_all(1);
    home.done(&["backup", "--data", &home.text("d"), &home.text("b")]);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.path("d")), 0o700);
    assert_eq!(mode(&home.path("b")), 0o600);
    let found = files(&home.path("d"));
    // The spare segment may not be there yet.
    assert!(found.len() >= 4, "{found:?}");
    for path in found {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let socket = home.path("d/admin.sock");
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    server.stop();
    assert!(!socket.exists());
}

#[test]
fn tokens_are_on_disk_only_as_hashes_or_sealed() {
    let home = Home::new();
    let server = home.serve("d");
    let tokens = client(&server).create_all(1);
    home.done(&["backup", "--data", &home.text("d"), &home.text("b")]);
    server.stop();
    let mut all = files(&home.path("d"));
    all.push(home.path("b"));
    let bytes: Vec<u8> = all
        .iter()
        .flat_map(|path| fs::read(path).unwrap())
        .collect();
    let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds("phone"), "data are there as they are");
    for token in [&tokens.rest, &tokens.tarantool, &tokens.back] {
        assert!(!holds(token.split_at(16).0), "{token}");
    }
}

#[test]
fn lost_key_is_told_and_another_key_is_refused_with_65() {
    let home = Home::new();
    let server = home.serve("d");
    let token = client(&server).create_rest("shop", "u", None);
    server.stop();
    let data = home.text("d");
    let serve = ["serve", "--http", "127.0.0.1:0", "--data", &data];
    let key = fs::read(home.path("d/key")).unwrap();
    fs::remove_file(home.path("d/key")).unwrap();
    let err = home.refused(65, &serve);
    assert!(err.contains("the file `key` is missing"), "{err}");
    assert!(!home.path("d/key").exists(), "no other key is made");
    home.serve("other").stop();
    fs::copy(home.path("other/key"), home.path("d/key")).unwrap();
    let err = home.refused(65, &serve);
    assert!(err.contains("written under the key"), "{err}");
    fs::write(home.path("d/key"), "secret\n").unwrap();
    assert!(home.refused(65, &serve).contains("not a key file"));
    fs::write(home.path("d/key"), key).unwrap();
    let server = home.serve("d");
    let session = client(&server).json("GET", &format!("/shop/get/{token}"), None);
    assert_eq!(session["id"], "u");
}

#[test]
fn socket_of_a_directory_with_a_long_path_is_reached() {
    let home = Home::new();
    let name = format!("{}/{}", "x".repeat(100), "y".repeat(100));
    let server = home.serve(&name);
    client(&server).create_all(1);
    let out = home.done(&["backup", "--data", &home.text(&name), &home.text("b")]);
    assert!(out.starts_with("3 sessions backed up"), "{out}");
    server.stop();
    only_file(&home.path(&name), "key");
}
