//! The targets by name: where they listen, what they cannot do, how they are made.

use std::sync::Arc;

use clap::ValueEnum;

use crate::bench::target::cloakroom::CloakroomTarget;
use crate::bench::target::echo::EchoTarget;
use crate::bench::target::http::HttpTarget;
use crate::bench::target::memcached::MemcachedTarget;
use crate::bench::target::redis::{PlainTarget, RoundTripsTarget, ScriptTarget};
use crate::bench::target::{Target, TargetSettings, Verb};

/// What is put under load.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::bench) enum Kind {
    /// cloakroom by its binary protocol
    Cloakroom,
    /// HTTP: cloakroom, or one of the services whose dialects it speaks (--dialect)
    Http,
    /// Redis or Valkey, with the commands of redis-sessions: HMGET, then MULTI to EXEC
    Redis,
    /// The same sessions, each request one script on the server
    RedisScript,
    /// Redis or Valkey, plain GET, SET, EXPIRE and DEL of a value as long as the data
    RedisGet,
    /// memcached: get and touch in one command; no counter and no index
    Memcached,
    /// `bench echo-server --kind tokio`: the server's way of serving connections, without work
    EchoTokio,
    /// `bench echo-server --kind epoll`: a bare epoll loop, the limit
    EchoEpoll,
}

impl Kind {
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Cloakroom => "cloakroom",
            Self::Http => "http",
            Self::Redis => "redis",
            Self::RedisScript => "redis-script",
            Self::RedisGet => "redis-get",
            Self::Memcached => "memcached",
            Self::EchoTokio => "echo-tokio",
            Self::EchoEpoll => "echo-epoll",
        }
    }

    /// How its URLs begin.
    pub(in crate::bench) fn scheme(self) -> &'static str {
        match self {
            Self::Cloakroom => "cloakroom",
            Self::Http => "http",
            Self::Redis | Self::RedisScript | Self::RedisGet => "redis",
            Self::Memcached => "memcached",
            Self::EchoTokio | Self::EchoEpoll => "echo",
        }
    }

    /// Where it listens when nobody says otherwise.
    pub(in crate::bench) fn default_address(self) -> &'static str {
        match self {
            Self::Cloakroom => "127.0.0.1:7070",
            Self::Http => "127.0.0.1:7080",
            Self::Redis | Self::RedisScript | Self::RedisGet => "127.0.0.1:6379",
            Self::Memcached => "127.0.0.1:11211",
            Self::EchoTokio | Self::EchoEpoll => "127.0.0.1:7071",
        }
    }

    /// A request that the protocol does not have.
    pub(in crate::bench) fn lacks(self, verb: Verb) -> bool {
        match self {
            Self::Http | Self::Redis | Self::RedisScript => {
                matches!(verb, Verb::Touch | Verb::Rotate | Verb::List)
            }
            Self::RedisGet | Self::Memcached | Self::EchoTokio | Self::EchoEpoll => {
                matches!(verb, Verb::Rotate | Verb::List)
            }
            Self::Cloakroom => false,
        }
    }

    /// The token of a new session is the client's choice, and so known without asking.
    pub(in crate::bench) fn lets_choose_tokens(self) -> bool {
        match self {
            Self::Redis
            | Self::RedisScript
            | Self::RedisGet
            | Self::Memcached
            | Self::EchoTokio
            | Self::EchoEpoll => true,
            Self::Cloakroom | Self::Http => false,
        }
    }

    /// Replies show enough to be verified.
    pub(in crate::bench) fn can_be_verified(self) -> bool {
        match self {
            Self::Cloakroom | Self::Http | Self::Redis | Self::RedisScript => true,
            Self::RedisGet | Self::Memcached | Self::EchoTokio | Self::EchoEpoll => false,
        }
    }

    pub(in crate::bench) fn target(self, settings: &TargetSettings) -> Arc<dyn Target> {
        match self {
            Self::Cloakroom => Arc::new(CloakroomTarget::new(settings)),
            Self::Http => Arc::new(HttpTarget::new(settings)),
            Self::Redis => Arc::new(RoundTripsTarget::new(settings)),
            Self::RedisScript => Arc::new(ScriptTarget::new(settings)),
            Self::RedisGet => Arc::new(PlainTarget::new(settings)),
            Self::Memcached => Arc::new(MemcachedTarget::new(settings)),
            Self::EchoTokio | Self::EchoEpoll => Arc::new(EchoTarget::new(settings)),
        }
    }
}
