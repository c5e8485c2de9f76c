//! The client: composes requests byte by byte and reads answers, one connection a step.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::Compression as Level;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::placeholder::fill;
use super::transcript::{Body, Compression, Environment, PlainRequest, RawPart, Request, Step};

/// How long an answer may take before the step fails.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long to listen for bytes that nobody expects.
const AFTERMATH: Duration = Duration::from_millis(50);

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The body as text, and whether that is one character a byte because it is not UTF-8.
    pub(crate) fn body(&self) -> (String, bool) {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => (text.to_string(), false),
            Err(_) => (self.bytes.iter().map(|b| char::from(*b)).collect(), true),
        }
    }

    /// The values of a header field, joined.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// Sends the request of a step and reads its answers.
pub(crate) fn exchange(
    server: SocketAddr,
    step: &Step,
    values: &Environment,
) -> Result<Vec<Answer>, String> {
    let mut connection = Connection::open(server)?;
    match &step.request {
        Request::Plain(request) => {
            connection.send(&compose(request, values));
            loop {
                let answer = connection.answer(&request.method)?;
                if answer.status >= 200 {
                    return Ok(vec![answer]);
                }
            }
        }
        Request::Raw { parts, methods } => {
            for part in parts {
                match part {
                    RawPart::Text(text) => connection.send(fill(text, values).as_bytes()),
                    RawPart::Bytes(bytes) => connection.send(bytes),
                    // The service had answered by then, so the answer is all there is to wait for.
                    RawPart::Pause => connection.await_bytes()?,
                }
            }
            let mut answers = Vec::new();
            let mut finals = 0;
            while answers.len() < step.responses.len() || connection.has_more()? {
                let method = methods.get(finals).map_or("GET", String::as_str);
                let answer = connection.answer(method)?;
                finals += usize::from(answer.status >= 200);
                answers.push(answer);
            }
            Ok(answers)
        }
    }
}

/// The bytes of a request.
fn compose(request: &PlainRequest, values: &Environment) -> Vec<u8> {
    let body = body_of(request, values);
    let mut bytes = format!(
        "{} {} HTTP/{}\r\n",
        request.method,
        fill(&request.target, values),
        request.version
    );
    for (name, value) in &request.fields {
        let value = match fill(value, values) {
            auto if auto == "{{auto}}" => body.as_ref().map_or(0, Vec::len).to_string(),
            value => value,
        };
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str("\r\n");
    let mut bytes = bytes.into_bytes();
    match (body, request.chunk) {
        (None, _) => {}
        (Some(body), None) => bytes.extend(body),
        (Some(body), Some(size)) => {
            for chunk in body.chunks(size) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        }
    }
    bytes
}

fn body_of(request: &PlainRequest, values: &Environment) -> Option<Vec<u8>> {
    let body = match &request.body {
        Body::None => return None,
        Body::Text(text) => fill(text, values).into_bytes(),
        Body::Bytes(bytes) => bytes.clone(),
        Body::Filled {
            prefix,
            fill: filling,
            count,
            suffix,
        } => {
            let (prefix, suffix) = (fill(prefix, values), fill(suffix, values));
            format!("{prefix}{}{suffix}", filling.repeat(*count)).into_bytes()
        }
    };
    Some(match request.compress {
        None => body,
        Some(Compression::Gzip) => {
            let mut encoder = GzEncoder::new(Vec::new(), Level::default());
            encoder.write_all(&body).unwrap();
            encoder.finish().unwrap()
        }
        Some(Compression::Deflate) => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Level::default());
            encoder.write_all(&body).unwrap();
            encoder.finish().unwrap()
        }
    })
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    is_ended: bool,
}

impl Connection {
    fn open(server: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE).map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            is_ended: false,
        })
    }

    /// Sends bytes. That the server does not want them any more shows in its answer.
    fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Reads some bytes; false when there are none within `patience` or none any more.
    fn fill(&mut self, patience: Duration) -> Result<bool, String> {
        if self.is_ended {
            return Ok(false);
        }
        self.stream
            .set_read_timeout(Some(patience))
            .map_err(|e| e.to_string())?;
        let mut bytes = vec![0; 65_536];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.is_ended = true,
            Ok(length) => self.buffer.extend(&bytes[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(false),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.is_ended = true,
            Err(error) => return Err(error.to_string()),
        }
        Ok(!self.is_ended)
    }

    fn await_bytes(&mut self) -> Result<(), String> {
        if self.buffer.is_empty() && !self.fill(PATIENCE)? {
            return Err("no answer".to_string());
        }
        Ok(())
    }

    /// Whether more bytes have come or come soon.
    fn has_more(&mut self) -> Result<bool, String> {
        Ok(!self.buffer.is_empty() || self.fill(AFTERMATH)?)
    }

    /// Reads one answer, interim ones included.
    fn answer(&mut self, method: &str) -> Result<Answer, String> {
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end,
                None if self.fill(PATIENCE)? => {}
                None => {
                    return Err(format!(
                        "no answer, only {:?}",
                        String::from_utf8_lossy(&self.buffer)
                    ));
                }
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let mut answer = read_head(&head[..end])?;
        answer.bytes = self.body(&answer, method)?;
        Ok(answer)
    }

    fn body(&mut self, answer: &Answer, method: &str) -> Result<Vec<u8>, String> {
        if method == "HEAD" || matches!(answer.status, 100..=199 | 204 | 304) {
            return Ok(Vec::new());
        }
        if answer
            .field("transfer-encoding")
            .is_some_and(|v| v.eq_ignore_ascii_case("chunked"))
        {
            let mut body = Vec::new();
            loop {
                let line = self.line()?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).map_err(|e| format!("chunk: {e}"))?;
                if size == 0 {
                    self.line()?;
                    return Ok(body);
                }
                body.extend(self.exactly(size)?);
                self.line()?;
            }
        }
        if let Some(length) = answer.field("content-length") {
            let length = length.parse().map_err(|e| format!("content-length: {e}"))?;
            return self.exactly(length);
        }
        while self.fill(PATIENCE)? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.fill(PATIENCE)? {
                return Err("the answer ends early".to_string());
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.buffer.len() < length {
            if !self.fill(PATIENCE)? {
                return Err("the answer ends early".to_string());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }
}

fn read_head(head: &[u8]) -> Result<Answer, String> {
    let text: String = head.iter().map(|b| char::from(*b)).collect();
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5)?.parse().ok())
        .ok_or_else(|| format!("not a status line: {line:?}"))?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        (name.to_string(), value.trim().to_string())
    };
    Ok(Answer {
        status,
        fields: lines.map(field).collect(),
        bytes: Vec::new(),
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
