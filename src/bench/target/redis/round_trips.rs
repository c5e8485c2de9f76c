//! Sessions in Redis as redis-sessions keeps them: HMGET, then MULTI to EXEC in a second round trip.
//!
//! Commands and their order are those of redis-sessions 4.0.0 over node-redis 4, which sends a
//! transaction in one piece. A kill reads without touching, as the library means to.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::bench::target::chosen;
use crate::bench::target::redis;
use crate::bench::target::redis::names::{Line, Names, transaction};
use crate::bench::target::redis::resp::{command, elements, integer};
use crate::bench::target::settings::MARKS;
use crate::bench::target::template::Template;
use crate::bench::target::{Awaited, CHOSEN_BYTES, ChosenToken, Contents, Frame, Life, Malformed};
use crate::bench::target::{Mark, Meaning, Reply, Request, SLOTS, Target, TargetSettings, Verb};

/// Sessions of redis-sessions; two round trips for most requests.
pub(in crate::bench) struct RoundTripsTarget {
    names: Names,
    ttl: u64,
    /// The data that every set writes.
    object: String,
    create: Transaction,
    read: Template,
    get: Pair,
    set: Pair,
    kill: Transaction,
    forget_user: Template,
    ping: Template,
    durability: OnceLock<Option<String>>,
}

/// MULTI, some commands, EXEC.
struct Transaction {
    template: Template,
    replies: u8,
}

impl Transaction {
    fn of(lines: &[Line<'_>]) -> Self {
        Self {
            template: Template::new(&transaction(lines)),
            replies: u8::try_from(lines.len() + 2).unwrap_or(u8::MAX),
        }
    }

    fn write(&self, request: &Request<'_>, stage: u8, out: &mut Vec<u8>) -> Awaited {
        self.template.write(request, out);
        Awaited {
            stage,
            replies: self.replies,
            ..Awaited::one(request)
        }
    }
}

/// A transaction on a session that was idle for more than a second, and on any other.
struct Pair {
    idle: Transaction,
    busy: Transaction,
}

impl Pair {
    fn choose(&self, idle: bool) -> &Transaction {
        if idle { &self.idle } else { &self.busy }
    }
}

impl RoundTripsTarget {
    pub(in crate::bench) fn new(settings: &TargetSettings) -> Self {
        let ttl = redis::ttl(settings);
        let names = Names::new(&settings.app, ttl);
        let object = settings.object();
        Self {
            create: Transaction::of(&names.create(&settings.data())),
            read: command(&names.read()),
            get: Pair {
                idle: Transaction::of(&names.get(true)),
                busy: Transaction::of(&names.get(false)),
            },
            set: Pair {
                idle: Transaction::of(&names.set(&object, true)),
                busy: Transaction::of(&names.set(&object, false)),
            },
            kill: Transaction::of(&names.kill()),
            forget_user: command(&["ZREM", &names.users, &names.user]),
            ping: command(&["PING"]),
            durability: OnceLock::new(),
            names,
            ttl,
            object,
        }
    }

    /// Merges the mark into the data that was read, in the client, as the library does.
    fn merged(&self, fields: &[u8], mark: Mark) -> String {
        let stored = elements(fields).nth(4).flatten().unwrap_or(b"{}");
        let object = |text: &[u8]| -> Map<String, Value> {
            serde_json::from_slice(text).unwrap_or_default()
        };
        let mut data = object(stored);
        data.extend(object(self.object.as_bytes()));
        if let Some(name) = MARKS.get(mark.slot) {
            data.insert((*name).to_owned(), Value::String(mark.value.to_string()));
        }
        Value::Object(data).to_string()
    }

    fn second_of_set(
        &self,
        request: &Request<'_>,
        fields: &[u8],
        idle: bool,
        out: &mut Vec<u8>,
    ) -> Awaited {
        match request.mark {
            None => self.set.choose(idle).write(request, 1, out),
            Some(mark) => {
                let data = self.merged(fields, mark);
                Transaction::of(&self.names.set(&data, idle)).write(request, 1, out)
            }
        }
    }
}

/// Seconds since the recorded access.
fn idle(fields: &[u8], now: u64) -> u64 {
    now.saturating_sub(integer(elements(fields).nth(5).flatten()))
}

impl Target for RoundTripsTarget {
    fn greet(&self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(redis::ASK_DURABILITY);
        1
    }

    fn greeted(&self, _number: usize, frame: &Frame<'_>) -> Result<(), String> {
        self.durability
            .get_or_init(|| redis::durability(&frame.body));
        Ok(())
    }

    fn durability(&self) -> Option<String> {
        self.durability.get().cloned().flatten()
    }

    fn chosen_token(&self, user: u64) -> Option<ChosenToken> {
        Some(chosen::token(user))
    }

    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Awaited {
        match request.verb {
            Verb::Create => return self.create.write(request, 1, out),
            Verb::List | Verb::Fetch => self.ping.write(request, out),
            Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate | Verb::Kill => {
                self.read.write(request, out)
            }
        }
        Awaited::one(request)
    }

    fn read<'i>(&self, awaited: Awaited, input: &'i [u8]) -> Result<Option<Reply<'i>>, Malformed> {
        redis::read(awaited, input)
    }

    fn meaning<'f>(&self, awaited: Awaited, frame: &'f Frame<'_>) -> Meaning<'f> {
        let body: &[u8] = &frame.body;
        if let Some(refused) = redis::refusal(body) {
            return refused;
        }
        match (awaited.verb, awaited.stage) {
            (Verb::Create, _) => Meaning::Created(None),
            (Verb::List | Verb::Fetch, _) => Meaning::Served,
            (_, 0) => {
                let mut fields = elements(body).skip(3);
                let ttl = integer(fields.next().flatten());
                let is_over = redis::is_missing(body) || ttl < idle(body, awaited.now);
                if is_over {
                    Meaning::Missing
                } else {
                    Meaning::Unfinished
                }
            }
            (Verb::Kill, 1) => {
                let mut counts = elements(body).skip(3).map(integer);
                match (counts.next(), counts.next()) {
                    (Some(1..), Some(1..)) => Meaning::Killed,
                    (Some(1..), _) => Meaning::Unfinished,
                    _ => Meaning::Missing,
                }
            }
            (Verb::Kill, _) => Meaning::Killed,
            (Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate, _) => Meaning::Served,
        }
    }

    fn go_on(
        &self,
        request: &Request<'_>,
        awaited: Awaited,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Awaited {
        let is_idle = idle(&frame.body, request.now) > 1;
        match (request.verb, awaited.stage) {
            (Verb::Kill, 0) => self.kill.write(request, 1, out),
            (Verb::Kill, _) => {
                self.forget_user.write(request, out);
                Awaited {
                    stage: 2,
                    ..Awaited::one(request)
                }
            }
            (Verb::Set, _) => self.second_of_set(request, &frame.body, is_idle, out),
            (
                Verb::Create | Verb::Get | Verb::Touch | Verb::Rotate | Verb::List | Verb::Fetch,
                _,
            ) => self.get.choose(is_idle).write(request, 1, out),
        }
    }

    fn contents(&self, body: &[u8]) -> Option<Contents> {
        redis::contents(body)
    }

    fn token_bytes(&self) -> usize {
        CHOSEN_BYTES
    }

    fn slots(&self) -> usize {
        SLOTS
    }

    fn life(&self) -> Life {
        redis::life(self.ttl)
    }
}
