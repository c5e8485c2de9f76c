//! The flags of `cloakroom serve`, each with its variable.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;

use crate::config::listen::{BinaryListen, HttpListen};
use crate::config::size::parse_size;
use crate::config::span::parse_span;
use crate::config::storage::Durability;

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines, one object per line.
    Json,
}

/// Flags of `cloakroom serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServeFlags {
    /// A TOML file with the same settings, called as the flags are
    #[arg(long, value_name = "FILE", env = "CLOAKROOM_CONFIG")]
    pub config: Option<PathBuf>,

    /// Serve HTTP here: host:port or unix:PATH, with rest-sessions=, tarantool= or back-session=
    /// before it for one dialect only, and ,allow=CIDR,... behind it for the peers let in.
    /// Several in the variable are separated by blanks [default: 127.0.0.1:7080]
    #[arg(
        long,
        value_name = "[DIALECT=]ADDR",
        env = "CLOAKROOM_HTTP",
        value_delimiter = ' '
    )]
    pub http: Vec<HttpListen>,

    /// Serve the binary protocol here: host:port or unix:PATH, with ,allow=CIDR,... behind it for the
    /// peers let in [default: 127.0.0.1:7070; neither default stands when --http or --listen is given]
    #[arg(
        long,
        value_name = "ADDR",
        env = "CLOAKROOM_LISTEN",
        value_delimiter = ' '
    )]
    pub listen: Vec<BinaryListen>,

    /// Serve the binary protocol only to those who show a key of this file: a line for each, and
    /// behind a blank the apps it is good for, as app,app, if not for all. The file must be its
    /// owner's alone (chmod 600)
    #[arg(long, value_name = "FILE", env = "CLOAKROOM_ACCESS_KEYS")]
    pub access_keys: Option<PathBuf>,

    /// Keep sessions in memory only: they are gone when the server stops
    #[arg(long, env = "CLOAKROOM_MEMORY_ONLY", value_parser = FalseyValueParser::new())]
    pub memory_only: bool,

    /// Keep sessions in this directory, which is made when it is not there
    /// [default: ./cloakroom-data]
    #[arg(
        long,
        value_name = "DIR",
        env = "CLOAKROOM_DATA",
        conflicts_with = "memory_only"
    )]
    pub data: Option<PathBuf>,

    /// What is waited for before a change is acknowledged: that it is on disk (always), with the
    /// operating system and on disk a second later (everysec), or with the operating system (os)
    /// [default: always]
    #[arg(
        long,
        value_name = "WHEN",
        env = "CLOAKROOM_DURABILITY",
        hide_possible_values = true
    )]
    pub durability: Option<Durability>,

    /// Take a snapshot so long after the last one, as 90s, 30m, 8h or 2d [default: 8h]
    #[arg(long, value_name = "TIME", env = "CLOAKROOM_SNAPSHOT_EVERY", value_parser = parse_span)]
    pub snapshot_every: Option<Duration>,

    /// Take a snapshot when so much log was written since the last one, and twice the size of the
    /// last one [default: 256MiB]
    #[arg(long, value_name = "SIZE", env = "CLOAKROOM_SNAPSHOT_LOG_SIZE", value_parser = parse_size)]
    pub snapshot_log_size: Option<u64>,

    /// Size of one file of the log [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "CLOAKROOM_SEGMENT_SIZE", value_parser = parse_size)]
    pub segment_size: Option<u64>,

    /// Memory that sessions may take, as 512MiB, 2GB or plain bytes; creates are refused beyond
    /// [default: no bound]
    #[arg(long, value_name = "SIZE", env = "CLOAKROOM_MAX_MEMORY", value_parser = parse_size)]
    pub max_memory: Option<u64>,

    /// Apps that may have sessions at one time [default: 4096]
    #[arg(long, value_name = "N", env = "CLOAKROOM_MAX_APPS")]
    pub max_apps: Option<usize>,

    /// Connections open at one time; more are closed at once [default: 50000]
    #[arg(long, value_name = "N", env = "CLOAKROOM_MAX_CONNECTIONS")]
    pub max_connections: Option<usize>,

    /// Keep an index of this app's sessions by IP (repeatable; @sessions always has one)
    #[arg(
        long,
        value_name = "APP",
        env = "CLOAKROOM_IP_INDEX",
        value_delimiter = ' '
    )]
    pub ip_index: Vec<String>,

    /// Threads that serve connections [default: one per available core]
    #[arg(long, value_name = "N", env = "CLOAKROOM_THREADS")]
    pub threads: Option<usize>,

    /// Log one line per request, without tokens
    #[arg(long, env = "CLOAKROOM_ACCESS_LOG", value_parser = FalseyValueParser::new())]
    pub access_log: bool,

    /// How log lines look [default: auto, text on a terminal and JSON elsewhere]
    #[arg(long, value_name = "FORMAT", env = "CLOAKROOM_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Serve anybody outside loopback, without keys or a list of peers (for tests)
    #[arg(long, env = "CLOAKROOM_INSECURE", value_parser = FalseyValueParser::new())]
    pub insecure: bool,
}
