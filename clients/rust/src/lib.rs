//! A client of cloakroom, the session server.
//!
//! ```no_run
//! use std::time::Duration;
//! use cloakroom_client::{Client, Write};
//!
//! # async fn example() -> Result<(), cloakroom_client::Error> {
//! let client = Client::connect("cloakroom://127.0.0.1:7070/shop").await?;
//!
//! let hours = Duration::from_secs(2 * 3600);
//! let made = client
//!     .create(&Write::json(r#"{"cart":3}"#).user("user-1").idle(hours))
//!     .await?;
//! client.set(&made.token, r#"{"cart":4}"#).await?;
//!
//! match client.get(&made.token).await? {
//!     Some(session) => println!("{:?} has version {}", session.user, session.version),
//!     None => println!("please log in"),
//! }
//! client.kill_user("user-1").await?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is a handle: clone it as you like, all clones share one connection, and requests
//! that are made at the same time travel together. It connects again by itself. What goes wrong is
//! an [`Error`] that says what kind of thing has happened; nothing but the server's own word is ever
//! taken for "there is no such session".
//!
//! # Addresses
//!
//! | URL | connects to |
//! |---|---|
//! | `cloakroom://HOST:PORT/APP` | TCP; the port may be left out and is 7070 then |
//! | `cloakroom+unix:///PATH?app=APP` | a Unix socket |
//!
//! Both take an access key as `KEY@` in front of the host or path, and the options of
//! [`Config::from_url`] behind `?`.
//!
//! # Map
//!
//! | module | what it is for |
//! |---|---|
//! | `config` | [`Config`] and its URLs |
//! | `client` | [`Client`]: operations on one session |
//! | `many` | [`Client`]: operations on many sessions |
//! | `session` | what goes in and comes out |
//! | `error` | what can go wrong |
//! | `link` | requests on their way: who waits for which reply |
//! | `keeper` | keeps the connection: connects, reads, writes, connects again |
//! | `pool` | several connections |

mod backoff;
mod client;
mod codec;
mod config;
mod error;
mod keeper;
mod link;
mod many;
mod pending;
mod pool;
mod session;
mod stream;

pub use client::Client;
pub use config::{Address, Config, UrlError};
pub use error::{ConnectError, Error, Refusal};
pub use many::{Query, Scope};
pub use pool::Pool;
pub use session::{Activity, Lookup, Made, Page, Receipt, Rotation, Session, Stored, Write};

pub use cloakroom_protocol::{
    Attributes, Class, ContentType, Cursor, ErrorCode, Figure, Handle, Key, NEVER, PutMode, Token,
    TokenStyle,
};
