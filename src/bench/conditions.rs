//! Conditions under which a run has failed: `--fail-if 'p99>2ms'`.

use std::fmt;
use std::str::FromStr;

use crate::bench::args::parse_time;

/// One condition.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Condition {
    /// As it was written, without blanks.
    text: String,
    metric: Metric,
    comparison: Comparison,
    /// In the unit of the metric.
    bound: f64,
}

/// What a condition looks at.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Metric {
    /// This percentile of the response times, in microseconds.
    Percentile(f64),
    /// The longest response time, in microseconds.
    Longest,
    /// The number of errors.
    Errors,
    /// Errors in a hundred requests.
    ErrorShare,
    /// Good replies a second.
    Rate,
    /// Microseconds of the server's CPU time for a request.
    Cpu,
}

/// In the order in which they are looked for.
const COMPARISONS: [(&str, Comparison); 4] = [
    (">=", Comparison::NotBelow),
    ("<=", Comparison::NotAbove),
    (">", Comparison::Above),
    ("<", Comparison::Below),
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Comparison {
    Above,
    NotBelow,
    Below,
    NotAbove,
}

const FORM: &str = "write it as 'p99>2ms', 'max>50ms', 'errors>0', 'errors>0.1%', 'rate<100k' or \
                    'cpu>6us'";

impl Condition {
    pub(super) fn metric(&self) -> Metric {
        self.metric
    }

    /// The sentence about a value that meets the condition; `None` when the run is as it should be.
    pub(super) fn met_by(&self, value: f64) -> Option<String> {
        let met = match self.comparison {
            Comparison::Above => value > self.bound,
            Comparison::NotBelow => value >= self.bound,
            Comparison::Below => value < self.bound,
            Comparison::NotAbove => value <= self.bound,
        };
        met.then(|| {
            let shown = match self.metric {
                Metric::Percentile(percent) => format!("p{percent} is {value:.1} us"),
                Metric::Longest => format!("the longest response took {value:.1} us"),
                Metric::Errors => format!("there were {value} errors"),
                Metric::ErrorShare => format!("{value:.3} % of the requests were errors"),
                Metric::Rate => format!("the rate was {value:.0} requests/s"),
                Metric::Cpu => format!("the server took {value:.2} us of CPU time a request"),
            };
            format!("{shown}, which is to fail: {self}")
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let (name, comparison, value) = COMPARISONS
            .iter()
            .find_map(|(sign, comparison)| {
                let (name, value) = text.split_once(sign)?;
                Some((name, *comparison, value))
            })
            .ok_or(FORM)?;
        let (metric, bound) = parse_metric(name, value)?;
        Ok(Self {
            metric,
            comparison,
            bound,
            text,
        })
    }
}

fn parse_metric(name: &str, value: &str) -> Result<(Metric, f64), String> {
    let micros = || parse_time(value).map(|time| time.as_secs_f64() * 1e6);
    match name {
        "max" => Ok((Metric::Longest, micros()?)),
        "cpu" => Ok((Metric::Cpu, micros()?)),
        "rate" => Ok((Metric::Rate, parse_number(value)?)),
        "errors" => match value.strip_suffix('%') {
            Some(percent) => Ok((Metric::ErrorShare, parse_number(percent)?)),
            None => Ok((Metric::Errors, parse_number(value)?)),
        },
        _ => {
            let percent = name
                .strip_prefix('p')
                .and_then(|digits| digits.parse().ok());
            match percent.filter(|percent| (0.0..=100.0).contains(percent)) {
                Some(percent) => Ok((Metric::Percentile(percent), micros()?)),
                None => Err(format!("{name:?} is nothing that can be looked at: {FORM}")),
            }
        }
    }
}

/// A number as `12`, `0.5`, `100k` or `1.6M`.
fn parse_number(text: &str) -> Result<f64, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'M']) {
        Some(digits) if text.ends_with('k') => (digits, 1e3),
        Some(digits) => (digits, 1e6),
        None => (text, 1.0),
    };
    let number: Option<f64> = digits.parse().ok();
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .map(|number| number * factor)
        .ok_or_else(|| format!("{text:?} is no number: {FORM}"))
}

#[cfg(test)]
mod tests {
    use super::Condition;

    fn meets(text: &str, value: f64) -> Option<String> {
        text.parse::<Condition>().unwrap().met_by(value)
    }

    #[test]
    fn conditions_are_met_on_the_side_that_they_say() {
        for (text, no, yes) in [
            ("p99>2ms", 2_000.0, 2_000.1),
            ("p99.9 >= 2ms", 1_999.9, 2_000.0),
            ("p50<=10us", 10.1, 10.0),
            ("max>1.5s", 1_500_000.0, 1_500_001.0),
            ("errors>0", 0.0, 1.0),
            ("errors>0.5%", 0.5, 0.6),
            ("rate<100k", 100_000.0, 99_999.0),
            ("rate<1.6M", 1_600_000.0, 1_599_999.0),
            ("cpu>6us", 6.0, 6.1),
        ] {
            assert_eq!(meets(text, no), None, "{text}");
            let sentence = meets(text, yes).unwrap();
            assert!(sentence.ends_with(&text.replace(' ', "")), "{sentence}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for text in [
            "",
            "p99",
            "p99>",
            "p101>2ms",
            "q>1ms",
            "p99>2ms>3ms",
            "rate<x",
            "errors>-1",
            "errors>1ms",
            "p99>two",
        ] {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
