//! A small Redis on a thread per connection: the commands that session stores use, their replies sent
//! in pieces, and everything that was asked written down.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Some writes within a transaction are refused for want of memory, and so the transaction.
    OutOfMemory,
    /// It loads no scripts.
    NoScripts,
}

/// The server as the test sees it.
pub(crate) struct FakeRedis {
    pub(crate) address: SocketAddr,
    store: Arc<Mutex<Store>>,
}

#[derive(Default)]
struct Store {
    hashes: BTreeMap<String, BTreeMap<String, String>>,
    /// Sets and sorted sets: their members.
    sets: BTreeMap<String, BTreeSet<String>>,
    texts: BTreeMap<String, String>,
    /// Every command in the order of arrival.
    asked: Vec<Vec<String>>,
    writes: u64,
}

impl FakeRedis {
    /// A server that ends with the test process.
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let store = Arc::new(Mutex::new(Store::default()));
        let shared = Arc::clone(&store);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, store) = (stream.unwrap(), Arc::clone(&shared));
                // A client that goes away in the middle of a command ends its thread.
                thread::spawn(move || serve(&stream, &store, fault));
            }
        });
        Self { address, store }
    }

    /// Everything that was asked, without greetings.
    pub(crate) fn asked(&self) -> Vec<Vec<String>> {
        let asked = &self.store.lock().unwrap().asked;
        let is_greeting = |command: &&Vec<String>| command[0] != "CONFIG";
        asked.iter().filter(is_greeting).cloned().collect()
    }
}

/// Bytes that are sent at once.
const PIECE: usize = 7;

fn serve(mut stream: &TcpStream, store: &Mutex<Store>, fault: Fault) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let mut queued: Option<Vec<Vec<String>>> = None;
    let mut aborted = false;
    loop {
        let command = read_command(&mut reader)?;
        let mut store = store.lock().unwrap();
        store.asked.push(command.clone());
        let reply = match (command[0].as_str(), &mut queued) {
            ("MULTI", _) => {
                (queued, aborted) = (Some(Vec::new()), false);
                "+OK\r\n".to_owned()
            }
            ("EXEC", Some(_)) if aborted => {
                queued = None;
                "-EXECABORT Transaction discarded\r\n".to_owned()
            }
            ("EXEC", Some(commands)) => {
                let replies: String = commands
                    .iter()
                    .map(|c| answer(&mut store, c, fault))
                    .collect();
                let reply = format!("*{}\r\n{replies}", commands.len());
                queued = None;
                reply
            }
            (_, Some(commands)) => {
                store.writes += 1;
                if fault == Fault::OutOfMemory && store.writes.is_multiple_of(100) {
                    aborted = true;
                    "-OOM command not allowed\r\n".to_owned()
                } else {
                    commands.push(command);
                    "+QUEUED\r\n".to_owned()
                }
            }
            (_, None) => answer(&mut store, &command, fault),
        };
        drop(store);
        for piece in reply.as_bytes().chunks(PIECE) {
            stream.write_all(piece).ok()?;
        }
    }
}

fn read_command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let count: usize = read_line(reader)?.strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length: usize = read_line(reader)?.strip_prefix('$')?.parse().ok()?;
        let mut word = vec![0; length + 2];
        reader.read_exact(&mut word).ok()?;
        assert!(word.ends_with(b"\r\n"), "an argument has another length");
        word.truncate(length);
        words.push(String::from_utf8(word).ok()?);
    }
    Some(words)
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    Some(line.strip_suffix("\r\n")?.to_owned())
}

fn text(value: Option<&String>) -> String {
    match value {
        Some(text) => format!("${}\r\n{text}\r\n", text.len()),
        None => "$-1\r\n".to_owned(),
    }
}

fn answer(store: &mut Store, command: &[String], fault: Fault) -> String {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["PING"] => "+PONG\r\n".to_owned(),
        ["CONFIG", "GET", "append*"] => {
            let names = ["appendonly", "yes", "appendfsync", "everysec"];
            let values: String = names.map(|n| text(Some(&n.to_owned()))).concat();
            format!("*4\r\n{values}")
        }
        ["SCRIPT", "LOAD", _] if fault == Fault::NoScripts => "-ERR unknown command\r\n".to_owned(),
        ["SCRIPT", "LOAD", script] => text(Some(&format!("{:040}", script.len()))),
        ["HMGET", key, fields @ ..] => {
            let hash = store.hashes.get(*key);
            let values = fields
                .iter()
                .map(|field| text(hash.and_then(|h| h.get(*field))));
            format!("*{}\r\n{}", fields.len(), values.collect::<String>())
        }
        ["HSET", key, pairs @ ..] => {
            let hash = store.hashes.entry((*key).to_owned()).or_default();
            for pair in pairs.chunks(2) {
                hash.insert(pair[0].to_owned(), pair[1].to_owned());
            }
            format!(":{}\r\n", pairs.len() / 2)
        }
        ["HINCRBY", key, field, step] => {
            let hash = store.hashes.entry((*key).to_owned()).or_default();
            let value = hash.entry((*field).to_owned()).or_default();
            let sum = value.parse::<i64>().unwrap_or(0) + step.parse::<i64>().unwrap();
            *value = sum.to_string();
            format!(":{sum}\r\n")
        }
        ["ZADD", key, score, member] if score.parse::<u64>().is_ok() => add(store, key, member),
        ["SADD", key, member] => add(store, key, member),
        ["ZREM" | "SREM", key, member] => {
            let set = store.sets.entry((*key).to_owned()).or_default();
            let removed = set.remove(*member);
            store.sets.retain(|_, set| !set.is_empty());
            format!(":{}\r\n", u8::from(removed))
        }
        ["DEL", key] => {
            let hash = store.hashes.remove(*key).is_some();
            let was_there = hash | store.texts.remove(*key).is_some();
            format!(":{}\r\n", u8::from(was_there))
        }
        ["EXISTS", key] => format!(":{}\r\n", u8::from(store.sets.contains_key(*key))),
        ["GET", key] => text(store.texts.get(*key)),
        ["EXPIRE", key, "7200"] => format!(":{}\r\n", u8::from(store.texts.contains_key(*key))),
        ["SET", key, _, "EX", "7200", "XX"] if !store.texts.contains_key(*key) => text(None),
        ["SET", key, value, "EX", "7200", ..] => {
            store.texts.insert((*key).to_owned(), (*value).to_owned());
            "+OK\r\n".to_owned()
        }
        _ => "-ERR unknown command\r\n".to_owned(),
    }
}

fn add(store: &mut Store, key: &str, member: &str) -> String {
    let set = store.sets.entry(key.to_owned()).or_default();
    format!(":{}\r\n", u8::from(set.insert(member.to_owned())))
}
