//! Transcripts: what was sent to one of the services, what it answered, and what of that may vary.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

/// Steps that belong together and share their captured values.
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Tags of any of its steps that concern them all.
    pub(crate) tags: BTreeSet<String>,
    pub(crate) steps: Vec<Step>,
}

/// One request and what is expected of its answer.
pub(crate) struct Step {
    pub(crate) number: u64,
    pub(crate) note: String,
    pub(crate) tags: BTreeSet<String>,
    /// Milliseconds to let pass first.
    pub(crate) delay: u64,
    /// Begin at the start of a second.
    pub(crate) align: bool,
    pub(crate) request: Request,
    pub(crate) responses: Vec<Expected>,
    pub(crate) captures: Vec<Capture>,
    pub(crate) rules: Vec<Rule>,
}

impl Step {
    /// What is asked, in short.
    pub(crate) fn title(&self) -> String {
        match &self.request {
            Request::Plain(request) => format!("{} {:.80}", request.method, request.target),
            Request::Raw { .. } => "raw bytes".to_string(),
        }
    }
}

/// What to send.
pub(crate) enum Request {
    Plain(PlainRequest),
    /// Bytes as they are, and the methods of the requests among them.
    Raw {
        parts: Vec<RawPart>,
        methods: Vec<String>,
    },
}

/// A request to be composed.
pub(crate) struct PlainRequest {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Body,
    pub(crate) compress: Option<Compression>,
    /// Bytes of a chunk, when the body goes out in chunks.
    pub(crate) chunk: Option<usize>,
}

/// How a body is compressed.
#[derive(Clone, Copy)]
pub(crate) enum Compression {
    Gzip,
    Deflate,
}

/// Where a body comes from.
pub(crate) enum Body {
    None,
    Text(String),
    Bytes(Vec<u8>),
    Filled {
        prefix: String,
        fill: String,
        count: usize,
        suffix: String,
    },
}

/// A piece of a raw request.
pub(crate) enum RawPart {
    Text(String),
    Bytes(Vec<u8>),
    /// The service was given time to answer what was sent so far.
    Pause,
}

/// An answer of the service.
pub(crate) struct Expected {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
    /// The body is not UTF-8: one character stands for one byte.
    pub(crate) is_latin1: bool,
}

/// A value of the answer that later requests need.
pub(crate) struct Capture {
    pub(crate) name: String,
    pub(crate) from: CaptureFrom,
    /// Which of the answers.
    pub(crate) answer: usize,
    pub(crate) pattern: Option<Regex>,
}

/// Where a value is captured.
pub(crate) enum CaptureFrom {
    Field(String),
    Body(Vec<PathStep>),
}

/// One step into a JSON text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PathStep {
    Any,
    Key(String),
    Index(usize),
}

/// What may vary in an answer.
pub(crate) struct Rule {
    /// The only answer it is about, counted from 0; `None` for all.
    pub(crate) answer: Option<usize>,
    pub(crate) about: About,
}

/// What a rule is about.
pub(crate) enum About {
    Value(Vec<PathStep>, ValueRule),
    Field(String, FieldRule),
    Body(BodyRule),
}

/// What a JSON value may be.
pub(crate) enum ValueRule {
    Any,
    Integer {
        min: Option<i128>,
        max: Option<i128>,
    },
    /// Unix seconds near the present.
    Now {
        tolerance: i128,
    },
    Pattern(Regex),
    OneOf(Vec<Value>),
    /// The elements of an array in any order.
    Unordered,
    /// The keys of an object in any order; the services sort them.
    SortedKeys,
}

/// What a header field may be.
pub(crate) enum FieldRule {
    Any,
    Pattern(Regex),
    Skip,
}

/// What a whole body may be.
pub(crate) enum BodyRule {
    Any,
    Prefix(String),
    /// A pattern in which placeholders are still to be filled in.
    Pattern(String),
}

/// A pattern that has to match a whole text, line ends included.
pub(crate) fn whole(pattern: &str) -> Regex {
    Regex::new(&format!("\\A(?s:{pattern})\\z"))
        .unwrap_or_else(|error| panic!("transcript pattern: {error}"))
}

/// Reads a transcript: one step a line, scenarios in the order in which they begin.
pub(crate) fn read(lines: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let value: Value = serde_json::from_str(line).unwrap();
        let name = text(&value, "scenario");
        let place = scenarios.iter().position(|s| s.name == name);
        let place = place.unwrap_or_else(|| {
            scenarios.push(Scenario {
                name,
                tags: BTreeSet::new(),
                steps: Vec::new(),
            });
            scenarios.len() - 1
        });
        scenarios[place]
            .tags
            .append(&mut texts(&value, "scenario_tags"));
        scenarios[place].steps.push(read_step(&value));
    }
    scenarios
}

fn read_step(value: &Value) -> Step {
    let responses = match value["responses"].as_array() {
        Some(many) => many.iter().map(read_expected).collect(),
        None => vec![read_expected(&value["response"])],
    };
    let captures = value["captures"].as_object().into_iter().flatten();
    let rules = value["volatile"].as_array().into_iter().flatten();
    Step {
        number: value["step"].as_u64().unwrap(),
        note: text(value, "note"),
        tags: texts(value, "tags"),
        delay: (value["delay_before"].as_f64().unwrap_or(0.0) * 1000.0).round() as u64,
        align: value["align"].as_bool().unwrap_or(false),
        request: read_request(&value["request"]),
        responses,
        captures: captures.map(|(name, c)| read_capture(name, c)).collect(),
        rules: rules.map(read_rule).collect(),
    }
}

fn read_request(value: &Value) -> Request {
    if let Value::Array(parts) = &value["raw"] {
        return Request::Raw {
            parts: parts.iter().map(read_part).collect(),
            methods: texts_in_order(&value["methods"]),
        };
    }
    let mut target = text(value, "target");
    if let Some(fill) = value["target_fill"].as_array() {
        let filling = fill[1].as_str().unwrap().repeat(size(&fill[2]));
        target = target.replace(fill[0].as_str().unwrap(), &filling);
    }
    Request::Plain(PlainRequest {
        method: text(value, "method"),
        target,
        version: value["version"].as_str().unwrap_or("1.1").to_string(),
        fields: read_fields(&value["headers"]),
        body: read_body(value),
        compress: value["compress"].as_str().map(|name| match name {
            "gzip" => Compression::Gzip,
            "deflate" => Compression::Deflate,
            other => panic!("unknown compression {other}"),
        }),
        chunk: value["encoding"].as_str().map(|name| {
            assert_eq!(name, "chunked");
            value["chunk_size"].as_u64().map_or(10, |n| n as usize)
        }),
    })
}

fn read_body(value: &Value) -> Body {
    let filled = &value["body_gen"];
    if filled.is_object() {
        return Body::Filled {
            prefix: text(filled, "prefix"),
            fill: text(filled, "fill"),
            count: size(&filled["count"]),
            suffix: text(filled, "suffix"),
        };
    }
    match (value["body_b64"].as_str(), value["body"].as_str()) {
        (Some(encoded), _) => Body::Bytes(decode_base64(encoded)),
        (None, Some(text)) => Body::Text(text.to_string()),
        (None, None) => Body::None,
    }
}

fn read_part(value: &Value) -> RawPart {
    match (
        value.as_str(),
        value["fill"].as_str(),
        value["b64"].as_str(),
    ) {
        (Some(text), _, _) => RawPart::Text(text.to_string()),
        (_, Some(fill), _) => RawPart::Bytes(fill.repeat(size(&value["count"])).into_bytes()),
        (_, _, Some(encoded)) => RawPart::Bytes(decode_base64(encoded)),
        (None, None, None) => {
            assert!(value["sleep"].is_number(), "unknown part {value}");
            RawPart::Pause
        }
    }
}

fn read_expected(value: &Value) -> Expected {
    Expected {
        status: value["status"].as_u64().unwrap() as u16,
        fields: read_fields(&value["headers"]),
        body: text(value, "body"),
        is_latin1: value["body_encoding"] == "latin-1",
    }
}

fn read_capture(name: &str, value: &Value) -> Capture {
    let from = match value["header"].as_str() {
        Some(field) => CaptureFrom::Field(field.to_string()),
        None => CaptureFrom::Body(read_path(&value["path"])),
    };
    Capture {
        name: name.to_string(),
        from,
        answer: value["n"].as_u64().unwrap_or(0) as usize,
        pattern: value["pattern"].as_str().map(whole),
    }
}

fn read_rule(value: &Value) -> Rule {
    let kind = value["type"].as_str().unwrap_or_default();
    let pattern = value["pattern"].as_str().unwrap_or_default();
    let about = if let Some(name) = value["header"].as_str() {
        About::Field(
            name.to_ascii_lowercase(),
            match kind {
                "any" => FieldRule::Any,
                "regex" => FieldRule::Pattern(whole(pattern)),
                // An entity tag is a fact about the old service's framework; it is never compared.
                "skip" | "express-etag" => FieldRule::Skip,
                other => panic!("unknown header rule {other}"),
            },
        )
    } else if let Some(body) = value["body"].as_str() {
        About::Body(match body {
            "any" => BodyRule::Any,
            "prefix" => BodyRule::Prefix(text(value, "value")),
            "regex" => BodyRule::Pattern(pattern.to_string()),
            other => panic!("unknown body rule {other}"),
        })
    } else {
        About::Value(
            read_path(&value["path"]),
            match kind {
                "any" => ValueRule::Any,
                "int" => ValueRule::Integer {
                    min: value["min"].as_i64().map(i128::from),
                    max: value["max"].as_i64().map(i128::from),
                },
                "now" => ValueRule::Now {
                    tolerance: value["tol"].as_i64().map_or(5, i128::from),
                },
                "regex" => ValueRule::Pattern(whole(pattern)),
                "oneof" => ValueRule::OneOf(value["values"].as_array().unwrap().clone()),
                "unordered" => ValueRule::Unordered,
                "sorted-keys" => ValueRule::SortedKeys,
                other => panic!("unknown value rule {other}"),
            },
        )
    };
    Rule {
        answer: value["n"].as_u64().map(|n| n as usize),
        about,
    }
}

fn read_path(value: &Value) -> Vec<PathStep> {
    let step = |step: &Value| match step.as_str() {
        Some("*") => PathStep::Any,
        Some(key) => PathStep::Key(key.to_string()),
        None => PathStep::Index(size(step)),
    };
    value.as_array().unwrap().iter().map(step).collect()
}

fn read_fields(value: &Value) -> Vec<(String, String)> {
    let field = |pair: &Value| {
        let part = |n: usize| pair[n].as_str().unwrap().to_string();
        (part(0), part(1))
    };
    value.as_array().unwrap().iter().map(field).collect()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_string()
}

fn texts(value: &Value, name: &str) -> BTreeSet<String> {
    texts_in_order(&value[name]).into_iter().collect()
}

fn texts_in_order(value: &Value) -> Vec<String> {
    let elements = value.as_array().into_iter().flatten();
    elements.map(|e| e.as_str().unwrap().to_string()).collect()
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn decode_base64(encoded: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0u32, 0u32);
    for letter in encoded.chars().filter(|c| *c != '=') {
        bits = bits << 6 | ALPHABET.find(letter).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

/// Values by name, filled into what is sent and expected.
pub(crate) type Environment = BTreeMap<String, String>;
