//! The verbs on many sessions: lists, counts, kills.

use cloakroom::engine::{Followed, Key, ListCursor, ListProgress, Scope};
use cloakroom::model::SessionView;

use super::Driver;
use super::facts::Facts;
use crate::twin::{Session, Twin, at};

impl Driver {
    pub(super) fn remove_matching(&mut self) {
        let app = self.app();
        let (user, ip) = (self.user(), self.ip());
        let scope = match (&user, &ip) {
            (Some(user), _) => Scope::User(user),
            (None, Some(ip)) => Scope::Ip(ip),
            (None, None) => return,
        };
        let kept = self.any_session(app);
        let (except, token) = (kept.as_ref().map(|k| &k.0), kept.as_ref().map(|k| &k.1));
        let (mut cursor, mut removed) = (ListCursor::default(), 0);
        loop {
            let (progress, reply) = self
                .engine
                .remove_matching(at(self.now), Self::name(app), scope, except, &mut cursor)
                .unwrap();
            removed += reply.answer;
            if progress == ListProgress::Done {
                break;
            }
        }
        let mut expected = 0;
        let now = self.now;
        while let Some(found) = self.twin.sessions.iter().position(|s| {
            let kept = token.is_some_and(|token| *token == s.token);
            s.app == app && now < s.deadline() && in_scope(s, scope) && !kept
        }) {
            self.twin.remove(found);
            expected += 1;
        }
        assert_eq!(removed, expected);
    }

    /// Sometimes one of the app's sessions, which is followed.
    fn any_session(&mut self, app: usize) -> Option<(Followed, Vec<u8>)> {
        let living: Vec<Vec<u8>> = self
            .twin
            .living(app, self.now)
            .map(|s| s.token.clone())
            .collect();
        if living.is_empty() || self.dice.roll(2) == 0 {
            return None;
        }
        let token = living[self.dice.roll(living.len() as u64) as usize].clone();
        let key = Key::Token(&token);
        let followed = self.engine.follow(at(self.now), Self::name(app), key);
        Some((followed.unwrap(), token))
    }

    pub(super) fn remove_app(&mut self) {
        let app = self.app();
        self.twin.settle(self.now);
        let removed = self
            .engine
            .remove_app(at(self.now), Self::name(app))
            .unwrap();
        self.compare_count(removed.answer, |twin| {
            let killed = twin.clone().remove_app(app);
            (killed, killed)
        });
        self.twin.remove_app(app);
    }

    /// A count may or may not include what expired within the present second.
    fn compare_count(&self, counted: u64, count: impl Fn(&Twin) -> (u64, u64)) {
        let (least, most) = count(&self.twin);
        if (least..=most).contains(&counted) {
            return;
        }
        let mut rest = self.twin.clone();
        rest.remove_expired(self.now);
        let (least, _) = count(&rest);
        assert!(
            (least..=most).contains(&counted),
            "{counted} of {least} to {most}"
        );
    }

    pub(super) fn list(&mut self) {
        let app = self.app();
        let (user, ip) = (self.user(), self.ip());
        let since = self.now.saturating_sub(self.dice.roll(4_000_000)) / 1000 * 1000;
        let scope = match (self.dice.roll(3), &user, &ip) {
            (0, Some(user), _) => Scope::User(user),
            (1, _, Some(ip)) => Scope::Ip(ip),
            _ => Scope::ActiveSince(at(since)),
        };
        let mut seen = Vec::new();
        let mut cursor = ListCursor::default();
        while self.engine.list(
            at(self.now),
            Self::name(app),
            scope,
            &mut cursor,
            &mut |view| {
                seen.push(Facts::of_view(view));
            },
        ) == ListProgress::More
        {}
        if matches!(scope, Scope::ActiveSince(_)) {
            let newest_first = seen
                .windows(2)
                .all(|w| w[0].last / 1000 >= w[1].last / 1000);
            assert!(newest_first, "the most recently active come first");
        }
        let now = self.now;
        let mut expected: Vec<Facts> = self
            .twin
            .living(app, now)
            .filter(|s| in_scope(s, scope))
            .map(|s| Facts::of_twin(s, now))
            .collect();
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
        if self.dice.roll(4) == 0 {
            let mut paged = self.paged(app, scope);
            paged.sort();
            assert_eq!(paged, expected);
        }
    }

    /// The same list, cut into pages of a few sessions.
    fn paged(&mut self, app: usize, scope: Scope<'_>) -> Vec<Facts> {
        let length = 10 + self.dice.roll(300) as usize;
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let mut page = Vec::new();
            let mut cursor = ListCursor::by_handle(after, length);
            let now = at(self.now);
            let mut show = |view: &SessionView<'_>| {
                assert!(after.is_none_or(|after| view.handle > after));
                page.push((view.handle, Facts::of_view(view)));
            };
            while self
                .engine
                .list(now, Self::name(app), scope, &mut cursor, &mut show)
                == ListProgress::More
            {}
            assert!(page.is_sorted_by_key(|(handle, _)| *handle));
            page.truncate(length);
            let Some((last, _)) = page.last() else {
                return all;
            };
            after = Some(*last);
            all.extend(page.into_iter().map(|(_, facts)| facts));
        }
    }

    pub(super) fn activity(&mut self) {
        let app = self.app();
        let window = [10, 600, 3_600, 3_601, 86_400, 90_000, 2_592_000][self.dice.roll(7) as usize];
        self.twin.settle(self.now);
        let counted = self.engine.activity(at(self.now), Self::name(app), window);
        let now = self.now;
        self.compare_count(counted, |twin| twin.activity(app, now, window));
    }
}

fn in_scope(session: &Session, scope: Scope<'_>) -> bool {
    match scope {
        Scope::User(user) => session.user.as_deref() == Some(user),
        Scope::Ip(ip) => session.ip.as_deref() == Some(ip),
        Scope::ActiveSince(since) => session.last / 1000 >= since.seconds(),
    }
}
