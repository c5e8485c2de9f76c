//! GET and MGET. Pipelined GETs are looked ahead, so that their cache misses are waited for together.

use cloakroom_protocol as wire;
use cloakroom_protocol::{Answer, ErrorCode, Header, Opcode, Reply, ReplyFlags, limits};

use crate::engine::{Ahead, Key, Located, Read, ReadIf};
use crate::model::{AppName, Handle, SessionView};
use crate::net::binary::exchange::BinaryExchange;
use crate::net::binary::session::{flags, shown};
use crate::net::exchange::{Exchange, Turn};

/// GETs looked at ahead.
const AHEAD: usize = 16;

/// A plain GET that stands in the buffer: one of a token in the app of the connection, so one that
/// its access key is good for.
pub(in crate::net) struct Foreseen {
    id: u32,
    /// Bytes of its frame.
    bytes: usize,
    located: Located,
}

/// The token of the plain GET at the front of `bytes`, if one stands there whole.
pub(super) fn plain_get(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (header, behind) = bytes.split_first_chunk::<{ Header::BYTES }>()?;
    let header = Header::read(header);
    let length = usize::from(header.key_or_status);
    let plain = header.opcode == Opcode::Get.number()
        && header.flags == 0
        && u32::from(header.key_or_status) == header.length
        && (1..=limits::TOKEN_BYTES).contains(&length);
    if plain {
        Some((header, behind.get(..length)?))
    } else {
        None
    }
}

impl BinaryExchange {
    /// Answers the plain GETs at the front of `input`, at most [`AHEAD`]; says how many bytes they are.
    pub(super) fn read_ahead(
        &mut self,
        input: &[u8],
        turn: &mut Turn<'_>,
        budget: &mut usize,
    ) -> usize {
        let engine = &turn.service.engine;
        let Some(name) = self.app_name() else {
            return 0;
        };
        let Ok(app) = AppName::new(&name) else {
            return 0;
        };
        let mut foreseen = std::mem::take(&mut turn.desk.foreseen);
        let mut rest = input;
        while foreseen.len() < AHEAD.min(*budget)
            && let Some((header, token)) = plain_get(rest)
            && let Some(located) = turn.located.take().or_else(|| engine.locate(app, token))
        {
            let bytes = Header::BYTES + token.len();
            foreseen.push(Foreseen {
                id: header.id,
                bytes,
                located,
            });
            rest = rest.get(bytes..).unwrap_or_default();
        }
        if foreseen.len() > 1 {
            engine.warm(foreseen.iter().map(|get| get.located.tag()), Ahead::Replies);
        }
        let mut used = 0;
        for get in &foreseen {
            if !self.has_room() {
                break;
            }
            used += get.bytes;
            *budget -= 1;
            self.begin(get.id, Opcode::Get.number());
            let key = Key::Located(&get.located);
            let found = self.show(turn, app, key, Read::Touch, None);
            if !found {
                self.refuse(ErrorCode::Gone, None);
            }
        }
        foreseen.clear();
        turn.desk.foreseen = foreseen;
        used
    }

    /// GET.
    pub(super) fn get(
        &mut self,
        app: AppName<'_>,
        get: &wire::Get<'_>,
        turn: &Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let how = if get.quiet { Read::Peek } else { Read::Touch };
        if self.show(turn, app, key(&get.key), how, get.unless_version) {
            Ok(())
        } else {
            Err(ErrorCode::Gone)
        }
    }

    /// Reads a session into the outbox. False: there is none.
    fn show(
        &mut self,
        turn: &Turn<'_>,
        app: AppName<'_>,
        key: Key<'_>,
        how: Read,
        unless_version: Option<u64>,
    ) -> bool {
        let (id, opcode) = self.at_hand;
        let out = self.outbox.end();
        let engine = &turn.service.engine;
        let read = engine.read(turn.now, app, key, how, |view| {
            let mut session = shown(view);
            let mut bits = flags(view);
            if unless_version == Some(session.receipt.version) {
                bits |= ReplyFlags::UNCHANGED;
                session = session.without_content();
            }
            let reply = Reply {
                id,
                opcode,
                flags: ReplyFlags(bits),
                answer: Answer::Session(session),
            };
            reply.encode(out);
        });
        read.answer.is_some()
    }

    /// MGET. Stops before a session that does not fit the frame: that one is not touched.
    pub(super) fn get_many(
        &mut self,
        app: AppName<'_>,
        many: &wire::MultiGet<'_>,
        turn: &mut Turn<'_>,
    ) {
        let engine = &turn.service.engine;
        let how = if many.quiet { Read::Peek } else { Read::Touch };
        let located: Vec<Located> = many
            .keys
            .iter()
            .filter_map(|key| match key {
                wire::Key::Token(token) => engine.locate(app, token.0),
                wire::Key::Handle(_) => None,
            })
            .collect();
        engine.warm(located.iter().map(Located::tag), Ahead::Replies);
        let mut page = wire::SessionsBuffer::default();
        for key in many.keys.iter().map(|one| key(&one)) {
            let Some(room) = page.room() else {
                break;
            };
            let mut fits = true;
            let wanted = |view: &SessionView<'_>| {
                fits = room >= LARGEST_SESSION || shown(view).encoded_len() <= room;
                fits
            };
            let show = |view: &SessionView<'_>| page.push(Some(&shown(view)));
            let read = engine.read_if(turn.now, app, key, ReadIf { how, wanted }, show);
            if !fits || !read.answer.unwrap_or_else(|| page.push(None)) {
                break;
            }
        }
        self.say(Answer::Sessions(page.sessions()), 0, None);
    }
}

/// Bytes of a session with everything at its bound.
const LARGEST_SESSION: usize =
    limits::SESSION_FIXED_BYTES + limits::USER_BYTES + limits::IP_BYTES + limits::DATA_BYTES;

/// How a request names a session.
pub(super) fn key<'k>(key: &wire::Key<'k>) -> Key<'k> {
    match *key {
        wire::Key::Token(token) => Key::Token(token.0),
        wire::Key::Handle(handle) => Key::Handle(Handle(handle.0)),
    }
}
