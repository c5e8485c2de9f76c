//! Whatever is encoded is decoded again as it was, cut bytes are never taken for whole ones, and no
//! bytes make a decoder panic.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod any;

use any::{Parts, parts};
use cloakroom_protocol::{Call, Cut, DecodeError, Frame, Header, Opcode, Reply, cut, limits};
use proptest::prelude::*;

fn whole(bytes: &[u8]) -> Frame<'_> {
    match cut(bytes, limits::PAYLOAD_BYTES) {
        Ok(Cut::Frame(frame)) => frame,
        other => panic!("{other:?}"),
    }
}

fn encoded(call: &Call<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    call.encode(&mut bytes).unwrap();
    bytes
}

fn replied(reply: &Reply<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    reply.encode(&mut bytes);
    bytes
}

/// Of a frame that decodes, the frame that it encodes to is the same; whatever the bytes are,
/// nothing panics.
fn request_is_its_own_copy(bytes: &[u8]) {
    let Ok(Cut::Frame(frame)) = cut(bytes, limits::PAYLOAD_BYTES) else {
        return;
    };
    if let Ok(call) = Call::decode(&frame) {
        assert_eq!(encoded(&call), bytes[..frame.bytes()]);
    }
}

fn reply_is_its_own_copy(bytes: &[u8]) {
    let Ok(Cut::Frame(frame)) = cut(bytes, limits::PAYLOAD_BYTES) else {
        return;
    };
    if let Ok(reply) = Reply::decode(&frame) {
        let copy = replied(&reply);
        assert_eq!(Reply::decode(&whole(&copy)), Ok(reply));
    }
}

/// The frame with a payload of its first `length` bytes, and a header that says so.
fn shortened(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut short = bytes[..Header::BYTES + length].to_vec();
    short[..4].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
    short
}

/// Operations whose last field is all that is left of the payload.
fn ends_open(parts: &Parts) -> bool {
    let opcode = Opcode::ALL[parts.which % Opcode::ALL.len()];
    [Opcode::Hello, Opcode::Create, Opcode::Put, Opcode::Set].contains(&opcode)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn requests_are_decoded_as_they_were_encoded(parts in parts()) {
        let keys = parts.keys();
        let call = parts.call(&keys);
        let bytes = encoded(&call);
        prop_assert_eq!(Call::decode(&whole(&bytes)), Ok(call));
    }

    #[test]
    fn replies_are_decoded_as_they_were_encoded(parts in parts()) {
        let (sessions, figures) = (parts.sessions(), parts.figures());
        let reply = parts.reply(&sessions, &figures);
        let bytes = replied(&reply);
        prop_assert_eq!(Reply::decode(&whole(&bytes)), Ok(reply));
    }

    #[test]
    fn bytes_behind_a_reply_are_ignored(parts in parts(), behind in any::<Vec<u8>>()) {
        let (sessions, figures) = (parts.sessions(), parts.figures());
        let reply = parts.reply(&sessions, &figures);
        let grown = [replied(&reply), behind].concat();
        let grown = shortened(&grown, grown.len() - Header::BYTES);
        prop_assert_eq!(Reply::decode(&whole(&grown)), Ok(reply));
    }

    #[test]
    fn request_cut_at_any_byte_is_not_taken_for_whole(parts in parts()) {
        let keys = parts.keys();
        let bytes = encoded(&parts.call(&keys));
        for end in 0..bytes.len() {
            let part = cut(&bytes[..end], limits::PAYLOAD_BYTES);
            let is_partial = matches!(part, Ok(Cut::Partial { .. }));
            prop_assert!(is_partial, "{} of {} bytes", end, bytes.len());
        }
        for length in 0..bytes.len() - Header::BYTES {
            let short = shortened(&bytes, length);
            match Call::decode(&whole(&short)) {
                Ok(call) => {
                    prop_assert!(ends_open(&parts));
                    prop_assert_eq!(encoded(&call), short);
                }
                Err(error) => prop_assert_eq!(error, DecodeError::Short),
            }
        }
    }

    #[test]
    fn reply_cut_at_any_byte_is_refused(parts in parts()) {
        let (sessions, figures) = (parts.sessions(), parts.figures());
        let bytes = replied(&parts.reply(&sessions, &figures));
        for length in 0..bytes.len() - Header::BYTES {
            let short = shortened(&bytes, length);
            prop_assert_eq!(Reply::decode(&whole(&short)), Err(DecodeError::Short));
        }
    }

    #[test]
    fn bytes_behind_the_last_field_of_a_request_are_refused(parts in parts(), byte in any::<u8>()) {
        let keys = parts.keys();
        let call = parts.call(&keys);
        let grown = [encoded(&call), vec![byte]].concat();
        let grown = shortened(&grown, grown.len() - Header::BYTES);
        match Call::decode(&whole(&grown)) {
            Ok(other) => {
                prop_assert!(ends_open(&parts));
                prop_assert_eq!(encoded(&other), grown);
            }
            Err(error) => prop_assert_eq!(error, DecodeError::LeftOver),
        }
    }

    #[test]
    fn mutated_frames_never_panic_and_requests_are_their_own_copies(
        parts in parts(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let keys = parts.keys();
        let (sessions, figures) = (parts.sessions(), parts.figures());
        let mut request = encoded(&parts.call(&keys));
        let mut reply = replied(&parts.reply(&sessions, &figures));
        for (place, byte) in changes {
            let at = place.index(request.len());
            request[at] = byte;
            let at = place.index(reply.len());
            reply[at] = byte;
        }
        request_is_its_own_copy(&request);
        reply_is_its_own_copy(&request);
        request_is_its_own_copy(&reply);
        reply_is_its_own_copy(&reply);
    }

    #[test]
    fn arbitrary_bytes_never_panic(payload in any::<Vec<u8>>(), head in any::<[u8; 8]>(), opcode in 0u8..0x45) {
        let header = Header {
            length: u32::try_from(payload.len()).unwrap(),
            id: 1,
            opcode,
            flags: head[0] & head[1] & head[2],
            key_or_status: u16::from(head[3] % 9),
        };
        let request = [&header.write(), payload.as_slice()].concat();
        request_is_its_own_copy(&request);
        let header = Header { opcode: opcode | 0x80, key_or_status: 0, ..header };
        let reply = [&header.write(), payload.as_slice()].concat();
        reply_is_its_own_copy(&reply);
    }
}
