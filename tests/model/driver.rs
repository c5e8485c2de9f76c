//! Draws random verbs, does each to engine and twin, and compares.

use cloakroom::clock::Millis;
use cloakroom::engine::{
    DataEdit, Edit, Engine, EngineConfig, Key, ListCursor, ListProgress, NewSession, NewToken,
    Read, Refusal, Scope,
};
use cloakroom::model::json::merge::{MemberOrder, Patch};
use cloakroom::model::{AppName, ContentType, Keys, Life, Randomness, SessionView, TokenStyle};

use crate::recorder::Recorder;
use crate::twin::{Session, Twin, at};

/// How large the population is and how often everything is checked.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) steps_per_seed: u64,
    most_sessions: usize,
    users: u64,
    check_every: u64,
}

impl Shape {
    pub(crate) const FEW: Self = Self {
        steps_per_seed: 4_000,
        most_sessions: 64,
        users: 6,
        check_every: 1,
    };
    pub(crate) const MANY: Self = Self {
        steps_per_seed: 60_000,
        most_sessions: 1_500,
        users: 300,
        check_every: 1_000,
    };
}

const APPS: [&str; 3] = ["shop", "indexed", "@sessions"];
const START: u64 = 1_795_000_000_123;

/// xorshift64*: reproducible, and good enough to choose steps.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % below
    }
}

struct SeededRandomness(std::sync::Mutex<Dice>);

impl Randomness for SeededRandomness {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock().unwrap();
        bytes
            .iter_mut()
            .for_each(|byte| *byte = dice.roll(256) as u8);
    }
}

/// Everything comparable of a session, from either side.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Facts {
    user: Option<String>,
    ip: Option<String>,
    created: u64,
    last: u64,
    idle_seconds: u64,
    deadline: u64,
    reads: u64,
    writes: u64,
    version: u64,
    data: String,
}

impl Facts {
    fn of_view(view: &SessionView<'_>) -> Self {
        Self {
            user: view.user().map(str::to_owned),
            ip: view.ip().map(str::to_owned),
            created: view.created().0,
            last: view.last_active.0,
            idle_seconds: view.idle_seconds,
            deadline: view.deadline.0,
            reads: view.reads,
            writes: view.writes,
            version: view.version(),
            data: String::from_utf8(view.data().to_vec()).unwrap(),
        }
    }

    fn of_twin(session: &Session, now: u64) -> Self {
        Self {
            user: session.user.clone(),
            ip: session.ip.clone(),
            created: session.created,
            last: session.last,
            idle_seconds: session.idle_seconds(now),
            deadline: session.deadline().min(Millis::NEVER.0),
            reads: session.reads,
            writes: session.writes,
            version: session.version(),
            data: session.data(),
        }
    }
}

pub(crate) struct Driver {
    shape: Shape,
    seed: u64,
    dice: Dice,
    engine: Engine,
    recorder: Recorder,
    twin: Twin,
    now: u64,
    /// Tokens seen, living or dead.
    tokens: Vec<(usize, Vec<u8>)>,
}

fn engine(seed: u64) -> Engine {
    let config = EngineConfig {
        ip_indexed_apps: vec!["indexed".to_owned()],
        token_shards: 4,
        name_shards: 3,
        ..EngineConfig::default()
    };
    let random = SeededRandomness(std::sync::Mutex::new(Dice(seed | 1)));
    Engine::new(&config, Keys::new([7; 32]), Box::new(random))
}

impl Driver {
    pub(crate) fn new(shape: Shape, seed: u64) -> Self {
        let recorder = Recorder::default();
        Self {
            shape,
            seed,
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            engine: engine(seed).with_log(Box::new(recorder.clone())),
            recorder,
            twin: Twin::default(),
            now: START,
            tokens: Vec::new(),
        }
    }

    pub(crate) fn run(mut self, steps: u64) {
        for step in 1..=steps {
            let before = (self.dice.0, self.now);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.step();
                if step % self.shape.check_every == 0 {
                    assert_eq!(self.engine.check_invariants(), Ok(()));
                }
            }));
            if result.is_err() {
                panic!(
                    "CLOAKROOM_SEED={} step {step}, before it {before:?}",
                    self.seed
                );
            }
        }
        self.compare_replay();
    }

    fn step(&mut self) {
        let full = self.twin.sessions.len() >= self.shape.most_sessions;
        match self.dice.roll(100) {
            0..18 if !full => self.create(),
            0..45 => self.read(),
            45..60 => self.edit(),
            60..70 => self.remove(),
            70..74 => self.remove_matching(),
            74..75 if self.dice.roll(6) == 0 => self.remove_app(),
            75..80 => self.list(),
            80..84 => self.activity(),
            84..88 => {
                let holds = 1 + self.dice.roll(30) as usize;
                self.engine.sweep(at(self.now), holds);
            }
            _ => self.advance(),
        }
    }

    fn app(&mut self) -> usize {
        self.dice.roll(APPS.len() as u64) as usize
    }

    fn name(app: usize) -> AppName<'static> {
        AppName::new(APPS[app]).unwrap()
    }

    fn advance(&mut self) {
        self.now += match self.dice.roll(100) {
            0..50 => self.dice.roll(40),
            50..80 => 1_000 - self.now % 1_000 - self.dice.roll(2),
            80..95 => self.dice.roll(5_000),
            95..99 => self.dice.roll(120_000),
            _ => match self.dice.roll(4) {
                0 => self.dice.roll(86_400_000 * 40),
                _ => self.dice.roll(7_200_000),
            },
        };
    }

    fn life(&mut self) -> Life {
        match self.dice.roll(8) {
            0..3 => Life::whole_seconds(10 + self.dice.roll(20)),
            3 => Life::whole_seconds(3_600 * (1 + self.dice.roll(30))),
            4 => Life::sliding(1 + self.dice.roll(9_000)),
            5 => Life::fixed(at(self.now + self.dice.roll(30_000))),
            6 => Life {
                until: at(self.now + 20_000),
                ..Life::sliding(self.dice.roll(9_000))
            },
            _ => Life::ENDLESS,
        }
    }

    fn user(&mut self) -> Option<String> {
        (self.dice.roll(8) > 0).then(|| format!("user-{}", self.dice.roll(self.shape.users)))
    }

    fn ip(&mut self) -> Option<String> {
        (self.dice.roll(5) > 0).then(|| format!("10.0.0.{}", self.dice.roll(5)))
    }

    fn create(&mut self) {
        let app = self.app();
        let (user, ip, life) = (self.user(), self.ip(), self.life());
        let no_resave = self.dice.roll(10) == 0;
        let chosen = format!("chosen-{}", self.dice.roll(40));
        let token = if self.dice.roll(4) == 0 {
            NewToken::Chosen(chosen.as_bytes())
        } else {
            NewToken::Draw(TokenStyle::UuidV4)
        };
        let members = (self.dice.roll(2) == 0)
            .then(|| ("a".to_owned(), 1))
            .into_iter()
            .collect();
        let deadline_life = if no_resave {
            Life {
                until: life.deadline(at(self.now)),
                ..life
            }
        } else {
            life
        };
        let mut session = Session {
            app,
            token: chosen.clone().into_bytes(),
            user,
            ip,
            created: self.now,
            last: self.now,
            recorded: self.now,
            life: deadline_life,
            reads: 1,
            writes: 1,
            members,
        };
        let data = session.data();
        let new = NewSession {
            app: Self::name(app),
            token,
            keep_token: true,
            user: session.user.as_deref(),
            ip: session.ip.as_deref(),
            life,
            no_resave,
            content_type: ContentType::JSON_OBJECT,
            data: data.as_bytes(),
        };
        let created = self.engine.create(at(self.now), &new);
        let exists = matches!(token, NewToken::Chosen(_))
            && self.twin.find(app, chosen.as_bytes(), self.now).is_some();
        if exists {
            assert_eq!(created.err(), Some(Refusal::Exists));
            return;
        }
        let created = created.unwrap().answer;
        assert_eq!(created.version, session.version());
        session.token = created.token.as_bytes().to_vec();
        if session.deadline() <= self.now {
            return;
        }
        self.tokens.push((app, session.token.clone()));
        if self.tokens.len() > 2 * self.shape.most_sessions {
            self.tokens
                .swap_remove(self.dice.roll(self.shape.most_sessions as u64) as usize);
        }
        self.twin.add(session);
    }

    /// A token that was handed out once; sometimes with the wrong app.
    fn token(&mut self) -> (usize, Vec<u8>) {
        if self.tokens.is_empty() || self.dice.roll(50) == 0 {
            return (self.app(), b"never".to_vec());
        }
        let (app, token) = self.tokens[self.dice.roll(self.tokens.len() as u64) as usize].clone();
        if self.dice.roll(50) == 0 {
            (self.app(), token)
        } else {
            (app, token)
        }
    }

    fn read(&mut self) {
        let (app, token) = self.token();
        let how = if self.dice.roll(4) == 0 {
            Read::Peek
        } else {
            Read::Touch
        };
        let seen = self.engine.read(
            at(self.now),
            Self::name(app),
            Key::Token(&token),
            how,
            |view| {
                let sealed = view.token().unwrap();
                assert_eq!(sealed.as_bytes(), token);
                (Facts::of_view(view), view.handle)
            },
        );
        let found = self.twin.find(app, &token, self.now);
        let Some(found) = found else {
            assert!(seen.answer.is_none(), "served a session that is gone");
            return;
        };
        let (facts, handle) = seen.answer.unwrap();
        let mut expected = Facts::of_twin(&self.twin.sessions[found], self.now);
        if how == Read::Touch {
            let session = &mut self.twin.sessions[found];
            session.touch(self.now);
            session.reads += 1;
            (expected.last, expected.deadline) =
                (session.last, session.deadline().min(Millis::NEVER.0));
            self.twin.note_active(found, self.now);
        }
        assert_eq!(facts, expected);
        let by_handle = Key::Handle(handle);
        let peek = self.engine.read(
            at(self.now),
            Self::name(app),
            by_handle,
            Read::Peek,
            Facts::of_view,
        );
        assert_eq!(
            peek.answer,
            Some(Facts::of_twin(&self.twin.sessions[found], self.now))
        );
    }

    fn edit(&mut self) {
        let (app, token) = self.token();
        let key = ["a", "b", "c", "d"][self.dice.roll(4) as usize];
        let value = (self.dice.roll(3) > 0).then(|| self.dice.roll(100) as u32);
        let patch_text = value.map_or(format!("{{\"{key}\":null}}"), |v| {
            format!("{{\"{key}\":{v}}}")
        });
        let patch = Patch::new(patch_text.as_bytes()).unwrap();
        let (ip, life) = (self.ip().filter(|_| self.dice.roll(4) == 0), self.life());
        let known = self
            .twin
            .find(app, &token, self.now)
            .map(|i| self.twin.sessions[i].clone());
        let expect_version = (self.dice.roll(5) == 0).then(|| {
            known.as_ref().map_or(1, Session::version) ^ u64::from(self.dice.roll(2) == 0)
        });
        let expect_user = (self.dice.roll(5) == 0).then_some("user-1");
        let data = match self.dice.roll(4) {
            0 => DataEdit::Keep,
            1 => DataEdit::Replace(ContentType::JSON_OBJECT, b"{\"z\":9}"),
            _ => DataEdit::Merge(&patch, MemberOrder::Insertion),
        };
        let edit = Edit {
            touch: self.dice.roll(2) == 0,
            count_read: self.dice.roll(2) == 0,
            expect_version,
            expect_user,
            ip: ip.as_deref(),
            life: (self.dice.roll(4) == 0).then_some(life),
            data,
        };
        let seen = self.engine.edit(
            at(self.now),
            Self::name(app),
            Key::Token(&token),
            &edit,
            Facts::of_view,
        );
        let Some(mut expected) = known else {
            assert_eq!(seen.err(), Some(Refusal::Gone));
            return;
        };
        if expect_user.is_some() && expected.user.as_deref() != expect_user {
            assert_eq!(seen.err(), Some(Refusal::UserDiffers));
            return;
        }
        if expect_version.is_some_and(|v| v != expected.version()) {
            assert_eq!(seen.err(), Some(Refusal::VersionDiffers));
            return;
        }
        let (reads, idle) = (expected.reads, expected.idle_seconds(self.now));
        apply_edit(&mut expected, &edit, key, value, self.now);
        let at = self.twin.find(app, &token, self.now).unwrap();
        self.twin.sessions[at] = expected.clone();
        if edit.touch {
            self.twin.note_active(at, self.now);
        }
        let facts = Facts {
            reads,
            idle_seconds: idle,
            ..Facts::of_twin(&expected, self.now)
        };
        assert_eq!(seen.unwrap().answer, facts);
    }

    fn remove(&mut self) {
        let (app, token) = self.token();
        let removed = self.engine.remove(
            at(self.now),
            Self::name(app),
            Key::Token(&token),
            Facts::of_view,
        );
        match self.twin.find(app, &token, self.now) {
            Some(found) => {
                let facts = Facts::of_twin(&self.twin.sessions[found], self.now);
                assert_eq!(removed.answer, Some(facts));
                self.twin.remove(found);
            }
            None => assert!(removed.answer.is_none()),
        }
    }

    fn remove_matching(&mut self) {
        let app = self.app();
        let (user, ip) = (self.user(), self.ip());
        let scope = match (&user, &ip) {
            (Some(user), _) => Scope::User(user),
            (None, Some(ip)) => Scope::Ip(ip),
            (None, None) => return,
        };
        let (mut cursor, mut removed) = (ListCursor::default(), 0);
        loop {
            let (progress, reply) =
                self.engine
                    .remove_matching(at(self.now), Self::name(app), scope, &mut cursor);
            removed += reply.answer;
            if progress == ListProgress::Done {
                break;
            }
        }
        let mut expected = 0;
        let now = self.now;
        while let Some(found) = self
            .twin
            .sessions
            .iter()
            .position(|s| s.app == app && now < s.deadline() && in_scope(s, scope))
        {
            self.twin.remove(found);
            expected += 1;
        }
        assert_eq!(removed, expected);
    }

    fn remove_app(&mut self) {
        let app = self.app();
        self.twin.settle(self.now);
        let removed = self.engine.remove_app(at(self.now), Self::name(app));
        self.compare_count(removed.answer, |twin| twin.clone().remove_app(app));
        self.twin.remove_app(app);
    }

    /// A count may or may not include what expired within the present second.
    fn compare_count(&self, counted: u64, count: impl Fn(&Twin) -> u64) {
        let most = count(&self.twin);
        if counted == most {
            return;
        }
        let mut rest = self.twin.clone();
        rest.remove_expired(self.now);
        assert!(
            (count(&rest)..most).contains(&counted),
            "{counted} of at most {most}"
        );
    }

    fn list(&mut self) {
        let app = self.app();
        let (user, ip) = (self.user(), self.ip());
        let since = self.now.saturating_sub(self.dice.roll(4_000_000)) / 1000 * 1000;
        let scope = match (self.dice.roll(3), &user, &ip) {
            (0, Some(user), _) => Scope::User(user),
            (1, _, Some(ip)) => Scope::Ip(ip),
            _ => Scope::ActiveSince(at(since)),
        };
        let mut seen = Vec::new();
        let mut cursor = ListCursor::default();
        while self.engine.list(
            at(self.now),
            Self::name(app),
            scope,
            &mut cursor,
            &mut |view| {
                seen.push(Facts::of_view(view));
            },
        ) == ListProgress::More
        {}
        if matches!(scope, Scope::ActiveSince(_)) {
            let newest_first = seen
                .windows(2)
                .all(|w| w[0].last / 1000 >= w[1].last / 1000);
            assert!(newest_first, "the most recently active come first");
        }
        let now = self.now;
        let mut expected: Vec<Facts> = self
            .twin
            .living(app, now)
            .filter(|s| in_scope(s, scope))
            .map(|s| Facts::of_twin(s, now))
            .collect();
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
    }

    fn activity(&mut self) {
        let app = self.app();
        let window = [10, 600, 3_600, 3_601, 86_400, 90_000, 2_592_000][self.dice.roll(7) as usize];
        self.twin.settle(self.now);
        let counted = self.engine.activity(at(self.now), Self::name(app), window);
        let now = self.now;
        self.compare_count(counted, |twin| twin.activity(app, now, window));
    }

    /// The changes alone make the same sessions, also when each of them is carried out twice.
    fn compare_replay(&self) {
        for times in [1, 2] {
            let copy = engine(self.seed);
            self.recorder.replay(&copy, times);
            assert_eq!(
                copy.check_invariants(),
                Ok(()),
                "CLOAKROOM_SEED={}",
                self.seed
            );
            assert_eq!(
                self.walk(&copy),
                self.walk(&self.engine),
                "CLOAKROOM_SEED={}",
                self.seed
            );
        }
    }

    fn walk(&self, engine: &Engine) -> Vec<(String, Facts)> {
        let mut seen = Vec::new();
        let mut from = Some(0);
        while let Some(position) = from {
            from = engine.walk(at(self.now), position, 7, &mut |app, view| {
                seen.push((app.as_str().to_owned(), Facts::of_view(view)));
            });
        }
        seen.sort();
        assert_eq!(
            seen.len(),
            (0..3)
                .map(|a| self.twin.living(a, self.now).count())
                .sum::<usize>()
        );
        seen
    }
}

fn in_scope(session: &Session, scope: Scope<'_>) -> bool {
    match scope {
        Scope::User(user) => session.user.as_deref() == Some(user),
        // The first app keeps no index by IP.
        Scope::Ip(ip) => session.app > 0 && session.ip.as_deref() == Some(ip),
        Scope::ActiveSince(since) => session.last / 1000 >= since.seconds(),
    }
}

fn apply_edit(session: &mut Session, edit: &Edit<'_>, key: &str, value: Option<u32>, now: u64) {
    match edit.data {
        DataEdit::Keep => {}
        DataEdit::Replace(..) => session.members = vec![("z".to_owned(), 9)],
        DataEdit::Merge(..) => {
            let place = session.members.iter().position(|(k, _)| k == key);
            match (place, value) {
                (Some(place), Some(value)) => session.members[place].1 = value,
                (Some(place), None) => drop(session.members.remove(place)),
                (None, Some(value)) => session.members.push((key.to_owned(), value)),
                (None, None) => {}
            }
        }
    }
    if edit.ip.is_some() || !matches!(edit.data, DataEdit::Keep) {
        session.writes += 1;
    }
    if let Some(ip) = edit.ip {
        session.ip = Some(ip.to_owned());
    }
    if edit.touch {
        session.touch(now);
    }
    if edit.count_read {
        session.reads += 1;
    }
    if let Some(life) = edit.life {
        session.life = life;
        if !life.whole_seconds {
            session.recorded = session.last;
        }
    }
}
