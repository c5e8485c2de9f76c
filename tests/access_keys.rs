//! The command with a file of access keys: which files it takes, whom it lets in, what it tells.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod commanded;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cloakroom_client::{Client, ConnectError, Error, ErrorCode, Write};

use commanded::{PING, Running, ask, command, read, refusal};

const KEY: &str = "K3y-of-the-whole-test";
const OF_ONE_APP: &str = "k3y-of-one-app-only";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, mode: u32, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join("access-keys");
        drop(fs::remove_file(&path));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// A file with both keys of the test.
    fn keys(&self) -> String {
        let text = format!("# two of them\n\n{KEY}\n{OF_ONE_APP} bench\n");
        self.file(0o600, text).display().to_string()
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join("socket")
    }
}

fn with_keys(file: &str) -> [&str; 4] {
    ["serve", "--memory-only", "--access-keys", file]
}

#[test]
fn file_with_a_bad_line_is_refused_with_its_number_and_without_the_key() {
    let home = Home::new();
    let long = "longer-than-a-key-may-be".repeat(11);
    let repeated = format!("{KEY} shop\n# again\n{KEY} blog");
    for (text, line, word) in [
        ("fifteen-bytes-x", 1, "16 to 256 bytes"),
        (&long, 1, "16 to 256 bytes"),
        ("# keys\n\nK3y-of-the-whole-t\u{eb}st", 3, "printable ASCII"),
        ("K3y-of-the-whole-test a/b", 1, "an app name is made of"),
        ("K3y-of-the-whole-test shop,,blog", 1, "an app name has"),
        ("K3y-of-the-whole-test shop blog", 1, "only commas between"),
        (
            "# the wrong way round\nshop K3y-of-the-whole-test",
            2,
            "16 to 256 bytes",
        ),
        (&repeated, 3, "on line 1 as well"),
    ] {
        let file = home.file(0o600, text).display().to_string();
        let err = refusal(&with_keys(&file), &[]);
        let place = format!("cloakroom: access-keys: {file}:{line}: ");
        assert!(
            err.starts_with(&place) && err.contains(word),
            "{text}: {err}"
        );
        for secret in ["K3y", "fifteen", "longer"] {
            assert!(!err.contains(secret), "{err}");
        }
    }
}

#[test]
fn file_that_others_may_read_is_refused_with_what_to_do() {
    let home = Home::new();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o620, 0o601] {
        let file = home.file(mode, KEY).display().to_string();
        let err = refusal(&with_keys(&file), &[]);
        assert!(
            err.contains(&format!("chmod 600 {file}")),
            "{mode:o}: {err}"
        );
    }
    for mode in [0o600, 0o400] {
        let file = home.file(mode, KEY).display().to_string();
        let flags = [&with_keys(&file)[..], &["--listen", "127.0.0.1:0"]].concat();
        drop(Running::start(&flags, &[]));
    }
}

#[test]
fn file_that_holds_no_keys_or_is_none_is_refused() {
    let home = Home::new();
    for text in ["", "\n\n", "# nobody\n  # no-more-than-a-comment\n"] {
        let file = home.file(0o600, text).display().to_string();
        let err = refusal(&with_keys(&file), &[]);
        assert!(err.contains("holds no access key"), "{text}: {err}");
    }
    let large = format!("{KEY}\n{}", "#\n".repeat(1 << 19));
    let file = home.file(0o600, large).display().to_string();
    assert!(refusal(&with_keys(&file), &[]).contains("more than 1048576 bytes"));
    let err = refusal(&with_keys("/nope/keys"), &[]);
    assert!(err.contains("cannot read /nope/keys"), "{err}");
    let folder = home.0.path().display().to_string();
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let err = refusal(&with_keys(&folder), &[]);
    assert!(err.contains(&format!("cannot read {folder}")), "{err}");
    // A setting without a value is a mistake, not a server without keys.
    let nothing = [("CLOAKROOM_ACCESS_KEYS", "")];
    assert!(refusal(&["serve", "--memory-only"], &nothing).contains("access-keys"));
}

#[test]
fn listener_that_others_can_reach_needs_keys_or_a_list_of_peers() {
    let home = Home::new();
    let outside = ["serve", "--memory-only", "--listen", "0.0.0.0:0"];
    let err = refusal(&outside, &[]);
    for way in [
        "--access-keys FILE",
        "0.0.0.0:0,allow=CIDR,...",
        "--insecure",
    ] {
        assert!(err.contains(way), "{err}");
    }
    let keys = home.keys();
    let server = Running::start(&[&outside[..], &["--access-keys", &keys]].concat(), &[]);
    assert!(server.address().starts_with("0.0.0.0:"));
    // HTTP asks for no key, so keys do not open it.
    let both = [
        &outside[..],
        &["--access-keys", &keys, "--http", "0.0.0.0:0"],
    ]
    .concat();
    let err = refusal(&both, &[]);
    assert!(
        err.contains("allow=CIDR") && !err.contains("--access-keys"),
        "{err}"
    );
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// What the server refuses this client with at HELLO.
fn refused(url: &str) -> ErrorCode {
    match runtime().block_on(Client::connect(url)).unwrap_err() {
        Error::Unavailable(cause) => match &*cause {
            ConnectError::Refused(refusal) => refusal.code().unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Makes a session and reads it.
fn assert_served(url: &str) {
    runtime().block_on(async {
        let client = Client::connect(url).await.unwrap();
        let made = client.create(&Write::json("{}")).await.unwrap();
        assert!(client.get(&made.token).await.unwrap().is_some());
    });
}

fn settings(home: &Home, name: &str, value: &str) -> String {
    let path = home.0.path().join(name);
    fs::write(&path, value).unwrap();
    path.display().to_string()
}

#[test]
fn every_binary_listener_asks_for_a_key_and_http_does_not() {
    let home = Home::new();
    let (keys, socket) = (home.keys(), home.socket().display().to_string());
    let toml = format!("memory-only = true\naccess-keys = '{keys}'\n");
    let file = settings(&home, "cloakroom.toml", &toml);
    let listeners = [
        "--listen",
        "127.0.0.1:0",
        "--listen",
        &format!("unix:{socket}"),
        "--http",
        "127.0.0.1:0",
    ];
    let by_flag = [
        &["serve", "--memory-only", "--access-keys", &keys],
        &listeners[..],
    ]
    .concat();
    let by_variable = [&["serve", "--memory-only"], &listeners[..]].concat();
    let by_file = [&["serve", "--config", &file], &listeners[..]].concat();
    let variable = [("CLOAKROOM_ACCESS_KEYS", keys.as_str())];
    for (arguments, variables) in [
        (by_flag, &[][..]),
        (by_variable, &variable[..]),
        (by_file, &[][..]),
    ] {
        let server = Running::start(&arguments, variables);
        let place = |start: &str| {
            let line = server.lines.iter().find(|line| line.starts_with(start));
            line.unwrap().rsplit(' ').next().unwrap().to_owned()
        };
        let address = place("listening binary 127");
        assert_served(&format!("cloakroom://{KEY}@{address}/shop"));
        assert_served(&format!("cloakroom://:{OF_ONE_APP}@{address}/bench"));
        assert_served(&format!("cloakroom+unix://{KEY}@{socket}?app=shop"));
        for (url, code) in [
            (
                format!("cloakroom://{address}/shop"),
                ErrorCode::KeyRequired,
            ),
            (
                format!("cloakroom://not-{KEY}@{address}/shop"),
                ErrorCode::KeyRefused,
            ),
            (
                format!("cloakroom://{OF_ONE_APP}@{address}/shop"),
                ErrorCode::AppRefused,
            ),
            (
                format!("cloakroom+unix://{socket}?app=shop"),
                ErrorCode::KeyRequired,
            ),
            (
                format!("cloakroom+unix://{OF_ONE_APP}@{socket}?app=shop"),
                ErrorCode::AppRefused,
            ),
        ] {
            assert_eq!(refused(&url), code, "{url}");
        }
        assert!(ask(&place("listening http"), PING).ends_with("PONG"));
        let (out, err) = server.stop();
        assert!(
            err.contains("asks for an access key") && err.contains("\"keys\":2"),
            "{err}"
        );
        for secret in [KEY, OF_ONE_APP] {
            assert!(!out.contains(secret) && !err.contains(secret), "{err}");
        }
    }
}

#[test]
fn server_whose_keys_keep_nobody_out_says_so() {
    let home = Home::new();
    let keys = home.keys();
    let flags = [&with_keys(&keys)[..], &["--http", "127.0.0.1:0"]].concat();
    let (_, err) = Running::start(&flags, &[]).stop();
    assert!(err.contains("no listener asks for an access key"), "{err}");
}

/// Runs the load tester: its exit code, its report, its complaint.
fn bench(address: &str, flags: &[&str]) -> (i32, String, String) {
    let url = ["bench", "-T", "cloakroom", "--url", address];
    let small = ["-c", "2", "--preload", "20", "--warm-up", "0", "-n", "200"];
    let mut child = command(&[&url[..], &small, flags].concat(), &[])
        .spawn()
        .unwrap();
    let out = read(child.stdout.take().unwrap());
    let err = read(child.stderr.take().unwrap());
    (child.wait().unwrap().code().unwrap(), out, err)
}

#[test]
fn load_tester_shows_the_first_key_of_a_file() {
    let home = Home::new();
    let keys = home.keys();
    let flags = [&with_keys(&keys)[..], &["--listen", "127.0.0.1:0"]].concat();
    let server = Running::start(&flags, &[]);
    let (code, out, err) = bench(server.address(), &["--access-key-file", &keys]);
    assert_eq!(code, 0, "{out} {err}");
    assert!(!out.contains(KEY));
    let (code, _, err) = bench(server.address(), &[]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("the server wants an access key"), "{err}");
    let one = settings(&home, "one", OF_ONE_APP);
    let (code, _, err) = bench(server.address(), &["--access-key-file", &one]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = bench(
        server.address(),
        &["--access-key-file", &one, "--app", "shop"],
    );
    assert_eq!(code, 3, "{err}");
    assert!(
        err.contains("not good for this app") && !err.contains(OF_ONE_APP),
        "{err}"
    );
    let wrong = settings(&home, "wrong", "too-short");
    for (file, word) in [
        (wrong.as_str(), "wrong:1: a key has"),
        ("/nope", "cannot read /nope"),
    ] {
        let (code, _, err) = bench(server.address(), &["--access-key-file", file]);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(word) && !err.contains("too-short"), "{err}");
    }
    assert_eq!(
        fs::metadata(Path::new(&keys)).unwrap().permissions().mode() & 0o777,
        0o600
    );
}
