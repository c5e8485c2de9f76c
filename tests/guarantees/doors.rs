//! One session through every door: the binary protocol, its client, and the three HTTP dialects.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cloakroom_client::{Attributes, Handle, Query, Rotation, Scope, TokenStyle};
use cloakroom_client::{Client, Write as Fields};
use serde_json::Value;

use crate::server::Served;

/// One request of HTTP, on a connection of its own: the status, and the body if it is JSON.
fn http(server: &Served, method: &str, target: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.http).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn rest_sessions(server: &Served, client: &Client) {
    // Made there, used here.
    let target = "/shop/create/alice?ip=1.2.3.4&ttl=10";
    let (status, made) = http(server, "PUT", target, r#"{"cart":3}"#);
    assert_eq!(status, 200);
    let token = text(&made["token"]);
    let session = client.get(token).await.unwrap().unwrap();
    assert_eq!(
        (session.user.as_str(), session.ip.as_str()),
        ("alice", "1.2.3.4")
    );
    assert_eq!(session.data, br#"{"cart":3}"#);
    assert_eq!((session.idle, session.reads), (10_000, 1));
    assert_eq!(session.attributes, Attributes(Attributes::WHOLE_SECONDS));
    client.set(token, r#"{"n":1}"#).await.unwrap();
    let (_, seen) = http(server, "GET", &format!("/shop/get/{token}"), "");
    assert_eq!(
        (&seen["d"]["cart"], &seen["d"]["n"]),
        (&3.into(), &1.into())
    );
    assert_eq!((&seen["r"], &seen["w"]), (&2.into(), &2.into()));
    // Made here, used there, under its new id too.
    let write = Fields::json(r#"{"k":"v"}"#)
        .user("bob")
        .ip("5.6.7.8")
        .idle(Duration::from_secs(7_200))
        .attributes(Attributes::WHOLE_SECONDS);
    let made = client.create(&write).await.unwrap();
    let token = made.token_text().unwrap();
    let (status, seen) = http(server, "GET", &format!("/shop/get/{token}"), "");
    assert_eq!(
        (status, text(&seen["id"]), text(&seen["ip"])),
        (200, "bob", "5.6.7.8")
    );
    assert_eq!((&seen["ttl"], text(&seen["d"]["k"])), (&7_200.into(), "v"));
    let rotation = Rotation::new().grace(Duration::from_secs(1));
    let new = client.rotate(token, &rotation).await.unwrap();
    for token in [token, new.token_text().unwrap()] {
        let (status, seen) = http(server, "GET", &format!("/shop/get/{token}"), "");
        assert_eq!((status, text(&seen["id"])), (200, "bob"));
    }
    let (_, list) = http(server, "GET", "/shop/soapp?dt=600", "");
    assert_eq!(list["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(client.count(&Query::of(Scope::App)).await.unwrap(), 2);
    // Ended there, gone here, and the other way round.
    let (_, killed) = http(server, "DELETE", "/shop/killsoid/bob", "");
    assert_eq!(killed["kill"], 1);
    assert_eq!(client.get(&new.token).await.unwrap(), None);
    assert_eq!(client.kill_user("alice").await.unwrap(), 1);
    let (_, list) = http(server, "GET", "/shop/soapp?dt=600", "");
    assert!(list["sessions"].as_array().unwrap().is_empty());
}

async fn tarantool(server: &Served, client: &Client) {
    let client = client.app("@sessions");
    let write = Fields::json(r#"{"a":1}"#)
        .user("7")
        .ip("1.1.1.1")
        .style(TokenStyle::UuidV4);
    let made = client.create(&write).await.unwrap();
    let (status, all) = http(server, "GET", "/user?id=7", "");
    assert_eq!(status, 200, "{all}");
    assert!(
        all.to_string().contains(made.token_text().unwrap()),
        "{all}"
    );
    let rotation = Rotation::new().style(TokenStyle::UuidV4);
    let new = client.rotate(&made.token, &rotation).await.unwrap();
    let (_, all) = http(server, "GET", "/user?id=7", "");
    assert!(all.to_string().contains(new.token_text().unwrap()), "{all}");
    assert!(
        !all.to_string().contains(made.token_text().unwrap()),
        "{all}"
    );
    let target = "/new?user_id=7&ip=2.2.2.2";
    let (_, there) = http(server, "GET", target, "");
    let token = text(&there["data"]["token"]).to_owned();
    let session = client.get(&token).await.unwrap().unwrap();
    assert_eq!(
        (session.user.as_str(), session.ip.as_str()),
        ("7", "2.2.2.2")
    );
    assert_eq!(client.kill_ip("1.1.1.1").await.unwrap(), 1);
    let query = Query::of(Scope::User("7"));
    let page = client.list(&query).await.unwrap();
    assert_eq!(page.sessions.len(), 1);
    assert!(client.kill(page.sessions[0].handle).await.unwrap());
    let (_, gone) = http(server, "GET", &format!("/get?token={token}"), "");
    assert_eq!(text(&gone["code"]), "token_not_found");
}

async fn back_session(server: &Served, client: &Client) {
    let client = client.app("@a01");
    let body = r#"{"user_id":"carol","device_id":"d"}"#;
    let (_, made) = http(server, "POST", "/a01/session", body);
    let token = text(&made["session_id"]).to_owned();
    let session = client.peek(&token).await.unwrap().unwrap();
    assert_eq!(session.user, "carol");
    let write = Fields::json(r#"{"device_id":"e"}"#)
        .user("carol")
        .style(TokenStyle::Base64Url47);
    let own = client.create(&write).await.unwrap();
    let own_token = own.token_text().unwrap();
    let (status, seen) = http(server, "GET", &format!("/a01/session/{own_token}"), "");
    assert_eq!(status, 200, "{seen}");
    assert!(seen.to_string().contains("carol"), "{seen}");
    let (_, list) = http(server, "GET", "/a01/session/user/carol", "");
    for token in [token.as_str(), own_token] {
        assert!(list.to_string().contains(token), "{list}");
    }
    let killed = client.kill_user_except("carol", &own.token).await.unwrap();
    assert_eq!(killed, 1);
    assert_ne!(own.receipt.handle, Handle(0));
    let (status, _) = http(server, "GET", &format!("/a01/session/{token}"), "");
    assert_eq!(status, 404);
}

#[test]
fn g14_doors_share_their_sessions() {
    let server = Served::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = server.client("shop").await;
        rest_sessions(&server, &client).await;
        tarantool(&server, &client).await;
        back_session(&server, &client).await;
        client.close().await;
    });
}
