//! The sequences of `scripts/`: what redis-sessions sends, and the same as one script.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use crate::operation::Verb;
use crate::sessions::{APP, DATA, TTL, ip, token, user};

/// Namespace of all keys; `scripts/*.multi` has it written out.
const NAMESPACE: &str = "rs";

/// All operations, by verb.
pub(crate) struct Sequences {
    verbs: Vec<(Verb, Sequence)>,
}

/// One operation.
pub(crate) struct Sequence {
    /// Source of the script.
    pub(crate) script: String,
    /// Commands by round trip.
    trips: Vec<Vec<Line>>,
}

/// A command with places to fill in.
struct Line {
    /// Sent only when the recorded access is more than a second old.
    if_idle: bool,
    /// Sent once for each session that the first round trip has found.
    each: bool,
    words: Vec<String>,
}

/// What the places of a command are filled with.
pub(crate) struct Filling {
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// The session's number.
    pub(crate) session: u64,
    /// Its recorded access is more than a second old.
    pub(crate) idle: bool,
    /// Tokens that the first round trip has found.
    pub(crate) found: Vec<String>,
}

/// Reads the scripts.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn read_all(folder: &Path) -> Result<Rc<Sequences>, String> {
    let read = |name: String| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    let mut verbs = Vec::new();
    for verb in Verb::ALL {
        let script = read(format!("{}.lua", verb.name()))?;
        let commands = read(format!("{}.multi", verb.name()))?;
        let trips = trips_of(&commands);
        verbs.push((verb, Sequence { script, trips }));
    }
    Ok(Rc::new(Sequences { verbs }))
}

fn trips_of(text: &str) -> Vec<Vec<Line>> {
    let mut trips = vec![Vec::new()];
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        if line == "--" {
            trips.push(Vec::new());
            continue;
        }
        let if_idle = line.starts_with("idle>1 ");
        let each = line.starts_with("each ");
        let words = line.split_ascii_whitespace();
        let words = words.skip(usize::from(if_idle || each)).map(str::to_owned);
        if let Some(trip) = trips.last_mut() {
            trip.push(Line {
                if_idle,
                each,
                words: words.collect(),
            });
        }
    }
    trips
}

impl Sequences {
    pub(crate) fn of(&self, verb: Verb) -> Option<&Sequence> {
        self.verbs.iter().find(|(v, _)| *v == verb).map(|(_, s)| s)
    }
}

impl Sequence {
    /// The commands of a round trip, filled in; `None` behind the last one.
    pub(crate) fn commands(&self, trip: usize, filling: &Filling) -> Option<Vec<Vec<String>>> {
        let mut commands = Vec::new();
        let own = token(filling.session);
        for line in self.trips.get(trip)? {
            if line.each {
                let found = filling.found.iter();
                commands.extend(found.map(|token| line.fill(filling, token)));
            } else if !line.if_idle || filling.idle {
                commands.push(line.fill(filling, &own));
            }
        }
        Some(commands)
    }
}

impl Line {
    fn fill(&self, filling: &Filling, token: &str) -> Vec<String> {
        let fill = |word: &String| {
            let mut out = String::with_capacity(word.len() + 80);
            let mut rest = word.as_str();
            while let Some((before, behind)) = rest.split_once('{') {
                let (name, after) = behind.split_once('}').unwrap_or((behind, ""));
                out.push_str(before);
                out.push_str(&place(name, filling, token));
                rest = after;
            }
            out.push_str(rest);
            out
        };
        self.words.iter().map(fill).collect()
    }
}

/// What stands for a place.
fn place<'a>(name: &'a str, filling: &Filling, token: &'a str) -> Cow<'a, str> {
    match name {
        "app" => APP.into(),
        "token" => token.into(),
        "id" => user(filling.session).into(),
        "ip" => ip(filling.session).into(),
        "now" => filling.now.to_string().into(),
        "ends" => (filling.now + TTL).to_string().into(),
        "since" => (filling.now - SINCE).to_string().into(),
        "ttl" => TTL.to_string().into(),
        "data" => DATA.into(),
        unknown => format!("{{{unknown}}}").into(),
    }
}

/// Seconds that activity and soapp look back.
const SINCE: u64 = 10;

/// Keys and arguments of a verb's script, as its first lines say.
pub(crate) fn script_arguments(verb: Verb, filling: &Filling) -> Vec<String> {
    let session = filling.session;
    let now = filling.now.to_string();
    let app = format!("{NAMESPACE}:{APP}");
    let hash = || format!("{app}:{}", token(session));
    let common = || vec![hash(), app.clone(), token(session), now.clone()];
    let mut arguments = match verb {
        Verb::Create => vec![
            hash(),
            app.clone(),
            token(session),
            user(session),
            ip(session),
            TTL.to_string(),
            now.clone(),
            DATA.to_owned(),
        ],
        Verb::Get | Verb::Set | Verb::Kill => common(),
        Verb::Activity => return vec![format!("{app}:_users"), (filling.now - SINCE).to_string()],
        Verb::Soapp => {
            let since = (filling.now - SINCE).to_string();
            return vec![format!("{app}:_sessions"), since, app, now];
        }
    };
    arguments.extend([NAMESPACE.to_owned(), APP.to_owned()]);
    if verb == Verb::Set {
        arguments.push(DATA.to_owned());
    }
    arguments
}
