//! Which session comes next: all equally often, or few of them most of the time.

use std::fmt;
use std::str::FromStr;

use crate::bench::random::Random;

/// How requests are spread over the sessions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::bench) enum Spread {
    /// All equally often.
    Uniform,
    /// The k-th most popular one in proportion to 1 / k^exponent.
    Zipf {
        /// Above 0 and at most 10.
        exponent: f64,
    },
}

/// The exponent of `zipf` without a number: the one that other load testers use.
const EXPONENT: f64 = 0.99;
/// The largest exponent; nearly all requests go to one session then.
const LARGEST_EXPONENT: f64 = 10.0;

impl FromStr for Spread {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "uniform" => Ok(Self::Uniform),
            None if text == "zipf" => Ok(Self::Zipf { exponent: EXPONENT }),
            Some(("zipf", number)) => match number.parse() {
                Ok(exponent) if 0.0 < exponent && exponent <= LARGEST_EXPONENT => {
                    Ok(Self::Zipf { exponent })
                }
                Ok(_) | Err(_) => Err(format!(
                    "the exponent {number:?} must be a number above 0 and at most {LARGEST_EXPONENT}"
                )),
            },
            Some(_) | None => Err("write uniform, zipf or zipf:EXPONENT".to_owned()),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf { exponent } => write!(f, "zipf:{exponent}"),
        }
    }
}

/// Draws numbers of sessions.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Keys {
    zipf: Option<Zipf>,
}

impl Keys {
    pub(in crate::bench) fn new(spread: Spread) -> Self {
        Self {
            zipf: match spread {
                Spread::Uniform => None,
                Spread::Zipf { exponent } => Some(Zipf::new(exponent)),
            },
        }
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub(in crate::bench) fn draw(&mut self, bound: usize, random: &mut Random) -> usize {
        match &mut self.zipf {
            None => random.below(bound),
            Some(zipf) => zipf.draw(bound, random),
        }
    }
}

/// Ranks are spread over the numbers by this prime, so that popular sessions, which were created
/// one after the other, do not lie side by side in the server's memory.
const STRIDE: u128 = 2_654_435_761;

/// Rejection-inversion sampling after Hoermann and Derflinger (1996): constant time for any number
/// of elements, and the number may change between two draws.
#[derive(Clone, Debug)]
struct Zipf {
    exponent: f64,
    /// The number of elements for which the rest is right.
    elements: usize,
    /// The integral of the density at 1.5, less the weight of the first element.
    first: f64,
    /// The integral at half an element beyond the last.
    last: f64,
    /// Up to this distance from an element nothing is rejected.
    squeeze: f64,
}

impl Zipf {
    fn new(exponent: f64) -> Self {
        let mut zipf = Self {
            exponent,
            elements: 0,
            first: 0.0,
            last: 0.0,
            squeeze: 0.0,
        };
        zipf.first = zipf.integral(1.5) - 1.0;
        zipf.squeeze = 2.0 - zipf.integral_inverse(zipf.integral(2.5) - zipf.density(2.0));
        zipf
    }

    fn draw(&mut self, bound: usize, random: &mut Random) -> usize {
        if bound == 0 {
            return 0;
        }
        let rank = self.rank(bound, random) - 1;
        let spread = rank as u128 * STRIDE % bound as u128;
        usize::try_from(spread).unwrap_or(0)
    }

    /// From 1, the most popular one, to `elements`.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "elements are far below 2^52, and a rank lies between 1 and their number"
    )]
    fn rank(&mut self, elements: usize, random: &mut Random) -> usize {
        if elements != self.elements {
            self.elements = elements;
            self.last = self.integral(elements as f64 + 0.5);
        }
        loop {
            let uniform = random.fraction();
            let area = self.last + uniform * (self.first - self.last);
            let place = self.integral_inverse(area);
            let rank = place.round().clamp(1.0, elements as f64);
            if rank - place <= self.squeeze
                || area >= self.integral(rank + 0.5) - self.density(rank)
            {
                return rank as usize;
            }
        }
    }

    fn density(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        growth((1.0 - self.exponent) * log) * log
    }

    fn integral_inverse(&self, y: f64) -> f64 {
        let t = (y * (1.0 - self.exponent)).max(-1.0);
        (shrinking(t) * y).exp()
    }
}

/// (e^x - 1) / x, also near 0.
fn growth(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.exp_m1() / x
    } else {
        1.0 + x / 2.0
    }
}

/// ln(1 + x) / x, also near 0.
fn shrinking(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.ln_1p() / x
    } else {
        1.0 - x / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Keys, Spread, Zipf};
    use crate::bench::random::Random;

    const DRAWS: usize = 200_000;

    /// How often each rank should come, by the definition.
    fn shares(exponent: f64, elements: usize) -> Vec<f64> {
        let weights: Vec<f64> = (1..=elements).map(|k| (k as f64).powf(-exponent)).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|w| w / sum).collect()
    }

    #[test]
    fn ranks_come_as_often_as_the_definition_says() {
        for exponent in [0.5, 0.99, 1.0, 1.5] {
            let mut zipf = Zipf::new(exponent);
            let mut random = Random::new(3, 0);
            let mut counts = vec![0_u32; 100];
            for _ in 0..DRAWS {
                counts[zipf.rank(100, &mut random) - 1] += 1;
            }
            for (rank, share) in shares(exponent, 100).into_iter().enumerate() {
                let expected = share * DRAWS as f64;
                let off = (f64::from(counts[rank]) - expected).abs();
                assert!(
                    off < 6.0 * expected.sqrt(),
                    "{exponent} {rank}: {off} off {expected}"
                );
            }
        }
    }

    #[test]
    fn every_number_is_within_the_bound_also_when_the_bound_changes() {
        for text in ["uniform", "zipf", "zipf:3"] {
            let mut keys = Keys::new(text.parse().unwrap());
            let mut random = Random::new(1, 0);
            assert_eq!(keys.draw(0, &mut random), 0);
            for bound in (1..2_000).chain([5, 1]) {
                assert!(keys.draw(bound, &mut random) < bound, "{text} {bound}");
            }
        }
    }

    #[test]
    fn popular_sessions_do_not_lie_side_by_side() {
        let mut keys = Keys::new(Spread::Zipf { exponent: 0.99 });
        let mut random = Random::new(1, 0);
        let mut counts = vec![0_u32; 1_000];
        for _ in 0..DRAWS {
            counts[keys.draw(1_000, &mut random)] += 1;
        }
        let mut by_count: Vec<usize> = (0..1_000).collect();
        by_count.sort_unstable_by_key(|n| std::cmp::Reverse(counts[*n]));
        assert!(counts[by_count[0]] > 20_000, "{counts:?}");
        assert!(by_count[0].abs_diff(by_count[1]) > 1);
        assert!(by_count[1].abs_diff(by_count[2]) > 1);
    }

    #[test]
    fn spreads_are_read_and_nonsense_is_refused_with_a_sentence() {
        assert_eq!("uniform".parse(), Ok(Spread::Uniform));
        assert_eq!("zipf".parse(), Ok(Spread::Zipf { exponent: 0.99 }));
        assert_eq!("zipf:1.2".parse(), Ok(Spread::Zipf { exponent: 1.2 }));
        for text in [
            "",
            "zip",
            "zipf:",
            "zipf:0",
            "zipf:11",
            "zipf:NaN",
            "uniform:1",
        ] {
            assert!(text.parse::<Spread>().is_err(), "{text}");
        }
    }
}
