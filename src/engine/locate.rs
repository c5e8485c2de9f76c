//! Many sessions at once: find out where they are before they are asked for one by one.
//!
//! A single read waits for four or five cache misses one after the other. When a whole buffer of
//! requests is at hand, their tokens are hashed first and then all of them are touched in one short
//! loop, so that the processor waits for many misses at the same time.

use std::sync::Arc;

use super::{Engine, Key};
use crate::model::{AppName, Tag};
use crate::store::{Ahead, App, Lookup};

/// Sessions whose misses are waited for together.
const BATCH: usize = 16;

/// Where a session would be: its app and the tag of its token. Says nothing about whether it lives.
pub struct Located {
    app: Arc<App>,
    tag: Tag,
}

impl std::fmt::Debug for Located {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Located({:016x})", self.tag.high)
    }
}

impl Located {
    /// What [`Engine::warm`] takes.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.tag
    }
}

impl Engine {
    /// Where the session with this token would be; `None` when the app has no sessions.
    #[must_use]
    pub fn locate(&self, app: AppName<'_>, token: &[u8]) -> Option<Located> {
        let app = self.app(app)?;
        let tag = app.keys.tag(token);
        Some(Located { app, tag })
    }

    /// Brings what reads of these sessions will need into the processor's cache. Changes nothing.
    pub fn warm(&self, sessions: impl IntoIterator<Item = Tag>, ahead: Ahead) {
        let mut sessions = sessions.into_iter();
        loop {
            let mut tags = [Tag { high: 0, low: 0 }; BATCH];
            let mut filled = 0;
            for (place, tag) in tags.iter_mut().zip(sessions.by_ref()) {
                *place = tag;
                filled += 1;
            }
            self.store
                .warm(tags.get(..filled).unwrap_or_default(), ahead);
            if filled < BATCH {
                return;
            }
        }
    }

    /// The app and the place of a key's session. `kept` holds the app where the key does not.
    pub(super) fn resolve<'k>(
        &self,
        app: AppName<'_>,
        key: Key<'k>,
        kept: &'k mut Option<Arc<App>>,
    ) -> Option<(&'k App, Lookup)> {
        // An app that has been dropped since it was located may have come back as another.
        if let Key::Located(located) = key
            && !located.app.is_closed()
        {
            return Some((&located.app, Lookup::Tag(located.tag)));
        }
        let app: &'k App = kept.insert(self.app(app)?);
        let lookup = match key {
            Key::Token(token) => Lookup::Tag(app.keys.tag(token)),
            Key::Located(located) => Lookup::Tag(located.tag),
            Key::Handle(handle) => Lookup::Handle(handle),
        };
        Some((app, lookup))
    }
}
