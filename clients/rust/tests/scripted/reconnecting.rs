//! The connection comes back by itself, and goes when it is told to.

use std::time::Duration;

use cloakroom_client::{Client, Config, Error};
use tokio::net::UnixListener;

use crate::peer::{Peer, Visit};

#[tokio::test]
async fn lost_connection_comes_back_and_requests_made_meanwhile_go_with_it() {
    let peer = Peer::listen().await;
    let config = peer.config("timeout=10s");
    let (client, first) = tokio::join!(Client::open(config), peer.welcome());
    let client = client.unwrap();
    drop(first);
    let serve = async {
        let mut visit = peer.welcome().await;
        let asked = visit.request().await;
        visit.answer_get(&asked).await;
        visit
    };
    // Whether the loss has been noticed or not, a request that was not written waits for the next
    // connection; one that was written has an unknown outcome.
    let ask = async {
        loop {
            match client.get("t").await {
                Ok(session) => break session,
                Err(error) => assert!(matches!(error, Error::Lost(_)), "{error:?}"),
            }
        }
    };
    let (session, _visit) = tokio::join!(ask, serve);
    assert!(session.is_some());
}

#[tokio::test]
async fn server_that_comes_back_is_found_again() {
    let peer = Peer::listen().await;
    let config = peer.config("timeout=10s");
    let address = config.address.clone();
    let (client, first) = tokio::join!(Client::open(config), peer.welcome());
    let client = client.unwrap();
    drop((peer, first));
    // Attempts fail while nobody listens, and requests with them, at once.
    while !matches!(client.get("t").await, Err(Error::Unavailable(_))) {
        tokio::task::yield_now().await;
    }
    let peer = Peer::listen_at(&address.to_string()).await;
    let visit = peer.welcome().await;
    tokio::spawn(visit.serve_gets());
    loop {
        match client.get("t").await {
            Ok(session) => break assert!(session.is_some()),
            Err(error) => assert!(matches!(error, Error::Unavailable(_)), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn server_that_drops_every_connection_is_not_asked_without_pause() {
    let peer = Peer::listen().await;
    let client = Client::lazy(peer.config(""));
    let mut visits = 0;
    let count = async {
        loop {
            drop(peer.welcome().await);
            visits += 1;
        }
    };
    let counted = tokio::time::timeout(Duration::from_millis(500), count).await;
    assert!(counted.is_err());
    // Pauses of 0 to 50, 100, 200, ... ms: on average four to five attempts in half a second.
    assert!(visits < 30, "{visits} connections in half a second");
    drop(client);
}

#[tokio::test]
async fn closing_waits_for_replies_that_are_due_and_takes_nothing_new() {
    let peer = Peer::listen().await;
    let (client, mut visit) =
        tokio::join!(Client::open(peer.config("timeout=10s")), peer.welcome());
    let client = client.unwrap();
    let serve = async {
        let asked = visit.request().await;
        let other = client.clone();
        let close = tokio::spawn(async move { other.close().await });
        tokio::task::yield_now().await;
        assert!(matches!(client.get("late").await, Err(Error::Closed)));
        visit.answer_get(&asked).await;
        close.await.unwrap();
        assert!(visit.next().await.is_none(), "the connection is closed");
    };
    let (session, ()) = tokio::join!(client.get("due"), serve);
    assert_eq!(session.unwrap().unwrap().data, b"due");
    assert!(matches!(client.get("t").await, Err(Error::Closed)));
}

#[tokio::test]
async fn last_handle_that_goes_closes_the_connection() {
    let peer = Peer::listen().await;
    let (client, mut visit) = tokio::join!(Client::open(peer.config("")), peer.welcome());
    let client = client.unwrap();
    let clone = client.clone();
    drop(client);
    tokio::spawn(async move { clone.get("t").await });
    let asked = visit.request().await;
    visit.answer_get(&asked).await;
    assert!(visit.next().await.is_none(), "the connection is closed");
}

#[tokio::test]
async fn unix_sockets_are_spoken_to_alike() {
    let folder = std::env::temp_dir().join(format!("cloakroom-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("a socket");
    let listener = UnixListener::bind(&path).unwrap();
    let url = format!(
        "cloakroom+unix://{}/a%20socket?app=shop&timeout=10s",
        folder.display()
    );
    let config = Config::from_url(&url).unwrap();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut visit = Visit::over(stream);
        visit.greet().await;
        visit
    };
    let (client, visit) = tokio::join!(Client::open(config), serve);
    let client = client.unwrap();
    let served = tokio::spawn(visit.serve_gets());
    assert!(client.get("t").await.unwrap().is_some());
    drop(client);
    served.await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
