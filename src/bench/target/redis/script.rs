//! The same sessions with one script on the server for each request: the best that Redis can do.

use std::sync::OnceLock;

use crate::bench::target::chosen;
use crate::bench::target::redis;
use crate::bench::target::redis::names::{Names, arguments};
use crate::bench::target::redis::resp::{command, elements};
use crate::bench::target::settings::MARKS;
use crate::bench::target::template::Template;
use crate::bench::target::{Awaited, CHOSEN_BYTES, ChosenToken, Contents, Frame, Life, Malformed};
use crate::bench::target::{Meaning, Reply, Request, SLOTS, Target, TargetSettings, Verb};

/// Reads a living session into `s`, or ends; notes the access in the three indexes.
/// KEYS: session, sessions, users, ends. ARGV: now, token, app.
const TOUCH: &str = "\
local s=redis.call('HMGET',KEYS[1],'id','r','w','ttl','d','la','ip','no_resave')
if not s[1] then return false end
local now=tonumber(ARGV[1]) local idle=now-tonumber(s[6])
if tonumber(s[4])<idle then return false end
redis.call('ZADD',KEYS[2],now,ARGV[2]..':'..s[1])
redis.call('ZADD',KEYS[3],now,s[1])
redis.call('ZADD',KEYS[4],now+tonumber(s[4]),ARGV[3]..':'..ARGV[2]..':'..s[1])
if idle>1 then redis.call('HSET',KEYS[1],'la',ARGV[1]) end
";

const GET: &str = "redis.call('HINCRBY',KEYS[1],'r',1) return s";

/// The fourth of ARGV is the data to be merged.
const SET: &str = "\
local d=s[5] and cjson.decode(s[5]) or {}
for k,v in pairs(cjson.decode(ARGV[4])) do if v==cjson.null then d[k]=nil else d[k]=v end end
s[5]=cjson.encode(d)
s[3]=redis.call('HINCRBY',KEYS[1],'w',1)
redis.call('HSET',KEYS[1],'d',s[5])
return s";

/// KEYS: session, sessions, users, ends, tokens of the user.
/// ARGV: now, end, token, app, user, ip, ttl, data.
const CREATE: &str = "\
redis.call('ZADD',KEYS[2],ARGV[1],ARGV[3]..':'..ARGV[5])
redis.call('ZADD',KEYS[3],ARGV[1],ARGV[5])
redis.call('ZADD',KEYS[4],ARGV[2],ARGV[4]..':'..ARGV[3]..':'..ARGV[5])
redis.call('SADD',KEYS[5],ARGV[3])
redis.call('HSET',KEYS[1],'id',ARGV[5],'r',1,'w',1,'ip',ARGV[6],'la',ARGV[1],'ttl',ARGV[7])
if ARGV[8]~='' then redis.call('HSET',KEYS[1],'d',ARGV[8]) end
return 1";

/// KEYS: session, sessions, users, ends. ARGV: token, app, start of the keys of users' tokens.
const KILL: &str = "\
local id=redis.call('HGET',KEYS[1],'id')
if not id then return 0 end
redis.call('ZREM',KEYS[2],ARGV[1]..':'..id)
local tokens=ARGV[3]..id
redis.call('SREM',tokens,ARGV[1])
redis.call('ZREM',KEYS[4],ARGV[2]..':'..ARGV[1]..':'..id)
redis.call('DEL',KEYS[1])
if redis.call('EXISTS',tokens)==0 then redis.call('ZREM',KEYS[3],id) end
return 1";

/// Scripts, in the order in which a greeting loads them.
const SCRIPTS: usize = 4;

/// Characters of a script's name, which Redis makes from its text.
const NAME_BYTES: usize = 40;

/// A script on the server: its arguments are prepared, its name is known once it is loaded.
struct Script {
    text: String,
    name: OnceLock<[u8; NAME_BYTES]>,
    /// `EVALSHA` and the head of the name.
    start: String,
    arguments: Template,
    /// The arguments of a verified set, one for each slot.
    marked: Vec<Template>,
}

impl Script {
    fn new(text: String, keys: &[&str], values: &[&str]) -> Self {
        let count = 3 + keys.len() + values.len();
        Self {
            text,
            name: OnceLock::new(),
            start: format!("*{count}\r\n$7\r\nEVALSHA\r\n${NAME_BYTES}\r\n"),
            arguments: Self::arguments(keys, values),
            marked: Vec::new(),
        }
    }

    fn arguments(keys: &[&str], values: &[&str]) -> Template {
        let number = keys.len().to_string();
        let all = [&[number.as_str()], keys, values].concat();
        Template::new(&format!("\r\n{}", arguments(&all)))
    }

    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.start.as_bytes());
        let name = self.name.get().map_or(&[b'0'; NAME_BYTES], |name| name);
        out.extend_from_slice(name);
        let marked = request.mark.and_then(|mark| self.marked.get(mark.slot));
        marked.unwrap_or(&self.arguments).write(request, out);
    }
}

/// Sessions of redis-sessions; one script for each request.
pub(in crate::bench) struct ScriptTarget {
    ttl: u64,
    scripts: [Script; SCRIPTS],
    ping: Template,
    durability: OnceLock<Option<String>>,
}

impl ScriptTarget {
    pub(in crate::bench) fn new(settings: &TargetSettings) -> Self {
        let ttl = redis::ttl(settings);
        let names = Names::new(&settings.app, ttl);
        let keys = [
            names.key.as_str(),
            &names.sessions,
            &names.users,
            &names.ends,
        ];
        let create_keys = [&keys[..], &[&names.tokens]].concat();
        let data = settings.data();
        let user = &names.user;
        let created = [
            "{now}",
            &names.end,
            "{token}",
            &names.app,
            user,
            "{address}",
            &names.ttl,
            &data,
        ];
        let object = settings.object();
        let mut set = Script::new(
            format!("{TOUCH}{SET}"),
            &keys,
            &["{now}", "{token}", &names.app, &object],
        );
        set.marked = MARKS
            .iter()
            .map(|name| {
                let data = settings.object_with_mark(name);
                Script::arguments(&keys, &["{now}", "{token}", &names.app, &data])
            })
            .collect();
        let read = ["{now}", "{token}", &names.app];
        let ended = ["{token}", &names.app, &names.tokens_of];
        Self {
            ttl,
            scripts: [
                Script::new(format!("{TOUCH}{GET}"), &keys, &read),
                set,
                Script::new(CREATE.to_owned(), &create_keys, &created),
                Script::new(KILL.to_owned(), &keys, &ended),
            ],
            ping: command(&["PING"]),
            durability: OnceLock::new(),
        }
    }
}

impl Target for ScriptTarget {
    fn greet(&self, out: &mut Vec<u8>) -> usize {
        for script in &self.scripts {
            let load = arguments(&["SCRIPT", "LOAD", &script.text]);
            out.extend_from_slice(b"*3\r\n");
            out.extend_from_slice(load.as_bytes());
        }
        out.extend_from_slice(redis::ASK_DURABILITY);
        SCRIPTS + 1
    }

    fn greeted(&self, number: usize, frame: &Frame<'_>) -> Result<(), String> {
        let body: &[u8] = &frame.body;
        if number == SCRIPTS {
            self.durability.get_or_init(|| redis::durability(body));
            return Ok(());
        }
        let name = body
            .strip_prefix(b"$40\r\n")
            .and_then(|text| text.first_chunk::<NAME_BYTES>());
        match (self.scripts.get(number), name) {
            (Some(script), Some(name)) => {
                script.name.get_or_init(|| *name);
                Ok(())
            }
            _ => Err(format!(
                "it does not load scripts: {}",
                String::from_utf8_lossy(body).trim_end()
            )),
        }
    }

    fn durability(&self) -> Option<String> {
        self.durability.get().cloned().flatten()
    }

    fn chosen_token(&self, user: u64) -> Option<ChosenToken> {
        Some(chosen::token(user))
    }

    fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) -> Awaited {
        let [get, set, create, kill] = &self.scripts;
        match request.verb {
            Verb::Create => create.write(request, out),
            Verb::Get | Verb::Touch | Verb::Rotate => get.write(request, out),
            Verb::Set => set.write(request, out),
            Verb::Kill => kill.write(request, out),
            Verb::List | Verb::Fetch => self.ping.write(request, out),
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
        match awaited.verb {
            Verb::Create => Meaning::Created(None),
            Verb::List | Verb::Fetch => Meaning::Served,
            Verb::Kill if body == b":0\r\n" => Meaning::Missing,
            Verb::Kill => Meaning::Killed,
            Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate
                if elements(body).next().is_none() =>
            {
                Meaning::Missing
            }
            Verb::Get | Verb::Touch | Verb::Set | Verb::Rotate => Meaning::Served,
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
