//! Reads that come at the same time on many connections wait for each other, and nobody can tell.

use std::io::{Read, Write};
use std::net::TcpStream;

use cloakroom::config::HttpLimits;
use cloakroom::engine::EngineConfig;
use cloakroom_protocol::{ErrorCode, PutMode};

use crate::requests::{get, json, kill, put};
use crate::server::{Served, engine};
use crate::wire::{Wire, frame};

/// Many times as many as are needed for reads to wait.
const CONNECTIONS: usize = 48;
const ROUNDS: u64 = 40;

fn one_thread() -> Served {
    let engine = engine(&EngineConfig::default());
    Served::over(engine, HttpLimits::default(), 1)
}

fn token(number: usize) -> Vec<u8> {
    format!("token-of-connection-{number}").into_bytes()
}

/// Sends a GET in the way of this connection: whole, in two pieces, or twice at once.
fn send_get(wire: &mut Wire, number: usize, id: u32) {
    let bytes = frame(id, None, get(&token(number)));
    match number % 8 {
        3 => {
            let (front, rest) = bytes.split_at(5 + number / 2);
            wire.send(front);
            wire.send(rest);
        }
        5 => wire.send(&bytes.repeat(2)),
        _ => wire.send(&bytes),
    }
}

#[test]
fn reads_of_many_connections_at_once_are_answered_each_with_its_own_session() {
    let server = one_thread();
    let mut wires: Vec<Wire> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    for (number, wire) in wires.iter_mut().enumerate() {
        let data = format!(r#"{{"n":{number}}}"#);
        let made = wire.ask(put(&token(number), PutMode::Create, json(&data)));
        assert_eq!(made.error(), None);
    }
    let mut ended = 0;
    for round in 1..=ROUNDS {
        for (number, wire) in wires.iter_mut().enumerate() {
            send_get(wire, number, u32::try_from(round).unwrap());
        }
        for (number, wire) in wires.iter_mut().enumerate() {
            let times = if number % 8 == 5 { 2 } else { 1 };
            for time in 0..times {
                let got = wire.reply();
                assert_eq!(u64::from(got.reply().id), round);
                if number < ended {
                    assert_eq!(got.error(), Some(ErrorCode::Gone));
                    continue;
                }
                let session = got.session();
                assert_eq!(session.data.0, format!(r#"{{"n":{number}}}"#).as_bytes());
                assert_eq!(session.reads, (round - 1) * times + time + 1);
            }
        }
        // Sessions end between two rounds, asked for by another connection than their readers'.
        if round % 2 == 0 {
            let gone = wires[CONNECTIONS - 1].ask(kill(&token(ended)));
            assert_eq!(gone.error(), None);
            ended += 1;
        }
    }
}

#[test]
fn http_reads_of_many_connections_at_once_are_answered_each_with_its_own_session() {
    let server = one_thread();
    let mut clients: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| TcpStream::connect(server.http).unwrap())
        .collect();
    let tokens: Vec<String> = clients
        .iter_mut()
        .enumerate()
        .map(|(number, client)| {
            let create =
                format!("PUT /app/create/user{number}?ip=1.2.3.4 HTTP/1.1\r\nHost: a\r\n\r\n");
            let reply = asked(client, &create);
            reply.split('"').nth(3).unwrap().to_owned()
        })
        .collect();
    for round in 1..=ROUNDS {
        for (client, token) in clients.iter_mut().zip(&tokens) {
            let get = format!("GET /app/get/{token} HTTP/1.1\r\nHost: a\r\n\r\n");
            client.write_all(get.as_bytes()).unwrap();
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let body = body_of(client);
            let start = format!(r#"{{"id":"user{number}","r":{round},"#);
            assert!(body.starts_with(&start), "{body}");
        }
    }
}

fn asked(client: &mut TcpStream, request: &str) -> String {
    client.write_all(request.as_bytes()).unwrap();
    body_of(client)
}

/// The body of the next reply.
fn body_of(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("Content-Length: "));
    let length: usize = length.unwrap().parse().unwrap();
    let mut body = vec![0; length];
    client.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}
