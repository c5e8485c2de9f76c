//! Damage on disk: never served. A torn tail is set aside and told, anything else ends the start.

use std::fs;
use std::path::Path;

use crate::home::{Home, client, files, kill_nine, only_file, until};

/// Bytes of the header page of a segment.
const PAGE: usize = 4096;

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Where the last byte stands that is not zero.
fn written(path: &Path) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes.iter().rposition(|b| *b != 0).unwrap()
}

#[test]
fn damaged_block_ends_the_start_with_65_and_names_file_and_offset() {
    let home = Home::new();
    let server = home.serve("d");
    client(&server).create_all(1);
    server.stop();
    let data = home.text("d");
    let segment = only_file(&home.path("d"), ".log");
    let good = fs::read(&segment).unwrap();
    flip(&segment, PAGE + 60);
    let serve = ["serve", "--http", "127.0.0.1:0", "--data", &data];
    for arguments in [
        &serve[..],
        &["export", "--data", &data],
        &["backup", "--data", &data, &home.text("b")],
        &["import", "/dev/null", "--data", &data],
    ] {
        let err = home.refused(65, arguments);
        assert!(err.contains("segment-0000000000000001.log"), "{err}");
        assert!(err.contains("4096"), "{err}");
        assert!(err.contains("restore a backup"), "{err}");
    }
    assert!(!home.path("b").exists());
    let (code, out, err) = home.run(&["check", "--data", &data]);
    assert_eq!(code, 65, "{err}");
    let line = out.lines().find(|line| line.contains("CORRUPT")).unwrap();
    assert!(line.starts_with("segment-0000000000000001.log"), "{line}");
    assert!(line.contains("4096"), "{line}");
    fs::write(&segment, good).unwrap();
    let out = home.done(&["check", "--data", &data]);
    assert!(out.ends_with("all in order\n"), "{out}");
    let server = home.serve("d");
    assert_eq!(
        client(&server).json("GET", "/user?id=1", None)["status"],
        "success"
    );
}

#[test]
fn torn_tail_is_set_aside_and_everything_before_it_served() {
    let home = Home::new();
    let server = home.serve("d");
    let tokens = client(&server).create_all(1);
    kill_nine(server);
    let segment = only_file(&home.path("d"), ".log");
    // The beginning of a block whose end never came.
    let mut bytes = fs::read(&segment).unwrap();
    let end = written(&segment).next_multiple_of(8);
    bytes[end..end + 200].fill(0xa5);
    fs::write(&segment, bytes).unwrap();
    let out = home.done(&["check", "--data", &home.text("d")]);
    assert!(out.contains("torn tail"), "{out}");
    let server = home.serve("d");
    assert_eq!(tokens.served(&mut client(&server)), [true; 3]);
    let (_, log) = server.stop();
    assert!(log.contains("set aside"), "{log}");
    let torn = only_file(&home.path("d"), ".torn");
    assert!(fs::read(torn).unwrap().contains(&0xa5));
}

#[test]
fn damaged_snapshot_is_refused_and_the_older_generation_can_be_gone_on_from() {
    let home = Home::new();
    let server = home.serve_with("d", &["--snapshot-log-size", "1"]);
    let tokens = client(&server).create_all(1);
    let is_snapshot = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "snap");
    until("a snapshot is there", || {
        files(&home.path("d")).iter().any(is_snapshot)
    });
    server.stop();
    let snapshot = files(&home.path("d"))
        .into_iter()
        .rfind(|path| path.extension().is_some_and(|e| e == "snap"))
        .unwrap();
    flip(&snapshot, PAGE + 40);
    let data = home.text("d");
    let err = home.refused(65, &["serve", "--http", "127.0.0.1:0", "--data", &data]);
    let name = snapshot.file_name().unwrap().to_str().unwrap();
    assert!(err.contains(name) && err.contains("4096"), "{err}");
    assert!(
        err.contains("move this file aside and start again"),
        "{err}"
    );
    fs::rename(&snapshot, home.path("aside")).unwrap();
    let server = home.serve("d");
    assert_eq!(tokens.served(&mut client(&server)), [true; 3]);
}
