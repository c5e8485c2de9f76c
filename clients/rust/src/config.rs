//! Where to connect to and how; URLs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cloakroom_protocol::limits;
use percent_encoding::percent_decode_str;

/// The port of a URL that names none.
const PORT: u16 = 7070;

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// Host and port of a TCP listener.
    Tcp(String, u16),
    /// Path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

/// How a client connects and how long it waits.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the server listens.
    pub address: Address,
    /// The app of all requests, 1 to 64 bytes.
    pub app: String,
    /// What admits the client; empty for none.
    pub access_key: Vec<u8>,
    /// The name that the server's log shows, at most 64 bytes.
    pub name: String,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a request may take, with waiting for a connection.
    pub timeout: Duration,
    /// How long nothing may come while replies are due before the connection is given up.
    pub stall_timeout: Duration,
    /// Bytes of requests that may be on their way; further ones wait.
    pub bytes_in_flight: usize,
}

impl fmt::Debug for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Config({}/{})", self.address, self.app)
    }
}

impl Config {
    /// The settings for an address, with everything else as it usually is.
    #[must_use]
    pub fn new(address: Address, app: impl Into<String>) -> Self {
        Self {
            address,
            app: app.into(),
            access_key: Vec::new(),
            name: concat!("cloakroom-client/", env!("CARGO_PKG_VERSION")).into(),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_millis(500),
            stall_timeout: Duration::from_secs(5),
            bytes_in_flight: 64 << 20,
        }
    }

    /// Reads a URL: `cloakroom://[KEY@]HOST[:PORT]/APP` or `cloakroom+unix://[KEY@]/PATH?app=APP`.
    /// A colon in front of the key is no part of it: programs that blank out passwords in URLs find
    /// the key in `:KEY@`.
    ///
    /// Options behind `?`, joined by `&`: `timeout=500ms`, `connect_timeout=2s`,
    /// `stall_timeout=5s`, `name=checkout`. Key, app, path and values may be percent-encoded.
    ///
    /// ```
    /// use cloakroom_client::{Address, Config};
    ///
    /// let config = Config::from_url("cloakroom://s3cret@sessions.internal/shop?timeout=1s")?;
    /// assert_eq!(config.address, Address::Tcp("sessions.internal".into(), 7070));
    /// assert_eq!(config.app, "shop");
    ///
    /// let config = Config::from_url("cloakroom+unix:///run/cloakroom.sock?app=shop")?;
    /// assert_eq!(config.address, Address::Unix("/run/cloakroom.sock".into()));
    /// # Ok::<(), cloakroom_client::UrlError>(())
    /// ```
    ///
    /// # Errors
    /// [`UrlError`] says what to mend.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place
            .find('/')
            .map_or((place, ""), |slash| place.split_at(slash));
        let (key, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let mut config = match scheme {
            "cloakroom" => {
                let app = path.strip_prefix('/').unwrap_or_default();
                Self::new(host_and_port(host)?, decode(app, "app")?)
            }
            "cloakroom+unix" if host.is_empty() && path.len() > 1 => {
                let path = PathBuf::from(decode(path, "path")?);
                Self::new(Address::Unix(path), "")
            }
            "cloakroom+unix" => return Err(UrlError::Path),
            _ => return Err(UrlError::Scheme),
        };
        // Where a user name would stand there is none: `KEY@` and `:KEY@` are the same.
        let key = key.strip_prefix(':').unwrap_or(key);
        config.access_key = percent_decode_str(key).collect();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            config.set_option(option)?;
        }
        config.checked()
    }

    fn set_option(&mut self, option: &str) -> Result<(), UrlError> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "app" if self.app.is_empty() => self.app = decode(value, "app")?,
            "name" => self.name = decode(value, "name")?,
            "timeout" => self.timeout = duration(value)?,
            "connect_timeout" => self.connect_timeout = duration(value)?,
            "stall_timeout" => self.stall_timeout = duration(value)?,
            _ => return Err(UrlError::Option(name.into())),
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, UrlError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-.@".contains(&b);
        let length = (1..=limits::APP_BYTES).contains(&self.app.len());
        if !length || !self.app.bytes().all(fits) {
            return Err(UrlError::App);
        }
        if self.access_key.len() > limits::ACCESS_KEY_BYTES {
            return Err(UrlError::Key);
        }
        if self.name.len() > limits::PEER_NAME_BYTES {
            return Err(UrlError::Option("name".into()));
        }
        Ok(self)
    }
}

fn host_and_port(text: &str) -> Result<Address, UrlError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or(UrlError::Host)?;
            (host, behind.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(UrlError::Host);
    }
    let port = match port {
        Some(port) => port.parse().map_err(|_not_a_port| UrlError::Host)?,
        None => PORT,
    };
    Ok(Address::Tcp(host.into(), port))
}

fn decode(text: &str, what: &str) -> Result<String, UrlError> {
    let decoded = percent_decode_str(text).decode_utf8();
    match decoded {
        Ok(text) => Ok(text.into_owned()),
        Err(_not_utf8) => Err(UrlError::Option(what.into())),
    }
}

/// Digits and a unit: `ms`, `s` or `m`. Never nothing: a request without a time-out could wait for
/// ever.
fn duration(text: &str) -> Result<Duration, UrlError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => 0,
    };
    let number: u64 = number.parse().unwrap_or(0);
    match number.checked_mul(millis) {
        Some(millis @ 1..=86_400_000) => Ok(Duration::from_millis(millis)),
        _ => Err(UrlError::Duration(text.into())),
    }
}

/// What is wrong with a URL.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UrlError {
    /// It begins with neither scheme.
    Scheme,
    /// Host or port cannot be.
    Host,
    /// There is no path of a Unix socket.
    Path,
    /// There is no app, or its name cannot be.
    App,
    /// The access key is too long.
    Key,
    /// There is no such option, or it cannot have this value.
    Option(String),
    /// This is no time.
    Duration(String),
}

impl fmt::Display for UrlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => out.write_str("a URL begins with cloakroom:// or cloakroom+unix://"),
            Self::Host => out.write_str("write the host as name:port or [address]:port"),
            Self::Path => {
                out.write_str("write the socket's path as cloakroom+unix:///path/of/socket?app=APP")
            }
            Self::App => out.write_str(
                "name the app, 1 to 64 of A-Z a-z 0-9 _ - . @: behind the host, or as ?app=",
            ),
            Self::Key => write!(
                out,
                "an access key has at most {} bytes",
                limits::ACCESS_KEY_BYTES
            ),
            Self::Option(name) => write!(
                out,
                "`{name}`: the options are app, name, timeout, connect_timeout, stall_timeout"
            ),
            Self::Duration(text) => write!(
                out,
                "`{text}` is no time from 1 ms to 24 h: write it as 500ms, 2s or 1m"
            ),
        }
    }
}

impl std::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::{Address, Config, UrlError};
    use std::time::Duration;

    #[test]
    fn urls_say_where_and_how() {
        let config = Config::from_url(
            "cloakroom://k%40y@[::1]:7071/%40a01?timeout=2s&connect_timeout=1m&name=my%20app",
        )
        .unwrap();
        assert_eq!(config.address, Address::Tcp("::1".into(), 7071));
        assert_eq!(config.address.to_string(), "[::1]:7071");
        assert_eq!(
            (config.app.as_str(), config.access_key),
            ("@a01", b"k@y".to_vec())
        );
        assert_eq!(config.timeout, Duration::from_secs(2));
        assert_eq!(config.connect_timeout, Duration::from_secs(60));
        assert_eq!(config.name, "my app");
        let config = Config::from_url("cloakroom://:a:key@host/shop").unwrap();
        assert_eq!(config.access_key, b"a:key");
        let config = Config::from_url("cloakroom://%3Akey@host/shop").unwrap();
        assert_eq!(config.access_key, b":key");
        let config = Config::from_url("cloakroom+unix://key@/run/a%20b.sock?app=shop").unwrap();
        assert_eq!(config.address, Address::Unix("/run/a b.sock".into()));
        assert_eq!(
            (config.app.as_str(), config.access_key),
            ("shop", b"key".to_vec())
        );
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        let option = |name: &str| UrlError::Option(name.into());
        let duration = |text: &str| UrlError::Duration(text.into());
        for (url, error) in [
            ("redis://localhost/shop", UrlError::Scheme),
            ("localhost:7070/shop", UrlError::Scheme),
            ("cloakroom://:7070/shop", UrlError::Host),
            ("cloakroom://localhost:port/shop", UrlError::Host),
            ("cloakroom://[::1/shop", UrlError::Host),
            ("cloakroom://localhost", UrlError::App),
            ("cloakroom://localhost/sh/op", UrlError::App),
            ("cloakroom+unix://?app=shop", UrlError::Path),
            ("cloakroom+unix://host/path?app=shop", UrlError::Path),
            ("cloakroom+unix:///path", UrlError::App),
            ("cloakroom://localhost/shop?app=blog", option("app")),
            ("cloakroom://localhost/shop?retries=3", option("retries")),
            ("cloakroom://localhost/shop?timeout=0s", duration("0s")),
            ("cloakroom://localhost/shop?timeout=5", duration("5")),
            (
                "cloakroom://localhost/shop?timeout=never",
                duration("never"),
            ),
        ] {
            assert_eq!(Config::from_url(url), Err(error), "{url}");
        }
    }

    #[test]
    fn access_key_is_not_shown() {
        let config = Config::from_url("cloakroom://s3cret@localhost/shop").unwrap();
        assert_eq!(format!("{config:?}"), "Config(localhost:7070/shop)");
    }
}
