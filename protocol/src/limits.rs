//! Every bound of the protocol, named in one place. In the reply to HELLO a server announces its
//! own, which may be smaller; only that of a payload may not.

/// Bytes of a frame's payload, in both directions.
pub const PAYLOAD_BYTES: usize = (1 << 20) + (8 << 10);
/// Bytes of a payload before HELLO has been answered.
pub const HELLO_PAYLOAD_BYTES: usize = 1_024;
/// Bytes of an app's name.
pub const APP_BYTES: usize = 64;
/// Bytes of a token.
pub const TOKEN_BYTES: usize = 128;
/// Bytes of a user's name.
pub const USER_BYTES: usize = 1_024;
/// Bytes of an IP text.
pub const IP_BYTES: usize = 1_024;
/// Bytes of a session's data, after any merge.
pub const DATA_BYTES: usize = 1 << 20;
/// Bytes of the key that admits a client.
pub const ACCESS_KEY_BYTES: usize = 256;
/// Bytes of the name that a client or a server gives itself.
pub const PEER_NAME_BYTES: usize = 64;
/// Bytes that a PING may carry.
pub const PING_BYTES: usize = 64;
/// Bytes of the sentence in an error reply.
pub const MESSAGE_BYTES: usize = 255;
/// Sessions of one page of a LIST.
pub const LIST_SESSIONS: u32 = 1_000;
/// Keys of one MGET.
pub const MGET_KEYS: usize = 256;
/// Figures in one reply to STATS.
pub const FIGURES: usize = 1_024;
/// Milliseconds in which an id may still answer after its rotation.
pub const GRACE_MILLIS: u32 = 300_000;
/// The largest time, duration or counter: 48 bits.
pub const U48_MAX: u64 = (1 << 48) - 1;

/// Bytes of a session before its texts and data.
pub const SESSION_FIXED_BYTES: usize = 82;
/// Bytes of a page, of one MGET or LIST, before its sessions.
pub const PAGE_FIXED_BYTES: usize = 36;

/// A session with everything at its bound, as an entry of a page.
const LARGEST_ENTRY: usize = 4 + SESSION_FIXED_BYTES + USER_BYTES + IP_BYTES + DATA_BYTES;
/// A PUT with everything at its bound: version, fixed fields, app, texts and data.
const LARGEST_PUT: usize =
    TOKEN_BYTES + 1 + APP_BYTES + 8 + 23 + USER_BYTES + IP_BYTES + DATA_BYTES;

const _: () = assert!(PAGE_FIXED_BYTES + LARGEST_ENTRY <= PAYLOAD_BYTES);
const _: () = assert!(LARGEST_PUT <= PAYLOAD_BYTES);
const _: () = assert!(2 + MGET_KEYS * (1 + TOKEN_BYTES) + 1 + APP_BYTES <= PAYLOAD_BYTES);
const _: () = assert!(2 + FIGURES * 10 <= PAYLOAD_BYTES);
const _: () = assert!(
    APP_BYTES + 4 + ACCESS_KEY_BYTES + 1 + PEER_NAME_BYTES <= HELLO_PAYLOAD_BYTES,
    "a HELLO fits before HELLO"
);
const _: () = assert!(TOKEN_BYTES <= 255 && APP_BYTES <= 255 && PEER_NAME_BYTES <= 255);
const _: () = assert!(PING_BYTES <= 255 && ACCESS_KEY_BYTES < 0xffff);
const _: () = assert!(USER_BYTES < 0xffff && IP_BYTES < 0xffff && MESSAGE_BYTES <= 255);
const _: () = assert!(PAYLOAD_BYTES < 1 << 31);
