//! The shares of a mixed workload: `get=90,set=5,create=3,kill=2`.

use std::fmt;
use std::str::FromStr;

use crate::bench::random::Random;
use crate::bench::target::Verb;

/// How often each request comes, in parts of their sum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::bench) struct Mix {
    shares: Vec<(Verb, usize)>,
    sum: usize,
}

/// Requests that a mix may have.
const MIXED: [Verb; 7] = [
    Verb::Get,
    Verb::Touch,
    Verb::Set,
    Verb::Create,
    Verb::Rotate,
    Verb::Kill,
    Verb::List,
];
/// The largest share.
const MOST: usize = 1_000_000;

impl Mix {
    pub(super) fn draw(&self, random: &mut Random) -> Verb {
        let mut place = random.below(self.sum);
        for (verb, share) in &self.shares {
            match place.checked_sub(*share) {
                None => return *verb,
                Some(left) => place = left,
            }
        }
        Verb::Get
    }

    /// The requests that come at all.
    pub(in crate::bench) fn verbs(&self) -> impl Iterator<Item = Verb> {
        self.shares.iter().map(|(verb, _)| *verb)
    }
}

impl Default for Mix {
    /// A web application: mostly reads.
    fn default() -> Self {
        let shares = vec![
            (Verb::Get, 90),
            (Verb::Set, 5),
            (Verb::Create, 3),
            (Verb::Kill, 2),
        ];
        Self { shares, sum: 100 }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (verb, share)) in self.shares.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{}={share}", verb.name())?;
        }
        Ok(())
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut shares: Vec<(Verb, usize)> = Vec::new();
        for part in text.split(',') {
            let (name, number) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?}: write shares as get=90,set=5,create=3,kill=2"))?;
            let verb = MIXED
                .into_iter()
                .find(|verb| verb.name() == name)
                .ok_or_else(|| {
                    format!("{name:?} is none of get, touch, set, create, rotate, kill, list")
                })?;
            let share = number
                .parse()
                .ok()
                .filter(|share| *share <= MOST)
                .ok_or_else(|| format!("the share {number:?} is no number from 0 to {MOST}"))?;
            if shares.iter().any(|(other, _)| *other == verb) {
                return Err(format!("{name} is there twice"));
            }
            if share > 0 {
                shares.push((verb, share));
            }
        }
        let sum = shares.iter().map(|(_, share)| share).sum();
        if sum == 0 {
            return Err("all shares are 0".to_owned());
        }
        Ok(Self { shares, sum })
    }
}

#[cfg(test)]
mod tests {
    use super::Mix;
    use crate::bench::random::Random;
    use crate::bench::target::Verb;

    #[test]
    fn requests_come_in_their_shares() {
        let mix: Mix = "touch=3,kill=0,get=1".parse().unwrap();
        let mut random = Random::new(1, 0);
        let drawn: Vec<Verb> = (0..10_000).map(|_| mix.draw(&mut random)).collect();
        let touches = drawn.iter().filter(|verb| **verb == Verb::Touch).count();
        assert!((7_300..7_700).contains(&touches), "{touches}");
        assert!(drawn.iter().all(|v| [Verb::Touch, Verb::Get].contains(v)));
        assert_eq!(mix.to_string(), "touch=3,get=1");
    }

    #[test]
    fn default_mix_is_written_as_it_is_read() {
        let mix = Mix::default();
        assert_eq!(mix.to_string(), "get=90,set=5,create=3,kill=2");
        assert_eq!(mix.to_string().parse(), Ok(mix));
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for (text, word) in [
            ("", "write shares"),
            ("get", "write shares"),
            ("get=x", "no number"),
            ("get=-1", "no number"),
            ("get=2000000", "no number"),
            ("fetch=1", "none of"),
            ("get=1,get=2", "twice"),
            ("get=0,set=0", "all shares"),
        ] {
            let problem = text.parse::<Mix>().unwrap_err();
            assert!(problem.contains(word), "{text}: {problem}");
        }
    }
}
