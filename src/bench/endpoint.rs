//! Where the load goes: what `--url` says.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::str::FromStr;

use crate::bench::socket::Address;

/// `[SCHEME://]HOST:PORT` or `unix:PATH`; for `http` the port is 80 when it is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Endpoint {
    scheme: Option<&'static str>,
    place: Place,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    Inet { host: String, port: u16 },
    Unix(PathBuf),
}

/// The schemes that some target has.
const SCHEMES: [&str; 5] = ["http", "cloakroom", "redis", "memcached", "echo"];

const FORM: &str = "write it as http://HOST:PORT, HOST:PORT or unix:PATH (no TLS, no path)";

impl Endpoint {
    /// The scheme, where one was given.
    pub(super) fn scheme(&self) -> Option<&'static str> {
        self.scheme
    }

    /// Looks the host up.
    ///
    /// # Errors
    /// When the name has no address.
    pub(super) fn resolve(&self) -> io::Result<Address> {
        match &self.place {
            Place::Unix(path) => Ok(Address::Unix(path.clone())),
            Place::Inet { host, port } => {
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                (bare, *port)
                    .to_socket_addrs()?
                    .next()
                    .map(Address::Inet)
                    .ok_or_else(|| {
                        io::Error::new(io::ErrorKind::NotFound, "the name has no address")
                    })
            }
        }
    }

    /// What HTTP's `Host` field says.
    pub(super) fn host(&self) -> String {
        match &self.place {
            Place::Inet { host, port } => format!("{host}:{port}"),
            Place::Unix(_) => "localhost".to_owned(),
        }
    }

    /// The whole URL, for a server of this scheme.
    pub(super) fn url(&self, scheme: &str) -> String {
        match &self.place {
            Place::Inet { .. } => format!("{scheme}://{self}"),
            Place::Unix(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Inet { host, port } => write!(f, "{host}:{port}"),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("the path is missing: write it as unix:PATH".to_owned())
            } else {
                Ok(Self {
                    scheme: None,
                    place: Place::Unix(PathBuf::from(path)),
                })
            };
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some((name, rest)) => match SCHEMES.iter().find(|s| **s == name) {
                Some(scheme) => (Some(*scheme), rest),
                None => return Err(FORM.to_owned()),
            },
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'?' | b'#' | b'@');
        if !rest.bytes().all(is_plain) {
            return Err(
                "only a host and a port may stand here (a path of HTTP goes to --path)".to_owned(),
            );
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port = port
                    .parse()
                    .map_err(|e| format!("the port {port:?} is not a number of a port: {e}"))?;
                (host, port)
            }
            Some(_) | None if scheme == Some("http") => (rest, 80),
            Some(_) | None => return Err(format!("the port is missing: {FORM}")),
        };
        if host.is_empty() {
            return Err(format!("the host is missing: {FORM}"));
        }
        Ok(Self {
            scheme,
            place: Place::Inet {
                host: host.to_owned(),
                port,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Endpoint;
    use crate::bench::socket::Address;

    #[test]
    fn urls_are_read_as_host_and_port() {
        for (text, shown, scheme) in [
            ("http://127.0.0.1:7080", "127.0.0.1:7080", Some("http")),
            ("http://localhost/", "localhost:80", Some("http")),
            ("http://[::1]:8080", "[::1]:8080", Some("http")),
            ("http://[::1]", "[::1]:80", Some("http")),
            ("127.0.0.1:6379", "127.0.0.1:6379", None),
            ("redis://localhost:6379", "localhost:6379", Some("redis")),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(endpoint.host(), shown);
            assert_eq!(endpoint.scheme(), scheme);
            assert_eq!(endpoint.url("x"), format!("x://{shown}"));
        }
        let address = "http://[::1]:8080".parse::<Endpoint>().unwrap().resolve();
        assert_eq!(
            address.unwrap(),
            Address::Inet("[::1]:8080".parse().unwrap())
        );
    }

    #[test]
    fn unix_sockets_are_named_by_their_path() {
        let endpoint: Endpoint = "unix:/tmp/a b.sock".parse().unwrap();
        let address = Address::Unix(PathBuf::from("/tmp/a b.sock"));
        assert_eq!(endpoint.resolve().unwrap(), address);
        assert_eq!(endpoint.to_string(), "unix:/tmp/a b.sock");
        assert_eq!(endpoint.url("http"), "unix:/tmp/a b.sock");
        assert_eq!(endpoint.host(), "localhost");
    }

    #[test]
    fn anything_else_is_refused_with_a_sentence() {
        for text in [
            "localhost",
            "https://a:1",
            "redis://a",
            "http://a:1/path",
            "http://a:70000",
            "http://:80",
            "http://a b:80",
            "http://u@a:80",
            "unix:",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
