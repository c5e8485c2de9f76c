//! The body block of a session: what only a reply needs, in one run of bytes.
//!
//! ```text
//! data length, user length + 1, IP length + 1, sealed length: LEB128 | created 6 | user | IP | sealed | data
//! ```
//! A length + 1 of zero is "not given".

use crate::clock::Millis;
use crate::model::u48::U48;

/// The parts of a body block.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a> {
    pub(crate) created: Millis,
    pub(crate) user: Option<&'a str>,
    pub(crate) ip: Option<&'a str>,
    pub(crate) sealed: &'a [u8],
    pub(crate) data: &'a [u8],
}

impl<'a> Body<'a> {
    /// Bytes of the block.
    pub(crate) fn length(&self) -> usize {
        let (user, ip) = (self.user.unwrap_or_default(), self.ip.unwrap_or_default());
        let lengths: usize = self.lengths().into_iter().map(varint_length).sum();
        lengths + 6 + user.len() + ip.len() + self.sealed.len() + self.data.len()
    }

    /// Writes the block to the front of `out`, which has at least [`Body::length`] bytes.
    pub(crate) fn write(&self, mut out: &mut [u8]) {
        for length in self.lengths() {
            out = put_varint(out, length);
        }
        let created = self.created.0.to_le_bytes();
        out = put(out, created.get(..6).unwrap_or_default());
        out = put(out, self.user.unwrap_or_default().as_bytes());
        out = put(out, self.ip.unwrap_or_default().as_bytes());
        out = put(out, self.sealed);
        let rest = put(out, self.data);
        debug_assert!(rest.is_empty(), "a block is exactly as long as its body");
    }

    /// Reads a block that [`Body::write`] wrote; bytes behind it are ignored.
    pub(crate) fn read(block: &'a [u8]) -> Self {
        let mut at = block;
        let data = take_varint(&mut at);
        let user = take_varint(&mut at);
        let ip = take_varint(&mut at);
        let sealed = take_varint(&mut at);
        let mut created = [0u8; 8];
        for (to, from) in created.iter_mut().zip(take(&mut at, 6)) {
            *to = *from;
        }
        Self {
            created: Millis(u64::from_le_bytes(created) & U48::MAX),
            user: take_text(&mut at, user),
            ip: take_text(&mut at, ip),
            sealed: take(&mut at, sealed),
            data: take(&mut at, data),
        }
    }

    fn lengths(&self) -> [usize; 4] {
        [
            self.data.len(),
            self.user.map_or(0, |u| u.len() + 1),
            self.ip.map_or(0, |i| i.len() + 1),
            self.sealed.len(),
        ]
    }
}

fn varint_length(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => 3,
    }
}

fn put_varint(out: &mut [u8], value: usize) -> &mut [u8] {
    debug_assert!(value < 1 << 21, "lengths are bounded by 1 MiB");
    let low = |shift: usize| u8::try_from(value >> shift & 0x7f).unwrap_or(0);
    match varint_length(value) {
        1 => put(out, &[low(0)]),
        2 => put(out, &[low(0) | 0x80, low(7)]),
        _ => put(out, &[low(0) | 0x80, low(7) | 0x80, low(14)]),
    }
}

fn put<'o>(out: &'o mut [u8], bytes: &[u8]) -> &'o mut [u8] {
    match out.split_at_mut_checked(bytes.len()) {
        Some((place, rest)) => {
            place.copy_from_slice(bytes);
            rest
        }
        None => &mut [],
    }
}

fn take<'a>(at: &mut &'a [u8], length: usize) -> &'a [u8] {
    match at.split_at_checked(length) {
        Some((taken, rest)) => {
            *at = rest;
            taken
        }
        None => &[],
    }
}

fn take_varint(at: &mut &[u8]) -> usize {
    let mut value = 0;
    for shift in [0, 7, 14] {
        let byte = take(at, 1).first().copied().unwrap_or(0);
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn take_text<'a>(at: &mut &'a [u8], length_and_one: usize) -> Option<&'a str> {
    let length = length_and_one.checked_sub(1)?;
    // Checked once when it came in; checking again costs a few nanoseconds and keeps this safe.
    std::str::from_utf8(take(at, length)).ok()
}

#[cfg(test)]
mod tests {
    use super::Body;
    use crate::clock::Millis;

    #[test]
    fn bodies_round_trip_at_every_length_boundary() {
        for data in [0, 1, 127, 128, 16_383, 16_384, 1 << 20] {
            for (user, ip) in [(None, None), (Some(""), Some("::1")), (Some("u"), None)] {
                let bytes = vec![7u8; data];
                let body = Body {
                    created: Millis(1_795_000_000_123),
                    user,
                    ip,
                    sealed: &[9; 17],
                    data: &bytes,
                };
                let mut block = vec![0xAA; body.length()];
                body.write(&mut block);
                block.extend_from_slice(b"behind");
                let read = Body::read(&block);
                assert_eq!(read.created, body.created);
                assert_eq!((read.user, read.ip), (user, ip));
                assert_eq!((read.sealed, read.data), (body.sealed, body.data));
            }
        }
    }
}
