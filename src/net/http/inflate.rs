//! Compressed bodies: inflated up to the bound of the request and not a byte further.

use std::io::Read;

use crate::net::http::dialect::BodyProblem;
use crate::net::http::request::Head;

/// How a body is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or the bare RFC 1951 that some clients send under the same name.
    Deflate,
}

impl Encoding {
    /// What `Content-Encoding` says.
    ///
    /// # Errors
    /// [`BodyProblem::UnknownEncoding`] for anything else, also for several encodings.
    pub fn of(head: &Head<'_>) -> Result<Self, BodyProblem> {
        match head.field("content-encoding") {
            None | Some(b"") => Ok(Self::Identity),
            Some(name) if name.eq_ignore_ascii_case(b"identity") => Ok(Self::Identity),
            Some(name) if name.eq_ignore_ascii_case(b"gzip") => Ok(Self::Gzip),
            Some(name) if name.eq_ignore_ascii_case(b"x-gzip") => Ok(Self::Gzip),
            Some(name) if name.eq_ignore_ascii_case(b"deflate") => Ok(Self::Deflate),
            Some(_) => Err(BodyProblem::UnknownEncoding),
        }
    }

    /// Inflates `body` into `out`, which is cleared first. An empty body stays empty.
    ///
    /// # Errors
    /// [`BodyProblem::TooLarge`] when there is more than `limit` bytes, [`BodyProblem::BadEncoding`]
    /// when the bytes are damaged or end too early.
    pub fn inflate(self, body: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), BodyProblem> {
        out.clear();
        if body.is_empty() {
            return Ok(());
        }
        match self {
            Self::Identity => {
                out.extend_from_slice(body);
                Ok(())
            }
            Self::Gzip => take(flate2::bufread::MultiGzDecoder::new(body), limit, out),
            Self::Deflate if has_zlib_header(body) => {
                take(flate2::bufread::ZlibDecoder::new(body), limit, out)
            }
            Self::Deflate => take(flate2::bufread::DeflateDecoder::new(body), limit, out),
        }
    }
}

fn take(inflater: impl Read, limit: usize, out: &mut Vec<u8>) -> Result<(), BodyProblem> {
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match inflater.take(one_more).read_to_end(out) {
        Ok(_) if out.len() <= limit => Ok(()),
        Ok(_) => Err(BodyProblem::TooLarge),
        Err(_) => Err(BodyProblem::BadEncoding),
    }
}

/// RFC 1950: method 8, and the first two bytes are a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0f == 8 && (u16::from(*method) * 256 + u16::from(*flags)) % 31 == 0
        }
        _ => false,
    }
}
