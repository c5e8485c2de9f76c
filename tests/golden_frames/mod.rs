//! The frames of protocol/vectors as bytes, and dice to spoil them with.

use std::fs;
use std::path::Path;

/// One golden frame of protocol/vectors.
#[derive(Default)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) error: String,
    pub(crate) limit: usize,
}

pub(crate) fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/vectors");
    let mut vectors: Vec<Vector> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim();
            if word == "name" {
                vectors.push(Vector::default());
            }
            let Some(vector) = vectors.last_mut() else {
                continue;
            };
            match word {
                "name" => rest.clone_into(&mut vector.name),
                "kind" => rest.clone_into(&mut vector.kind),
                "error" => rest.clone_into(&mut vector.error),
                "limit" => vector.limit = rest.parse().unwrap(),
                "hex" => vector.bytes.extend(unhex(rest)),
                "fill" => {
                    let (byte, count) = rest.split_once(' ').unwrap();
                    vector
                        .bytes
                        .extend(unhex(byte).repeat(count.parse().unwrap()));
                }
                _ => {}
            }
        }
    }
    assert!(vectors.len() > 100, "{}", vectors.len());
    vectors
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// xorshift64*: good enough to spoil frames.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) as usize % below
    }
}
