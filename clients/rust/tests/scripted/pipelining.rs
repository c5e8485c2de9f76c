//! Many requests on one connection: they travel together, and replies find their requests.

use std::time::Duration;

use cloakroom_client::{Client, Pool};
use cloakroom_protocol::{Answer, Header};
use tokio::task::JoinSet;

use crate::peer::{Peer, SESSION};

#[tokio::test]
async fn requests_made_at_the_same_time_travel_together() {
    let peer = Peer::listen().await;
    let (client, mut visit) =
        tokio::join!(Client::open(peer.config("timeout=10s")), peer.welcome());
    let client = client.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..1_000 {
        let client = client.clone();
        tasks.spawn(async move { client.get(format!("token-{n}")).await });
    }
    let before = visit.reads;
    let mut asked = Vec::new();
    while asked.len() < 1_000 {
        asked.push(visit.request().await);
    }
    let reads = visit.reads - before;
    assert!(reads <= 20, "{reads} reads for 1,000 requests");
    for asked in &asked {
        visit.answer_get(asked).await;
    }
    while let Some(session) = tasks.join_next().await {
        assert!(session.unwrap().unwrap().is_some());
    }
}

// Not on the scheduler of one thread: on this one a task that is woken may jump the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn callers_that_ask_again_and_again_keep_travelling_together() {
    const ROUNDS: usize = 50;
    let peer = Peer::listen().await;
    let (client, visit) = tokio::join!(Client::open(peer.config("timeout=10s")), peer.welcome());
    let client = client.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                assert!(client.get("t").await.unwrap().is_some());
            }
        });
    }
    let mut visit = visit;
    let before = visit.reads;
    for _ in 0..ROUNDS {
        let mut asked = Vec::new();
        while asked.len() < 100 {
            asked.push(visit.request().await);
        }
        visit.answer_gets(&asked).await;
    }
    let reads = visit.reads - before;
    assert!(reads <= 5 * ROUNDS, "{reads} reads for {ROUNDS} rounds");
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn replies_in_any_order_find_their_requests() {
    let peer = Peer::listen().await;
    let (client, mut visit) =
        tokio::join!(Client::open(peer.config("timeout=10s")), peer.welcome());
    let client = client.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..100 {
        let client = client.clone();
        tasks.spawn(async move {
            let token = format!("token-{n}");
            let session = client.get(&token).await.unwrap().unwrap();
            assert_eq!(session.data, token.as_bytes());
        });
    }
    let mut asked = Vec::new();
    while asked.len() < 100 {
        asked.push(visit.request().await);
    }
    for asked in asked.iter().rev() {
        visit.answer_get(asked).await;
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn requests_of_one_task_are_sent_in_the_order_in_which_they_were_made() {
    let peer = Peer::listen().await;
    let (client, mut visit) =
        tokio::join!(Client::open(peer.config("timeout=10s")), peer.welcome());
    let client = client.unwrap();
    let ask = async {
        let (a, b, c) = tokio::join!(client.get("a"), client.get("b"), client.get("c"));
        assert!([a, b, c].iter().all(Result::is_ok));
    };
    let serve = async {
        for token in ["a", "b", "c"] {
            let asked = visit.request().await;
            assert_eq!(asked.token(), token);
            visit.answer_get(&asked).await;
        }
    };
    tokio::join!(ask, serve);
}

#[tokio::test]
async fn replies_are_read_wherever_their_bytes_are_cut() {
    let peer = Peer::listen().await;
    let (client, mut visit) =
        tokio::join!(Client::open(peer.config("timeout=10s")), peer.welcome());
    let client = client.unwrap();
    for piece in [1, 5, Header::BYTES, Header::BYTES + 1] {
        let serve = async {
            let asked = visit.request().await;
            let reply = cloakroom_protocol::Reply::new(
                asked.id(),
                cloakroom_protocol::Opcode::Get,
                Answer::Session(SESSION),
            );
            let mut bytes = Vec::new();
            reply.encode(&mut bytes);
            for piece in bytes.chunks(piece) {
                visit.send_bytes(piece).await;
                tokio::task::yield_now().await;
            }
        };
        let (session, ()) = tokio::join!(client.get("t"), serve);
        assert_eq!(session.unwrap().unwrap().data, b"data");
    }
}

#[tokio::test]
async fn bytes_in_flight_are_bounded_and_the_rest_waits() {
    let peer = Peer::listen().await;
    let mut config = peer.config("timeout=10s");
    config.bytes_in_flight = 1_024;
    let (client, mut visit) = tokio::join!(Client::open(config), peer.welcome());
    let client = client.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..20 {
        let client = client.clone();
        tasks.spawn(async move { client.get(format!("token-{n}")).await });
    }
    // Four small requests take all there is; the fifth comes when one has been answered.
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push(visit.request().await);
    }
    let fifth = tokio::time::timeout(Duration::from_millis(50), visit.request()).await;
    assert!(fifth.is_err(), "a fifth request was sent");
    for asked in &asked {
        visit.answer_get(asked).await;
    }
    let served = tokio::spawn(visit.serve_gets());
    while let Some(session) = tasks.join_next().await {
        assert!(session.unwrap().unwrap().is_some());
    }
    drop(client);
    served.await.unwrap();
}

#[tokio::test]
async fn pool_takes_its_connections_in_turn() {
    let peer = Peer::listen().await;
    let config = peer.config("timeout=10s");
    let welcome_all = async {
        let mut visits = Vec::new();
        for _ in 0..3 {
            visits.push(peer.welcome().await);
        }
        visits
    };
    let (pool, mut visits) = tokio::join!(Pool::open(&config, 3), welcome_all);
    let pool = pool.unwrap();
    let ask = async {
        for _ in 0..6 {
            assert!(pool.client().get("t").await.unwrap().is_some());
        }
    };
    let serve = async {
        // The others come first, then the first.
        for turn in [1, 2, 0, 1, 2, 0] {
            let visit = &mut visits[turn];
            let asked = visit.request().await;
            visit.answer_get(&asked).await;
        }
    };
    tokio::join!(ask, serve);
    pool.close().await;
    for mut visit in visits {
        assert!(visit.next().await.is_none());
    }
}
