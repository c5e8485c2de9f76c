//! Every golden frame of `vectors/`, both ways: its bytes decode to its fields, and its fields
//! encode to its bytes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod file;
mod replies;
mod requests;

use cloakroom_protocol::{
    Call, Cut, DecodeError, ErrorCode, Frame, Header, NOTICE, Opcode, Reply, cut, limits,
};
use file::{Vector, vectors};

const KINDS: [&str; 7] = [
    "request",
    "reply",
    "reply-grown",
    "refused-request",
    "refused-reply",
    "partial",
    "oversize",
];

fn of_kind(kind: &str) -> Vec<Vector> {
    let found: Vec<_> = vectors().into_iter().filter(|v| v.kind == kind).collect();
    assert!(!found.is_empty(), "no vector of kind {kind}");
    found
}

fn whole(vector: &Vector) -> Frame<'_> {
    match cut(&vector.bytes, limits::PAYLOAD_BYTES) {
        Ok(Cut::Frame(frame)) => {
            assert_eq!(frame.bytes(), vector.bytes.len(), "{}", vector.name);
            frame
        }
        other => panic!("{}: {other:?}", vector.name),
    }
}

#[test]
fn requests_decode_to_their_fields_and_encode_to_their_bytes() {
    for vector in of_kind("request") {
        let frame = whole(&vector);
        let call = Call::decode(&frame).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        let fields = requests::describe(&frame, &call);
        assert_eq!(fields, vector.fields, "{}", vector.name);
        let bytes = requests::construct(&vector.fields);
        assert_eq!(bytes, vector.bytes, "{}", vector.name);
    }
}

#[test]
fn replies_decode_to_their_fields_and_encode_to_their_bytes() {
    for vector in of_kind("reply") {
        let reply = Reply::decode(&whole(&vector));
        let reply = reply.unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        let fields = replies::describe(&reply);
        assert_eq!(fields, vector.fields, "{}", vector.name);
        let bytes = replies::construct(&vector.fields);
        assert_eq!(bytes, vector.bytes, "{}", vector.name);
    }
}

#[test]
fn replies_that_have_grown_decode_to_what_is_known_of_them() {
    for vector in of_kind("reply-grown") {
        let reply = Reply::decode(&whole(&vector));
        let reply = reply.unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        let fields = replies::describe(&reply);
        assert_eq!(fields, vector.fields, "{}", vector.name);
        let bytes = replies::construct(&vector.fields);
        assert_ne!(bytes, vector.bytes, "{}", vector.name);
    }
}

#[test]
fn bad_requests_are_refused_with_their_error() {
    for vector in of_kind("refused-request") {
        let error = Call::decode(&whole(&vector)).expect_err(&vector.name);
        let expected = vector.fields.get("error").word();
        assert_eq!(error.code().name(), expected, "{}: {error}", vector.name);
    }
}

#[test]
fn broken_replies_are_refused() {
    for vector in of_kind("refused-reply") {
        let reply = Reply::decode(&whole(&vector));
        assert!(reply.is_err(), "{}: {reply:?}", vector.name);
    }
}

#[test]
fn parts_of_frames_tell_what_is_missing() {
    for vector in of_kind("partial") {
        let missing = usize::try_from(vector.fields.get("missing").number()).unwrap();
        let found = cut(&vector.bytes, limits::PAYLOAD_BYTES);
        assert_eq!(found, Ok(Cut::Partial { missing }), "{}", vector.name);
    }
}

#[test]
fn oversize_frames_are_refused_by_their_header() {
    for vector in of_kind("oversize") {
        assert_eq!(vector.bytes.len(), Header::BYTES, "{}", vector.name);
        let limit = usize::try_from(vector.fields.get("limit").number()).unwrap();
        let found = cut(&vector.bytes, limit);
        let is_refused = matches!(found, Err(DecodeError::FrameTooLarge { .. }));
        assert!(is_refused, "{}: {found:?}", vector.name);
    }
}

#[test]
fn vectors_are_named_once_explained_and_of_a_known_kind() {
    let mut names: Vec<String> = Vec::new();
    for vector in vectors() {
        assert!(KINDS.contains(&vector.kind.as_str()), "{}", vector.name);
        assert!(!vector.means.is_empty(), "{}", vector.name);
        assert!(!names.contains(&vector.name), "{} twice", vector.name);
        names.push(vector.name);
    }
}

#[test]
fn every_operation_and_every_error_has_a_vector() {
    let (requests, replies) = (of_kind("request"), of_kind("reply"));
    let has = |vectors: &[Vector], opcode: Opcode| {
        let name = opcode.name();
        let of_op = |v: &&Vector| matches!(v.fields.get("op"), file::Value::Word(w) if w == name);
        let succeeds = |v: &Vector| v.fields.find("status").is_none();
        vectors.iter().filter(of_op).any(succeeds)
    };
    for opcode in Opcode::ALL {
        assert!(has(&requests, opcode), "no request {}", opcode.name());
        assert!(has(&replies, opcode), "no reply {}", opcode.name());
    }
    for code in ErrorCode::ALL {
        let number = u64::from(code.number());
        let status = |v: &Vector| v.fields.find("status").map(file::Value::number);
        let found = replies.iter().any(|v| status(v) == Some(number));
        assert!(found, "no reply with {}", code.name());
    }
}

#[test]
fn flags_of_error_replies_are_those_of_their_errors() {
    for vector in of_kind("reply") {
        let Some(status) = vector.fields.find("status") else {
            continue;
        };
        let status = u16::try_from(status.number()).unwrap();
        let Some(code) = ErrorCode::from_number(status) else {
            continue;
        };
        let reply = Reply::decode(&whole(&vector)).unwrap();
        let made = if reply.opcode == NOTICE {
            Reply::notice(code, "")
        } else {
            Reply::refusal(reply.id, reply.opcode, code, "")
        };
        assert_eq!(made.flags, reply.flags, "{}", vector.name);
    }
}
