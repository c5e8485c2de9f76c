//! From redis-sessions, whose keyspace is written here command by command.

use serde_json::json;

use super::cloakroom::Imported;
use super::redis::{Redis, words};
use super::{SKEW, now, token};

/// A session as redis-sessions keeps it.
#[derive(Clone)]
struct Old {
    app: &'static str,
    token: String,
    id: String,
    ip: &'static str,
    ttl: u64,
    /// Seconds ago of the recorded access.
    idle: u64,
    /// Seconds by which the list by activity is ahead of the recorded access.
    lag: u64,
    r: u64,
    w: u64,
    d: Option<&'static str>,
    no_resave: bool,
}

impl Old {
    fn new(number: u64) -> Self {
        Self {
            app: "shop",
            token: token(number),
            id: format!("user{number}"),
            ip: "10.0.0.1",
            ttl: 7_200,
            idle: 100,
            lag: 0,
            r: 1,
            w: 1,
            d: None,
            no_resave: false,
        }
    }

    /// What redis-sessions writes, in the end, for such a session.
    fn commands(&self, namespace: &str, second: u64) -> Vec<Vec<String>> {
        let (app, token, id) = (format!("{namespace}:{}", self.app), &self.token, &self.id);
        let accessed = second - self.idle;
        let active = (accessed + self.lag).to_string();
        let ends = (accessed + self.lag + self.ttl).to_string();
        let hash = format!("{app}:{token}");
        let mut session = vec!["HMSET", &hash, "id", id];
        let (r, w) = (self.r.to_string(), self.w.to_string());
        let (la, ttl) = (accessed.to_string(), self.ttl.to_string());
        session.extend(["r", &r, "w", &w, "ip", self.ip, "la", &la, "ttl", &ttl]);
        session.extend(self.d.iter().flat_map(|d| ["d", d]));
        session.extend(
            self.no_resave
                .then_some(["no_resave", "1"])
                .into_iter()
                .flatten(),
        );
        vec![
            words(&[
                "ZADD",
                &format!("{app}:_sessions"),
                &active,
                &format!("{token}:{id}"),
            ]),
            words(&["ZADD", &format!("{app}:_users"), &active, id]),
            words(&[
                "ZADD",
                &format!("{namespace}:SESSIONS"),
                &ends,
                &format!("{}:{token}:{id}", self.app),
            ]),
            words(&["SADD", &format!("{app}:us:{id}"), token]),
            words(&session),
        ]
    }

    /// What the old service answers to a get so many seconds later, byte by byte.
    fn answer(&self, later: u64) -> String {
        let idle = self.idle + later;
        let [id, ip] = [&self.id, self.ip].map(|text| serde_json::to_string(text).unwrap());
        let d = self.d.map(|d| format!(",\"d\":{d}")).unwrap_or_default();
        let (r, w, ttl) = (self.r, self.w, self.ttl);
        format!(r#"{{"id":{id},"r":{r},"w":{w},"ttl":{ttl},"idle":{idle},"ip":{ip}{d}}}"#)
    }

    fn target(&self) -> String {
        format!("/{}/get/{}", self.app, self.token)
    }
}

fn fill(redis: &Redis, namespace: &str, sessions: &[Old], second: u64) {
    let commands = sessions.iter().flat_map(|s| s.commands(namespace, second));
    redis.run(&commands.collect::<Vec<_>>());
}

/// Sessions of every kind that redis-sessions makes.
fn living() -> Vec<Old> {
    let kinds = [
        Old::new(0),
        Old {
            app: "forum-2_X",
            ..Old::new(1)
        },
        Old {
            id: "a:b:c".into(),
            ..Old::new(2)
        },
        Old {
            id: "J\u{f6}rg \u{1f600}/\"".into(),
            ip: "::1",
            ..Old::new(3)
        },
        Old {
            id: "7".repeat(1_000),
            ..Old::new(4)
        },
        Old {
            r: 281_474_976,
            w: 77,
            ..Old::new(5)
        },
        Old {
            d: Some("{\"0\":-0.5,\"a\":1,\"b\":\"x\u{2028}\\ud83d\\\"\",\"c\":1.5e+21,\"d\":true}"),
            ..Old::new(6)
        },
        Old {
            ttl: 100_000_000_000,
            ..Old::new(7)
        },
        Old {
            ttl: 60,
            idle: 20,
            lag: 1,
            ..Old::new(8)
        },
        Old {
            no_resave: true,
            ttl: 600,
            r: 3,
            ..Old::new(9)
        },
        Old {
            idle: 0,
            ip: "no ip, but any text",
            ..Old::new(10)
        },
    ];
    let more = (kinds.len() as u64..400).map(|number| Old {
        id: format!("user{}", number % 150),
        idle: number,
        r: number + 1,
        d: number
            .is_multiple_of(2)
            .then_some(r#"{"name":"Peter Smith","unread_msgs":12}"#),
        ..Old::new(number)
    });
    kinds.into_iter().chain(more).collect()
}

#[test]
fn old_tokens_of_redis_sessions_answer_as_before() {
    let Some(redis) = Redis::start() else { return };
    let second = now() / 1_000;
    let sessions = living();
    fill(&redis, "rs", &sessions, second);
    let (status, told) = redis.dump("rest-sessions", &["--page", "7"]);
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(told.trim(), "400 sessions written, 0 ended, 0 unreadable");
    let dump = redis.file("dump.ndjson");
    let imported = Imported::from(&dump);
    assert!(
        imported.told.contains("400 sessions imported"),
        "{}",
        imported.told
    );
    let again = imported.again(&dump);
    assert!(
        again.contains("0 sessions imported, 400 lived here"),
        "{again}"
    );

    let mut serving = imported.serve("rest-sessions");
    let list = serving.get("/shop/soid/user77");
    assert_eq!(list["sessions"].as_array().unwrap().len(), 3);
    for session in &sessions {
        let since = ((now() - SKEW) / 1_000).saturating_sub(second);
        let answer = serving.text(&session.target());
        let until = (now() + SKEW) / 1_000 - second;
        let mut expected = (since..=until).map(|later| session.answer(later));
        assert!(
            expected.any(|text| text == answer),
            "{answer} {}",
            session.answer(since)
        );
    }
    let first = &sessions[0];
    assert_eq!(serving.get(&first.target())["r"], 2);
    let (_, killed) = serving.ask("DELETE", &format!("/shop/kill/{}", first.token));
    assert_eq!(killed, r#"{"kill":1}"#);
    assert_eq!(serving.get(&first.target()), json!({}));
}

#[test]
fn lives_of_redis_sessions_end_when_they_would_have_ended() {
    let Some(redis) = Redis::start() else { return };
    let second = now() / 1_000;
    let sessions = [
        Old {
            ttl: 60,
            idle: 20,
            lag: 1,
            ..Old::new(0)
        },
        Old {
            ttl: 600,
            idle: 50,
            no_resave: true,
            ..Old::new(1)
        },
        Old {
            ttl: 1_000_000_000_000_000,
            ..Old::new(2)
        },
    ];
    fill(&redis, "rs", &sessions, second);
    assert_eq!(redis.dump("rest-sessions", &[]).0, Some(0));
    let mut exported = Imported::from(&redis.file("dump.ndjson")).exported();
    exported.sort_by_key(|line| line["user"].to_string());
    assert_eq!(exported.len(), 3);
    let [lagging, fixed, endless] = [0, 1, 2].map(|n| &exported[n]);
    assert_eq!(lagging["last"], second - 19);
    assert_eq!(lagging["lag"], true);
    assert_eq!(
        (&lagging["ttl"], &lagging["whole_seconds"]),
        (&json!(60), &json!(true))
    );
    assert_eq!(lagging.get("until"), None);
    assert_eq!(fixed["until"], second - 50 + 601);
    assert_eq!(fixed["no_resave"], true);
    assert_eq!(endless["ttl"], 281_474_976_710u64);
}

#[test]
fn dump_of_redis_sessions_leaves_out_what_is_no_living_session_and_names_what_it_cannot_read() {
    let Some(redis) = Redis::start() else { return };
    let second = now() / 1_000;
    let ended = Old {
        ttl: 10,
        idle: 12,
        ..Old::new(1)
    };
    let broken = Old {
        d: Some("{\"a\":"),
        ..Old::new(2)
    };
    fill(&redis, "rs", &[Old::new(0), ended, broken], second);
    let hash = |number| format!("rs:shop:{}", token(number));
    redis.run(&[
        // The counter that a get racing a kill leaves behind.
        words(&["HINCRBY", &hash(3), "r", "1"]),
        // A key of somebody else, and an index whose name is as long as a token.
        words(&["SET", &hash(4), "x"]),
        words(&["SADD", &format!("rs:shop:us:{}", token(5)), &token(0)]),
        words(&[
            "HSET",
            &hash(6),
            "id",
            "u",
            "r",
            "one",
            "w",
            "1",
            "ttl",
            "60",
            "la",
            &second.to_string(),
        ]),
    ]);
    let (status, told) = redis.dump("rest-sessions", &[]);
    assert_eq!(status, Some(3), "{told}");
    assert!(
        told.contains("1 sessions written, 2 ended, 3 unreadable"),
        "{told}"
    );
    for reason in ["d is no JSON object", "r is no number", "WRONGTYPE"] {
        assert!(told.contains(reason), "{told}");
    }
    for number in 0..7 {
        assert!(!told.contains(&token(number)[..60]), "{told}");
    }
    let told = Imported::from(&redis.file("dump.ndjson")).told;
    assert!(told.contains("1 sessions imported"), "{told}");
}

#[test]
fn dump_of_redis_sessions_takes_one_namespace_and_only_that() {
    let Some(redis) = Redis::start() else { return };
    let second = now() / 1_000;
    fill(&redis, "a[b]*", &[Old::new(1)], second);
    fill(&redis, "ab", &[Old::new(2), Old::new(3)], second);
    fill(&redis, "rs", &[Old::new(4)], second);
    let (status, told) = redis.dump("rest-sessions", &["--namespace", "a[b]*"]);
    assert_eq!(status, Some(0), "{told}");
    let mut serving = Imported::from(&redis.file("dump.ndjson")).serve("rest-sessions");
    let list = serving.get("/shop/soapp?dt=7200");
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(list["sessions"][0]["id"], "user1");
    let (status, told) = redis.dump("rest-sessions", &["--namespace", "drs"]);
    assert_eq!(status, Some(0));
    assert!(
        told.contains("no sessions in the namespace 'drs'"),
        "{told}"
    );
}

#[test]
fn failed_dump_leaves_no_file() {
    let Some(redis) = Redis::start() else { return };
    let (status, told) = redis.dump("rest-sessions", &["--redis", "unix:/nowhere"]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("the dump failed"), "{told}");
    let (status, told) = redis.dump("rest-sessions", &["--page", "0"]);
    assert_eq!(status, Some(1), "{told}");
    assert!(!redis.file("dump.ndjson").exists());
    assert!(!redis.file("dump.ndjson.part").exists());
}
