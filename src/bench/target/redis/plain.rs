//! Plain GET and SET of one value: no counter, no index, no merge. The least that Redis can do.

use std::sync::OnceLock;

use crate::bench::stopwatch::SECOND;
use crate::bench::target::chosen;
use crate::bench::target::redis::resp::command;
use crate::bench::target::redis::{self, refusal};
use crate::bench::target::template::Template;
use crate::bench::target::{Awaited, CHOSEN_BYTES, ChosenToken, Contents, Frame, Life, Malformed};
use crate::bench::target::{Meaning, Reply, Request, Target, TargetSettings, Verb};

/// A value of the length of a session's data under each token.
pub(in crate::bench) struct PlainTarget {
    ttl: u64,
    create: Template,
    get: Template,
    touch: Template,
    set: Template,
    kill: Template,
    ping: Template,
    durability: OnceLock<Option<String>>,
}

impl PlainTarget {
    pub(in crate::bench) fn new(settings: &TargetSettings) -> Self {
        let ttl = redis::ttl(settings);
        let seconds = ttl.to_string();
        let key = format!("{}:{{token}}", settings.app);
        let data = settings.data();
        Self {
            ttl,
            create: command(&["SET", &key, &data, "EX", &seconds]),
            get: command(&["GET", &key]),
            touch: command(&["EXPIRE", &key, &seconds]),
            set: command(&["SET", &key, &data, "EX", &seconds, "XX"]),
            kill: command(&["DEL", &key]),
            ping: command(&["PING"]),
            durability: OnceLock::new(),
        }
    }
}

impl Target for PlainTarget {
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
        let template = match request.verb {
            Verb::Create => &self.create,
            Verb::Get => &self.get,
            Verb::Touch | Verb::Rotate => &self.touch,
            Verb::Set => &self.set,
            Verb::Kill => &self.kill,
            Verb::List | Verb::Fetch => &self.ping,
        };
        template.write(request, out);
        Awaited::one(request)
    }

    fn read<'i>(&self, awaited: Awaited, input: &'i [u8]) -> Result<Option<Reply<'i>>, Malformed> {
        redis::read(awaited, input)
    }

    fn meaning<'f>(&self, awaited: Awaited, frame: &'f Frame<'_>) -> Meaning<'f> {
        let body: &[u8] = &frame.body;
        if let Some(refused) = refusal(body) {
            return refused;
        }
        let is_missing = body.starts_with(b"$-1") || body == b":0\r\n";
        match awaited.verb {
            Verb::Create => Meaning::Created(None),
            Verb::List | Verb::Fetch => Meaning::Served,
            Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate | Verb::Kill if is_missing => {
                Meaning::Missing
            }
            Verb::Kill => Meaning::Killed,
            Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate => Meaning::Served,
        }
    }

    fn contents(&self, _body: &[u8]) -> Option<Contents> {
        None
    }

    fn token_bytes(&self) -> usize {
        CHOSEN_BYTES
    }

    fn slots(&self) -> usize {
        0
    }

    fn life(&self) -> Life {
        Life {
            span: self.ttl.saturating_mul(SECOND),
            sliding: false,
            lag: 0,
            rounding: 0,
        }
    }
}
