//! Requests as fields, and fields as requests.

use cloakroom_protocol::{
    AccessKey, ActiveUsers, Attributes, Call, ContentType, Create, Cursor, Data, Frame, Get,
    Handle, Hello, Key, KeysBuffer, Kill, KillMany, List, MultiGet, NewToken, Ping, Put, PutMode,
    Request, RequestFlags, Rotate, Scope, Set, Stats, Token, TokenStyle, Touch,
};

use crate::file::{Fields, Value};

const FLAGS: [(&str, u8); 6] = [
    ("APP", RequestFlags::APP),
    ("QUIET", RequestFlags::QUIET),
    ("VERSION", RequestFlags::VERSION),
    ("HANDLE", RequestFlags::HANDLE),
    ("DATA", RequestFlags::DATA),
    ("SHOW", RequestFlags::SHOW),
];

/// The fields of a request that was decoded from `frame`.
pub(crate) fn describe(frame: &Frame<'_>, call: &Call<'_>) -> Fields {
    let mut out = Fields::default();
    out.word("op", call.request.opcode().name());
    out.number("id", call.id);
    for (name, _) in FLAGS
        .iter()
        .filter(|(_, bit)| frame.header.flags & bit != 0)
    {
        out.word("flag", name);
    }
    if let Some(app) = call.app {
        out.bytes("app", app);
    }
    match call.request {
        Request::Hello(hello) => {
            out.bytes("app", hello.app);
            out.number("min-version", hello.min_version);
            out.number("max-version", hello.max_version);
            out.bytes("access-key", hello.access_key.0);
            out.bytes("client", hello.client);
            out.bytes("later", hello.later);
        }
        Request::Ping(ping) => out.bytes("echo", ping.echo),
        Request::Stats(Stats) => {}
        Request::Get(get) => {
            version(&mut out, get.unless_version);
            key(&mut out, "token", "handle", get.key);
        }
        Request::MultiGet(get) => get
            .keys
            .iter()
            .for_each(|k| key(&mut out, "token", "handle", k)),
        Request::Kill(kill) => key(&mut out, "token", "handle", kill.key),
        Request::KillMany(kill) => {
            scope(&mut out, kill.scope);
            if let Some(except) = kill.except {
                key(&mut out, "except-token", "except-handle", except);
            }
        }
        Request::List(list) => {
            scope(&mut out, list.scope);
            out.number("since", list.since);
            out.number("limit", list.limit);
            out.bytes("cursor", list.from.0);
        }
        Request::Activity(activity) => out.number("seconds", activity.seconds),
        Request::Create(_)
        | Request::Put(_)
        | Request::Set(_)
        | Request::Touch(_)
        | Request::Rotate(_) => describe_write(&mut out, &call.request),
    }
    out
}

fn describe_write(out: &mut Fields, request: &Request<'_>) {
    match request {
        Request::Create(create) => {
            fields(out, &create.fields, "style", create.style as u8);
        }
        Request::Put(put) => {
            let (mode, expected) = match put.mode {
                PutMode::Create => (0, None),
                PutMode::Update => (1, None),
                PutMode::Upsert => (2, None),
                PutMode::IfVersion(version) => (3, Some(version)),
            };
            version(out, expected);
            out.bytes("token", put.token.0);
            fields(out, &put.fields, "mode", mode);
        }
        Request::Set(set) => {
            version(out, set.if_version);
            out.bytes("token", set.token.0);
            out.bytes("patch", set.patch.0);
        }
        Request::Touch(touch) => {
            out.bytes("token", touch.token.0);
            number_or_leave(out, "idle", touch.idle);
            number_or_leave(out, "until", touch.until);
        }
        Request::Rotate(rotate) => {
            let (style, chosen): (u8, &[u8]) = match rotate.new {
                NewToken::Draw(style) => (style as u8, b""),
                NewToken::Chosen(token) => (0, token.0),
            };
            out.bytes("token", rotate.token.0);
            out.number("grace", rotate.grace);
            out.number("style", style);
            text_or_leave(out, "user", rotate.user);
            out.bytes("new-token", chosen);
        }
        other => panic!("{other:?} does not write"),
    }
}

fn fields(
    out: &mut Fields,
    fields: &cloakroom_protocol::Fields<'_>,
    choice_name: &str,
    choice: u8,
) {
    number_or_leave(out, "idle", fields.idle);
    number_or_leave(out, "until", fields.until);
    out.number(choice_name, choice);
    out.number("attributes", fields.attributes.0);
    match fields.data {
        Some((content_type, _)) => out.number("content-type", content_type.0),
        None => out.word("content-type", "leave"),
    }
    text_or_leave(out, "user", fields.user);
    text_or_leave(out, "ip", fields.ip);
    if let Some((_, data)) = fields.data {
        out.bytes("data", data.0);
    }
}

fn version(out: &mut Fields, version: Option<u64>) {
    if let Some(version) = version {
        out.number("version", version);
    }
}

fn key(out: &mut Fields, token_name: &str, handle_name: &str, key: Key<'_>) {
    match key {
        Key::Token(token) => out.bytes(token_name, token.0),
        Key::Handle(handle) => out.number(handle_name, handle.0),
    }
}

fn scope(out: &mut Fields, scope: Scope<'_>) {
    let (number, key): (u8, Option<&str>) = match scope {
        Scope::App => (0, None),
        Scope::User(user) => (1, Some(user)),
        Scope::Ip(ip) => (2, Some(ip)),
    };
    out.number("scope", number);
    if let Some(key) = key {
        out.bytes("key", key);
    }
}

fn number_or_leave(out: &mut Fields, name: &str, number: Option<u64>) {
    match number {
        Some(number) => out.number(name, number),
        None => out.word(name, "leave"),
    }
}

fn text_or_leave(out: &mut Fields, name: &str, text: Option<&str>) {
    match text {
        Some(text) => out.bytes(name, text),
        None => out.word(name, "leave"),
    }
}

/// The frame of the request with these fields.
pub(crate) fn construct(f: &Fields) -> Vec<u8> {
    let mut keys = KeysBuffer::new();
    for (name, value) in f.0.iter().filter(|_| f.get("op").word() == "MGET") {
        match name.as_str() {
            "token" => keys.push(Key::Token(Token(value.bytes()))).unwrap(),
            "handle" => keys.push(Key::Handle(Handle(value.number()))).unwrap(),
            _ => {}
        }
    }
    let is_hello = f.get("op").word() == "HELLO";
    let call = Call {
        id: u32::try_from(f.get("id").number()).unwrap(),
        app: f.find("app").filter(|_| !is_hello).map(Value::text),
        request: request(f, &keys),
    };
    let mut bytes = Vec::new();
    call.encode(&mut bytes).unwrap();
    bytes
}

fn request<'a>(f: &'a Fields, keys: &'a KeysBuffer) -> Request<'a> {
    let quiet = f.has_flag("QUIET");
    match f.get("op").word() {
        "HELLO" => Request::Hello(Hello {
            app: f.get("app").text(),
            min_version: byte(f, "min-version"),
            max_version: byte(f, "max-version"),
            access_key: AccessKey(f.get("access-key").bytes()),
            client: f.get("client").text(),
            later: f.get("later").bytes(),
        }),
        "PING" => Request::Ping(Ping {
            echo: f.get("echo").bytes(),
        }),
        "STATS" => Request::Stats(Stats),
        "GET" => Request::Get(Get {
            key: read_key(f, "token", "handle").unwrap(),
            quiet,
            unless_version: f.find("version").map(Value::number),
        }),
        "MGET" => Request::MultiGet(MultiGet {
            keys: keys.keys(),
            quiet,
        }),
        "KILL" => Request::Kill(Kill {
            key: read_key(f, "token", "handle").unwrap(),
        }),
        "KILLMANY" => Request::KillMany(KillMany {
            scope: read_scope(f),
            except: read_key(f, "except-token", "except-handle"),
        }),
        "LIST" => Request::List(List {
            scope: read_scope(f),
            since: f.get("since").number(),
            limit: u32::try_from(f.get("limit").number()).unwrap(),
            from: Cursor(f.get("cursor").bytes().try_into().unwrap()),
            data: f.has_flag("DATA"),
        }),
        "ACTIVITY" => Request::Activity(ActiveUsers {
            seconds: f.get("seconds").number(),
        }),
        _ => write_request(f),
    }
}

fn write_request(f: &Fields) -> Request<'_> {
    let (quiet, show) = (f.has_flag("QUIET"), f.has_flag("SHOW"));
    let version = f.find("version").map(Value::number);
    if f.get("op").word() == "CREATE" {
        return Request::Create(Create {
            style: style(byte(f, "style")).unwrap(),
            fields: read_fields(f),
        });
    }
    let token = Token(f.get("token").bytes());
    match f.get("op").word() {
        "PUT" => Request::Put(Put {
            token,
            mode: match (byte(f, "mode"), version) {
                (0, None) => PutMode::Create,
                (1, None) => PutMode::Update,
                (2, None) => PutMode::Upsert,
                (3, Some(version)) => PutMode::IfVersion(version),
                other => panic!("{other:?} is no mode"),
            },
            quiet,
            fields: read_fields(f),
        }),
        "SET" => Request::Set(Set {
            token,
            if_version: version,
            quiet,
            show,
            patch: Data(f.get("patch").bytes()),
        }),
        "TOUCH" => Request::Touch(Touch {
            token,
            idle: f.get("idle").or_leave().map(Value::number),
            until: f.get("until").or_leave().map(Value::number),
            show,
        }),
        "ROTATE" => Request::Rotate(Rotate {
            token,
            new: match style(byte(f, "style")) {
                Some(style) => NewToken::Draw(style),
                None => NewToken::Chosen(Token(f.get("new-token").bytes())),
            },
            grace: u32::try_from(f.get("grace").number()).unwrap(),
            user: f.get("user").or_leave().map(Value::text),
        }),
        other => panic!("no operation `{other}`"),
    }
}

fn read_fields(f: &Fields) -> cloakroom_protocol::Fields<'_> {
    let content_type = f.get("content-type").or_leave();
    let content_type = content_type.map(|v| ContentType(u8::try_from(v.number()).unwrap()));
    cloakroom_protocol::Fields {
        idle: f.get("idle").or_leave().map(Value::number),
        until: f.get("until").or_leave().map(Value::number),
        user: f.get("user").or_leave().map(Value::text),
        ip: f.get("ip").or_leave().map(Value::text),
        attributes: Attributes(byte(f, "attributes")),
        data: content_type.map(|kind| (kind, Data(f.get("data").bytes()))),
    }
}

fn byte(f: &Fields, name: &str) -> u8 {
    u8::try_from(f.get(name).number()).unwrap()
}

fn style(number: u8) -> Option<TokenStyle> {
    match number {
        0 => None,
        1 => Some(TokenStyle::Alphanumeric64),
        2 => Some(TokenStyle::UuidV4),
        3 => Some(TokenStyle::Base64Url47),
        _ => panic!("no style {number}"),
    }
}

fn read_key<'a>(f: &'a Fields, token_name: &str, handle_name: &str) -> Option<Key<'a>> {
    let handle = f.find(handle_name).map(|v| Key::Handle(Handle(v.number())));
    handle.or_else(|| f.find(token_name).map(|v| Key::Token(Token(v.bytes()))))
}

fn read_scope(f: &Fields) -> Scope<'_> {
    match f.get("scope").number() {
        0 => Scope::App,
        1 => Scope::User(f.get("key").text()),
        2 => Scope::Ip(f.get("key").text()),
        number => panic!("no scope {number}"),
    }
}
