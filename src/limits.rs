//! Every bound of the server, named in one place. What is configurable takes its default from here.

/// Bytes of an app's name.
pub const APP_NAME_BYTES: usize = 64;
/// Apps that may have sessions at one time (default of `--max-apps`); ids are 16 bits wide.
pub const APPS: usize = 4_096;
/// Bytes of a token.
pub const TOKEN_BYTES: usize = 128;
/// Bytes of a user's name.
pub const USER_BYTES: usize = 1_024;
/// Bytes of an IP text.
pub const IP_BYTES: usize = 1_024;
/// Bytes of a session's data, after any merge.
pub const DATA_BYTES: usize = 1 << 20;

/// Entries that one hold of a lock may handle, everywhere: sweeps, listings, kills, compactions.
pub const ENTRIES_PER_HOLD: usize = 256;

/// Nesting of JSON text that a door reads.
pub const JSON_DEPTH: usize = 126;
/// Members and elements, all levels together, of one JSON text.
pub const JSON_VALUES: usize = 16_384;

/// Bytes of a request's head: request line and header fields.
pub const HEAD_BYTES: usize = 16 << 10;
/// Header fields of a request.
pub const HEADERS: usize = 100;
/// Bytes of a request body where the dialect names no smaller bound.
pub const BODY_BYTES: usize = 1 << 20;
/// Bytes of a request body in the rest-sessions dialect (the service's own bound).
pub const REST_SESSIONS_BODY_BYTES: usize = 60_000;
/// Bytes a refused body may still have so that the connection stays usable: they are read and dropped.
pub const DISCARD_BYTES: u64 = 1 << 20;
/// Bytes of a chunk-size line, with extensions.
pub const CHUNK_LINE_BYTES: usize = 256;
/// Bytes of all trailer fields behind a chunked body; they are read and dropped.
pub const TRAILER_BYTES: usize = 4 << 10;

/// Attributes of a back-session session that the dialect has no name for.
pub const BACK_SESSION_ATTRIBUTES: usize = 256;

/// Requests that one turn of a connection executes before others get theirs.
pub const REQUESTS_PER_TURN: usize = 256;
/// Bytes of replies that a connection may hold unsent before it stops reading.
pub const REPLY_BYTES_HELD: usize = 256 << 10;
/// Bytes of partial requests and unsent replies that all connections together may hold.
pub const CONNECTION_BYTES: usize = 1 << 30;
/// Bytes of one list reply.
pub const LIST_REPLY_BYTES: usize = 256 << 20;

/// The smallest file of the log that may be asked for: one block of the largest size fits well.
pub const SEGMENT_BYTES_MIN: u64 = 8 << 20;
/// The largest file of the log that may be asked for.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Bytes of log since the last snapshot before another is taken (default of `--snapshot-log-size`).
pub const SNAPSHOT_LOG_BYTES: u64 = 256 << 20;
/// Milliseconds between two snapshots (default of `--snapshot-every`).
pub const SNAPSHOT_MILLIS: u64 = 8 * 3_600_000;

/// Bytes of an access key at least: what is shorter can be guessed.
pub const ACCESS_KEY_BYTES_MIN: usize = 16;
/// Bytes of an access key.
pub const ACCESS_KEY_BYTES: usize = 256;
/// Access keys of a server. Each HELLO is compared with all of them.
pub const ACCESS_KEYS: usize = 1_024;
/// Bytes of the file of access keys.
pub const ACCESS_KEYS_FILE_BYTES: usize = 1 << 20;

/// Connections open at one time (default of `--max-connections`).
pub const CONNECTIONS: usize = 50_000;

/// Milliseconds in which a started request head must be complete.
pub const HEAD_MILLIS: u64 = 10_000;
/// Milliseconds in which a started request body must be complete.
pub const BODY_MILLIS: u64 = 30_000;
/// Milliseconds without any progress after which unsent replies close the connection.
pub const WRITE_STALL_MILLIS: u64 = 10_000;
/// Milliseconds after which a connection without a request is closed.
pub const KEEP_ALIVE_MILLIS: u64 = 300_000;
/// Milliseconds that a refused peer gets to read its reply before the connection is reset.
pub const LINGER_MILLIS: u64 = 2_000;
/// Milliseconds that a graceful stop waits for what is in flight.
pub const STOP_MILLIS: u64 = 10_000;

/// Bytes of changes that may wait to be written to the log before connections stop beginning requests
/// that change something.
pub const LOG_QUEUE_BYTES: usize = 16 << 20;
/// Bytes of changes that wake the log's thread by themselves.
pub const LOG_WAKE_BYTES: usize = 256 << 10;
/// Milliseconds after which the log's thread looks at its queue though nobody has kicked it.
pub const LOG_POLL_MILLIS: u64 = 1;
/// Milliseconds after the last commit until the log names what is synced in an empty block.
pub const LOG_QUIET_MILLIS: u64 = 10;
/// Milliseconds that a written change may stay unsynced under the policy `everysec`.
pub const LOG_SYNC_MILLIS: u64 = 1_000;
/// Bytes of a segment of the log (default of `--segment-size`).
pub const LOG_SEGMENT_BYTES: u64 = 64 << 20;
/// Bytes of the first segment after a start at most, for whose zeros the start has to wait.
pub const LOG_FIRST_SEGMENT_BYTES: u64 = 8 << 20;
/// Bytes of a segment that are kept for removals when no further segment can be made.
pub const LOG_RESERVE_BYTES: u64 = 8 << 20;
/// Bytes of a block's body beyond which it takes no further record.
pub const LOG_BLOCK_BYTES: usize = 1 << 20;

const _: () = assert!(APPS <= u16::MAX as usize);
const _: () = assert!(REST_SESSIONS_BODY_BYTES <= BODY_BYTES && BODY_BYTES <= DATA_BYTES);
const _: () = assert!(TOKEN_BYTES <= u8::MAX as usize);
