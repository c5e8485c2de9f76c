//! The keys of redis-sessions, and the commands that every one of its transactions begins with.

use crate::bench::target::redis::resp::{push_argument, push_command};

/// Keys and members, with holes for the session.
pub(super) struct Names {
    pub(super) app: String,
    /// The hash of the session.
    pub(super) key: String,
    /// Sorted set of the app's sessions by last access.
    pub(super) sessions: String,
    /// Sorted set of the app's users by last access.
    pub(super) users: String,
    /// Sorted set of all sessions by the end of their life.
    pub(super) ends: String,
    /// Start of the key of a user's set of tokens; the user follows.
    pub(super) tokens_of: String,
    /// The set of the user's tokens.
    pub(super) tokens: String,
    /// The session in `sessions`, and in `ends`.
    pub(super) member: String,
    pub(super) global_member: String,
    /// The user.
    pub(super) user: String,
    /// When the session ends if it is not used again.
    pub(super) end: String,
    pub(super) ttl: String,
}

/// A command and its arguments.
pub(super) type Line<'n> = Vec<&'n str>;

impl Names {
    pub(super) fn new(app: &str, ttl: u64) -> Self {
        Self {
            app: app.to_owned(),
            key: format!("rs:{app}:{{token}}"),
            sessions: format!("rs:{app}:_sessions"),
            users: format!("rs:{app}:_users"),
            ends: "rs:SESSIONS".to_owned(),
            tokens_of: format!("rs:{app}:us:"),
            tokens: format!("rs:{app}:us:user{{owner}}"),
            member: "{token}:user{owner}".to_owned(),
            global_member: format!("{app}:{{token}}:user{{owner}}"),
            user: "user{owner}".to_owned(),
            end: format!("{{now+{ttl}}}"),
            ttl: ttl.to_string(),
        }
    }

    /// The fields of a session that a read asks for.
    pub(super) fn read(&self) -> Line<'_> {
        let fields = ["id", "r", "w", "ttl", "d", "la", "ip", "no_resave"];
        ["HMGET", &self.key].into_iter().chain(fields).collect()
    }

    /// Notes the access in all three indexes.
    fn touch(&self) -> Vec<Line<'_>> {
        vec![
            vec!["ZADD", &self.sessions, "{now}", &self.member],
            vec!["ZADD", &self.users, "{now}", &self.user],
            vec!["ZADD", &self.ends, &self.end, &self.global_member],
        ]
    }

    fn record_access(&self, idle: bool) -> Option<Line<'_>> {
        idle.then(|| vec!["HSET", &self.key, "la", "{now}"])
    }

    /// `data` is a JSON object, or empty.
    pub(super) fn create<'n>(&'n self, data: &'n str) -> Vec<Line<'n>> {
        let mut lines = self.touch();
        lines.push(vec!["SADD", &self.tokens, "{token}"]);
        let mut hash = vec!["HSET", &self.key, "id", &self.user, "r", "1", "w", "1"];
        hash.extend(["ip", "{address}", "la", "{now}", "ttl", &self.ttl]);
        if !data.is_empty() {
            hash.extend(["d", data]);
        }
        lines.push(hash);
        lines
    }

    /// The second part of a get of a session that was `idle` for more than a second, or not.
    pub(super) fn get(&self, idle: bool) -> Vec<Line<'_>> {
        let mut lines = self.touch();
        lines.push(vec!["HINCRBY", &self.key, "r", "1"]);
        lines.extend(self.record_access(idle));
        lines
    }

    /// The second part of a set.
    pub(super) fn set<'n>(&'n self, data: &'n str, idle: bool) -> Vec<Line<'n>> {
        let mut lines = self.touch();
        lines.push(vec!["HINCRBY", &self.key, "w", "1"]);
        lines.extend(self.record_access(idle));
        lines.push(vec!["HSET", &self.key, "d", data]);
        lines
    }

    /// The second part of a kill. The user is forgotten in a third, when this was the last session.
    pub(super) fn kill(&self) -> Vec<Line<'_>> {
        vec![
            vec!["ZREM", &self.sessions, &self.member],
            vec!["SREM", &self.tokens, "{token}"],
            vec!["ZREM", &self.ends, &self.global_member],
            vec!["DEL", &self.key],
            vec!["EXISTS", &self.tokens],
        ]
    }
}

/// The text of a transaction.
pub(super) fn transaction(lines: &[Line<'_>]) -> String {
    let mut text = String::new();
    push_command(&mut text, &["MULTI"]);
    for line in lines {
        push_command(&mut text, line);
    }
    push_command(&mut text, &["EXEC"]);
    text
}

/// The text of some arguments.
pub(super) fn arguments(arguments: &[&str]) -> String {
    let mut text = String::new();
    for argument in arguments {
        push_argument(&mut text, argument);
    }
    text
}
