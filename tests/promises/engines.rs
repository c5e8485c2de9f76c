//! Engines without a server, their verbs in short, and dice.

use cloakroom::clock::Millis;
use cloakroom::engine::{
    Created, Engine, EngineConfig, Key, ListCursor, ListProgress, NewSession, NewToken,
    OsRandomness, Read, Refusal, Scope,
};
use cloakroom::model::{AppName, ContentType, Keys, Life, SessionView, TokenStyle};

pub(crate) fn engine(config: &EngineConfig) -> Engine {
    Engine::new(config, Keys::new([7; 32]), Box::new(OsRandomness::new()))
}

pub(crate) fn app(name: &str) -> AppName<'_> {
    AppName::new(name).unwrap()
}

/// A new session with everything that is optional left out.
pub(crate) fn plain<'a>(name: &'a str, user: &'a str, life: Life) -> NewSession<'a> {
    NewSession {
        app: app(name),
        token: NewToken::Draw(TokenStyle::UuidV4),
        keep_token: false,
        user: Some(user),
        ip: Some("10.0.0.1"),
        life,
        no_resave: false,
        content_type: ContentType::JSON_OBJECT,
        data: b"",
    }
}

/// Creates a session without an end: the token.
pub(crate) fn create(engine: &Engine, now: Millis, name: &str, user: &str) -> Vec<u8> {
    let created: Result<_, Refusal> = engine.create(now, &plain(name, user, Life::ENDLESS));
    let Created { token, .. } = created.unwrap().answer;
    token.as_bytes().to_vec()
}

/// Whether a get finds the session.
pub(crate) fn is_served(engine: &Engine, now: Millis, name: &str, token: &[u8]) -> bool {
    let seen = engine.read(now, app(name), Key::Token(token), Read::Touch, |_| ());
    seen.answer.is_some()
}

/// Does a whole list.
pub(crate) fn list(
    engine: &Engine,
    now: Millis,
    name: &str,
    scope: Scope<'_>,
    each: &mut dyn FnMut(&SessionView<'_>),
) {
    let mut cursor = ListCursor::default();
    while engine.list(now, app(name), scope, &mut cursor, each) == ListProgress::More {}
}

/// Does a whole kill: how many.
pub(crate) fn kill_matching(engine: &Engine, now: Millis, name: &str, scope: Scope<'_>) -> u64 {
    let (mut cursor, mut killed) = (ListCursor::default(), 0);
    loop {
        let (progress, reply) = engine
            .remove_matching(now, app(name), scope, None, &mut cursor)
            .unwrap();
        killed += reply.answer;
        if progress == ListProgress::Done {
            return killed;
        }
    }
}

/// Sweeps until nothing is left to do.
pub(crate) fn sweep_all(engine: &Engine, now: Millis) {
    while engine.sweep(now, 64).more {}
}

/// xorshift64*: good enough to choose steps.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % below
    }

    /// Lets between none and a few thousand turns of an empty loop pass.
    pub(crate) fn dawdle(&mut self) {
        for _ in 0..self.roll(4_000) {
            std::hint::spin_loop();
        }
    }
}
