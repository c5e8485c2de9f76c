//! A request prepared once, with holes for what differs from one session to the next.
//!
//! What fills a hole has the same length every time, so that lengths inside of a request can be
//! prepared as well.

use std::ops::Range;

use crate::bench::target::Request;

/// A piece of a prepared request.
#[derive(Clone, Copy, Debug)]
enum Hole {
    /// The session's token.
    Token,
    /// The number of the user: 12 digits.
    User,
    /// The number of the user at the start of a token that the load tester chose.
    Owner,
    /// An IPv4 address made from the number of the user: 14 characters.
    Address,
    /// The value of the mark: 10 digits.
    Value,
    /// So many seconds after the request, since 1970: 10 digits.
    Later(u64),
}

impl Hole {
    /// The hole of this name: `token`, `user`, `owner`, `address`, `value`, `now` or `now+SECONDS`.
    fn of(name: &str) -> Option<Self> {
        match name {
            "token" => Some(Self::Token),
            "user" => Some(Self::User),
            "owner" => Some(Self::Owner),
            "address" => Some(Self::Address),
            "value" => Some(Self::Value),
            "now" => Some(Self::Later(0)),
            _ => name.strip_prefix("now+")?.parse().ok().map(Self::Later),
        }
    }

    /// The first hole of a text, and where it starts and ends.
    fn first_in(text: &str) -> Option<(usize, usize, Self)> {
        for (start, _) in text.match_indices('{') {
            let inside = text.get(start + 1..).unwrap_or_default();
            if let Some(length) = inside.find('}')
                && let Some(hole) = inside.get(..length).and_then(Self::of)
            {
                return Some((start, start + length + 2, hole));
            }
        }
        None
    }
}

/// Digits of a user's number.
pub(super) const USER_DIGITS: usize = 12;
/// Bytes of a user's name.
const NAME_BYTES: usize = 4 + USER_DIGITS;
/// Digits of a mark's value and of seconds since 1970.
const DIGITS: usize = 10;
/// Three of 100 to 255 behind `10`, with dots.
const ADDRESS_BYTES: usize = 14;
/// Values of a part of an address; all have three digits.
const OCTETS: u64 = 156;

/// A request with holes.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// Bytes, and the hole behind them.
    parts: Vec<(Vec<u8>, Hole)>,
    end: Vec<u8>,
}

impl Template {
    /// Splits `text` at its holes: `{token}`, `{user}`, `{owner}`, `{address}`, `{value}`, `{now}`
    /// and `{now+SECONDS}`. All other braces stay what they are.
    pub(super) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((start, end, hole)) = Hole::first_in(rest) {
            let before = rest.get(..start).unwrap_or_default();
            parts.push((before.as_bytes().to_vec(), hole));
            rest = rest.get(end..).unwrap_or_default();
        }
        Self {
            parts,
            end: rest.as_bytes().to_vec(),
        }
    }

    /// Bytes of the request with its holes filled, where tokens have `token_bytes`.
    pub(super) fn length(&self, token_bytes: usize) -> usize {
        let parts = self.parts.iter().map(|(fixed, hole)| {
            let filled = match hole {
                Hole::Token => token_bytes,
                Hole::User | Hole::Owner => USER_DIGITS,
                Hole::Address => ADDRESS_BYTES,
                Hole::Value | Hole::Later(_) => DIGITS,
            };
            fixed.len() + filled
        });
        parts.sum::<usize>() + self.end.len()
    }

    /// Appends the request. Allocates only when `out` is too small.
    pub(super) fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        for (fixed, hole) in &self.parts {
            out.extend_from_slice(fixed);
            match hole {
                Hole::Token => out.extend_from_slice(request.token),
                Hole::User => push_digits(out, request.user, USER_DIGITS),
                Hole::Owner => {
                    out.extend_from_slice(request.token.get(..USER_DIGITS).unwrap_or_default());
                }
                Hole::Address => out.extend_from_slice(&address(request.user)),
                Hole::Value => {
                    let value = request.mark.map_or(0, |m| m.value);
                    push_digits(out, u64::from(value), DIGITS);
                }
                Hole::Later(seconds) => push_digits(out, request.now + seconds, DIGITS),
            }
        }
        out.extend_from_slice(&self.end);
    }
}

/// The number with leading zeros.
fn push_digits(out: &mut Vec<u8>, number: u64, digits: usize) {
    let mut text = itoa::Buffer::new();
    let text = text.format(number).as_bytes();
    out.extend(std::iter::repeat_n(b'0', digits.saturating_sub(text.len())));
    out.extend_from_slice(text);
}

/// An IPv4 address of the user: `10` and three parts of three digits.
pub(super) fn address(user: u64) -> [u8; ADDRESS_BYTES] {
    let mut text = *b"10.100.100.100";
    for (part, divisor) in [(3, OCTETS * OCTETS), (7, OCTETS), (11, 1)] {
        write_digits(&mut text, part..part + 3, 100 + user / divisor % OCTETS);
    }
    text
}

/// The name of the user.
pub(super) fn user_name(user: u64) -> [u8; NAME_BYTES] {
    let mut text = *b"user000000000000";
    write_digits(&mut text, NAME_BYTES - USER_DIGITS..NAME_BYTES, user);
    text
}

/// The last digits of the number, as many as there are places.
fn write_digits(text: &mut [u8], places: Range<usize>, number: u64) {
    let mut rest = number;
    for place in text.get_mut(places).into_iter().flatten().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::{Template, user_name};
    use crate::bench::target::{Mark, Request, Verb};

    #[test]
    fn holes_are_filled_and_everything_else_is_kept() {
        let template =
            Template::new("{user} of {address}: {token}={value}{} {owner}@{now} {{now+57}\n");
        let mut out = Vec::new();
        for user in [0, 16_909_060, 999_999_999_999] {
            let request = Request {
                verb: Verb::Set,
                token: b"123456789012abc",
                user,
                mark: Some(Mark { slot: 0, value: 17 }),
                if_version: None,
                now: 1_795_176_443,
                number: 0,
            };
            out.clear();
            template.write(&request, &mut out);
            assert_eq!(out.len(), template.length(15), "{user}");
            if user == 16_909_060 {
                let text = "000016909060 of 10.170.227.164: 123456789012abc=0000000017{} \
                            123456789012@1795176443 {1795176500\n";
                assert_eq!(String::from_utf8(out.clone()).unwrap(), text);
                assert_eq!(&user_name(user), b"user000016909060");
            }
        }
    }
}
