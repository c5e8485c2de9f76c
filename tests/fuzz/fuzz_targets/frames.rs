//! Any bytes as frames of the binary protocol: nothing panics, a request that is understood encodes
//! to the very bytes it came from, a reply to bytes that mean the same.

#![no_main]

use cloakroom_protocol::{Call, Cut, Frame, Framer, Header, Reply, cut, limits};
use libfuzzer_sys::fuzz_target;

/// The bytes of a frame.
fn bytes_of(frame: &Frame<'_>) -> Vec<u8> {
    [&frame.header.write(), frame.payload].concat()
}

fn whole(bytes: &[u8]) -> Frame<'_> {
    match cut(bytes, limits::PAYLOAD_BYTES) {
        Ok(Cut::Frame(frame)) if frame.bytes() == bytes.len() => frame,
        other => panic!("what is encoded is a frame, not {other:?}"),
    }
}

fn check(frame: &Frame<'_>) {
    let mut copy = Vec::new();
    match Call::decode(frame) {
        Ok(call) => {
            call.encode(&mut copy)
                .expect("what was decoded is within its bounds");
            assert_eq!(copy, bytes_of(frame));
        }
        Err(error) => {
            let refusal = Reply::refusal(frame.header.id, frame.header.opcode, error.code(), "");
            refusal.encode(&mut copy);
            assert_eq!(Reply::decode(&whole(&copy)), Ok(refusal));
        }
    }
    if let Ok(reply) = Reply::decode(frame) {
        copy.clear();
        reply.encode(&mut copy);
        let whole = whole(&copy);
        assert_eq!(whole.header.id, frame.header.id);
        assert_eq!(Reply::decode(&whole), Ok(reply));
    }
}

/// Hands the bytes over in pieces; answers the frames that came out, one behind the other.
fn framed(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut framer = Framer::new(limits::PAYLOAD_BYTES);
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        framer.extend(piece);
        while let Ok(Some(frame)) = framer.take() {
            out.extend(bytes_of(&frame));
        }
        assert!(framer.capacity() <= 4 * bytes.len() + (64 << 10));
    }
    out
}

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Ok(Cut::Frame(frame)) = cut(rest, limits::PAYLOAD_BYTES) {
        check(&frame);
        rest = &rest[frame.bytes()..];
    }
    let frames = &data[..data.len() - rest.len()];
    for piece in [13, 4_096] {
        assert_eq!(framed(data, piece), frames);
    }
    // What is left, with the length that it has.
    if let Some((header, payload)) = rest.split_first_chunk::<{ Header::BYTES }>() {
        let length = u32::try_from(payload.len()).expect("a fuzzer's input is short");
        let header = Header {
            length,
            ..Header::read(header)
        };
        check(&Frame { header, payload });
    }
});
