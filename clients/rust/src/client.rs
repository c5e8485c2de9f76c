//! The handle: operations on one session.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_protocol::{
    Answer, Call, Create, Data, Get, Key, Kill, Opcode, Ping, Put, PutMode, Reply, ReplyFlags,
    Request, Rotate, Set, Token, Touch,
};

use crate::config::Config;
use crate::error::{ConnectError, Error};
use crate::keeper::keep;
use crate::link::Link;
use crate::session::{
    self, Lookup, Made, Receipt, Rotation, Session, Stored, Write, millis, refusal,
};

/// A handle to one connection. Clones share it; the last one that goes closes it.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// The app of the requests, where it is another than that of the connection.
    app: Option<Arc<str>>,
}

struct Inner {
    link: Arc<Link>,
    config: Config,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.link.close();
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Client({:?})", self.inner.config)
    }
}

impl Client {
    /// Connects to the server of a URL (see [`Config::from_url`]).
    ///
    /// # Errors
    /// [`Error::Url`]; [`Error::Unavailable`] when the first attempt fails.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::open(Config::from_url(url)?).await
    }

    /// Connects to a server.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the first attempt fails.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let client = Self::lazy(config);
        client.inner.link.settled().await?;
        Ok(client)
    }

    /// A client that begins to connect and does not wait for it, so that a service can start before
    /// its server does. Has to be called within a tokio runtime.
    #[must_use]
    pub fn lazy(config: Config) -> Self {
        let link = Arc::new(Link::new(config.bytes_in_flight));
        // It ends by itself when the link is closed.
        drop(tokio::spawn(keep(Arc::clone(&link), config.clone())));
        Self {
            inner: Arc::new(Inner { link, config }),
            app: None,
        }
    }

    /// A handle for another app over the same connection.
    #[must_use]
    pub fn app(&self, app: &str) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            app: (app != self.inner.config.app).then(|| app.into()),
        }
    }

    /// Takes no further requests, waits for the replies that are due, and closes the connection,
    /// for all clones of this handle.
    pub async fn close(&self) {
        let due = self.inner.link.drain();
        // Requests have time-outs of their own; this one is for a server that has died.
        let waited = tokio::time::timeout(self.inner.config.timeout, due).await;
        drop(waited);
        self.inner.link.close();
    }

    /// Asks for a sign of life; answers the server's clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// As all operations: see [`Error`].
    pub async fn ping(&self) -> Result<u64, Error> {
        // PING is about no app.
        let plain = self.app(&self.inner.config.app);
        let ping = Request::Ping(Ping { echo: &[] });
        let read = |reply: &Reply<'_>| {
            let Answer::Pong(pong) = reply.answer else {
                return None;
            };
            Some(pong.now)
        };
        plain.call(ping, read).await
    }

    /// Reads a session, counts the read and keeps it alive. `None`: the server says that there is
    /// no such session. Whatever else may be wrong is an error.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(&self, token: impl AsRef<[u8]>) -> Result<Option<Session>, Error> {
        let get = Get::touch(Token(token.as_ref()));
        found(self.call(Request::Get(get), read_session).await)
    }

    /// Looks at a session without a trace. Takes a token or a handle.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn peek(&self, key: impl Into<Key<'_>>) -> Result<Option<Session>, Error> {
        let get = Get::peek(key.into());
        found(self.call(Request::Get(get), read_session).await)
    }

    /// Reads a session as [`Client::get`] does, and leaves its content out if you have it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_if_changed(
        &self,
        token: impl AsRef<[u8]>,
        version: u64,
    ) -> Result<Lookup, Error> {
        let get = Get {
            unless_version: Some(version),
            ..Get::touch(Token(token.as_ref()))
        };
        let read = |reply: &Reply<'_>| {
            let session = read_session(reply)?;
            Some(if reply.flags.has(ReplyFlags::UNCHANGED) {
                Lookup::Unchanged(session)
            } else {
                Lookup::Changed(session)
            })
        };
        let lookup = found(self.call(Request::Get(get), read).await)?;
        Ok(lookup.unwrap_or(Lookup::Gone))
    }

    /// Makes a session under an id that the server draws.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create(&self, write: &Write<'_>) -> Result<Made, Error> {
        let create = Create {
            style: write.style,
            fields: write.fields,
        };
        self.call(Request::Create(create), read_made).await
    }

    /// Writes a session whole, under an id that you name.
    ///
    /// # Errors
    /// [`Error::Refused`] with `EXISTS`, `GONE` or `VERSION_DIFFERS`, as the mode has it; others
    /// see [`Error`].
    pub async fn put(
        &self,
        token: impl AsRef<[u8]>,
        mode: PutMode,
        write: &Write<'_>,
    ) -> Result<Stored, Error> {
        let put = Put {
            token: Token(token.as_ref()),
            mode,
            quiet: write.quiet,
            fields: write.fields,
        };
        let read = |reply: &Reply<'_>| {
            Some(Stored {
                receipt: read_receipt(reply)?,
                created: reply.flags.has(ReplyFlags::CREATED),
            })
        };
        self.call(Request::Put(put), read).await
    }

    /// Merges the members of a JSON object into the session's, on the server: `null` removes one.
    ///
    /// # Errors
    /// [`Error::Refused`] with `GONE`, `NOT_AN_OBJECT` or `BAD_JSON`; others see [`Error`].
    pub async fn set(
        &self,
        token: impl AsRef<[u8]>,
        json: impl AsRef<[u8]>,
    ) -> Result<Receipt, Error> {
        let set = set(token.as_ref(), json.as_ref());
        self.call(Request::Set(set), read_receipt).await
    }

    /// As [`Client::set`], and answers the session after the merge.
    ///
    /// # Errors
    /// As [`Client::set`].
    pub async fn set_and_get(
        &self,
        token: impl AsRef<[u8]>,
        json: impl AsRef<[u8]>,
    ) -> Result<Session, Error> {
        let set = Set {
            show: true,
            ..set(token.as_ref(), json.as_ref())
        };
        self.call(Request::Set(set), read_session).await
    }

    /// As [`Client::set`], if the session still has this version.
    ///
    /// # Errors
    /// As [`Client::set`], and `VERSION_DIFFERS` with the version that it has.
    pub async fn set_if_version(
        &self,
        token: impl AsRef<[u8]>,
        version: u64,
        json: impl AsRef<[u8]>,
    ) -> Result<Receipt, Error> {
        let set = Set {
            if_version: Some(version),
            ..set(token.as_ref(), json.as_ref())
        };
        self.call(Request::Set(set), read_receipt).await
    }

    /// Keeps a session alive.
    ///
    /// # Errors
    /// [`Error::Refused`] with `GONE`; others see [`Error`].
    pub async fn touch(&self, token: impl AsRef<[u8]>) -> Result<Receipt, Error> {
        self.touch_with(token, None, None).await
    }

    /// Keeps a session alive and gives it other limits where they are named: how long it may be
    /// idle, and when it ends however busy it is (milliseconds since 1970).
    ///
    /// # Errors
    /// As [`Client::touch`].
    pub async fn touch_with(
        &self,
        token: impl AsRef<[u8]>,
        idle: Option<Duration>,
        until: Option<u64>,
    ) -> Result<Receipt, Error> {
        let touch = Touch {
            token: Token(token.as_ref()),
            idle: idle.map(millis),
            until: until.map(|moment| moment.min(cloakroom_protocol::NEVER)),
            show: false,
        };
        self.call(Request::Touch(touch), read_receipt).await
    }

    /// Gives a session another id. Do it at every log-in, so that an id that somebody planted is of
    /// no use.
    ///
    /// # Errors
    /// [`Error::Refused`] with `GONE`, `EXISTS` or `ROTATED`; others see [`Error`].
    pub async fn rotate(
        &self,
        token: impl AsRef<[u8]>,
        rotation: &Rotation<'_>,
    ) -> Result<Made, Error> {
        let rotate = Rotate {
            token: Token(token.as_ref()),
            new: rotation.new,
            grace: u32::try_from(rotation.grace.as_millis()).unwrap_or(u32::MAX),
            user: rotation.user,
        };
        self.call(Request::Rotate(rotate), read_made).await
    }

    /// Ends a session. Takes a token or a handle. False: there was none.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn kill(&self, key: impl Into<Key<'_>>) -> Result<bool, Error> {
        let kill = Request::Kill(Kill { key: key.into() });
        Ok(found(self.call(kill, read_receipt).await)?.is_some())
    }

    pub(crate) fn link(&self) -> &Link {
        &self.inner.link
    }

    /// Sends a request, waits for its reply and reads it.
    pub(crate) async fn call<T>(
        &self,
        request: Request<'_>,
        read: impl FnOnce(&Reply<'_>) -> Option<T>,
    ) -> Result<T, Error> {
        let opcode = request.opcode();
        let mut frame = Vec::with_capacity(128);
        let app = self.app.as_deref();
        let call = Call {
            id: 0,
            app,
            request,
        };
        call.encode(&mut frame).map_err(Error::Invalid)?;
        let time_out = tokio::time::sleep(self.inner.config.timeout);
        tokio::pin!(time_out);
        let mut reply = tokio::select! {
            biased;
            reply = self.link().submit(frame) => reply?,
            () = &mut time_out => {
                return Err(Error::Unavailable(Arc::new(ConnectError::Timeout)));
            }
        };
        let frame = tokio::select! {
            biased;
            frame = &mut reply => frame.unwrap_or(Err(Error::Closed))?,
            () = &mut time_out => return Err(Error::Timeout),
        };
        let Ok(reply) = Reply::decode(&frame.borrow()) else {
            return Err(Error::Protocol);
        };
        let refuses = matches!(reply.answer, Answer::Refusal(_));
        if Opcode::from_number(reply.opcode) != Some(opcode) {
            return Err(Error::Protocol);
        }
        if refuses {
            return Err(Error::Refused(refusal(&reply)));
        }
        read(&reply).ok_or(Error::Protocol)
    }
}

fn set<'a>(token: &'a [u8], json: &'a [u8]) -> Set<'a> {
    Set {
        token: Token(token),
        if_version: None,
        quiet: false,
        show: false,
        patch: Data(json),
    }
}

/// The server's GONE, and nothing else, as `None`.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_session(reply: &Reply<'_>) -> Option<Session> {
    let Answer::Session(session) = &reply.answer else {
        return None;
    };
    Some(session::session(session, reply.flags))
}

fn read_receipt(reply: &Reply<'_>) -> Option<Receipt> {
    let Answer::Receipt(receipt) = reply.answer else {
        return None;
    };
    Some(session::receipt(receipt, reply.flags))
}

fn read_made(reply: &Reply<'_>) -> Option<Made> {
    let Answer::Made(made) = reply.answer else {
        return None;
    };
    Some(Made {
        token: made.token.0.into(),
        receipt: session::receipt(made.receipt, reply.flags),
    })
}
