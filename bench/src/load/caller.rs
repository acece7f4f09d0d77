//! One connection: a request out, its answer in.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Wire;

/// Longer than a chain's own deadline (30 s), so that its answer is seen and not ours.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// Headers of an answer; a host sends a dozen.
const MOST_HEADERS: usize = 48;

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// 200 where the wire knows no status.
    pub(crate) status: u16,
    /// Whether it says when to come again.
    pub(crate) retry_after: bool,
    pub(crate) body: &'a [u8],
}

pub(super) struct Caller<'a> {
    wire: &'a Wire,
    keep: bool,
    request: Vec<u8>,
    stream: Option<TcpStream>,
    /// What was read; the latest answer's bytes.
    buffer: Vec<u8>,
}

/// Where an answer's parts lie in the buffer.
struct Shape {
    status: u16,
    retry_after: bool,
    closes: bool,
    head: usize,
    length: usize,
}

impl<'a> Caller<'a> {
    pub(super) fn new(wire: &'a Wire, keep: bool) -> Self {
        let request = match wire {
            Wire::Http { address, headers } => {
                let connection = if keep { "" } else { "connection: close\r\n" };
                format!("GET / HTTP/1.1\r\nhost: {address}\r\n{connection}{headers}\r\n").into_bytes()
            }
            Wire::Request { bytes, .. } => bytes.clone(),
            Wire::Raw { payload, .. } => payload.clone(),
            Wire::Here(_) => Vec::new(),
        };
        Self { wire, keep, request, stream: None, buffer: Vec::with_capacity(16 << 10) }
    }

    /// Asks once. A connection that fails is not used again, and nothing is asked twice.
    pub(super) fn ask(&mut self) -> io::Result<Answer<'_>> {
        match self.wire {
            Wire::Here(call) => self.call(*call),
            _ => self.send().and_then(|stream| self.receive(stream)),
        }
    }

    /// Sends a request, over the connection whose answer is to be read next.
    pub(super) fn send(&mut self) -> io::Result<TcpStream> {
        let address = match self.wire {
            Wire::Http { address, .. } | Wire::Request { address, .. } | Wire::Raw { address, .. } => *address,
            Wire::Here(_) => return Err(io::Error::other("nothing is sent within a process")),
        };
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(address)?,
        };
        stream.write_all(&self.request)?;
        Ok(stream)
    }

    /// Reads the answer.
    pub(super) fn receive(&mut self, mut stream: TcpStream) -> io::Result<Answer<'_>> {
        let raw = matches!(self.wire, Wire::Raw { .. });
        let shape = if raw { self.read_raw(&mut stream)? } else { self.read_http(&mut stream)? };
        if self.keep && !shape.closes {
            self.stream = Some(stream);
        }
        let body = &self.buffer[shape.head..shape.head + shape.length];
        Ok(Answer { status: shape.status, retry_after: shape.retry_after, body })
    }

    fn call(&mut self, call: fn() -> anyhow::Result<Option<String>>) -> io::Result<Answer<'_>> {
        let value = call().map_err(io::Error::other)?;
        self.buffer.clear();
        self.buffer.extend_from_slice(value.as_deref().unwrap_or_default().as_bytes());
        let status = if value.is_some() { 200 } else { 204 };
        Ok(Answer { status, retry_after: false, body: &self.buffer })
    }

    fn read_raw(&mut self, stream: &mut TcpStream) -> io::Result<Shape> {
        self.buffer.resize(self.request.len(), 0);
        stream.read_exact(&mut self.buffer)?;
        Ok(Shape { status: 200, retry_after: false, closes: false, head: 0, length: self.request.len() })
    }

    fn read_http(&mut self, stream: &mut TcpStream) -> io::Result<Shape> {
        self.buffer.clear();
        let shape = loop {
            read_some(stream, &mut self.buffer)?;
            if let Some(shape) = shape(&self.buffer)? {
                break shape;
            }
        };
        while self.buffer.len() < shape.head + shape.length {
            read_some(stream, &mut self.buffer)?;
        }
        if self.buffer.len() > shape.head + shape.length {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more bytes than the answer has"));
        }
        Ok(shape)
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Appends what has come.
fn read_some(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    let filled = buffer.len();
    // A whole answer of the small kind at once, a large one in pieces that a socket holds.
    let room = if filled < 16 << 10 { 16 << 10 } else { 256 << 10 };
    buffer.resize(filled + room, 0);
    let read = stream.read(&mut buffer[filled..]);
    buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
    match read? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before the whole answer was there")),
        _ => Ok(()),
    }
}

/// The answer's shape, once its head is there.
fn shape(bytes: &[u8]) -> io::Result<Option<Shape>> {
    let wrong = |words: String| io::Error::new(io::ErrorKind::InvalidData, words);
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(wrong(format!("no HTTP answer: {error}"))),
    };
    let status = response.code.unwrap_or_default();
    let header = |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let length = match header("content-length") {
        Some(header) => {
            let text = String::from_utf8_lossy(header.value);
            text.parse().map_err(|_| wrong(format!("a length of {text}")))?
        }
        None if status == 204 => 0,
        None => return Err(wrong("an answer without a length".to_owned())),
    };
    let closes = header("connection").is_some_and(|header| header.value.eq_ignore_ascii_case(b"close"));
    Ok(Some(Shape { status, retry_after: header("retry-after").is_some(), closes, head, length }))
}
