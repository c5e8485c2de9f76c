//! HTTP for clients whose server may die at any moment.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// The server is gone; whether it carried out the last request is open.
#[derive(Debug)]
pub(crate) struct Gone;

/// A connection.
pub(crate) struct Client(Option<TcpStream>);

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).ok();
        if let Some(stream) = &stream {
            stream.set_nodelay(true).unwrap();
            let patience = Some(Duration::from_secs(20));
            stream.set_read_timeout(patience).unwrap();
        }
        Self(stream)
    }

    /// Sends a request; the reply, which must have status 200.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Value, Gone> {
        let stream = self.0.as_mut().ok_or(Gone)?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream
            .write_all(request.as_bytes())
            .map_err(|_broken| Gone)?;
        let (head, body) = reply(stream)?;
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}{body}");
        Ok(serde_json::from_str(&body).unwrap())
    }
}

fn reply(stream: &mut TcpStream) -> Result<(String, String), Gone> {
    let mut received = Vec::new();
    let mut room = [0; 16_384];
    loop {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let (head, body) = received.split_at(end + 4);
            let head = String::from_utf8(head.to_vec()).unwrap();
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return Ok((head, String::from_utf8(body.to_vec()).unwrap()));
            }
        }
        match stream.read(&mut room) {
            Ok(0) => return Err(Gone),
            Ok(count) => received.extend(room.iter().take(count)),
            Err(error) => {
                let late = error.kind() == std::io::ErrorKind::WouldBlock;
                assert!(!late, "the server lives and does not answer");
                return Err(Gone);
            }
        }
    }
}
