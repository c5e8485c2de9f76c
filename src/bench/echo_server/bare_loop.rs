//! A bare epoll loop: wait, read, write. Nothing can serve connections on one thread for less.

use std::io;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::bench::echo_server::listening::{Accepted, Listening};

/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// Bytes read at once.
const READ_BUFFER: usize = 64 << 10;
/// The event that is not a connection's.
const LISTENER: u64 = u64::MAX;

/// A connection and what it was not ready to take.
struct Connection {
    socket: Accepted,
    unsent: Vec<u8>,
}

/// Serves for ever.
///
/// # Errors
/// When the kernel gives no event queue.
pub(super) fn serve(listening: &Listening) -> io::Result<()> {
    let queue = epoll::create(CreateFlags::CLOEXEC)?;
    let data = EventData::new_u64(LISTENER);
    epoll::add(&queue, listening, data, EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Vec::with_capacity(EVENTS);
    let mut room = vec![0; READ_BUFFER];
    loop {
        match epoll::wait(&queue, spare_capacity(&mut events), None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let number = event.data.u64();
            if number == LISTENER {
                accept_all(&queue, listening, &mut connections)?;
                continue;
            }
            let place = usize::try_from(number)
                .ok()
                .and_then(|number| connections.get_mut(number));
            if let Some(place) = place
                && let Some(connection) = place
                && serve_one(&queue, number, connection, &mut room).is_err()
            {
                // Dropping the socket takes it out of the queue.
                *place = None;
            }
        }
    }
}

fn accept_all(
    queue: &impl std::os::fd::AsFd,
    listening: &Listening,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        let socket = match listening.accept() {
            Ok(socket) => socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // A connection that is gone already, or no room for another one: the rest go on.
            Err(_) => return Ok(()),
        };
        let place = match connections.iter().position(Option::is_none) {
            Some(place) => place,
            None => {
                connections.push(None);
                connections.len() - 1
            }
        };
        let data = EventData::new_u64(u64::try_from(place).unwrap_or(LISTENER));
        epoll::add(queue, &socket, data, EventFlags::IN)?;
        if let Some(free) = connections.get_mut(place) {
            *free = Some(Connection {
                socket,
                unsent: Vec::new(),
            });
        }
    }
}

/// An error means that the connection is over.
fn serve_one(
    queue: &impl std::os::fd::AsFd,
    number: u64,
    connection: &mut Connection,
    room: &mut [u8],
) -> io::Result<()> {
    if !connection.unsent.is_empty() {
        let sent = sent_of(connection.socket.write(&connection.unsent))?;
        connection.unsent.drain(..sent);
        if connection.unsent.is_empty() {
            let data = EventData::new_u64(number);
            epoll::modify(queue, &connection.socket, data, EventFlags::IN)?;
        }
        return Ok(());
    }
    let read = match connection.socket.read(room) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(error),
    };
    let bytes = room.get(..read).unwrap_or_default();
    let sent = sent_of(connection.socket.write(bytes))?;
    let rest = bytes.get(sent..).unwrap_or_default();
    if !rest.is_empty() {
        // Nothing more is read until the peer has taken this.
        connection.unsent.extend_from_slice(rest);
        let data = EventData::new_u64(number);
        epoll::modify(queue, &connection.socket, data, EventFlags::OUT)?;
    }
    Ok(())
}

fn sent_of(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
