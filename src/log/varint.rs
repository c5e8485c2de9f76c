//! The small pieces of which records are made: LEB128 numbers, zigzag differences, runs of bytes.

use crate::clock::Millis;
use crate::log::record::BadRecord;
use crate::model::U48;

/// Appends a LEB128 number.
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value));
}

fn low_bits(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low & 0x7f
}

/// Appends a length and the bytes.
pub(super) fn put_run(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a length of one byte and the bytes, of which there are at most 255.
pub(super) fn put_short_run(bytes: &[u8], out: &mut Vec<u8>) {
    debug_assert!(bytes.len() <= usize::from(u8::MAX), "bounded by its type");
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or_default());
}

/// The distance from `base` to `value` as a number that is small when they are near: 0, -1, 1, -2...
/// become 0, 1, 2, 3... Below 2^49.
pub(super) fn zigzag(value: Millis, base: Millis) -> u64 {
    let (value, base) = (value.0.min(U48::MAX), base.0.min(U48::MAX));
    if value >= base {
        (value - base) << 1
    } else {
        ((base - value) << 1) - 1
    }
}

/// The moment of which [`zigzag`] gave the distance. `None` when it is no moment of 48 bits.
pub(super) fn unzigzag(distance: u64, base: Millis) -> Option<Millis> {
    let base = base.0.min(U48::MAX);
    let value = if distance & 1 == 0 {
        base.checked_add(distance >> 1)?
    } else {
        base.checked_sub((distance >> 1) + 1)?
    };
    (value <= U48::MAX).then_some(Millis(value))
}

pub(super) fn take_byte(bytes: &mut &[u8]) -> Result<u8, BadRecord> {
    let (first, rest) = bytes.split_first().ok_or(BadRecord::Short)?;
    *bytes = rest;
    Ok(*first)
}

pub(super) fn take_u64(bytes: &mut &[u8]) -> Result<u64, BadRecord> {
    let (first, rest) = bytes.split_first_chunk::<8>().ok_or(BadRecord::Short)?;
    *bytes = rest;
    Ok(u64::from_le_bytes(*first))
}

/// Reads a LEB128 number. One number has one spelling: zero bytes at its end are refused.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Result<u64, BadRecord> {
    match bytes.split_first() {
        Some((&first, rest)) if first < 0x80 => {
            *bytes = rest;
            Ok(u64::from(first))
        }
        Some(_) | None => take_long_varint(bytes),
    }
}

fn take_long_varint(bytes: &mut &[u8]) -> Result<u64, BadRecord> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(bytes)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let overlong = byte == 0 && shift > 0;
            let too_large = shift == 63 && byte > 1;
            return if overlong || too_large {
                Err(BadRecord::Varint)
            } else {
                Ok(value)
            };
        }
    }
    Err(BadRecord::Varint)
}

/// Reads `length` bytes of the field `field`, of which there may be at most `most`.
pub(super) fn take_bytes<'a>(
    bytes: &mut &'a [u8],
    field: &'static str,
    length: u64,
    most: usize,
) -> Result<&'a [u8], BadRecord> {
    let length = match usize::try_from(length) {
        Ok(length) if length <= most => length,
        Ok(_) | Err(_) => return Err(BadRecord::Length { field, length }),
    };
    let (taken, rest) = bytes.split_at_checked(length).ok_or(BadRecord::Short)?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::{put_varint, take_varint, unzigzag, zigzag};
    use crate::clock::Millis;
    use crate::log::record::BadRecord;
    use crate::model::U48;

    #[test]
    fn numbers_round_trip_at_every_boundary() {
        for bits in 0..64 {
            for value in [(1u64 << bits) - 1, 1 << bits, (1 << bits) + 1] {
                let mut out = Vec::new();
                put_varint(value, &mut out);
                assert_eq!(out.len(), value.max(1).ilog2() as usize / 7 + 1);
                for behind in [&[][..], &[7], &[0xff; 9], &[0; 9]] {
                    let bytes = [&out, behind].concat();
                    let mut rest = bytes.as_slice();
                    assert_eq!(take_varint(&mut rest), Ok(value));
                    assert_eq!(rest, behind);
                }
            }
        }
        let mut out = Vec::new();
        put_varint(u64::MAX, &mut out);
        assert_eq!(take_varint(&mut out.as_slice()), Ok(u64::MAX));
    }

    #[test]
    fn a_number_has_one_spelling_and_64_bits() {
        for (bytes, expected) in [
            (&[0x80, 0x00][..], BadRecord::Varint),
            (&[0xff, 0x80, 0x00], BadRecord::Varint),
            (&[0xff; 10], BadRecord::Varint),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
                BadRecord::Varint,
            ),
            (&[0x80], BadRecord::Short),
            (&[], BadRecord::Short),
            (&[0x80, 0x00, 1, 1, 1, 1, 1, 1], BadRecord::Varint),
            (
                &[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
                BadRecord::Varint,
            ),
        ] {
            assert_eq!(take_varint(&mut &bytes[..]), Err(expected), "{bytes:x?}");
        }
    }

    #[test]
    fn distances_round_trip_between_any_two_moments() {
        let moments = [0, 1, 2, 1_795_000_000_000, U48::MAX - 1, U48::MAX];
        for base in moments.map(Millis) {
            for value in moments.map(Millis) {
                let distance = zigzag(value, base);
                assert!(distance < 1 << 49);
                assert_eq!(unzigzag(distance, base), Some(value));
            }
        }
        assert_eq!(zigzag(Millis(9), Millis(10)), 1);
        assert_eq!(zigzag(Millis(11), Millis(10)), 2);
        assert_eq!(unzigzag(21, Millis(10)), None);
        assert_eq!(unzigzag(u64::MAX, Millis(10)), None);
        assert_eq!(unzigzag(2, Millis(U48::MAX)), None);
    }
}
