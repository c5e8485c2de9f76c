//! What STATS tells of the server: connections, time, the log.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use cloakroom::config::Durability;
use cloakroom::engine::EngineConfig;
use cloakroom_protocol::{Answer, ErrorCode, Fields, Figure, Request, Stats};

use crate::errors::{FAILED, FULL, Switched, WELL};
use crate::requests::create;
use crate::server::{Served, engine};
use crate::wire::Wire;

fn figure(wire: &mut Wire, figure: Figure) -> u64 {
    let got = wire.ask(Request::Stats(Stats));
    let Answer::Figures(figures) = got.reply().answer else {
        panic!("{:?}", got.reply());
    };
    figures.get(figure).unwrap()
}

/// Whether there are at last so many connections: the server learns of the end of one when it next
/// looks at its socket.
fn comes_to(wire: &mut Wire, connections: u64) -> bool {
    (0..100_000).any(|_| figure(wire, Figure::CONNECTIONS) == connections)
}

#[test]
fn open_connections_of_all_listeners_are_counted_until_they_are_closed() {
    let server = Served::start();
    let mut wire = server.connect();
    assert_eq!(figure(&mut wire, Figure::CONNECTIONS), 1);
    let mut others: Vec<Wire> = (0..5).map(|_| server.open()).collect();
    for other in &mut others {
        other.assert_alive();
    }
    let mut http = TcpStream::connect(server.http).unwrap();
    http.write_all(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert!(http.read(&mut [0; 1_000]).unwrap() > 0);
    assert_eq!(figure(&mut wire, Figure::CONNECTIONS), 7);
    drop(http);
    others.truncate(2);
    assert!(comes_to(&mut wire, 3));
    drop(others);
    assert!(comes_to(&mut wire, 1));
}

#[test]
fn time_since_the_start_goes_by_the_clock_of_the_server() {
    let server = Served::start();
    let mut wire = server.connect();
    assert_eq!(figure(&mut wire, Figure::UPTIME), 0);
    server.clock.advance(86_400_123);
    assert_eq!(figure(&mut wire, Figure::UPTIME), 86_400_123);
}

#[test]
fn state_of_the_log_is_told_whenever_it_changes() {
    let log = Switched::default();
    let logged = engine(&EngineConfig::default()).with_log(Box::new(log.clone()));
    let server = Served::set_up(logged, 1, |service| {
        service.durability = Some(Durability::Everysec);
    });
    let mut wire = server.connect();
    for (state, number, refused) in [
        (WELL, 1, None),
        (FULL, 2, Some(ErrorCode::DiskFull)),
        (FAILED, 3, Some(ErrorCode::LogFailed)),
        (WELL, 1, None),
    ] {
        log.0.store(state, Ordering::Relaxed);
        assert_eq!(figure(&mut wire, Figure::LOG_STATE), number);
        assert_eq!(wire.ask(create(Fields::default())).error(), refused);
        assert_eq!(figure(&mut wire, Figure::DURABILITY), 2);
    }
}

#[test]
fn server_in_memory_only_has_no_log_and_promises_nothing() {
    let server = Served::start();
    let mut wire = server.connect();
    for figure_of_log in [Figure::LOG_STATE, Figure::DURABILITY] {
        assert_eq!(figure(&mut wire, figure_of_log), 0);
    }
}
