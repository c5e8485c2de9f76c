//! CREATE, PUT, SET, TOUCH, ROTATE, KILL: one session each.

use cloakroom_protocol as wire;
use cloakroom_protocol::{Answer, ErrorCode, Made, ReplyFlags, Token};

use crate::engine::{DataEdit, Edit, Key, NewSession, NewToken, Read, Refusal, Reply, Rotate};
use crate::model::json::merge::{MemberOrder, Patch};
use crate::model::json::scan::{self, Bounds, Kind};
use crate::model::json::{canonical, number};
use crate::model::{AppName, ContentType, SessionView};
use crate::net::binary::exchange::BinaryExchange;
use crate::net::binary::read::key;
use crate::net::binary::refusal::code;
use crate::net::binary::session::{
    flags, life_edit, new_life, new_token, receipt, receipt_of_created, receipt_of_rotated, shown,
    text_change, token_style,
};
use crate::net::exchange::Turn;

/// How often a PUT that writes or makes tries the one after the other while others do the opposite.
const UPSERT_TRIES: usize = 16;

impl BinaryExchange {
    /// CREATE.
    pub(super) fn create(
        &mut self,
        app: AppName<'_>,
        create: &wire::Create<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let mut text = std::mem::take(&mut turn.desk.body);
        let made = data(&create.fields, &mut text).and_then(|data| {
            let token = NewToken::Draw(token_style(create.style));
            let new = new_session(app, token, &create.fields, data);
            let engine = &turn.service.engine;
            engine.create(turn.now, &new).map_err(code)
        });
        turn.desk.body = text;
        let Reply { answer, wait_for } = made?;
        let made = Made {
            receipt: receipt_of_created(&answer),
            token: Token(answer.token.as_bytes()),
        };
        self.say(Answer::Made(made), 0, wait_for);
        Ok(())
    }

    /// PUT.
    pub(super) fn put_session(
        &mut self,
        app: AppName<'_>,
        put: &wire::Put<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let mut text = std::mem::take(&mut turn.desk.body);
        let done =
            data(&put.fields, &mut text).and_then(|data| self.put_data(app, put, data, turn));
        turn.desk.body = text;
        done
    }

    fn put_data(
        &mut self,
        app: AppName<'_>,
        put: &wire::Put<'_>,
        data: Option<(ContentType, &[u8])>,
        turn: &Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let engine = &turn.service.engine;
        let fields = &put.fields;
        let new = new_session(app, NewToken::Chosen(put.token.0), fields, data);
        let edit = Edit {
            touch: !put.quiet,
            expect_version: match put.mode {
                wire::PutMode::IfVersion(version) => Some(version),
                wire::PutMode::Create | wire::PutMode::Update | wire::PutMode::Upsert => None,
            },
            user: text_change(fields.user),
            ip: text_change(fields.ip),
            life: life_edit(fields.idle, fields.until),
            data: data.map_or(DataEdit::Keep, |(kind, bytes)| {
                DataEdit::Replace(kind, bytes)
            }),
            ..Edit::TOUCH
        };
        for _ in 0..UPSERT_TRIES {
            if put.mode != wire::PutMode::Create {
                match self.edit(app, Key::Token(put.token.0), &edit, false, turn) {
                    Err(ErrorCode::Gone) if put.mode == wire::PutMode::Upsert => {}
                    edited => return edited,
                }
            }
            match engine.create(turn.now, &new) {
                Ok(Reply { answer, wait_for }) => {
                    let receipt = Answer::Receipt(receipt_of_created(&answer));
                    self.say(receipt, ReplyFlags::CREATED, wait_for);
                    return Ok(());
                }
                Err(Refusal::Exists) if put.mode == wire::PutMode::Upsert => {}
                Err(refusal) => return Err(code(refusal)),
            }
        }
        Err(ErrorCode::Busy)
    }

    /// SET.
    pub(super) fn set(
        &mut self,
        app: AppName<'_>,
        set: &wire::Set<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let mut text = std::mem::take(&mut turn.desk.body);
        let checked = write_json(set.patch.0, Kind::Object, &mut text);
        let done = checked.and_then(|()| {
            let patch = Patch::new(&text).map_err(|_no_patch| ErrorCode::BadJson)?;
            let edit = Edit {
                touch: !set.quiet,
                expect_version: set.if_version,
                data: DataEdit::Merge(&patch, MemberOrder::Insertion),
                ..Edit::TOUCH
            };
            self.edit(app, Key::Token(set.token.0), &edit, set.show, turn)
        });
        turn.desk.body = text;
        done
    }

    /// TOUCH.
    pub(super) fn touch(
        &mut self,
        app: AppName<'_>,
        touch: &wire::Touch<'_>,
        turn: &Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let edit = Edit {
            life: life_edit(touch.idle, touch.until),
            ..Edit::TOUCH
        };
        self.edit(app, Key::Token(touch.token.0), &edit, touch.show, turn)
    }

    /// Changes a session; answers it whole, or its receipt.
    fn edit(
        &mut self,
        app: AppName<'_>,
        key: Key<'_>,
        edit: &Edit<'_>,
        show: bool,
        turn: &Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let (id, opcode) = self.at_hand;
        let start = self.outbox.mark();
        let out = self.outbox.end();
        let answer = |view: &SessionView<'_>| {
            let shown_flag = if show { ReplyFlags::SHOWN } else { 0 };
            let reply = wire::Reply {
                id,
                opcode,
                flags: ReplyFlags(flags(view) | shown_flag),
                answer: if show {
                    Answer::Session(shown(view))
                } else {
                    Answer::Receipt(receipt(view))
                },
            };
            reply.encode(out);
        };
        match turn.service.engine.edit(turn.now, app, key, edit, answer) {
            Ok(Reply { wait_for, .. }) => {
                self.hold(start, wait_for);
                Ok(())
            }
            Err(Refusal::VersionDiffers) => {
                let engine = &turn.service.engine;
                let version = engine.read(turn.now, app, key, Read::Peek, |view| view.version());
                // It may have ended since.
                self.refuse_version(version.answer.ok_or(ErrorCode::Gone)?);
                Ok(())
            }
            Err(refusal) => Err(code(refusal)),
        }
    }

    /// ROTATE.
    pub(super) fn rotate(
        &mut self,
        app: AppName<'_>,
        rotate: &wire::Rotate<'_>,
        turn: &Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let Reply { answer, wait_for } = turn
            .service
            .engine
            .rotate(
                turn.now,
                app,
                Key::Token(rotate.token.0),
                &Rotate {
                    token: new_token(rotate.new),
                    user: text_change(rotate.user),
                    grace: u64::from(rotate.grace),
                },
            )
            .map_err(code)?;
        let made = Made {
            receipt: receipt_of_rotated(&answer),
            token: Token(answer.token.as_bytes()),
        };
        self.say(Answer::Made(made), 0, wait_for);
        Ok(())
    }

    /// KILL.
    pub(super) fn kill(
        &mut self,
        app: AppName<'_>,
        kill: &wire::Kill<'_>,
        turn: &Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let engine = &turn.service.engine;
        let removed = engine
            .remove(turn.now, app, key(&kill.key), |view| {
                (receipt(view), flags(view))
            })
            .map_err(code)?;
        match removed.answer {
            Some((receipt, bits)) => self.say(Answer::Receipt(receipt), bits, removed.wait_for),
            None => self.refuse(ErrorCode::Gone, removed.wait_for),
        }
        Ok(())
    }
}

/// The data of a request as they are stored: JSON canonical in `text`, bytes as they are.
fn data<'d>(
    fields: &wire::Fields<'d>,
    text: &'d mut Vec<u8>,
) -> Result<Option<(ContentType, &'d [u8])>, ErrorCode> {
    let Some((content_type, wire::Data(bytes))) = fields.data else {
        return Ok(None);
    };
    let kind = ContentType(content_type.0);
    match content_type {
        wire::ContentType::JSON_OBJECT => write_json(bytes, Kind::Object, text)?,
        wire::ContentType::JSON_ARRAY => write_json(bytes, Kind::Array, text)?,
        _ => return Ok(Some((kind, bytes))),
    }
    Ok(Some((kind, text)))
}

/// Writes the canonical copy of a JSON text of this kind; the empty object is no text.
fn write_json(bytes: &[u8], kind: Kind, text: &mut Vec<u8>) -> Result<(), ErrorCode> {
    text.clear();
    if bytes.is_empty() && kind == Kind::Object {
        return Ok(());
    }
    std::str::from_utf8(bytes).map_err(|_no_text| ErrorCode::BadJson)?;
    let value = scan::parse(bytes, &Bounds::default()).map_err(|_no_json| ErrorCode::BadJson)?;
    if value.kind() != kind {
        return Err(ErrorCode::BadJson);
    }
    canonical::write(value, number::write_exact, text);
    if text == b"{}" {
        text.clear();
    }
    Ok(())
}

fn new_session<'n>(
    app: AppName<'n>,
    token: NewToken<'n>,
    fields: &wire::Fields<'n>,
    data: Option<(ContentType, &'n [u8])>,
) -> NewSession<'n> {
    let (content_type, data) = data.unwrap_or((ContentType::BYTES, b""));
    NewSession {
        app,
        token,
        // These two dialects show tokens in their lists.
        keep_token: app == AppName::TARANTOOL || app == AppName::BACK_SESSION,
        user: fields.user.filter(|user| !user.is_empty()),
        ip: fields.ip.filter(|ip| !ip.is_empty()),
        life: new_life(fields),
        no_resave: fields.attributes.has(wire::Attributes::NO_RESAVE),
        content_type,
        data,
    }
}
