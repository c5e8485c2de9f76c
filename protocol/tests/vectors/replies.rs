//! Replies as fields, and fields as replies.

use cloakroom_protocol::{
    Activity, Answer, Attributes, ContentType, Cursor, Data, Figure, FiguresBuffer, Made, NOTICE,
    Opcode, Page, Pong, Receipt, Refusal, Reply, ReplyFlags, Session, SessionsBuffer, Token,
    Welcome,
};

use crate::file::{Fields, Value};

const FLAGS: [(&str, u8); 6] = [
    ("RETRYABLE", ReplyFlags::RETRYABLE),
    ("UNCHANGED", ReplyFlags::UNCHANGED),
    ("CREATED", ReplyFlags::CREATED),
    ("OLD_ID", ReplyFlags::OLD_ID),
    ("CLOSING", ReplyFlags::CLOSING),
    ("SHOWN", ReplyFlags::SHOWN),
];

/// The fields of a reply.
pub(crate) fn describe(reply: &Reply<'_>) -> Fields {
    let mut out = Fields::default();
    match (reply.opcode, Opcode::from_number(reply.opcode)) {
        (NOTICE, _) => out.word("op", "NOTICE"),
        (_, Some(opcode)) => out.word("op", opcode.name()),
        (number, None) => out.number("op", number),
    }
    out.number("id", reply.id);
    for (name, _) in FLAGS.iter().filter(|(_, bit)| reply.flags.has(*bit)) {
        out.word("flag", name);
    }
    match reply.answer {
        Answer::Refusal(refusal) => {
            out.number("status", refusal.status);
            out.number("version", refusal.version);
            out.bytes("message", refusal.message);
        }
        Answer::Welcome(welcome) => describe_welcome(&mut out, &welcome),
        Answer::Pong(pong) => {
            out.number("now", pong.now);
            out.bytes("echo", pong.echo);
        }
        Answer::Figures(figures) => {
            for (Figure(number), value) in figures.iter() {
                out.add("figure", Value::Figure(number, value));
            }
        }
        Answer::Session(session) => describe_session(&mut out, &session),
        Answer::Sessions(sessions) => describe_sessions(&mut out, sessions.iter()),
        Answer::Receipt(receipt) => describe_receipt(&mut out, receipt),
        Answer::Made(made) => {
            describe_receipt(&mut out, made.receipt);
            out.bytes("token", made.token.0);
        }
        Answer::Killed(count) => out.number("killed", count),
        Answer::Page(page) => {
            out.number("now", page.now);
            out.number("matching", page.matching);
            out.bytes("next", page.next.0);
            describe_sessions(&mut out, page.sessions.iter());
        }
        Answer::Activity(activity) => {
            out.number("users", activity.users);
            out.number("sessions", activity.sessions);
        }
    }
    out
}

fn describe_welcome(out: &mut Fields, welcome: &Welcome<'_>) {
    out.number("version", welcome.version);
    out.number("max-keys", welcome.max_keys);
    out.number("max-sessions", welcome.max_sessions);
    out.number("max-payload", welcome.max_payload);
    out.number("max-grace", welcome.max_grace);
    out.number("now", welcome.now);
    out.number("run", welcome.run);
    out.bytes("server", welcome.server);
}

fn describe_receipt(out: &mut Fields, receipt: Receipt) {
    out.number("handle", receipt.handle);
    out.number("version", receipt.version);
    out.number("deadline", receipt.deadline);
}

fn describe_session(out: &mut Fields, session: &Session<'_>) {
    describe_receipt(out, session.receipt);
    out.number("created", session.created);
    out.number("last-active", session.last_active);
    out.number("idle", session.idle);
    out.number("until", session.until);
    out.number("reads", session.reads);
    out.number("writes", session.writes);
    out.number("content-type", session.content_type.0);
    out.number("attributes", session.attributes.0);
    out.bytes("user", session.user);
    out.bytes("ip", session.ip);
    out.bytes("data", session.data.0);
}

fn describe_sessions<'a>(out: &mut Fields, sessions: impl Iterator<Item = Option<Session<'a>>>) {
    for session in sessions {
        match session {
            Some(session) => {
                out.word("session", "found");
                describe_session(out, &session);
            }
            None => out.word("session", "gone"),
        }
    }
}

/// The frame of the reply with these fields.
pub(crate) fn construct(f: &Fields) -> Vec<u8> {
    let (opcode, name) = match f.get("op") {
        Value::Number(number) => (u8::try_from(*number).unwrap(), ""),
        Value::Word(word) if word == "NOTICE" => (NOTICE, ""),
        Value::Word(word) => {
            let opcode = Opcode::ALL.iter().find(|opcode| opcode.name() == word);
            (opcode.unwrap().number(), word.as_str())
        }
        other => panic!("{other:?} is no operation"),
    };
    let flags = FLAGS.iter().filter(|(name, _)| f.has_flag(name));
    let flags = flags.fold(ReplyFlags::NONE, |flags, (_, bit)| flags.with(*bit));
    let mut sessions = SessionsBuffer::default();
    for session in f.sessions() {
        assert!(sessions.push(session.as_ref().map(read_session).as_ref()));
    }
    let mut figures = FiguresBuffer::default();
    for figure in f.all("figure") {
        match figure {
            Value::Figure(number, value) => figures.push(Figure(*number), *value),
            other => panic!("{other:?} is no figure"),
        }
    }
    let reply = Reply {
        id: u32::try_from(f.get("id").number()).unwrap(),
        opcode,
        flags,
        answer: answer(f, name, &sessions, &figures),
    };
    let mut bytes = Vec::new();
    reply.encode(&mut bytes);
    bytes
}

fn answer<'a>(
    f: &'a Fields,
    name: &str,
    sessions: &'a SessionsBuffer,
    figures: &'a FiguresBuffer,
) -> Answer<'a> {
    if let Some(status) = f.find("status") {
        return Answer::Refusal(Refusal {
            status: u16::try_from(status.number()).unwrap(),
            version: f.get("version").number(),
            message: f.get("message").text(),
        });
    }
    match name {
        "HELLO" => Answer::Welcome(read_welcome(f)),
        "PING" => Answer::Pong(Pong {
            now: f.get("now").number(),
            echo: f.get("echo").bytes(),
        }),
        "STATS" => Answer::Figures(figures.figures()),
        "GET" => Answer::Session(read_session(f)),
        "SET" | "TOUCH" if f.has_flag("SHOWN") => Answer::Session(read_session(f)),
        "MGET" => Answer::Sessions(sessions.sessions()),
        "CREATE" | "ROTATE" => Answer::Made(Made {
            receipt: read_receipt(f),
            token: Token(f.get("token").bytes()),
        }),
        "PUT" | "SET" | "TOUCH" | "KILL" => Answer::Receipt(read_receipt(f)),
        "KILLMANY" => Answer::Killed(f.get("killed").number()),
        "LIST" => Answer::Page(Page {
            now: f.get("now").number(),
            matching: f.get("matching").number(),
            next: Cursor(f.get("next").bytes().try_into().unwrap()),
            sessions: sessions.sessions(),
        }),
        "ACTIVITY" => Answer::Activity(Activity {
            users: f.get("users").number(),
            sessions: f.get("sessions").number(),
        }),
        other => panic!("no operation `{other}`"),
    }
}

fn read_welcome(f: &Fields) -> Welcome<'_> {
    let u32_of = |name| u32::try_from(f.get(name).number()).unwrap();
    Welcome {
        version: u8::try_from(f.get("version").number()).unwrap(),
        max_keys: u16::try_from(f.get("max-keys").number()).unwrap(),
        max_sessions: u32_of("max-sessions"),
        max_payload: u32_of("max-payload"),
        max_grace: u32_of("max-grace"),
        now: f.get("now").number(),
        run: f.get("run").number(),
        server: f.get("server").text(),
    }
}

fn read_receipt(f: &Fields) -> Receipt {
    Receipt {
        handle: f.get("handle").number(),
        version: f.get("version").number(),
        deadline: f.get("deadline").number(),
    }
}

fn read_session(f: &Fields) -> Session<'_> {
    let byte = |name| u8::try_from(f.get(name).number()).unwrap();
    Session {
        receipt: read_receipt(f),
        created: f.get("created").number(),
        last_active: f.get("last-active").number(),
        idle: f.get("idle").number(),
        until: f.get("until").number(),
        reads: f.get("reads").number(),
        writes: f.get("writes").number(),
        content_type: ContentType(byte("content-type")),
        attributes: Attributes(byte("attributes")),
        user: f.get("user").text(),
        ip: f.get("ip").text(),
        data: Data(f.get("data").bytes()),
    }
}
