//! This server as people run it: import, serve, ask over HTTP.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// A data directory that sessions were imported into.
pub(crate) struct Imported {
    folder: TempDir,
    /// What the import said it came to.
    pub(crate) told: String,
}

impl Imported {
    /// Imports a file into a fresh directory.
    pub(crate) fn from(file: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let told = import(file, folder.path());
        Self { folder, told }
    }

    /// Imports a file once more: what that came to.
    pub(crate) fn again(&self, file: &Path) -> String {
        import(file, self.folder.path())
    }

    /// All sessions as `export` writes them.
    pub(crate) fn exported(&self) -> Vec<Value> {
        let output = command()
            .args(["export", "--data"])
            .arg(self.folder.path().join("data"))
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Serves the sessions in one dialect.
    pub(crate) fn serve(&self, dialect: &str) -> Serving {
        let log = self.folder.path().join("serve.log");
        let mut child = command()
            .args(["serve", "--http", &format!("{dialect}=127.0.0.1:0")])
            .arg("--data")
            .arg(self.folder.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut address = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            match line.strip_prefix("listening ") {
                Some(listener) => address = listener.split(' ').nth(1).map(str::to_owned),
                None => {
                    assert_eq!(line, "ready");
                    break;
                }
            }
        }
        let said = fs::read_to_string(&log).unwrap();
        let address = address.expect(&said);
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).unwrap();
        Serving {
            child,
            stream: BufReader::new(stream),
        }
    }
}

fn import(file: &Path, folder: &Path) -> String {
    let output = command()
        .arg("import")
        .arg(file)
        .arg("--data")
        .arg(folder.join("data"))
        .output()
        .unwrap();
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    told
}

/// A running server and a connection to it.
pub(crate) struct Serving {
    child: Child,
    stream: BufReader<TcpStream>,
}

impl Serving {
    /// Status and body of the answer.
    pub(crate) fn ask(&mut self, method: &str, target: &str) -> (u16, String) {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).unwrap();
        let mut status = None;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let line = line.trim_end();
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
            status = status.or_else(|| line.split(' ').nth(1)?.parse().ok());
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status.unwrap(), String::from_utf8(body).unwrap())
    }

    /// The body of the answer to a GET.
    pub(crate) fn text(&mut self, target: &str) -> String {
        let (status, body) = self.ask("GET", target);
        assert_eq!(status, 200, "{target}: {body}");
        body
    }

    /// The JSON of a GET.
    pub(crate) fn get(&mut self, target: &str) -> Value {
        serde_json::from_str(&self.text(target)).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
