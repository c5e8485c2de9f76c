//! A request prepared once, with holes for what differs from one session to the next.

use crate::bench::target::Request;

/// A piece of a prepared request.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// These bytes.
    Fixed(Vec<u8>),
    /// The session's token.
    Token,
    /// The number of the user: 12 digits.
    User,
    /// An IPv4 address in 10.0.0.0/8, made from the number of the user.
    Address,
    /// The value of the mark: 10 digits.
    Value,
}

/// Digits of a user's number.
pub(super) const USER_DIGITS: usize = 12;
/// Digits of a mark's value.
pub(super) const VALUE_DIGITS: usize = 10;

/// A request with holes.
#[derive(Clone, Debug, Default)]
pub(super) struct Template(Vec<Part>);

impl Template {
    /// Splits `text` at `{token}`, `{user}`, `{address}` and `{value}`.
    pub(super) fn new(text: &str) -> Self {
        const HOLES: [(&str, Part); 4] = [
            ("{token}", Part::Token),
            ("{user}", Part::User),
            ("{address}", Part::Address),
            ("{value}", Part::Value),
        ];
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((at, hole, part)) = HOLES
            .iter()
            .filter_map(|(hole, part)| rest.find(hole).map(|at| (at, hole, part)))
            .min_by_key(|(at, ..)| *at)
        {
            let (before, after) = rest.split_at(at);
            parts.push(Part::Fixed(before.as_bytes().to_vec()));
            parts.push(part.clone());
            rest = after.strip_prefix(hole).unwrap_or_default();
        }
        parts.push(Part::Fixed(rest.as_bytes().to_vec()));
        Self(parts)
    }

    /// Appends the request. Allocates only when `out` is too small.
    pub(super) fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Fixed(bytes) => out.extend_from_slice(bytes),
                Part::Token => out.extend_from_slice(request.token),
                Part::User => push_digits(out, request.user, USER_DIGITS),
                Part::Address => push_address(out, request.user),
                Part::Value => {
                    let value = request.mark.map_or(0, |m| m.value);
                    push_digits(out, u64::from(value), VALUE_DIGITS);
                }
            }
        }
    }
}

/// The number with leading zeros, so that every request of a template has the same length.
fn push_digits(out: &mut Vec<u8>, number: u64, digits: usize) {
    let mut text = itoa::Buffer::new();
    let text = text.format(number).as_bytes();
    out.extend(std::iter::repeat_n(b'0', digits.saturating_sub(text.len())));
    out.extend_from_slice(text);
}

fn push_address(out: &mut Vec<u8>, user: u64) {
    out.extend_from_slice(b"10");
    let mut text = itoa::Buffer::new();
    for shift in [16, 8, 0] {
        out.push(b'.');
        out.extend_from_slice(text.format((user >> shift) & 0xff).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::bench::target::{Mark, Request, Verb};

    #[test]
    fn holes_are_filled_and_everything_else_is_kept() {
        let template = Template::new("{user} of {address}: {token}={value}{}\n");
        let request = Request {
            verb: Verb::Set,
            token: b"abc",
            user: 0x0102_0304,
            mark: Some(Mark { slot: 0, value: 17 }),
        };
        let mut out = Vec::new();
        template.write(&request, &mut out);
        assert_eq!(out, b"000016909060 of 10.2.3.4: abc=0000000017{}\n");
    }
}
