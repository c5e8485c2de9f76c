//! The handle: operations on many sessions, and on the server.

use cloakroom_protocol::{
    ActiveUsers, Answer, Cursor, Figure, Key, KeysBuffer, KillMany, List, MultiGet, Reply,
    ReplyFlags, Request, Stats, Token,
};

pub use cloakroom_protocol::Scope;

use crate::client::Client;
use crate::error::Error;
use crate::session::{self, Activity, Page, Session};

/// Which sessions a list or a count means.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    list: List<'a>,
}

impl<'a> Query<'a> {
    /// All sessions of a scope: the app's, a user's, an IP's.
    #[must_use]
    pub const fn of(scope: Scope<'a>) -> Self {
        Self {
            list: List {
                scope,
                since: 0,
                limit: 100,
                from: Cursor::ENDS,
                data: false,
            },
        }
    }

    /// Only those active at or after this moment, in milliseconds since 1970.
    #[must_use]
    pub const fn active_since(mut self, moment: u64) -> Self {
        self.list.since = moment;
        self
    }

    /// With their data, which are left out otherwise.
    #[must_use]
    pub const fn with_data(mut self) -> Self {
        self.list.data = true;
        self
    }

    /// Sessions of one page; 100 if not named, and no more than the server allows.
    #[must_use]
    pub const fn page_size(mut self, sessions: u32) -> Self {
        self.list.limit = if sessions == 0 { 1 } else { sessions };
        self
    }

    /// The page that begins where another one ended.
    #[must_use]
    pub const fn after(mut self, cursor: Cursor) -> Self {
        self.list.from = cursor;
        self
    }
}

impl Client {
    /// Reads several sessions, each as [`Client::get`] does; `None` for one that is gone. All
    /// results or an error: then some may have been read nevertheless.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_many<T: AsRef<[u8]>>(
        &self,
        tokens: &[T],
    ) -> Result<Vec<Option<Session>>, Error> {
        let mut sessions = Vec::with_capacity(tokens.len());
        while let Some(rest) = tokens.get(sessions.len()..).filter(|rest| !rest.is_empty()) {
            let mut keys = KeysBuffer::new();
            for token in rest.iter().take(self.link().allowed().keys) {
                let token = Token(token.as_ref());
                keys.push(Key::Token(token)).map_err(Error::Invalid)?;
            }
            let keys = keys.keys();
            let get = Request::MultiGet(MultiGet { keys, quiet: false });
            let read = |reply: &Reply<'_>| {
                let Answer::Sessions(found) = reply.answer else {
                    return None;
                };
                let owned = |s: Option<_>| s.map(|s| session::session(&s, ReplyFlags::NONE));
                // A reply may end early, but never with nothing.
                let fits = (1..=keys.len()).contains(&found.len());
                fits.then(|| found.iter().map(owned).collect::<Vec<_>>())
            };
            sessions.extend(self.call(get, read).await?);
        }
        Ok(sessions)
    }

    /// One page of a list. Listing leaves no trace.
    ///
    /// ```no_run
    /// # async fn example(client: cloakroom_client::Client) -> Result<(), cloakroom_client::Error> {
    /// use cloakroom_client::{Query, Scope};
    ///
    /// let mut query = Query::of(Scope::User("user-1"));
    /// loop {
    ///     let page = client.list(&query).await?;
    ///     for session in &page.sessions {
    ///         println!("{} last active {}", session.handle, session.last_active);
    ///     }
    ///     let Some(next) = page.next else { break };
    ///     query = query.after(next);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list(&self, query: &Query<'_>) -> Result<Page, Error> {
        let read = |reply: &Reply<'_>| {
            let Answer::Page(page) = reply.answer else {
                return None;
            };
            Some(Page {
                sessions: page
                    .sessions
                    .iter()
                    .flatten()
                    .map(|s| session::session(&s, ReplyFlags::NONE))
                    .collect(),
                next: (!page.next.is_end()).then_some(page.next),
                now: page.now,
            })
        };
        self.call(Request::List(query.list), read).await
    }

    /// How many sessions a list would show.
    ///
    /// # Errors
    /// As [`Client::list`].
    pub async fn count(&self, query: &Query<'_>) -> Result<u64, Error> {
        let list = List {
            limit: 0,
            ..query.list
        };
        let read = |reply: &Reply<'_>| {
            let Answer::Page(page) = reply.answer else {
                return None;
            };
            Some(page.matching)
        };
        self.call(Request::List(list), read).await
    }

    /// Ends all sessions of a user; answers how many.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn kill_user(&self, user: &str) -> Result<u64, Error> {
        self.kill_many(Scope::User(user), None).await
    }

    /// Ends all sessions of a user but one; answers how many. The exception is a token or a handle.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn kill_user_except(
        &self,
        user: &str,
        except: impl Into<Key<'_>>,
    ) -> Result<u64, Error> {
        self.kill_many(Scope::User(user), Some(except.into())).await
    }

    /// Ends all sessions with this IP text; answers how many.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn kill_ip(&self, ip: &str) -> Result<u64, Error> {
        self.kill_many(Scope::Ip(ip), None).await
    }

    /// Ends all sessions of the app; answers how many.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn kill_app(&self) -> Result<u64, Error> {
        self.kill_many(Scope::App, None).await
    }

    async fn kill_many(&self, scope: Scope<'_>, except: Option<Key<'_>>) -> Result<u64, Error> {
        let kill = Request::KillMany(KillMany { scope, except });
        let read = |reply: &Reply<'_>| {
            let Answer::Killed(count) = reply.answer else {
                return None;
            };
            Some(count)
        };
        self.call(kill, read).await
    }

    /// Who was active in the last so many seconds.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn activity(&self, seconds: u64) -> Result<Activity, Error> {
        let activity = Request::Activity(ActiveUsers { seconds });
        let read = |reply: &Reply<'_>| {
            let Answer::Activity(activity) = reply.answer else {
                return None;
            };
            Some(Activity {
                users: activity.users,
                sessions: activity.sessions,
            })
        };
        self.call(activity, read).await
    }

    /// Figures of the server.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn stats(&self) -> Result<Vec<(Figure, u64)>, Error> {
        let read = |reply: &Reply<'_>| {
            let Answer::Figures(figures) = reply.answer else {
                return None;
            };
            Some(figures.iter().collect())
        };
        self.call(Request::Stats(Stats), read).await
    }
}
