//! Time over restarts: clocks that were set back, deadlines that passed meanwhile, touches.

use cloakroom::clock::Millis;
use cloakroom::engine::{Key, NewSession, NewToken, Read, Scope};
use cloakroom::log::Durability;
use cloakroom::model::Life;

use crate::durable::End;
use crate::engines::{app, list, plain};
use crate::server::{NOW, Server};

const ENDS: [(End, bool); 4] = [
    (End::Stop, false),
    (End::Stop, true),
    (End::Kill, false),
    (End::Kill, true),
];

fn last_active(server: &Server, token: &[u8]) -> Option<Millis> {
    let key = Key::Token(token);
    let peek = server
        .engine
        .read(server.at(), app("shop"), key, Read::Peek, |view| {
            view.last_active
        });
    peek.answer
}

#[test]
fn activity_later_than_the_present_counts_as_the_present() {
    for (end, snapshot) in ENDS {
        let mut server = Server::new(Durability::Always);
        let token = server.create_with(&plain("shop", "u", Life::sliding(10_000)));
        let touched = server.create_with(&plain("shop", "u", Life::sliding(10_000)));
        server.pass(5_000);
        assert!(server.is_served("shop", &touched));
        server.pass(2_000);
        if snapshot {
            server.snapshot();
        }
        // The clock is set back by an hour.
        let back = NOW - 3_600_000;
        let mut server = server.restart_at(end, back);
        for token in [&token, &touched] {
            assert_eq!(last_active(&server, token), Some(Millis(back)));
        }
        assert_eq!(server.engine.activity(Millis(back), app("shop"), 0), 1);
        server.pass(9_999);
        assert!(last_active(&server, &token).is_some());
        server.pass(1);
        assert_eq!(last_active(&server, &token), None);
    }
}

#[test]
fn sessions_that_expired_meanwhile_are_never_served_and_swept_at_once() {
    for (end, snapshot) in ENDS {
        let mut server = Server::new(Durability::Always);
        let gone = server.create_with(&plain("shop", "gone", Life::whole_seconds(60)));
        let lives = server.create_with(&plain("shop", "lives", Life::whole_seconds(86_400)));
        server.pass(5_000);
        if snapshot {
            server.snapshot();
        }
        let later = server.now + 7_200_000;
        let server = server.restart_at(end, later);
        let mut users = Vec::new();
        let scope = Scope::ActiveSince(Millis(0));
        list(&server.engine, server.at(), "shop", scope, &mut |view| {
            users.push(view.user().map(str::to_owned));
        });
        assert_eq!(users, [Some("lives".to_owned())]);
        assert_eq!(last_active(&server, &gone), None);
        assert!(last_active(&server, &lives).is_some());
        // The count is exact: the first sweep finds what expired, in the present second.
        let count = server.engine.activity(server.at(), app("shop"), u64::MAX);
        assert_eq!(count, 1);
        assert_eq!(server.engine.memory_use().sessions, 1);
    }
}

#[test]
fn wheels_begin_at_the_present_so_that_a_sweep_moves_nothing_through_the_past() {
    let mut server = Server::new(Durability::Always);
    for hours in 1..=400 {
        server.create_with(&plain("shop", "u", Life::whole_seconds(hours * 3_600)));
    }
    server.pass(1);
    let mut server = server.restart();
    server.pass(1_000);
    // One hold for each of the eight shards, and some for the time index.
    let swept = server.engine.sweep(server.at(), 16);
    assert!(!swept.more && swept.expired == 0, "{swept:?}");
    let later = server.now + 400 * 3_600_000 + 2_000;
    let mut expired = 0;
    loop {
        let swept = server.engine.sweep(Millis(later), 64);
        expired += swept.expired;
        if !swept.more {
            break;
        }
    }
    assert_eq!(expired, 400);
    assert_eq!(server.engine.check_invariants(), Ok(()));
}

#[test]
fn old_activity_is_filed_in_the_wide_buckets_that_upkeep_would_have_made() {
    let mut server = Server::new(Durability::Os);
    // Two days of sessions, one every ten seconds, and nobody who sweeps: 17,280 buckets of a second.
    for _ in 0..17_280 {
        server.create_with(&plain("shop", "u", Life::ENDLESS));
        server.now += 10_000;
    }
    let before = server.engine.memory_use().activity;
    server.pass(1);
    server.snapshot();
    let server = server.restart();
    let after = server.engine.memory_use().activity;
    assert!(after * 4 < before, "{after} bytes of {before}");
    for hours in [1, 24, 30, 100] {
        let since = Millis(server.now - server.now % 1_000 - hours * 3_600_000);
        let mut listed = 0;
        let scope = Scope::ActiveSince(since);
        list(&server.engine, server.at(), "shop", scope, &mut |_| {
            listed += 1
        });
        assert_eq!(listed, (hours * 360).min(17_280), "{hours} hours");
    }
}

#[test]
fn touches_before_a_graceful_stop_are_all_kept_and_a_crash_takes_at_most_two_seconds() {
    for (end, kept) in [(End::Stop, 31), (End::Kill, 19)] {
        let mut server = Server::new(Durability::EverySecond);
        let token = server.create("shop");
        for _ in 0..30 {
            server.pass(100);
            assert!(server.is_served("shop", &token));
        }
        let now = server.now;
        let server = server.restart_at(end, now);
        let key = Key::Token(&token);
        let read = server
            .engine
            .read(server.at(), app("shop"), key, Read::Peek, |view| view.reads);
        assert!(read.answer.unwrap() >= kept, "{end:?}: {read:?}");
    }
}

#[test]
fn everything_of_a_session_comes_back_by_either_way() {
    for (end, snapshot) in ENDS {
        let mut server = Server::new(Durability::Always);
        let new = NewSession {
            token: NewToken::Chosen(b"chosen"),
            keep_token: true,
            no_resave: true,
            ip: Some("2001:db8::1"),
            data: br#"{"a":[1,{"b":null}]}"#,
            ..plain("shop", "\u{444}\u{443}", Life::whole_seconds(100))
        };
        server.create_with(&new);
        server.pass(1_500);
        assert!(server.is_served("shop", b"chosen"));
        server.pass(3_000);
        if snapshot {
            server.snapshot();
        }
        let facts = |server: &Server| {
            let key = Key::Token(b"chosen");
            let facts = server
                .engine
                .read(server.at(), app("shop"), key, Read::Peek, |view| {
                    let token = view.token().map(|token| token.as_bytes().to_vec());
                    let texts = (view.user().map(str::to_owned), view.ip().map(str::to_owned));
                    let times = (view.created(), view.last_active, view.deadline, view.life);
                    let counts = (view.reads, view.writes, view.idle_seconds, view.version());
                    let data = (view.content_type, view.data().to_vec(), view.no_resave);
                    (token, texts, times, counts, data, view.handle)
                });
            facts.answer.unwrap()
        };
        let before = facts(&server);
        let now = server.now;
        let server = server.restart_at(end, now);
        assert_eq!(facts(&server), before);
        let mut listed = 0;
        for scope in [Scope::User("\u{444}\u{443}"), Scope::Ip("2001:db8::1")] {
            list(&server.engine, server.at(), "shop", scope, &mut |_| {
                listed += 1
            });
        }
        assert_eq!(listed, 2);
    }
}
