//! Writes all living sessions as lines of NDJSON, slice by slice, in constant memory.

use std::io;

use crate::clock::Millis;
use crate::engine::Engine;
use crate::model::change::CreateChange;
use crate::model::secret::AppKeys;
use crate::model::{Keys, Token};
use crate::server::transfer::line::{self, Identity};

/// Sessions written under one hold of a lock.
const SESSIONS_PER_SLICE: usize = 64;
/// Bytes of lines that are handed on at once.
const BATCH_BYTES: usize = 256 << 10;

/// What opens the sealed tokens of the app that was met last.
struct Opener<'k> {
    keys: &'k Keys,
    known: Option<(String, AppKeys)>,
}

impl Opener<'_> {
    fn token(&mut self, session: &CreateChange<'_>) -> Option<Token> {
        if session.sealed.is_empty() {
            return None;
        }
        let app = session.app;
        let known = self.known.take().filter(|(name, _)| name == app.as_str());
        let known = known.unwrap_or_else(|| (app.as_str().to_owned(), self.keys.of_app(app)));
        let (_, keys) = self.known.insert(known);
        keys.sealer(session.tag).open(session.sealed)
    }
}

/// Hands the lines of all sessions that live at `now` to `out`, and answers how many there were.
/// Sessions may change meanwhile: one that lives all the time is written once, as it stood at some
/// moment.
///
/// # Errors
/// Those of `out`.
pub fn export(
    engine: &Engine,
    now: Millis,
    keys: &Keys,
    key: &str,
    out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut opener = Opener { keys, known: None };
    let (mut sessions, mut lines) = (0, Vec::new());
    let mut from = Some(0);
    while let Some(place) = from {
        from = engine.walk_states(place, SESSIONS_PER_SLICE, &mut |session| {
            if is_over(session, now) {
                return;
            }
            let token = opener.token(session);
            let identity = Identity {
                key,
                token: token.as_ref(),
            };
            line::write(session, &identity, &mut lines);
            sessions += 1;
        });
        if lines.len() >= BATCH_BYTES || from.is_none() {
            out(&lines)?;
            lines.clear();
        }
    }
    Ok(sessions)
}

fn is_over(session: &CreateChange<'_>, now: Millis) -> bool {
    let lag = if session.lag { 1000 } else { 0 };
    let recorded = Millis(session.last_active.0.saturating_sub(lag));
    session.life.deadline(recorded) <= now
}
