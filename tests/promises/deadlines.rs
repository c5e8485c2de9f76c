//! A session is served up to its last millisecond and never after, on every path, though nobody
//! sweeps: the server of these tests has no ticker, and only counts would sweep.

use crate::served::{Client, Served};

/// One way to look at a session: where it stands, what has to be sent, and whether it was there.
struct Path {
    name: &'static str,
    sees: fn(&mut Client, &Place) -> bool,
}

/// Where one session stands.
struct Place {
    app: String,
    user: u64,
    ip: String,
    token: String,
}

/// For each path: a session of its own is there at the last millisecond of its life; another, as old,
/// is not at the next one, and stays away.
fn assert_ends(
    server: &Served,
    paths: &[Path],
    create: impl Fn(&mut Client, &Place) -> String,
    deadline: impl Fn(u64) -> u64,
) {
    let mut client = server.connect();
    for (number, path) in (0..).zip(paths) {
        let places: Vec<Place> = [0, 1]
            .map(|which| {
                let user = server.now() % 1_000_000_000 * 100 + number * 2 + which;
                let mut place = Place {
                    app: format!("app{user}"),
                    user,
                    ip: format!("ip{user}"),
                    token: String::new(),
                };
                place.token = create(&mut client, &place);
                place
            })
            .into();
        let end = deadline(server.now());
        server.advance_to(end - 1);
        assert!(
            (path.sees)(&mut client, &places[0]),
            "{} too early",
            path.name
        );
        server.advance_to(end);
        assert!(
            !(path.sees)(&mut client, &places[1]),
            "{} too late",
            path.name
        );
        server.clock.advance(86_400_000);
        assert!(
            !(path.sees)(&mut client, &places[1]),
            "{} revived",
            path.name
        );
    }
}

const REST: &[Path] = &[
    Path {
        name: "get",
        sees: |client, at| {
            let target = format!("/{}/get/{}", at.app, at.token);
            client.ask("GET", &target, None).1 != "{}"
        },
    },
    Path {
        name: "set",
        sees: |client, at| {
            let target = format!("/{}/set/{}", at.app, at.token);
            client.ask("POST", &target, Some(r#"{"a":1}"#)).1 != "{}"
        },
    },
    Path {
        name: "soid",
        sees: |client, at| {
            let target = format!("/{}/soid/{}", at.app, at.user);
            !client.ask("GET", &target, None).1.contains("[]")
        },
    },
    Path {
        name: "soapp",
        sees: |client, at| {
            let target = format!("/{}/soapp?dt=100000", at.app);
            !client.ask("GET", &target, None).1.contains("[]")
        },
    },
    Path {
        name: "kill",
        sees: |client, at| {
            let target = format!("/{}/kill/{}", at.app, at.token);
            client.ask("DELETE", &target, None).1 == r#"{"kill":1}"#
        },
    },
    Path {
        name: "killsoid",
        sees: |client, at| {
            let target = format!("/{}/killsoid/{}", at.app, at.user);
            client.ask("DELETE", &target, None).1 == r#"{"kill":1}"#
        },
    },
];

/// The counts of an app; they sweep before they count.
const REST_COUNTS: &[Path] = &[
    Path {
        name: "activity",
        sees: |client, at| {
            let target = format!("/{}/activity?dt=100000", at.app);
            client.ask("GET", &target, None).1 == r#"{"activity":1}"#
        },
    },
    Path {
        name: "killall",
        sees: |client, at| {
            let target = format!("/{}/killall", at.app);
            client.ask("DELETE", &target, None).1 == r#"{"kill":1}"#
        },
    },
];

fn create_rest(client: &mut Client, at: &Place) -> String {
    client.create_rest(&at.app, &at.user.to_string())
}

/// Served through the last millisecond of the tenth full second after that of the create.
fn rest_deadline(created: u64) -> u64 {
    (created / 1_000 + 11) * 1_000
}

#[test]
fn rest_sessions_ttl_10_is_served_through_its_tenth_full_second_and_never_after() {
    let server = Served::unswept();
    for within_second in [0, 1, 500, 999] {
        server.advance_to((server.now() / 1_000 + 1) * 1_000 + within_second);
        assert_ends(&server, REST, create_rest, rest_deadline);
    }
    let unswept = server.engine.memory_use().sessions;
    assert!(unswept >= 40, "{unswept}: something has swept");
    for within_second in [0, 1, 500, 999] {
        server.advance_to((server.now() / 1_000 + 1) * 1_000 + within_second);
        assert_ends(&server, REST_COUNTS, create_rest, rest_deadline);
    }
    server.assert_sound();
}

#[test]
fn read_in_the_tenth_second_prolongs_a_rest_session_by_ten_more() {
    let server = Served::unswept();
    let mut client = server.connect();
    let target = format!("/app/get/{}", client.create_rest("app", "u"));
    for _ in 0..50 {
        server.advance_to(rest_deadline(server.now()) - 1);
        assert!(client.ask("GET", &target, None).1.contains(r#""idle":10,"#));
    }
    server.advance_to(rest_deadline(server.now()));
    assert_eq!(client.ask("GET", &target, None).1, "{}");
}

#[test]
fn tarantool_session_ends_180_days_after_its_last_get_to_the_millisecond() {
    let server = Served::unswept();
    let paths = [
        Path {
            name: "get",
            sees: |client, at| {
                let (_, body) = client.ask("GET", &format!("/get?token={}", at.token), None);
                body.contains("success")
            },
        },
        Path {
            name: "get with extra",
            sees: |client, at| {
                let target = format!("/get?token={}&ip=other", at.token);
                client
                    .ask("POST", &target, Some(r#"{"a":1}"#))
                    .1
                    .contains("success")
            },
        },
        Path {
            name: "del",
            sees: |client, at| {
                let (_, body) = client.ask("GET", &format!("/del?token={}", at.token), None);
                body.contains("success")
            },
        },
        Path {
            name: "user",
            sees: |client, at| {
                let (_, body) = client.ask("GET", &format!("/user?id={}", at.user), None);
                body.contains(&at.token)
            },
        },
        Path {
            name: "ip",
            sees: |client, at| {
                let (_, body) = client.ask("GET", &format!("/ip?ip={}", at.ip), None);
                body.contains(&at.token)
            },
        },
    ];
    let create = |client: &mut Client, at: &Place| client.create_tarantool(at.user, &at.ip);
    assert_ends(&server, &paths, create, |now| now + 180 * 86_400_000);
    let unswept = server.engine.memory_use().sessions;
    assert!(unswept >= 8, "{unswept}: something has swept");
    server.assert_sound();
}

#[test]
fn back_session_ends_a_year_after_its_create_to_the_millisecond() {
    let server = Served::unswept();
    let paths = [
        Path {
            name: "get",
            sees: |client, at| {
                let target = format!("/a01/session/{}", at.token);
                client.ask("GET", &target, None).0 == 200
            },
        },
        Path {
            name: "patch",
            sees: |client, at| {
                let body = format!(
                    r#"{{"session_id":"{}","session_attributes":{{"device_id":"e"}}}}"#,
                    at.token
                );
                client.ask("PATCH", "/a01/session", Some(&body)).0 == 200
            },
        },
        Path {
            name: "delete",
            sees: |client, at| {
                let target = format!("/a01/session/{}", at.token);
                client.ask("DELETE", &target, None).0 == 200
            },
        },
        Path {
            name: "list",
            sees: |client, at| {
                let target = format!("/a01/session/user/{}", at.user);
                client.ask("GET", &target, None).1.contains(&at.token)
            },
        },
        Path {
            name: "short list",
            sees: |client, at| {
                let target = format!("/a01/session?user_id={}", at.user);
                client.ask("GET", &target, None).1.contains(&at.token)
            },
        },
    ];
    let create = |client: &mut Client, at: &Place| client.create_back(&at.user.to_string());
    assert_ends(&server, &paths, create, |now| now + 365 * 86_400_000);
    let unswept = server.engine.memory_use().sessions;
    assert!(unswept >= 8, "{unswept}: something has swept");
    server.assert_sound();
}

#[test]
fn back_session_is_not_prolonged_by_gets_and_patches() {
    let server = Served::unswept();
    let mut client = server.connect();
    let end = server.now() + 365 * 86_400_000;
    let id = client.create_back("u");
    let target = format!("/a01/session/{id}");
    let patch = r#"{"device_id":"e"}"#;
    for _ in 0..10 {
        server.clock.advance(30 * 86_400_000);
        assert_eq!(client.ask("GET", &target, None).0, 200);
        assert_eq!(client.ask("PATCH", &target, Some(patch)).0, 200);
    }
    server.advance_to(end - 1);
    assert_eq!(client.ask("GET", &target, None).0, 200);
    server.advance_to(end);
    assert_eq!(client.ask("GET", &target, None).0, 404);
}
