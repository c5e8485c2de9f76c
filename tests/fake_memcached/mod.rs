//! A small memcached on a thread per connection: the meta commands, their replies sent in pieces.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

type Store = BTreeMap<String, Vec<u8>>;

/// Starts a server that ends with the test process; with `full` it stores nothing.
pub(crate) fn start(full: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let store = Arc::new(Mutex::new(Store::new()));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, store) = (stream.unwrap(), Arc::clone(&store));
            // A client that goes away in the middle of a command ends its thread.
            thread::spawn(move || serve(&stream, &store, full));
        }
    });
    address
}

/// Bytes that are sent at once.
const PIECE: usize = 5;

fn serve(mut stream: &TcpStream, store: &Mutex<Store>, full: bool) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let words: Vec<&str> = line.strip_suffix("\r\n")?.split(' ').collect();
        let reply = match words.as_slice() {
            ["mn"] => b"MN\r\n".to_vec(),
            ["ms", key, length, "T7200", mode @ ..] => {
                let mut data = vec![0; length.parse::<usize>().ok()? + 2];
                reader.read_exact(&mut data).ok()?;
                assert!(data.ends_with(b"\r\n"), "the data have another length");
                data.truncate(data.len() - 2);
                let mut store = store.lock().unwrap();
                if full {
                    b"SERVER_ERROR out of memory storing object\r\n".to_vec()
                } else if mode == ["MR"] && !store.contains_key(*key) {
                    b"NS\r\n".to_vec()
                } else {
                    store.insert((*key).to_owned(), data);
                    b"HD\r\n".to_vec()
                }
            }
            ["mg", key, flags @ ..] => match store.lock().unwrap().get(*key) {
                None => b"EN\r\n".to_vec(),
                Some(data) if flags == ["v", "T7200"] => {
                    let head = format!("VA {}\r\n", data.len());
                    [head.as_bytes(), data, b"\r\n"].concat()
                }
                Some(_) if flags == ["T7200"] => b"HD\r\n".to_vec(),
                Some(_) => b"CLIENT_ERROR invalid flag\r\n".to_vec(),
            },
            ["md", key] => match store.lock().unwrap().remove(*key) {
                Some(_) => b"HD\r\n".to_vec(),
                None => b"NF\r\n".to_vec(),
            },
            _ => b"ERROR\r\n".to_vec(),
        };
        for piece in reply.chunks(PIECE) {
            stream.write_all(piece).ok()?;
        }
    }
}
