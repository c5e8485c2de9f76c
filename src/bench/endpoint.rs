//! Where the load goes: host and port of `--url`.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// `http://HOST:PORT`, the port being 80 when it is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Looks the host up.
    ///
    /// # Errors
    /// When the name has no address.
    pub(super) fn resolve(&self) -> io::Result<SocketAddr> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        (bare, self.port)
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("http://") else {
            return Err("write it as http://HOST:PORT (no TLS, no path)".to_owned());
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'?' | b'#' | b'@');
        if !rest.bytes().all(is_plain) {
            return Err("only a host and a port may follow http:// (a path goes to --path)".into());
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port = port
                    .parse()
                    .map_err(|e| format!("the port {port:?} is not a number of a port: {e}"))?;
                (host, port)
            }
            Some(_) | None => (rest, 80),
        };
        if host.is_empty() {
            return Err("the host is missing: write it as http://HOST:PORT".to_owned());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn urls_are_read_as_host_and_port() {
        for (text, shown) in [
            ("http://127.0.0.1:7080", "127.0.0.1:7080"),
            ("http://localhost/", "localhost:80"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://[::1]", "[::1]:80"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
        }
        let address = "http://[::1]:8080".parse::<Endpoint>().unwrap().resolve();
        assert_eq!(address.unwrap().to_string(), "[::1]:8080");
    }

    #[test]
    fn anything_but_a_plain_http_address_is_refused_with_a_sentence() {
        for text in [
            "127.0.0.1:7080",
            "https://a:1",
            "http://a:1/path",
            "http://a:70000",
            "http://:80",
            "http://a b:80",
            "http://u@a:80",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
