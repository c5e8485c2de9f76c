//! One keep-alive connection to a server of all dialects, and sessions made through it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A session of each dialect.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) rest: String,
    pub(crate) tarantool: String,
    pub(crate) back: String,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// One that takes an answer that does not come soon for none.
    pub(crate) fn impatient(address: &str) -> Self {
        let client = Self::connect(address);
        let soon = Some(Duration::from_millis(200));
        client.stream.set_read_timeout(soon).unwrap();
        client
    }

    /// Status and body of the answer to one request; `None` when the server is gone.
    pub(crate) fn try_ask(
        &mut self,
        method: &str,
        target: &str,
        body: Option<&str>,
    ) -> Option<(u16, String)> {
        let fields = body.map_or(String::new(), |body| {
            let length = body.len();
            format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
        });
        let body = body.unwrap_or_default();
        let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
        self.stream.write_all(request.as_bytes()).ok()?;
        let end = loop {
            let found = self.received.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = found {
                break end + 4;
            }
            self.fill()?;
        };
        let head = String::from_utf8(self.received[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |n| n.parse::<usize>().unwrap());
        while self.received.len() < end + length {
            self.fill()?;
        }
        let body = String::from_utf8(self.received[end..end + length].to_vec()).unwrap();
        self.received.drain(..end + length);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, body))
    }

    fn fill(&mut self) -> Option<()> {
        let mut room = [0; 65_536];
        let count = self
            .stream
            .read(&mut room)
            .ok()
            .filter(|count| *count > 0)?;
        self.received.extend_from_slice(&room[..count]);
        Some(())
    }

    pub(crate) fn ask(&mut self, method: &str, target: &str, body: Option<&str>) -> (u16, String) {
        self.try_ask(method, target, body).unwrap()
    }

    /// The JSON of a 200.
    pub(crate) fn json(&mut self, method: &str, target: &str, body: Option<&str>) -> Value {
        let (status, body) = self.ask(method, target, body);
        assert_eq!(status, 200, "{method} {target}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn create_rest(&mut self, app: &str, user: &str, data: Option<&str>) -> String {
        let target = format!("/{app}/create/{user}?ip=1.2.3.4&ttl=3600");
        text(&self.json("PUT", &target, data)["token"])
    }

    /// A session of each dialect, with data.
    pub(crate) fn create_all(&mut self, user: u64) -> Tokens {
        let tarantool = format!("/new?user_id={user}&ip=10.0.0.1");
        let back = format!(r#"{{"user_id":"u{user}","device_id":"phone"}}"#);
        Tokens {
            rest: self.create_rest("shop", &format!("u{user}"), Some(r#"{"cart":1}"#)),
            tarantool: text(&self.json("POST", &tarantool, Some(r#"{"a":[1]}"#))["data"]["token"]),
            back: text(&self.json("POST", "/a01/session", Some(&back))["session_id"]),
        }
    }

    /// What the lists say of the sessions of a user, which leaves no trace.
    pub(crate) fn lists(&mut self, user: u64) -> [Value; 3] {
        let mut rest = self.json("GET", &format!("/shop/soid/u{user}"), None);
        for session in rest["sessions"].as_array_mut().unwrap() {
            // The one thing that goes on while nobody does anything.
            session.as_object_mut().unwrap().remove("idle");
        }
        [
            rest,
            self.json("GET", &format!("/user?id={user}"), None),
            self.json("GET", &format!("/a01/session/user/u{user}"), None),
        ]
    }
}

impl Tokens {
    /// Whether each dialect still serves its session.
    pub(crate) fn served(&self, client: &mut Client) -> [bool; 3] {
        let rest = format!("/shop/get/{}", self.rest);
        let tarantool = format!("/get?token={}", self.tarantool);
        let back = format!("/a01/session/{}", self.back);
        [
            client.ask("GET", &rest, None).1 != "{}",
            client.ask("GET", &tarantool, None).1.contains("success"),
            client.ask("GET", &back, None).0 == 200,
        ]
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
