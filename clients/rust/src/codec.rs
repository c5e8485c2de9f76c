//! Cuts what the server sends into frames.

use bytes::{Buf, Bytes, BytesMut};
use cloakroom_protocol::{Cut, Header, cut};
use tokio_util::codec::Decoder;

use crate::error::ConnectError;

/// Room that is made at once for a frame that has only begun.
const ROOM_BYTES: usize = 64 << 10;

/// A whole frame, owned.
#[derive(Clone)]
pub(crate) struct OwnedFrame {
    pub(crate) header: Header,
    pub(crate) payload: Bytes,
}

impl OwnedFrame {
    /// The frame as the protocol's decoders take it.
    pub(crate) fn borrow(&self) -> cloakroom_protocol::Frame<'_> {
        cloakroom_protocol::Frame {
            header: self.header,
            payload: &self.payload,
        }
    }
}

/// Bytes to frames whose payloads have at most `limit` bytes.
pub(crate) struct FrameCodec {
    pub(crate) limit: usize,
}

impl Decoder for FrameCodec {
    type Item = OwnedFrame;
    type Error = ConnectError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<OwnedFrame>, ConnectError> {
        let (header, length) = match cut(bytes, self.limit)? {
            Cut::Frame(frame) => (frame.header, frame.payload.len()),
            Cut::Partial { missing } => {
                bytes.reserve(missing.min(ROOM_BYTES));
                return Ok(None);
            }
        };
        bytes.advance(Header::BYTES);
        let payload = bytes.split_to(length).freeze();
        Ok(Some(OwnedFrame { header, payload }))
    }

    /// Half a frame at the end is no error of its own: whoever waits for it learns that the
    /// connection is lost.
    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<OwnedFrame>, ConnectError> {
        let frame = self.decode(bytes)?;
        if frame.is_none() {
            bytes.clear();
        }
        Ok(frame)
    }
}
