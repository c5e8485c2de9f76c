//! cloakroom: a session server. This page is the map of the house.
//!
//! | room | what it is for |
//! |---|---|
//! | [`clock`] | the only reader of time |
//! | [`limits`] | every bound of the server, named in one place |
//! | [`model`] | plain data every room may know: names, tokens, lives, changes, JSON text |
//! | [`store`] | sessions in memory: shards, wheel, time index, indexes by user and IP |
//! | [`log`] | what was acknowledged, on disk: log, snapshots, recovery |
//! | [`engine`] | the verbs: create, read, edit, remove, list, count |
//! | [`net`] | HTTP/1.1 and the three dialects |
//! | [`server`] | listeners, threads, the ticker, start and stop |
//! | [`commands`] | backup, restore, check, export, import |
//! | [`config`] | flags and environment of `cloakroom serve` |
//! | [`mod@bench`] | the load tester |
//!
//! Who may import whom is listed in ARCHITECTURE.md and held by `tests/tidy.rs`.

pub mod bench;
pub mod clock;
pub mod commands;
pub mod config;
pub mod engine;
pub mod limits;
pub mod log;
pub mod model;
pub mod net;
pub mod server;
pub mod store;
