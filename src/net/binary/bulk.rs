//! Requests about many sessions: KILLMANY, LIST, ACTIVITY. Long ones are answered in slices.

use cloakroom_protocol as wire;
use cloakroom_protocol::{Answer, Cursor, ErrorCode, limits};

use crate::clock::Millis;
use crate::engine::{Followed, ListCursor, ListProgress, Position};
use crate::model::{AppName, Handle};
use crate::net::binary::exchange::BinaryExchange;
use crate::net::binary::read::key;
use crate::net::binary::refusal::code;
use crate::net::binary::session::{cursor_behind, read_cursor, scope, shown};
use crate::net::exchange::Turn;

/// Whose sessions a request in slices means: its texts outlive the frame.
#[derive(Clone)]
pub(super) struct Whose {
    app: Box<str>,
    scope: OwnedScope,
}

#[derive(Clone)]
enum OwnedScope {
    App,
    User(Box<str>),
    Ip(Box<str>),
}

/// A request that is answered in slices.
pub(super) enum Work {
    /// KILLMANY by user or IP.
    Kill(KillWork),
    /// LIST.
    List(Box<ListWork>),
}

/// How often a KILLMANY goes through its scope while it finds somebody there. A session that is
/// rotated is overlooked by the walk it happens under, and found by the next one.
const KILL_WALKS: u32 = 16;

/// A KILLMANY under way.
pub(super) struct KillWork {
    whose: Whose,
    /// Stays, also under another id that it gets meanwhile.
    except: Option<Followed>,
    cursor: ListCursor,
    killed: u64,
    /// Of `killed`, those before the present walk.
    killed_before: u64,
    /// Walks begun.
    walks: u32,
    wait_for: Option<Position>,
}

/// A LIST under way.
pub(super) struct ListWork {
    whose: Whose,
    since: Millis,
    /// Sessions of the page; 0 counts only.
    limit: usize,
    data: bool,
    cursor: ListCursor,
    page: wire::SessionsBuffer,
    matching: u64,
    last: Option<Handle>,
    /// There are more sessions than fit the page.
    more: bool,
}

impl Whose {
    fn new(app: AppName<'_>, scope: wire::Scope<'_>) -> Self {
        Self {
            app: app.as_str().into(),
            scope: match scope {
                wire::Scope::App => OwnedScope::App,
                wire::Scope::User(user) => OwnedScope::User(user.into()),
                wire::Scope::Ip(ip) => OwnedScope::Ip(ip.into()),
            },
        }
    }

    fn scope(&self) -> wire::Scope<'_> {
        match &self.scope {
            OwnedScope::App => wire::Scope::App,
            OwnedScope::User(user) => wire::Scope::User(user),
            OwnedScope::Ip(ip) => wire::Scope::Ip(ip),
        }
    }

    fn app(&self) -> AppName<'_> {
        // Made from an AppName, so it is one.
        AppName::new(&self.app).unwrap_or(AppName::BACK_SESSION)
    }
}

impl BinaryExchange {
    /// KILLMANY.
    pub(super) fn kill_many(
        &mut self,
        app: AppName<'_>,
        many: &wire::KillMany<'_>,
        turn: &Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let engine = &turn.service.engine;
        if many.scope == wire::Scope::App {
            let removed = engine.remove_app(turn.now, app).map_err(code)?;
            self.say(Answer::Killed(removed.answer), 0, removed.wait_for);
            return Ok(());
        }
        let except = many
            .except
            .and_then(|except| engine.follow(turn.now, app, key(&except)));
        self.begin_work(Work::Kill(KillWork {
            whose: Whose::new(app, many.scope),
            except,
            cursor: ListCursor::default(),
            killed: 0,
            killed_before: 0,
            walks: 1,
            wait_for: None,
        }));
        Ok(())
    }

    /// LIST.
    pub(super) fn list(
        &mut self,
        app: AppName<'_>,
        list: &wire::List<'_>,
    ) -> Result<(), ErrorCode> {
        let after = read_cursor(list.from)?;
        let limit = list.limit.min(limits::LIST_SESSIONS);
        let limit = usize::try_from(limit).unwrap_or(0);
        self.begin_work(Work::List(Box::new(ListWork {
            whose: Whose::new(app, list.scope),
            since: Millis(list.since),
            limit,
            data: list.data,
            cursor: match limit {
                0 => ListCursor::in_any_order(after),
                limit => ListCursor::by_handle(after, limit),
            },
            page: wire::SessionsBuffer::default(),
            matching: 0,
            last: None,
            more: false,
        })));
        Ok(())
    }

    /// ACTIVITY.
    pub(super) fn activity(
        &mut self,
        app: AppName<'_>,
        activity: &wire::ActiveUsers,
        turn: &Turn<'_>,
    ) {
        let (users, sessions) = turn.service.engine.active(turn.now, app, activity.seconds);
        self.say(
            Answer::Activity(wire::Activity { users, sessions }),
            0,
            None,
        );
    }

    /// Does a slice of the work at hand. True: it is answered.
    pub(super) fn do_slice(&mut self, work: &mut Work, turn: &Turn<'_>) -> bool {
        match work {
            Work::Kill(kill) => match kill.slice(turn) {
                Ok(ListProgress::More) => return false,
                Ok(ListProgress::Done) => self.say(Answer::Killed(kill.killed), 0, kill.wait_for),
                Err(error) if kill.killed == 0 => self.refuse(error, None),
                // An error would say that nobody was ended.
                Err(_) => self.hang_up(),
            },
            Work::List(list) => {
                if !list.slice(turn) {
                    return false;
                }
                let next = list.last.filter(|_| list.more).map(cursor_behind);
                let page = wire::Page {
                    now: turn.now.0,
                    matching: list.matching,
                    next: next.unwrap_or(Cursor::ENDS),
                    sessions: list.page.sessions(),
                };
                self.say(Answer::Page(page), 0, None);
            }
        }
        true
    }
}

impl KillWork {
    fn slice(&mut self, turn: &Turn<'_>) -> Result<ListProgress, ErrorCode> {
        let engine = &turn.service.engine;
        let scope = scope(self.whose.scope(), Millis(0));
        let app = self.whose.app();
        let (progress, reply) = engine
            .remove_matching(turn.now, app, scope, self.except.as_ref(), &mut self.cursor)
            .map_err(code)?;
        self.killed += reply.answer;
        self.wait_for = self.wait_for.max(reply.wait_for);
        let found_some = self.killed > self.killed_before;
        if progress == ListProgress::Done && found_some && self.walks < KILL_WALKS {
            self.walks += 1;
            self.killed_before = self.killed;
            self.cursor = ListCursor::default();
            return Ok(ListProgress::More);
        }
        Ok(progress)
    }
}

impl ListWork {
    /// True: the page is complete.
    fn slice(&mut self, turn: &Turn<'_>) -> bool {
        let Self {
            whose,
            since,
            limit,
            data,
            cursor,
            page,
            matching,
            last,
            more,
        } = self;
        let mut each = |view: &crate::model::SessionView<'_>| {
            if *more || view.last_active.seconds() < since.seconds() {
                return;
            }
            if *limit == 0 {
                *matching += 1;
                return;
            }
            let mut session = shown(view);
            if !*data {
                session.data = wire::Data(&[]);
            }
            if page.len() < *limit && page.push(Some(&session)) {
                *last = Some(view.handle);
            } else {
                *more = true;
            }
        };
        let scope = scope(whose.scope(), *since);
        let engine = &turn.service.engine;
        let progress = engine.list(turn.now, whose.app(), scope, cursor, &mut each);
        *more || progress == ListProgress::Done
    }
}

#[cfg(test)]
mod tests {
    use cloakroom_protocol as wire;
    use cloakroom_protocol::{Fields, PutMode, Request, Scope};

    use crate::engine::{Key, NewToken, Read, Rotate};
    use crate::model::{AppName, TextChange};
    use crate::net::binary::wired::{NOW, Wired};

    /// Kills all sessions of a user but one, which is rotated after so many slices of the work: how
    /// many were killed, and whether that one lives under its new id.
    fn kill_around_a_rotation(slices: usize, grace: u64, by_handle: bool) -> (u64, bool) {
        const SESSIONS: usize = 700;
        const MINE: &[u8] = b"session-300";
        let app = AppName::new("shop").unwrap();
        let mut wired = Wired::new();
        for n in 0..SESSIONS {
            let token = format!("session-{n}");
            wired.send(Request::Put(wire::Put {
                token: wire::Token(token.as_bytes()),
                mode: PutMode::Create,
                quiet: false,
                fields: Fields {
                    user: Some("u"),
                    ..Fields::default()
                },
            }));
        }
        let engine = wired.engine();
        let handle = |key| {
            engine
                .read(NOW, app, key, Read::Peek, |view| view.handle)
                .answer
        };
        let except = if by_handle {
            wire::Key::Handle(wire::Handle(handle(Key::Token(MINE)).unwrap().0))
        } else {
            MINE.into()
        };
        wired.send(Request::KillMany(wire::KillMany {
            scope: Scope::User("u"),
            except: Some(except),
        }));
        for _ in 0..slices {
            wired.slice();
            assert!(wired.is_working(), "the kill was shorter than that");
        }
        let rotate = Rotate {
            token: NewToken::Chosen(b"mine-from-now-on"),
            user: TextChange::Keep,
            grace,
        };
        engine.rotate(NOW, app, Key::Token(MINE), &rotate).unwrap();
        while wired.is_working() {
            wired.slice();
        }
        let lives = handle(Key::Token(b"mine-from-now-on")).is_some();
        let mut killed = None;
        wired.take_replies(|answer| {
            if let wire::Answer::Killed(count) = answer {
                killed = Some(count);
            }
        });
        (killed.unwrap(), lives)
    }

    #[test]
    fn session_excepted_from_a_kill_lives_on_when_it_is_rotated_meanwhile() {
        for slices in 0..6 {
            for (grace, by_handle) in [(60_000, false), (0, false), (60_000, true), (0, true)] {
                let (killed, lives) = kill_around_a_rotation(slices, grace, by_handle);
                assert!(lives, "after {slices} slices, grace {grace}");
                assert_eq!(killed, 699, "after {slices} slices, grace {grace}");
            }
        }
    }
}
