//! The sessions that every benchmark measures: 64-character token, 16-character user, one session
//! per user, IPv4 text, 60 bytes of data.

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
    Engine::new(&config, Keys::new([42; 32]), Box::new(OsRandomness::new()))
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

/// Creates session number `n` at `now`.
pub fn create(engine: &Engine, now: u64, n: u64, life: Life) {
    let user = format!("user-{n:011}");
    let bits = mix(n);
    let byte = |shift: u32| bits >> shift & 255;
    let ip = format!("{}.{}.{}.{}", byte(0), byte(8), byte(16), byte(24));
    let new = NewSession {
        app: app(),
        token: NewToken::Chosen(&token(n)),
        keep_token: false,
        user: Some(&user),
        ip: Some(&ip),
        life,
        no_resave: false,
        content_type: ContentType::JSON_OBJECT,
        data: DATA,
    };
    engine
        .create(Millis(now), &new)
        .expect("room for the session");
}

/// Sessions 0 to `count` of a month's life, spread over `seconds` seconds from [`START`] on.
pub fn populate(engine: &Engine, count: u64, seconds: u64) {
    populate_from(engine, 0, count, seconds);
}

/// The same without those before `first`.
pub fn populate_from(engine: &Engine, first: u64, count: u64, seconds: u64) {
    let life = Life::whole_seconds(30 * 86_400);
    for n in first..count {
        create(engine, START + n * seconds * 1000 / count, n, life);
    }
}
