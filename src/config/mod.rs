//! Settings of `cloakroom serve`: flags before environment before file before defaults.

mod access_keys;
mod file;
mod flags;
mod listen;
mod size;
mod span;
mod storage;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub use access_keys::{AccessKeys, AccessKeysError, BadLine, Flaw, GoodFor, ShownKey};
pub use flags::{LogFormat, ServeFlags};
use listen::ListenError;
pub use listen::{Address, BinaryListen, Cidr, DialectName, HttpListen};
pub use size::parse_size;
pub use span::parse_span;
pub use storage::{DEFAULT_DATA, Durability, Storage};

use crate::config::file::FileSettings;
use crate::limits;

/// Where HTTP is served when nothing else is said.
pub const DEFAULT_HTTP: &str = "127.0.0.1:7080";
/// Where the binary protocol is served when nothing else is said.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7070";

/// Variables of the replaced services that mean nothing here.
const UNUSED_VARIABLES: [&str; 3] = ["RS_NAMESPACE", "RS_REDISHOST", "RS_REDISPORT"];
/// All variables with this start were for the replaced services' Redis.
const UNUSED_PREFIX: &str = "REDIS_";

/// Bounds of HTTP connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpLimits {
    /// A head must be complete so long after its first byte.
    pub head: Duration,
    /// A body must be complete so long after its head.
    pub body: Duration,
    /// A connection without a request is closed.
    pub keep_alive: Duration,
    /// Unsent replies without any progress close the connection.
    pub write_stall: Duration,
    /// A refused peer gets so long to read its reply.
    pub linger: Duration,
    /// Bytes that all connections together may hold for requests and replies that are not through.
    pub held_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_millis(limits::HEAD_MILLIS),
            body: Duration::from_millis(limits::BODY_MILLIS),
            keep_alive: Duration::from_millis(limits::KEEP_ALIVE_MILLIS),
            write_stall: Duration::from_millis(limits::WRITE_STALL_MILLIS),
            linger: Duration::from_millis(limits::LINGER_MILLIS),
            held_bytes: limits::CONNECTION_BYTES,
        }
    }
}

/// Everything a server is started with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Where HTTP is served.
    pub http: Vec<HttpListen>,
    /// Where the binary protocol is served.
    pub listen: Vec<BinaryListen>,
    /// What callers of the binary protocol have to show; `None` for nothing.
    pub access_keys: Option<AccessKeys>,
    /// Where sessions are kept on disk; `None` keeps them in memory only.
    pub storage: Option<Storage>,
    /// Bytes that sessions may take; `u64::MAX` for no bound.
    pub max_memory: u64,
    /// Apps that may have sessions at one time.
    pub max_apps: usize,
    /// Connections open at one time.
    pub max_connections: usize,
    /// Apps that keep an index of sessions by IP, besides `@sessions`.
    pub ip_indexed_apps: Vec<String>,
    /// Threads that serve connections; `None` for one per available core.
    pub threads: Option<usize>,
    /// Write a line per request.
    pub access_log: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Serve anybody outside loopback, without keys and without a list of peers.
    pub insecure: bool,
    /// Seconds that a back-session session lives, where `SESSION_EXP_SEC` names a number.
    pub back_session_seconds: Option<i64>,
    /// Variables of the replaced services that are set and mean nothing here.
    pub unused_variables: Vec<String>,
    /// Bounds of HTTP connections.
    pub http_limits: HttpLimits,
    /// How long a stop waits for what is in flight.
    pub stop: Duration,
}

impl Default for Config {
    /// A server in memory on the default address.
    fn default() -> Self {
        Self {
            http: Vec::new(),
            listen: Vec::new(),
            access_keys: None,
            storage: None,
            max_memory: u64::MAX,
            max_apps: limits::APPS,
            max_connections: limits::CONNECTIONS,
            ip_indexed_apps: Vec::new(),
            threads: None,
            access_log: false,
            log_format: LogFormat::Auto,
            insecure: false,
            back_session_seconds: None,
            unused_variables: Vec::new(),
            http_limits: HttpLimits::default(),
            stop: Duration::from_millis(limits::STOP_MILLIS),
        }
    }
}

/// Why settings are refused.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    File(PathBuf, std::io::Error),
    /// The file is not TOML, or a value has the wrong type.
    Toml(PathBuf, toml::de::Error),
    /// The file has a key that no setting has.
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// The setting with the most similar name.
        nearest: &'static str,
    },
    /// There are no access keys to be had from the file for them.
    AccessKeys(AccessKeysError),
    /// A value means nothing.
    Invalid {
        /// The setting, as its flag or variable is called.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file, error) => write!(out, "cannot read {}: {error}", file.display()),
            Self::Toml(file, error) => write!(out, "{}: {error}", file.display()),
            Self::UnknownKey { file, key, nearest } => write!(
                out,
                "{}: there is no setting `{key}`; did you mean `{nearest}`?",
                file.display()
            ),
            Self::AccessKeys(error) => write!(out, "access-keys: {error}"),
            Self::Invalid { setting, reason } => write!(out, "{setting}: {reason}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Settles all settings from the flags (which know the `CLOAKROOM_*` variables already), the
    /// file they name, and the variables of the replaced services in `environment`.
    ///
    /// # Errors
    /// A [`ConfigError`] whose text is a sentence for the person who started the server.
    pub fn resolve(
        flags: ServeFlags,
        environment: &dyn Fn(&str) -> Option<String>,
        variables: impl Iterator<Item = String>,
    ) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => FileSettings::read(path)?,
            None => FileSettings::default(),
        };
        let (http, listen) = all_listeners(&flags, &file, environment)?;
        let defaults = Self::default();
        let log_level = environment("RS_LOGLEVEL");
        let old_access_log = log_level.is_some_and(|level| !level.is_empty() && level != "none");
        Ok(Self {
            http,
            listen,
            access_keys: access_keys(&flags, &file)?,
            storage: Storage::resolve(&flags, &file)?,
            max_memory: match (flags.max_memory, &file.max_memory) {
                (Some(bytes), _) => bytes,
                (None, Some(size)) => size.bytes("max-memory")?,
                (None, None) => defaults.max_memory,
            },
            max_apps: at_least_one("max-apps", flags.max_apps.or(file.max_apps))?
                .unwrap_or(defaults.max_apps),
            max_connections: at_least_one(
                "max-connections",
                flags.max_connections.or(file.max_connections),
            )?
            .unwrap_or(defaults.max_connections),
            ip_indexed_apps: if flags.ip_index.is_empty() {
                file.ip_index
            } else {
                flags.ip_index
            },
            threads: at_least_one("threads", flags.threads.or(file.threads))?,
            access_log: flags.access_log || file.access_log.unwrap_or(false) || old_access_log,
            log_format: flags
                .log_format
                .or(file.log_format)
                .unwrap_or(defaults.log_format),
            insecure: flags.insecure || file.insecure.unwrap_or(false),
            back_session_seconds: environment("SESSION_EXP_SEC").and_then(|s| s.parse().ok()),
            unused_variables: unused(variables),
            http_limits: defaults.http_limits,
            stop: defaults.stop,
        })
    }
}

fn unused(variables: impl Iterator<Item = String>) -> Vec<String> {
    let mut unused: Vec<String> = variables
        .filter(|v| UNUSED_VARIABLES.contains(&v.as_str()) || v.starts_with(UNUSED_PREFIX))
        .collect();
    unused.sort();
    unused
}

fn at_least_one(setting: &'static str, value: Option<usize>) -> Result<Option<usize>, ConfigError> {
    if value == Some(0) {
        return Err(ConfigError::Invalid {
            setting,
            reason: "must be at least 1".to_owned(),
        });
    }
    Ok(value)
}

fn access_keys(flags: &ServeFlags, file: &FileSettings) -> Result<Option<AccessKeys>, ConfigError> {
    let path = flags.access_keys.as_ref().or(file.access_keys.as_ref());
    let keys = path.map(|path| AccessKeys::read(path)).transpose();
    keys.map_err(ConfigError::AccessKeys)
}

/// The listeners for HTTP asked for; ports of the replaced services' variables come on top of `--http`.
fn listeners(
    flags: &ServeFlags,
    file: &FileSettings,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<HttpListen>, ConfigError> {
    let mut listeners = if flags.http.is_empty() {
        file.http
            .iter()
            .map(|text| parse_listen("http", text))
            .collect::<Result<Vec<_>, _>>()?
    } else {
        flags.http.clone()
    };
    for (variable, dialect) in [
        ("RS_PORT", DialectName::RestSessions),
        ("SERVICE_PORT", DialectName::BackSession),
    ] {
        let Some(text) = environment(variable).filter(|text| !text.is_empty()) else {
            continue;
        };
        let digits = text.strip_prefix(':').unwrap_or(&text);
        let port: u16 = digits.parse().map_err(|_not_a_port| ConfigError::Invalid {
            setting: variable,
            reason: format!("`{text}` is not a port"),
        })?;
        listeners.push(HttpListen {
            dialect: Some(dialect),
            address: Address::Inet(format!("127.0.0.1:{port}")),
            allow: Vec::new(),
        });
    }
    Ok(listeners)
}

fn binary_listeners(
    flags: &ServeFlags,
    file: &FileSettings,
) -> Result<Vec<BinaryListen>, ConfigError> {
    if !flags.listen.is_empty() {
        return Ok(flags.listen.clone());
    }
    let parse = |text: &String| parse_listen("listen", text);
    file.listen.iter().map(parse).collect()
}

/// All listeners; those that are there by default only when none is asked for.
fn all_listeners(
    flags: &ServeFlags,
    file: &FileSettings,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(Vec<HttpListen>, Vec<BinaryListen>), ConfigError> {
    let mut http = listeners(flags, file, environment)?;
    let mut listen = binary_listeners(flags, file)?;
    if http.is_empty() && listen.is_empty() {
        http.push(parse_listen("http", DEFAULT_HTTP)?);
        listen.push(parse_listen("listen", DEFAULT_LISTEN)?);
    }
    Ok((http, listen))
}

fn parse_listen<L: FromStr<Err = ListenError>>(
    setting: &'static str,
    text: &str,
) -> Result<L, ConfigError> {
    text.parse()
        .map_err(|error: ListenError| ConfigError::Invalid {
            setting,
            reason: error.to_string(),
        })
}
