//! Operations on many sessions and on the server: what the client sends, and what it makes of the
//! reply.

use cloakroom_client::{Activity, Cursor, Figure, Handle, Key, Query, Scope};
use cloakroom_protocol::{
    ActiveUsers, Answer, FiguresBuffer, Kill, KillMany, List, Page, Ping, Pong, Request,
    SessionsBuffer, Stats,
};

use crate::peer::{RECEIPT, SESSION};
use crate::requests::{T, TOKEN, exchange, pair};

#[tokio::test]
async fn kills_of_one_and_of_many() {
    let (client, mut visit) = pair().await;
    let kill = Request::Kill(Kill {
        key: Key::Handle(Handle(3)),
    });
    let ask = client.kill(Handle(3));
    assert!(
        exchange(&mut visit, ask, kill, Answer::Receipt(RECEIPT))
            .await
            .unwrap()
    );
    let many = |scope, except| Request::KillMany(KillMany { scope, except });
    let killed = Answer::Killed(5);
    let user = Scope::User("user");
    let count = exchange(
        &mut visit,
        client.kill_user("user"),
        many(user, None),
        killed,
    )
    .await;
    assert_eq!(count.unwrap(), 5);
    let ask = client.kill_user_except("user", TOKEN);
    let request = many(user, Some(Key::Token(T)));
    assert!(exchange(&mut visit, ask, request, killed).await.is_ok());
    let ask = client.kill_ip("192.0.2.1");
    let request = many(Scope::Ip("192.0.2.1"), None);
    assert!(exchange(&mut visit, ask, request, killed).await.is_ok());
    let request = many(Scope::App, None);
    assert!(
        exchange(&mut visit, client.kill_app(), request, killed)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn lists_come_page_by_page_and_counts_alone() {
    let (client, mut visit) = pair().await;
    let mut sessions = SessionsBuffer::default();
    assert!(sessions.push(Some(&SESSION)));
    let page = Page {
        now: 5,
        matching: 9,
        next: Cursor([1; 16]),
        sessions: sessions.sessions(),
    };
    let list = List {
        scope: Scope::User("user"),
        since: 3,
        limit: 50,
        from: Cursor::ENDS,
        data: true,
    };
    let query = Query::of(Scope::User("user"));
    let query = query.active_since(3).page_size(50).with_data();
    let ask = client.list(&query);
    let first = exchange(&mut visit, ask, Request::List(list), Answer::Page(page)).await;
    let first = first.unwrap();
    assert_eq!((first.sessions.len(), first.now), (1, 5));
    let query = query.after(first.next.unwrap());
    let second = Request::List(List {
        from: Cursor([1; 16]),
        ..list
    });
    let last = Answer::Page(Page {
        next: Cursor::ENDS,
        ..page
    });
    let second = exchange(&mut visit, client.list(&query), second, last).await;
    assert_eq!(second.unwrap().next, None);
    let count = Request::List(List {
        limit: 0,
        from: Cursor([1; 16]),
        ..list
    });
    let count = exchange(&mut visit, client.count(&query), count, last).await;
    assert_eq!(count.unwrap(), 9);
}

#[tokio::test]
async fn figures_of_the_server_and_signs_of_life() {
    let (client, mut visit) = pair().await;
    let request = Request::Activity(ActiveUsers { seconds: 600 });
    let answer = Answer::Activity(cloakroom_protocol::Activity {
        users: 1,
        sessions: 2,
    });
    let activity = exchange(&mut visit, client.activity(600), request, answer).await;
    let expected = Activity {
        users: 1,
        sessions: 2,
    };
    assert_eq!(activity.unwrap(), expected);
    let mut figures = FiguresBuffer::default();
    figures.push(Figure::SESSIONS, 3);
    let answer = Answer::Figures(figures.figures());
    let stats = exchange(&mut visit, client.stats(), Request::Stats(Stats), answer).await;
    assert_eq!(stats.unwrap(), [(Figure::SESSIONS, 3)]);
    let request = Request::Ping(Ping { echo: &[] });
    let answer = Answer::Pong(Pong { now: 4, echo: &[] });
    let now = exchange(&mut visit, client.ping(), request, answer).await;
    assert_eq!(now.unwrap(), 4);
}

#[tokio::test]
async fn get_many_asks_again_for_what_did_not_fit() {
    let (client, mut visit) = pair().await;
    let tokens: Vec<String> = (0..300).map(|n| format!("t{n}")).collect();
    let serve = async {
        let mut asked_for = Vec::new();
        // The first reply ends early, the second has all the keys that one request may have left.
        for (ask, answer) in [(256, 100), (200, 200)] {
            let asked = visit.request().await;
            let Request::MultiGet(get) = asked.call().request else {
                panic!("{asked:?}")
            };
            assert_eq!((get.keys.len(), get.quiet), (ask, false));
            asked_for.extend(get.keys.iter().take(answer).map(|key| match key {
                Key::Token(token) => String::from_utf8(token.0.to_vec()).unwrap(),
                Key::Handle(handle) => panic!("{handle}"),
            }));
            let mut sessions = SessionsBuffer::default();
            for n in 0..answer {
                assert!(sessions.push((n % 2 == 0).then_some(&SESSION)));
            }
            let answer = Answer::Sessions(sessions.sessions());
            visit.answer(&asked, answer).await;
        }
        asked_for
    };
    let (found, asked_for) = tokio::join!(client.get_many(&tokens), serve);
    let found = found.unwrap();
    assert_eq!(asked_for, tokens);
    assert_eq!(found.len(), 300);
    assert!(found[0].is_some() && found[1].is_none());
    assert_eq!(client.get_many::<&str>(&[]).await.unwrap(), []);
}
