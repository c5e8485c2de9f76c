//! SPEC.md says what the code does: its tables, its numbers, its examples.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::fs;
use std::path::Path;

use cloakroom_protocol::{ErrorCode, Opcode, RequestFlags, limits};

fn specification() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("SPEC.md")).unwrap()
}

/// The rows of the table behind a heading, cell by cell, without the heading of the table.
fn table(text: &str, first_cell: &str) -> Vec<Vec<String>> {
    let start = text.find(&format!("\n| {first_cell} |")).unwrap();
    let cells = |line: &str| {
        let inner = line.trim_matches('|').split('|');
        inner.map(|cell| cell.trim().to_string()).collect()
    };
    let lines = text
        .split_at(start + 1)
        .1
        .lines()
        .take_while(|l| l.starts_with('|'));
    lines.skip(2).map(cells).collect()
}

#[test]
fn operations_and_their_flags_are_those_of_the_code() {
    let names = [
        ("APP", RequestFlags::APP),
        ("QUIET", RequestFlags::QUIET),
        ("VERSION", RequestFlags::VERSION),
        ("HANDLE", RequestFlags::HANDLE),
        ("DATA", RequestFlags::DATA),
        ("SHOW", RequestFlags::SHOW),
    ];
    let text = specification();
    let told: Vec<_> = table(&text, "op | name")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone(), row[3].clone()))
        .collect();
    let known = Opcode::ALL.map(|opcode| {
        let flags = names
            .iter()
            .filter(|(_, bit)| RequestFlags::known(opcode) & bit != 0);
        let flags: Vec<_> = flags.map(|(name, _)| format!("`{name}`")).collect();
        let number = format!("`{:#04x}`", opcode.number());
        (number, opcode.name().to_string(), flags.join(" "))
    });
    assert_eq!(told, known);
    for opcode in Opcode::ALL {
        let heading = format!("\n### {} {:#04x}\n", opcode.name(), opcode.number());
        assert!(text.contains(&heading), "no section{heading}");
    }
}

#[test]
fn errors_are_those_of_the_code() {
    let told: Vec<_> = table(&specification(), "status | name")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone(), row[2].clone()))
        .collect();
    let known: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| {
            let closes = if code.closes() { "yes" } else { "" };
            let number = format!("`{:#06x}`", code.number());
            (number, code.name().to_string(), closes.to_string())
        })
        .collect();
    assert_eq!(told, known);
}

/// A number with a comma between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[test]
fn bounds_are_those_of_the_code() {
    let text = specification();
    let grace = usize::try_from(limits::GRACE_MILLIS).unwrap();
    let sessions = usize::try_from(limits::LIST_SESSIONS).unwrap();
    for sentence in [
        format!(
            "at most {} bytes (1 MiB and 8 KiB)",
            grouped(limits::PAYLOAD_BYTES)
        ),
        format!(
            "at most {} bytes in requests before",
            grouped(limits::HELLO_PAYLOAD_BYTES)
        ),
        format!(
            "max_payload | `u32`: bytes of a payload, both directions ({})",
            grouped(limits::PAYLOAD_BYTES)
        ),
        format!("keys of one MGET ({})", limits::MGET_KEYS),
        format!("sessions of one page ({})", grouped(sessions)),
        format!("rotation's grace ({})", grouped(grace)),
        format!("ms, at most {} (`GRACE_TOO_LONG`)", grouped(grace)),
        format!("A **token** is 1 to {} bytes", limits::TOKEN_BYTES),
        format!("An **app** has 1 to {} bytes", limits::APP_BYTES),
        format!(
            "`u16`, at most {}; 0 for no user",
            grouped(limits::USER_BYTES)
        ),
        format!("`u16`, at most {}; 0 for no IP", grouped(limits::IP_BYTES)),
        format!(
            "length `u16` (at most {}), then bytes",
            limits::ACCESS_KEY_BYTES
        ),
        format!(
            "length `u8` (at most {}), then text",
            limits::PEER_NAME_BYTES
        ),
        format!("| `0x02` | PING | 0 to {} bytes", limits::PING_BYTES),
        format!(
            "a sentence for people, at most {} bytes",
            limits::MESSAGE_BYTES
        ),
        format!(
            "{} (2^48 - 1)",
            grouped(usize::try_from(limits::U48_MAX).unwrap())
        ),
    ] {
        assert!(
            text.contains(&sentence),
            "SPEC.md does not say `{sentence}`"
        );
    }
    assert_eq!(limits::DATA_BYTES, 1 << 20, "the text says 1 MiB");
}

/// The bytes of a vector as one text of hexadecimal digits.
fn vector(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut digits = None;
    for entry in fs::read_dir(folder).unwrap() {
        for line in fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let mut words = line.split_whitespace();
            match (words.next(), &mut digits) {
                (Some("name"), Some(digits)) => return std::mem::take(digits),
                (Some("name"), None) if words.next() == Some(name) => {
                    digits = Some(String::new());
                }
                (Some("hex"), Some(digits)) => digits.extend(words),
                (Some("fill"), Some(digits)) => {
                    let byte = words.next().unwrap();
                    let count = words.next().unwrap().parse().unwrap();
                    *digits += &byte.repeat(count);
                }
                _ => {}
            }
        }
    }
    digits.unwrap_or_else(|| panic!("no vector `{name}`"))
}

#[test]
fn examples_are_vectors() {
    let text = specification();
    let mut count = 0;
    for example in text.split("\n```hex ").skip(1) {
        let (name, rest) = example.split_once('\n').unwrap();
        let (block, _) = rest.split_once("```").unwrap();
        let digits: String = block
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(digits, vector(name), "{name}");
        count += 1;
    }
    assert!(count >= 9, "only {count} examples");
}

#[test]
fn lines_are_short_and_links_lead_somewhere() {
    let text = specification();
    for (number, line) in (1..).zip(text.lines()) {
        assert!(line.is_ascii(), "line {number} is not ASCII");
        assert!(
            line.len() <= 130 || line.starts_with('|'),
            "line {number} has {} bytes",
            line.len()
        );
    }
    for (number, line) in (1..).zip(text.lines().filter(|l| l.starts_with("## "))) {
        assert!(line.starts_with(&format!("## {number}. ")), "{line}");
        let anchor: String = line
            .split_at(3)
            .1
            .to_lowercase()
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == ' ')
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        assert!(
            text.contains(&format!("](#{anchor})")),
            "no link to {anchor}"
        );
    }
}
