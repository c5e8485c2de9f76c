//! Any request and any reply, for property tests.

use cloakroom_protocol::{
    AccessKey, ActiveUsers, Activity, Answer, Attributes, Call, ContentType, Create, Cursor, Data,
    ErrorCode, Fields, Figure, FiguresBuffer, Get, Handle, Hello, Key, KeysBuffer, Kill, KillMany,
    List, Made, MultiGet, NOTICE, NewToken, Opcode, Page, Ping, Pong, Put, PutMode, Receipt,
    Refusal, Reply, ReplyFlags, Request, Rotate, Scope, Session, SessionsBuffer, Set, Stats, Token,
    TokenStyle, Touch, Welcome, limits,
};
use proptest::prelude::*;

/// What requests and replies are made of, whatever they are.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) which: usize,
    pub(crate) id: u32,
    pub(crate) app: Option<String>,
    pub(crate) tokens: Vec<Vec<u8>>,
    pub(crate) texts: [Option<String>; 3],
    pub(crate) data: Vec<u8>,
    pub(crate) numbers: [u64; 9],
    pub(crate) times: [Option<u64>; 2],
    pub(crate) cursor: [u8; 16],
    pub(crate) small: [u8; 4],
    pub(crate) bits: [bool; 4],
}

fn texts() -> impl Strategy<Value = [Option<String>; 3]> {
    let text = || proptest::option::of("\\PC{0,40}");
    [text(), text(), text()]
}

pub(crate) fn parts() -> impl Strategy<Value = Parts> {
    let token = proptest::collection::vec(any::<u8>(), 1..=limits::TOKEN_BYTES);
    let time = || proptest::option::of(0..u64::MAX);
    let first = (
        any::<usize>(),
        any::<u32>(),
        proptest::option::of("[A-Za-z0-9_.@-]{1,64}"),
        proptest::collection::vec(token, 2..6),
        texts(),
        proptest::collection::vec(any::<u8>(), 0..300),
    );
    let second = (
        any::<[u64; 9]>(),
        [time(), time()],
        any::<[u8; 16]>(),
        any::<[u8; 4]>(),
        any::<[bool; 4]>(),
    );
    (first, second).prop_map(|(first, second)| {
        let (which, id, app, tokens, texts, data) = first;
        let (numbers, times, cursor, small, bits) = second;
        Parts {
            which,
            id,
            app,
            tokens,
            texts,
            data,
            numbers,
            times,
            cursor,
            small,
            bits,
        }
    })
}

impl Parts {
    fn token(&self, n: usize) -> Token<'_> {
        Token(&self.tokens[n])
    }

    fn key(&self, handle: bool) -> Key<'_> {
        if handle {
            Key::Handle(Handle(self.numbers[0]))
        } else {
            Key::Token(self.token(0))
        }
    }

    fn text(&self, n: usize) -> &str {
        self.texts[n].as_deref().unwrap_or_default()
    }

    fn style(&self) -> TokenStyle {
        match self.small[0] % 3 {
            0 => TokenStyle::Alphanumeric64,
            1 => TokenStyle::UuidV4,
            _ => TokenStyle::Base64Url47,
        }
    }

    fn scope(&self) -> Scope<'_> {
        match (self.small[1] % 3, self.text(0)) {
            (1, text) if !text.is_empty() => Scope::User(text),
            (2, text) if !text.is_empty() => Scope::Ip(text),
            _ => Scope::App,
        }
    }

    fn fields(&self) -> Fields<'_> {
        let content_type = match self.small[2] {
            kind if ContentType(kind).is_known() => Some(ContentType(kind)),
            _ => None,
        };
        Fields {
            idle: self.times[0],
            until: self.times[1],
            user: self.texts[0].as_deref(),
            ip: self.texts[1].as_deref(),
            attributes: Attributes(self.small[3] % 4),
            data: content_type.map(|kind| (kind, Data(&self.data))),
        }
    }

    /// The keys of an MGET.
    pub(crate) fn keys(&self) -> KeysBuffer {
        let mut keys = KeysBuffer::new();
        for token in &self.tokens {
            let key = if self.bits[0] && self.bits[1] {
                Key::Handle(Handle(self.numbers[1]))
            } else {
                Key::Token(Token(token))
            };
            keys.push(key).unwrap();
        }
        keys
    }

    /// The request with these parts.
    pub(crate) fn call<'a>(&'a self, keys: &'a KeysBuffer) -> Call<'a> {
        let request = match Opcode::ALL[self.which % Opcode::ALL.len()] {
            Opcode::Hello => Request::Hello(Hello {
                min_version: self.small[0],
                max_version: self.small[1],
                later: &self.data,
                ..Hello::new(
                    self.app.as_deref().unwrap_or_default(),
                    AccessKey(&self.tokens[0]),
                    "client",
                )
            }),
            Opcode::Ping => Request::Ping(Ping {
                echo: &self.cursor[..usize::from(self.small[0] % 17)],
            }),
            Opcode::Stats => Request::Stats(Stats),
            Opcode::MultiGet => Request::MultiGet(MultiGet {
                keys: keys.keys(),
                quiet: self.bits[0],
            }),
            Opcode::Activity => Request::Activity(ActiveUsers {
                seconds: self.numbers[4],
            }),
            opcode @ (Opcode::Get | Opcode::Kill | Opcode::KillMany | Opcode::List) => {
                self.lookup(opcode)
            }
            opcode @ (Opcode::Create
            | Opcode::Put
            | Opcode::Set
            | Opcode::Touch
            | Opcode::Rotate) => self.write(opcode),
        };
        let takes_app = !matches!(request, Request::Hello(_) | Request::Ping(_));
        Call {
            id: self.id,
            app: self.app.as_deref().filter(|_| takes_app && self.bits[2]),
            request,
        }
    }

    fn lookup(&self, opcode: Opcode) -> Request<'_> {
        let [quiet, handle, one_stays, versioned] = self.bits;
        match opcode {
            Opcode::Get => Request::Get(Get {
                key: self.key(quiet && handle),
                quiet,
                unless_version: versioned.then_some(self.numbers[2]),
            }),
            Opcode::Kill => Request::Kill(Kill {
                key: self.key(handle),
            }),
            Opcode::KillMany => {
                let scope = self.scope();
                let one_stays = one_stays && matches!(scope, Scope::User(_));
                let except = one_stays.then(|| self.key(handle));
                Request::KillMany(KillMany { scope, except })
            }
            _ => Request::List(List {
                scope: self.scope(),
                since: self.numbers[3],
                limit: self.id,
                from: Cursor(self.cursor),
                data: quiet,
            }),
        }
    }

    fn write(&self, opcode: Opcode) -> Request<'_> {
        let [quiet, chosen, show, versioned] = self.bits;
        let token = self.token(0);
        match opcode {
            Opcode::Create => Request::Create(Create {
                style: self.style(),
                fields: self.fields(),
            }),
            Opcode::Put => Request::Put(Put {
                token,
                mode: match self.small[1] % 4 {
                    0 => PutMode::Create,
                    1 => PutMode::Update,
                    2 => PutMode::Upsert,
                    _ => PutMode::IfVersion(self.numbers[2]),
                },
                quiet,
                fields: self.fields(),
            }),
            Opcode::Set => Request::Set(Set {
                token,
                if_version: versioned.then_some(self.numbers[2]),
                quiet,
                show,
                patch: Data(&self.data),
            }),
            Opcode::Touch => Request::Touch(Touch {
                token,
                idle: self.times[0],
                until: self.times[1],
                show,
            }),
            _ => Request::Rotate(Rotate {
                token,
                new: if chosen {
                    NewToken::Chosen(self.token(1))
                } else {
                    NewToken::Draw(self.style())
                },
                grace: self.id % (limits::GRACE_MILLIS + 1),
                user: self.texts[0].as_deref(),
            }),
        }
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            handle: self.numbers[0],
            version: self.numbers[1],
            deadline: self.numbers[2],
        }
    }

    pub(crate) fn session(&self) -> Session<'_> {
        Session {
            receipt: self.receipt(),
            created: self.numbers[3],
            last_active: self.numbers[4],
            idle: self.numbers[5],
            until: self.numbers[6],
            reads: self.numbers[7],
            writes: self.numbers[8],
            content_type: ContentType(self.small[2]),
            attributes: Attributes(self.small[3]),
            user: self.text(0),
            ip: self.text(1),
            data: Data(&self.data),
        }
    }

    /// A page of some sessions.
    pub(crate) fn sessions(&self) -> SessionsBuffer {
        let mut sessions = SessionsBuffer::default();
        for n in 0..self.small[0] % 5 {
            let session = (n % 2 == 0).then(|| self.session());
            assert!(sessions.push(session.as_ref()));
        }
        sessions
    }

    /// Some figures.
    pub(crate) fn figures(&self) -> FiguresBuffer {
        let mut figures = FiguresBuffer::default();
        for (number, value) in (0..).zip(self.numbers) {
            figures.push(Figure(number), value);
        }
        figures
    }

    /// The reply with these parts.
    pub(crate) fn reply<'a>(
        &'a self,
        sessions: &'a SessionsBuffer,
        figures: &'a FiguresBuffer,
    ) -> Reply<'a> {
        let [refused, shown, notice, _] = self.bits;
        if refused {
            let codes = ErrorCode::ALL;
            let code = codes[self.which % codes.len()];
            let opcode = if notice { NOTICE } else { self.small[0] & 0x7f };
            return Reply {
                answer: Answer::Refusal(Refusal {
                    status: code.number(),
                    version: self.numbers[1],
                    message: self.text(2),
                }),
                ..Reply::refusal(self.id, opcode, code, "")
            };
        }
        let opcode = Opcode::ALL[self.which % Opcode::ALL.len()];
        let can_show = matches!(opcode, Opcode::Set | Opcode::Touch);
        if can_show && shown {
            return Reply::new(self.id, opcode, Answer::Session(self.session()))
                .with_flags(ReplyFlags::SHOWN);
        }
        Reply::new(self.id, opcode, self.answer(opcode, sessions, figures))
    }

    fn answer<'a>(
        &'a self,
        opcode: Opcode,
        sessions: &'a SessionsBuffer,
        figures: &'a FiguresBuffer,
    ) -> Answer<'a> {
        match opcode {
            Opcode::Hello => Answer::Welcome(Welcome {
                version: self.small[0],
                max_keys: 7,
                max_sessions: self.id,
                max_payload: 9,
                max_grace: 10,
                now: self.numbers[0],
                run: self.numbers[1],
                server: "cloakroom",
            }),
            Opcode::Ping => Answer::Pong(Pong {
                now: self.numbers[0],
                echo: &self.cursor,
            }),
            Opcode::Stats => Answer::Figures(figures.figures()),
            Opcode::Get => Answer::Session(self.session()),
            Opcode::Put | Opcode::Set | Opcode::Touch | Opcode::Kill => {
                Answer::Receipt(self.receipt())
            }
            Opcode::MultiGet => Answer::Sessions(sessions.sessions()),
            Opcode::Create | Opcode::Rotate => Answer::Made(Made {
                receipt: self.receipt(),
                token: self.token(0),
            }),
            Opcode::KillMany => Answer::Killed(self.numbers[0]),
            Opcode::List => Answer::Page(Page {
                now: self.numbers[0],
                matching: self.numbers[1],
                next: Cursor(self.cursor),
                sessions: sessions.sessions(),
            }),
            Opcode::Activity => Answer::Activity(Activity {
                users: self.numbers[0],
                sessions: self.numbers[1],
            }),
        }
    }
}
