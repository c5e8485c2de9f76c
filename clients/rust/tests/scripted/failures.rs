//! What goes wrong is told, and told apart.

use cloakroom_client::{Client, ConnectError, Error, ErrorCode};
use cloakroom_protocol::{Answer, Opcode, Reply};

use crate::peer::{Peer, RECEIPT, SESSION, Visit, WELCOME};

async fn pair(options: &str) -> (Client, Visit) {
    let peer = Peer::listen().await;
    let (client, visit) = tokio::join!(Client::open(peer.config(options)), peer.welcome());
    (client.unwrap(), visit)
}

fn cause_of(error: &Error) -> &ConnectError {
    match error {
        Error::Lost(cause) | Error::Unavailable(cause) => cause,
        other => panic!("{other:?} is not about the connection"),
    }
}

#[tokio::test]
async fn time_out_is_an_error_of_its_own_and_never_means_gone() {
    let (client, mut visit) = pair("timeout=20ms").await;
    let (result, _asked) = tokio::join!(client.get("t"), visit.request());
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Timeout));
    assert!(!error.is_gone() && !error.is_retryable() && error.is_outcome_unknown());
    let kill = tokio::join!(client.kill("t"), visit.request()).0;
    assert!(matches!(kill, Err(Error::Timeout)));
}

#[tokio::test]
async fn reply_that_comes_too_late_is_not_taken_for_another() {
    let (client, mut visit) = pair("timeout=500ms").await;
    let (late, first) = tokio::join!(client.get("first"), visit.request());
    assert!(matches!(late, Err(Error::Timeout)));
    let serve = async {
        let second = visit.request().await;
        assert_ne!(first.id(), second.id());
        visit.answer_get(&first).await;
        visit.answer_get(&second).await;
    };
    let (session, ()) = tokio::join!(client.get("second"), serve);
    assert_eq!(session.unwrap().unwrap().data, b"second");
}

#[tokio::test]
async fn request_whose_connection_ends_has_an_unknown_outcome() {
    let (client, mut visit) = pair("timeout=10s").await;
    let serve = async {
        visit.request().await;
        drop(visit);
    };
    let (result, ()) = tokio::join!(client.get("t"), serve);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Lost(_)));
    assert!(error.is_outcome_unknown() && !error.is_retryable() && !error.is_gone());
    assert!(matches!(
        cause_of(&error),
        ConnectError::ClosedByServer | ConnectError::Io(_)
    ));
}

#[tokio::test]
async fn server_that_is_not_there_is_unavailable_at_once() {
    let peer = Peer::listen().await;
    let config = peer.config("timeout=10s");
    drop(peer);
    let error = Client::open(config.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)) && error.is_retryable());
    assert!(matches!(cause_of(&error), ConnectError::Io(_)));
    let client = Client::lazy(config);
    let error = client.get("t").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)) && !error.is_outcome_unknown());
}

#[tokio::test]
async fn server_that_says_nothing_is_unavailable_in_time() {
    let peer = Peer::listen().await;
    let config = peer.config("connect_timeout=20ms");
    let (client, _visit) = tokio::join!(Client::open(config), peer.accept());
    let error = client.unwrap_err();
    assert!(matches!(cause_of(&error), ConnectError::Timeout));
}

#[tokio::test]
async fn request_that_finds_no_connection_in_time_was_not_sent() {
    let peer = Peer::listen().await;
    let client = Client::lazy(peer.config("timeout=20ms&connect_timeout=1m"));
    let error = client.get("t").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)) && error.is_retryable());
    assert!(matches!(cause_of(&error), ConnectError::Timeout));
}

#[tokio::test]
async fn refused_hello_tells_why() {
    let peer = Peer::listen().await;
    let config = peer.config("");
    let serve = async {
        let mut visit = peer.accept().await;
        let hello = visit.request().await;
        visit.refuse(&hello, ErrorCode::KeyRequired, 0).await;
    };
    let (client, ()) = tokio::join!(Client::open(config), serve);
    let error = client.unwrap_err();
    let ConnectError::Refused(refusal) = cause_of(&error) else {
        panic!("{error:?}")
    };
    assert_eq!(refusal.code(), Some(ErrorCode::KeyRequired));
}

#[tokio::test]
async fn notice_tells_why_the_server_goes() {
    let (client, mut visit) = pair("timeout=10s").await;
    let serve = async {
        visit.request().await;
        let notice = Reply::notice(ErrorCode::Busy, "");
        visit.send(&notice).await;
        visit.next().await;
    };
    let (result, ()) = tokio::join!(client.get("t"), serve);
    let error = result.unwrap_err();
    let ConnectError::Refused(refusal) = cause_of(&error) else {
        panic!("{error:?}")
    };
    assert_eq!(refusal.code(), Some(ErrorCode::Busy));
}

#[tokio::test]
async fn peer_of_another_protocol_or_version_is_refused() {
    let peer = Peer::listen().await;
    let serve = async {
        let mut visit = peer.accept().await;
        visit.request().await;
        visit.send_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    };
    let (client, ()) = tokio::join!(Client::open(peer.config("")), serve);
    assert!(matches!(
        cause_of(&client.unwrap_err()),
        ConnectError::Protocol(_)
    ));
    let newer = cloakroom_protocol::Welcome {
        version: 2,
        ..WELCOME
    };
    let open = Client::open(peer.config(""));
    let (client, _visit) = tokio::join!(open, peer.welcome_with(newer));
    assert!(matches!(
        cause_of(&client.unwrap_err()),
        ConnectError::Protocol(_)
    ));
}

#[tokio::test]
async fn reply_that_nobody_waits_for_ends_the_connection() {
    let (client, mut visit) = pair("timeout=10s").await;
    let serve = async {
        let asked = visit.request().await;
        let answer = Answer::Session(SESSION);
        let stray = Reply::new(asked.id() + 1, Opcode::Get, answer);
        visit.send(&stray).await;
        assert!(visit.next().await.is_none());
    };
    let (result, ()) = tokio::join!(client.get("t"), serve);
    assert!(matches!(
        cause_of(&result.unwrap_err()),
        ConnectError::Protocol(_)
    ));
}

#[tokio::test]
async fn reply_that_does_not_fit_its_request_is_an_error() {
    let (client, mut visit) = pair("timeout=10s").await;
    let serve = async {
        let asked = visit.request().await;
        let other = Reply::new(asked.id(), Opcode::Touch, Answer::Receipt(RECEIPT));
        visit.send(&other).await;
    };
    let (result, ()) = tokio::join!(client.get("t"), serve);
    assert!(matches!(result, Err(Error::Protocol)));
}

#[tokio::test]
async fn peer_that_stops_answering_is_given_up() {
    let peer = Peer::listen().await;
    let config = peer.config("timeout=10s&stall_timeout=20ms");
    let (client, mut first) = tokio::join!(Client::open(config), peer.welcome());
    let client = client.unwrap();
    let serve = async {
        first.request().await;
        // Nothing more comes from here, and so the client connects again.
        peer.welcome().await
    };
    let (result, second) = tokio::join!(client.get("t"), serve);
    assert!(matches!(
        cause_of(&result.unwrap_err()),
        ConnectError::Stalled
    ));
    tokio::spawn(second.serve_gets());
    assert!(client.get("t").await.unwrap().is_some());
}

#[tokio::test]
async fn frame_above_the_announced_bound_is_not_sent() {
    let peer = Peer::listen().await;
    let small = cloakroom_protocol::Welcome {
        max_payload: 1_000,
        ..WELCOME
    };
    let config = peer.config("timeout=10s");
    let (client, visit) = tokio::join!(Client::open(config), peer.welcome_with(small));
    let client = client.unwrap();
    let data = "x".repeat(1_000);
    assert!(matches!(
        client.set("t", data).await,
        Err(Error::Invalid(_))
    ));
    tokio::spawn(visit.serve_gets());
    assert!(client.get("t").await.unwrap().is_some());
}
