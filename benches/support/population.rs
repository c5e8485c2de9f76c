//! The sessions that every benchmark measures: 64-character token, 16-character user, one session
//! per user, IPv4 text, 60 bytes of data.

use std::ops::Range;

use cloakroom::clock::Millis;
use cloakroom::engine::{Engine, EngineConfig, NewSession, NewToken, OsRandomness};
use cloakroom::model::{AppName, ContentType, Keys, Life};

/// The moment at which a population is created.
pub const START: u64 = 1_795_000_000_000;

/// 60 bytes of JSON.
pub const DATA: &[u8] = br#"{"name":"Peter Smith","unread_msgs":12,"lang":"en","v":"1.0"}"#;

/// A 64-bit permutation with good diffusion, to choose keys.
pub fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ x >> 33
}

pub fn app() -> AppName<'static> {
    AppName::new("bench").expect("a valid name")
}

/// An engine as `cloakroom serve` makes it.
pub fn engine(ip_index: bool) -> Engine {
    let ip_indexed_apps = if ip_index {
        vec!["bench".to_owned()]
    } else {
        Vec::new()
    };
    let config = EngineConfig {
        ip_indexed_apps,
        ..EngineConfig::default()
    };
    let engine = Engine::new(&config, Keys::new([42; 32]), Box::new(OsRandomness::new()));
    // A server sweeps from its start on, so its wheels stand at the present.
    while engine.sweep(Millis(START), 1_024).more {}
    engine
}

/// The token of session number `n`: 64 alphanumerics, made without reading memory, as a token that
/// has just arrived from the network is at hand.
pub fn token(n: u64) -> [u8; 64] {
    let mut token = [0; 64];
    for (word, place) in token.chunks_exact_mut(8).enumerate() {
        // Letters a to p, one for every four bits.
        let bits = mix(n * 8 + word as u64);
        let nibbles = bits & 0x0f0f_0f0f_0f0f_0f0f;
        place.copy_from_slice(&(nibbles + 0x6161_6161_6161_6161).to_le_bytes());
    }
    token
}

/// What a session is created from.
pub struct Newcomer {
    token: [u8; 64],
    user: String,
    ip: String,
}

impl Newcomer {
    /// Session number `n`.
    pub fn new(n: u64) -> Self {
        let bits = mix(n);
        let byte = |shift: u32| bits >> shift & 255;
        Self {
            token: token(n),
            user: format!("user-{n:011}"),
            ip: format!("{}.{}.{}.{}", byte(0), byte(8), byte(16), byte(24)),
        }
    }

    /// Creates the session at `now`.
    pub fn create(&self, engine: &Engine, now: u64, life: Life) {
        let new = NewSession {
            app: app(),
            token: NewToken::Chosen(&self.token),
            keep_token: false,
            user: Some(&self.user),
            ip: Some(&self.ip),
            life,
            no_resave: false,
            content_type: ContentType::JSON_OBJECT,
            data: DATA,
        };
        engine
            .create(Millis(now), &new)
            .expect("room for the session");
    }
}

/// Creates sessions by number, spread over `seconds` seconds from [`START`] on.
pub fn populate(engine: &Engine, numbers: Range<u64>, seconds: u64, life: Life) {
    let end = numbers.end;
    for n in numbers {
        Newcomer::new(n).create(engine, START + n * seconds * 1000 / end, life);
    }
}
