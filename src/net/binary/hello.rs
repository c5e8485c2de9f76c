//! Requests about the connection and the server: HELLO, PING, STATS.

use cloakroom_protocol as wire;
use cloakroom_protocol::{AccessKey, Answer, ErrorCode, Figure, limits};

use crate::config::{AccessKeys, Durability, GoodFor};
use crate::engine::Unavailable;
use crate::model::AppName;
use crate::net::binary::exchange::{BinaryExchange, Greeting};
use crate::net::exchange::Turn;
use crate::net::service::Service;

/// What the server calls itself.
const SERVER: &str = concat!("cloakroom ", env!("CARGO_PKG_VERSION"));

/// What the key that a caller shows is good for on a server with these keys.
fn admitted(keys: Option<&AccessKeys>, shown: AccessKey<'_>) -> Result<GoodFor, ErrorCode> {
    match (keys, shown.0) {
        (None, b"") => Ok(GoodFor::AllApps),
        // Its sender believes that the server checks it.
        (None, _) => Err(ErrorCode::KeyRefused),
        (Some(_), b"") => Err(ErrorCode::KeyRequired),
        (Some(keys), shown) => keys.admit(shown).ok_or(ErrorCode::KeyRefused),
    }
}

impl BinaryExchange {
    /// Agrees on a version and an app.
    pub(super) fn hello(
        &mut self,
        hello: &wire::Hello<'_>,
        turn: &Turn<'_>,
    ) -> Result<(), ErrorCode> {
        if self.greeting.is_some() {
            return Err(ErrorCode::HelloTwice);
        }
        if !(hello.min_version..=hello.max_version).contains(&wire::VERSION) {
            return Err(ErrorCode::VersionUnsupported);
        }
        let good_for = admitted(turn.service.access_keys.as_ref(), hello.access_key)?;
        let app = match hello.app {
            "" => None,
            name => {
                let app = AppName::new(name).map_err(|_name| ErrorCode::BadApp)?;
                if !good_for.covers(app) {
                    return Err(ErrorCode::AppRefused);
                }
                Some(name.into())
            }
        };
        tracing::debug!(peer = %turn.peer, client = hello.client, "hello");
        self.greeting = Some(Greeting { app, good_for });
        let welcome = wire::Welcome {
            version: wire::VERSION,
            max_keys: u16::try_from(limits::MGET_KEYS).unwrap_or(u16::MAX),
            max_sessions: limits::LIST_SESSIONS,
            max_payload: u32::try_from(limits::PAYLOAD_BYTES).unwrap_or(u32::MAX),
            max_grace: limits::GRACE_MILLIS,
            now: turn.now.0,
            run: turn.service.run,
            server: SERVER,
        };
        self.say(Answer::Welcome(welcome), 0, None);
        Ok(())
    }

    /// Answers.
    pub(super) fn ping(&mut self, ping: &wire::Ping<'_>, turn: &Turn<'_>) {
        let pong = wire::Pong {
            now: turn.now.0,
            echo: ping.echo,
        };
        self.say(Answer::Pong(pong), 0, None);
    }

    /// Tells figures of the server, and of the app if there is one.
    pub(super) fn stats(&mut self, app: Option<AppName<'_>>, turn: &Turn<'_>) {
        let service = turn.service;
        let memory = service.engine.memory_use();
        let uptime = turn.now.0.saturating_sub(service.started.0);
        let mut figures = wire::FiguresBuffer::default();
        for (figure, value) in [
            (Figure::SESSIONS, memory.sessions),
            (Figure::APPS, memory.apps),
            (Figure::MEMORY, memory.accounted),
            (Figure::MEMORY_MAX, service.engine.max_memory()),
            (Figure::CONNECTIONS, service.connections.count()),
            (Figure::UPTIME, uptime),
            (Figure::LOG_STATE, log_state(service)),
            (Figure::DURABILITY, durability(service.durability)),
        ] {
            figures.push(figure, value);
        }
        if let Some(app) = app {
            let (users, sessions) = service.engine.population(app);
            figures.push(Figure::APP_SESSIONS, sessions);
            figures.push(Figure::APP_USERS, users);
        }
        self.say(Answer::Figures(figures.figures()), 0, None);
    }
}

/// The number that tells how the log is.
fn log_state(service: &Service) -> u64 {
    match (service.durability, service.engine.log_condition()) {
        (None, _) => 0,
        (Some(_), Ok(())) => 1,
        (Some(_), Err(Unavailable::Full)) => 2,
        (Some(_), Err(Unavailable::Failed)) => 3,
    }
}

/// The number that tells what acknowledged changes survive.
fn durability(setting: Option<Durability>) -> u64 {
    match setting {
        None => 0,
        Some(Durability::Os) => 1,
        Some(Durability::Everysec) => 2,
        Some(Durability::Always) => 3,
    }
}
