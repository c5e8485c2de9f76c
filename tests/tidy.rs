//! What the compiler cannot hold: who imports whom, how long files are, what documents must name.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Lines that a file may have.
const LINES: usize = 500;

/// Rooms that everybody may import.
const LEAVES: [&str; 3] = ["clock", "limits", "config"];

/// Which other rooms a room may import, besides [`LEAVES`]. A room that is not here may not exist.
const IMPORTS: &[(&str, &[&str])] = &[
    ("main", &["bench", "commands", "server"]),
    ("lib", &[]),
    ("commands", &["engine", "log", "model", "server"]),
    ("server", &["engine", "log", "model", "net"]),
    ("net", &["engine", "model"]),
    ("engine", &["log", "model", "store"]),
    ("store", &["model"]),
    ("log", &["model"]),
    ("model", &[]),
    ("bench", &["model"]),
    ("clock", &["model"]),
    ("config", &["model"]),
    ("limits", &[]),
];

/// Where a library or a part of the standard library may be named: rooms, or single files.
const CONFINED: &[(&str, &[&str])] = &[
    (r"\btokio(_util)?\b", &["net", "server", "bench", "main"]),
    // Settings, the log's disk, the sockets that are files, and what the system tells of itself.
    (
        r"\bstd::fs\b|\bstd::\{[^}]*\bfs\b",
        &[
            "commands",
            "config",
            "main",
            "server",
            "log/disk.rs",
            "net/listener.rs",
            "bench/machine.rs",
            "bench/process.rs",
        ],
    ),
];

/// What a source may not hold: marks of unfinished work and paths of somebody's machine.
const FORBIDDEN: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
];

/// The room of a file of `src`: its top-level folder or, for a file at the top, its stem.
fn room_of(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

fn offences_in_any(path: &str, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if !text.starts_with("//! ") {
        out.push(format!(
            "{path}: line 1 does not say with `//!` what the file is for"
        ));
    }
    let lines = text.lines().count();
    if lines > LINES {
        out.push(format!("{path}: {lines} lines, more than {LINES}"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if !line.is_ascii() {
            out.push(format!("{path}:{number}: not ASCII; use an escape"));
        }
        for word in FORBIDDEN {
            if line.contains(word) {
                out.push(format!(
                    "{path}:{number}: `{word}` has no place in a source"
                ));
            }
        }
    }
    out
}

/// `path` is relative to `src`.
fn offences_in_source(path: &str, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let room = room_of(path);
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == room) else {
        return vec![format!(
            "{path}: the room `{room}` is not in the table of tests/tidy.rs"
        )];
    };
    let named = Regex::new(r"\b(crate|cloakroom|super)::(\w+|\{|\*)").unwrap();
    let confined: Vec<_> = CONFINED
        .iter()
        .map(|(p, places)| (Regex::new(p).unwrap(), places))
        .collect();
    for (number, line) in (1..).zip(code_of(text).lines()) {
        for found in named.captures_iter(line) {
            let (from, to) = (&found[1], &found[2]);
            let is_room = IMPORTS.iter().any(|(name, _)| *name == to);
            let fits = match (from, to) {
                ("super", "super") => false,
                ("super", _) => !is_room,
                (_, "{" | "*") => false,
                (_, to) => to == room || allowed.contains(&to) || LEAVES.contains(&to) || !is_room,
            };
            if !fits {
                out.push(format!(
                    "{path}:{number}: `{room}` may not name `{}`",
                    &found[0]
                ));
            }
        }
        for (pattern, places) in &confined {
            let is_place = |place: &&str| **place == *room || **place == *path;
            if !places.iter().any(is_place) && pattern.is_match(line) {
                out.push(format!(
                    "{path}:{number}: `{pattern}` belongs to {places:?}"
                ));
            }
        }
    }
    out
}

/// A source with its comments and the insides of its literals blanked out.
fn code_of(text: &str) -> String {
    let literal = r###"(?s)//[^\n]*|/\*.*?\*/|r"[^"]*"|r#".*?"#|r##".*?"##|"(?:\\.|[^"\\])*"|'(?:\\'|\\[^\n']+|[^\\'\n])'"###;
    let blank = |found: &regex::Captures<'_>| -> String {
        found[0].chars().filter(|c| *c == '\n').collect()
    };
    Regex::new(literal)
        .unwrap()
        .replace_all(text, blank)
        .into_owned()
}

/// The `rust-version` and `version` of a manifest.
fn versions_of(manifest: &str) -> (String, String) {
    let value = |name: &str| {
        let line = Regex::new(&format!("(?m)^{name} = \"([^\"]+)\"")).unwrap();
        line.captures(manifest).unwrap()[1].to_string()
    };
    (value("rust-version"), value("version"))
}

fn offences_in_readme(readme: &str, manifest: &str) -> Vec<String> {
    let (rust, version) = versions_of(manifest);
    let mut out = Vec::new();
    for (what, pattern, expected) in [
        ("Rust", r"\bRust (\d+\.\d+)", rust),
        ("cloakroom", r"\bcloakroom (\d+\.\d+\.\d+)", version),
    ] {
        let pattern = Regex::new(pattern).unwrap();
        let named: Vec<&str> = pattern
            .captures_iter(readme)
            .map(|c| c.get(1).unwrap().as_str())
            .collect();
        if named.is_empty() || named.iter().any(|n| *n != expected) {
            out.push(format!(
                "README.md names {what} {named:?}, Cargo.toml has {expected}"
            ));
        }
    }
    out
}

/// `entries` are the folders and files at the top of `src`.
fn offences_in_map(map: &str, entries: &[String]) -> Vec<String> {
    let is_named = |entry: &&String| {
        let stem = entry.strip_suffix(".rs").unwrap_or(entry);
        let pattern = format!(r"(`|\bsrc/){}(/|\.rs|`|\b)", regex::escape(stem));
        !Regex::new(&pattern).unwrap().is_match(map)
    };
    let unnamed = entries.iter().filter(is_named);
    unnamed
        .map(|entry| format!("ARCHITECTURE.md does not name src/{entry}"))
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every `.rs` file below a folder of the repository, by its path from there, with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let top = root().join(folder);
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(&top).unwrap().to_str().unwrap();
                found.push((name.to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn every_source_is_short_ascii_finished_and_says_what_it_is_for() {
    let mut offences = Vec::new();
    for folder in ["src", "tests", "benches", "protocol", "clients"] {
        let sources = sources(folder);
        if sources.is_empty() {
            offences.push(format!("{folder}: there is no source"));
        }
        for (path, text) in sources {
            offences.extend(offences_in_any(&format!("{folder}/{path}"), &text));
        }
    }
    assert_none(&offences);
}

#[test]
fn rooms_import_only_what_they_may() {
    let sources = sources("src");
    assert!(sources.len() > 20, "the walk has missed files");
    let offences = sources
        .iter()
        .flat_map(|(path, text)| offences_in_source(path, text));
    assert_none(&offences.collect::<Vec<_>>());
}

#[test]
fn readme_names_the_versions_of_the_manifest() {
    assert_none(&offences_in_readme(&read("README.md"), &read("Cargo.toml")));
}

#[test]
fn map_names_every_room() {
    let entries = fs::read_dir(root().join("src")).unwrap();
    let mut entries: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    entries.sort();
    assert_none(&offences_in_map(&read("ARCHITECTURE.md"), &entries));
}

#[test]
fn planted_offences_in_any_source_are_found() {
    let long = format!("//! A file.\n{}", "x\n".repeat(LINES));
    for (text, count) in [
        ("//! A file.\nfn main() {}\n", 0),
        (&long, 1),
        (long.trim_end_matches("x\n"), 0),
        ("// A file.\n", 1),
        ("\n//! A file.\n", 1),
        ("", 1),
        ("//! A file.\nlet c = \"\u{e9}\";\n", 1),
        (&format!("//! A file.\n// {}: later\n", FORBIDDEN[0]), 1),
        (&format!("//! A file.\n// {}\n", FORBIDDEN[1]), 1),
        (&format!("//! A file.\nlet p = \"{}x\";\n", FORBIDDEN[3]), 1),
    ] {
        let found = offences_in_any("f.rs", text);
        assert_eq!(found.len(), count, "{text:.60} {found:?}");
    }
}

#[test]
fn planted_imports_across_rooms_are_found() {
    for (path, code, count) in [
        ("net/http/a.rs", "use crate::engine::Engine;", 0),
        ("net/http/a.rs", "use crate::net::http::b;", 0),
        ("net/http/a.rs", "use crate::store::Store;", 1),
        ("net/http/a.rs", "let x = crate::server::run();", 1),
        ("net/a.rs", "use crate::{engine, model};", 1),
        ("net/a.rs", "use crate::*;", 1),
        ("net/mod.rs", "use super::store::Store;", 1),
        ("net/http/a.rs", "use super::super::x;", 1),
        ("net/http/a.rs", "use super::body::Body;", 0),
        (
            "net/a.rs",
            "// crate::store is not ours\nlet s = \"crate::store\"; /* crate::store */",
            0,
        ),
        (
            "net/a.rs",
            "let c = '\"'; use crate::store::A; let d = '\"';",
            1,
        ),
        ("net/a.rs", "let c = r#\"a\" crate::store\"#;", 0),
        ("engine/a.rs", "use crate::store::Store;", 0),
        ("engine/a.rs", "use crate::net::http::dialect::Dialect;", 1),
        (
            "store/a.rs",
            "use crate::model::Tag; use crate::clock::Millis; use crate::limits;",
            0,
        ),
        ("store/a.rs", "use crate::log::Log;", 1),
        ("log/a.rs", "use crate::store::Store;", 1),
        ("model/a.rs", "use crate::engine::Key;", 1),
        ("bench/a.rs", "use crate::engine::Engine;", 1),
        ("limits.rs", "use crate::model::Tag;", 1),
        ("main.rs", "use cloakroom::server; use cloakroom::bench;", 0),
        ("main.rs", "use cloakroom::store;", 1),
        ("cupboard/a.rs", "", 1),
        ("net/a.rs", "use tokio::net::TcpListener;", 0),
        ("engine/a.rs", "use tokio::sync::Mutex;", 1),
        ("store/a.rs", "use tokio_util::sync::X;", 1),
        ("server/a.rs", "use std::fs;", 0),
        ("store/a.rs", "use std::fs::File;", 1),
        ("net/a.rs", "use std::{fs, io};", 1),
        ("log/disk.rs", "use std::fs::File;", 0),
        ("log/record.rs", "use std::fs::File;", 1),
    ] {
        let found = offences_in_source(path, code);
        assert_eq!(found.len(), count, "{path}: {code} {found:?}");
    }
}

#[test]
fn planted_offences_in_documents_are_found() {
    let manifest = "version = \"0.1.0\"\nrust-version = \"1.95\"\n";
    for (readme, count) in [
        ("cloakroom 0.1.0 needs Rust 1.95 or newer.", 0),
        ("cloakroom 0.1.0 needs Rust 1.94.", 1),
        ("cloakroom 0.2.0 needs Rust 1.95.", 1),
        ("cloakroom needs Rust.", 2),
    ] {
        assert_eq!(
            offences_in_readme(readme, manifest).len(),
            count,
            "{readme}"
        );
    }
    let entries = ["net".to_string(), "clock.rs".to_string()];
    for (map, count) in [
        ("`net` serves, `clock` reads.", 0),
        ("src/net/ serves, src/clock.rs reads.", 0),
        ("`network` serves, `clock.rs` reads.", 1),
        ("net serves and clock reads.", 2),
    ] {
        assert_eq!(offences_in_map(map, &entries).len(), count, "{map}");
    }
}
