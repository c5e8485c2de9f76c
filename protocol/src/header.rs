//! The twelve bytes in front of every frame.

use crate::opcode::REPLY_BIT;

/// A frame's header. Every field is little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// Bytes of the payload, which follows the header.
    pub length: u32,
    /// Chosen by the client, echoed in the reply.
    pub id: u32,
    /// The operation; its top bit is set in a reply.
    pub opcode: u8,
    /// Bits of [`crate::flags`].
    pub flags: u8,
    /// In a request the bytes of the key at the front of the payload; in a reply the status, where
    /// 0 is success and anything else a number of [`crate::ErrorCode`].
    pub key_or_status: u16,
}

impl Header {
    /// Bytes of a header.
    pub const BYTES: usize = 12;

    /// Reads a header; any twelve bytes are one.
    #[must_use]
    pub const fn read(bytes: &[u8; Self::BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, opcode, flags, k, l] = *bytes;
        Self {
            length: u32::from_le_bytes([a, b, c, d]),
            id: u32::from_le_bytes([e, f, g, h]),
            opcode,
            flags,
            key_or_status: u16::from_le_bytes([k, l]),
        }
    }

    /// The bytes of this header.
    #[must_use]
    pub const fn write(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.length.to_le_bytes();
        let [e, f, g, h] = self.id.to_le_bytes();
        let [k, l] = self.key_or_status.to_le_bytes();
        [a, b, c, d, e, f, g, h, self.opcode, self.flags, k, l]
    }

    /// Whether this heads a reply.
    #[must_use]
    pub const fn is_reply(self) -> bool {
        self.opcode & REPLY_BIT != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Header;

    #[test]
    fn header_has_its_fields_in_order_and_little_endian() {
        let header = Header {
            length: 0x0403_0201,
            id: 0x0807_0605,
            opcode: 9,
            flags: 10,
            key_or_status: 0x0c0b,
        };
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        assert_eq!(header.write(), bytes);
        assert_eq!(Header::read(&bytes), header);
    }
}
