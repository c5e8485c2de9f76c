//! The judge: what an answer has to have in common with the recorded one.
//!
//! Status, Content-Type, Location, Cache-Control and body. JSON is compared deeply, numbers by
//! value, whatever the order of keys; what a rule names may vary as it says.

use super::json::{Json, Text, same_number};
use super::placeholder::fill;
use super::transcript::{
    About, BodyRule, Environment, Expected, FieldRule, PathStep, Rule, ValueRule, whole,
};
use super::wire::Answer;

/// What is left out of the comparison.
pub(crate) struct Leniency<'l> {
    /// Header fields that are not compared, in lower case.
    pub(crate) ignored_fields: &'l [&'l str],
    /// Nothing but the status counts.
    pub(crate) status_only: bool,
}

const FIELDS: [&str; 4] = ["content-type", "location", "allow", "cache-control"];

/// What a comparison needs to know besides the two answers.
pub(crate) struct Comparer<'c> {
    pub(crate) rules: Vec<&'c Rule>,
    pub(crate) values: &'c Environment,
    /// The server's present moment in Unix seconds.
    pub(crate) now: i128,
}

impl Comparer<'_> {
    /// Every mismatch, as a sentence.
    pub(crate) fn mismatches(
        &self,
        expected: &Expected,
        answer: &Answer,
        leniency: &Leniency<'_>,
    ) -> Vec<String> {
        let mut out = Vec::new();
        if expected.status != answer.status {
            let body = shortened(&answer.body().0);
            out.push(format!(
                "status {} expected, got {}; body {body}",
                expected.status, answer.status
            ));
            return out;
        }
        if leniency.status_only {
            return out;
        }
        for name in FIELDS {
            if !leniency.ignored_fields.contains(&name) {
                self.field(name, expected, answer, &mut out);
            }
        }
        self.body(expected, answer, &mut out);
        out
    }

    fn field(&self, name: &str, expected: &Expected, answer: &Answer, out: &mut Vec<String>) {
        let named = |fields: &[(String, String)]| -> Vec<String> {
            let fields = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            fields.map(|(_, value)| value.clone()).collect()
        };
        let want = named(&expected.fields);
        let want: Vec<String> = want.iter().map(|v| fill(v, self.values)).collect();
        let got = named(&answer.fields);
        let rule = self.rules.iter().find_map(|rule| match &rule.about {
            About::Field(field, rule) if field == name => Some(rule),
            About::Field(..) | About::Value(..) | About::Body(_) => None,
        });
        let fits = match rule {
            Some(FieldRule::Skip) => true,
            Some(FieldRule::Any) => want.is_empty() == got.is_empty(),
            Some(FieldRule::Pattern(pattern)) => got.first().is_some_and(|v| pattern.is_match(v)),
            None if name == "content-type" => want
                .iter()
                .map(|v| spelled(v))
                .eq(got.iter().map(|v| spelled(v))),
            None => want == got,
        };
        if !fits {
            out.push(format!("header {name}: expected {want:?}, got {got:?}"));
        }
    }

    fn body(&self, expected: &Expected, answer: &Answer, out: &mut Vec<String>) {
        let rule = self.rules.iter().find_map(|rule| match &rule.about {
            About::Body(rule) => Some(rule),
            About::Field(..) | About::Value(..) => None,
        });
        let (mut got, is_latin1) = answer.body();
        if expected.is_latin1 && !is_latin1 {
            got = answer.bytes.iter().map(|b| char::from(*b)).collect();
        } else if is_latin1 && !expected.is_latin1 && rule.is_none() {
            out.push("body is not UTF-8".to_string());
            return;
        }
        let want = fill(&expected.body, self.values);
        let fits = match rule {
            Some(BodyRule::Any) => true,
            Some(BodyRule::Prefix(prefix)) => got.starts_with(&fill(prefix, self.values)),
            Some(BodyRule::Pattern(pattern)) => whole(&fill(pattern, self.values)).is_match(&got),
            None => match (Json::read(&want), Json::read(&got)) {
                (Some(want), Some(got)) => {
                    self.value(&want, &got, &mut Vec::new(), out);
                    return;
                }
                _ => want == got,
            },
        };
        if !fits {
            out.push(format!(
                "body: expected {}, got {}",
                shortened(&want),
                shortened(&got)
            ));
        }
    }

    fn rule_at(&self, path: &[PathStep]) -> Option<&ValueRule> {
        self.rules.iter().find_map(|rule| match &rule.about {
            About::Value(place, rule) if is_at(place, path) => Some(rule),
            About::Value(..) | About::Field(..) | About::Body(_) => None,
        })
    }

    fn value(&self, want: &Json, got: &Json, path: &mut Vec<PathStep>, out: &mut Vec<String>) {
        let rule = self.rule_at(path);
        match rule {
            None | Some(ValueRule::Unordered | ValueRule::SortedKeys) => {}
            Some(rule) => {
                if let Err(sentence) = self.fits(rule, got) {
                    out.push(format!("{}: {sentence}", shown(path)));
                }
                return;
            }
        }
        match (want, got) {
            (Json::Object(_), Json::Object(_)) => self.members(want, got, path, out),
            (Json::Array(want), Json::Array(got)) if want.len() != got.len() => {
                let (want, got) = (want.len(), got.len());
                out.push(format!(
                    "{}: {want} elements expected, got {got}",
                    shown(path)
                ));
            }
            (Json::Array(want), Json::Array(got)) => {
                if matches!(rule, Some(ValueRule::Unordered)) {
                    if !self.one_to_one(want, got, path) {
                        out.push(format!(
                            "{}: no one-to-one match of the elements",
                            shown(path)
                        ));
                    }
                    return;
                }
                for (place, (want, got)) in want.iter().zip(got).enumerate() {
                    self.at(PathStep::Index(place), want, got, path, out);
                }
            }
            (Json::Number(a), Json::Number(b)) if same_number(a, b) => {}
            (Json::String(_), Json::String(_)) | (Json::Word(_), Json::Word(_)) if want == got => {}
            _ => out.push(format!("{}: expected {want}, got {got}", shown(path))),
        }
    }

    fn at(
        &self,
        step: PathStep,
        want: &Json,
        got: &Json,
        path: &mut Vec<PathStep>,
        out: &mut Vec<String>,
    ) {
        path.push(step);
        self.value(want, got, path, out);
        path.pop();
    }

    fn members(&self, want: &Json, got: &Json, path: &mut Vec<PathStep>, out: &mut Vec<String>) {
        let step = |key: &Text| PathStep::Key(key.lossy());
        for (key, want) in want.members() {
            match got.member(key) {
                Some(got) => self.at(step(key), want, got, path, out),
                None => out.push(format!("{}: {:?} is missing", shown(path), key.lossy())),
            }
        }
        for (key, value) in got.members() {
            if want.member(key).is_none() {
                let key = key.lossy();
                out.push(format!(
                    "{}: {key:?} is not expected ({value})",
                    shown(path)
                ));
            }
        }
    }

    /// Whether every wanted element has an element of its own that fits it (augmenting paths).
    fn one_to_one(&self, want: &[Json], got: &[Json], path: &mut Vec<PathStep>) -> bool {
        let mut fits = vec![Vec::new(); want.len()];
        for (w, want) in want.iter().enumerate() {
            for (g, got) in got.iter().enumerate() {
                let mut found = Vec::new();
                self.at(PathStep::Index(w), want, got, path, &mut found);
                if found.is_empty() {
                    fits[w].push(g);
                }
            }
        }
        let mut taken = vec![None; got.len()];
        (0..want.len()).all(|w| assign(w, &fits, &mut taken, &mut vec![false; got.len()]))
    }

    fn fits(&self, rule: &ValueRule, got: &Json) -> Result<(), String> {
        let integer = match got {
            Json::Number(digits) => digits.parse::<i128>().ok(),
            Json::Object(_) | Json::Array(_) | Json::String(_) | Json::Word(_) => None,
        };
        let fits = match rule {
            ValueRule::Any | ValueRule::Unordered | ValueRule::SortedKeys => true,
            ValueRule::Integer { min, max } => integer
                .is_some_and(|n| min.is_none_or(|min| n >= min) && max.is_none_or(|max| n <= max)),
            ValueRule::Now { tolerance } => {
                integer.is_some_and(|n| n >= 0 && (n - self.now).abs() <= *tolerance)
            }
            ValueRule::Pattern(pattern) => match got {
                Json::String(text) => pattern.is_match(&text.lossy()),
                Json::Object(_) | Json::Array(_) | Json::Number(_) | Json::Word(_) => false,
            },
            ValueRule::OneOf(values) => values.iter().any(|value| {
                let want = Json::read(&value.to_string()).unwrap();
                let mut found = Vec::new();
                Comparer {
                    rules: Vec::new(),
                    ..*self
                }
                .value(&want, got, &mut Vec::new(), &mut found);
                found.is_empty()
            }),
        };
        if fits {
            Ok(())
        } else {
            Err(self.sentence(rule, got))
        }
    }

    fn sentence(&self, rule: &ValueRule, got: &Json) -> String {
        let wanted = match rule {
            ValueRule::Integer { min, max } => format!("an integer in {min:?}..={max:?}"),
            ValueRule::Now { tolerance } => format!("{} within {tolerance}", self.now),
            ValueRule::Pattern(pattern) => format!("a text like {pattern}"),
            ValueRule::OneOf(values) => format!("one of {values:?}"),
            ValueRule::Any | ValueRule::Unordered | ValueRule::SortedKeys => "anything".to_string(),
        };
        format!("expected {wanted}, got {got}")
    }
}

/// Finds an element for `w`, moving others to another of theirs where that helps.
fn assign(w: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for &g in &fits[w] {
        if std::mem::replace(&mut tried[g], true) {
            continue;
        }
        if taken[g].is_none_or(|other| assign(other, fits, taken, tried)) {
            taken[g] = Some(w);
            return true;
        }
    }
    false
}

fn is_at(place: &[PathStep], path: &[PathStep]) -> bool {
    let fits = |(rule, step): (&PathStep, &PathStep)| *rule == PathStep::Any || rule == step;
    place.len() == path.len() && place.iter().zip(path).all(fits)
}

fn shown(path: &[PathStep]) -> String {
    let step = |step: &PathStep| match step {
        PathStep::Any => ".*".to_string(),
        PathStep::Key(key) => format!(".{key}"),
        PathStep::Index(place) => format!("[{place}]"),
    };
    format!("${}", path.iter().map(step).collect::<String>())
}

/// A content type in small letters without blanks around its semicolons.
fn spelled(value: &str) -> String {
    let parts: Vec<&str> = value.split(';').map(str::trim).collect();
    parts.join(";").to_lowercase()
}

fn shortened(text: &str) -> String {
    format!("{:?}", text.chars().take(300).collect::<String>())
}
