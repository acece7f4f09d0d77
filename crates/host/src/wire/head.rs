//! The heads of a question and of an answer.

use std::mem::MaybeUninit;

use http::StatusCode;
use protocol::header;

use super::WireError;

/// Headers of an answer that are read; a host sends half a dozen.
const MOST_HEADERS: usize = 100;
/// Room for a question's head without growing: a chain of a dozen services.
const COMMON_HEAD: usize = 512;

/// A question, as it is sent.
#[derive(Debug)]
pub(crate) struct Question(Vec<u8>);

impl Question {
    /// `GET /`, or `POST /` where there is a body to come.
    pub(crate) fn new(posts: bool, host: &str) -> Self {
        Self::at(posts, "/", host)
    }

    /// The same of a path of names.
    pub(crate) fn at(posts: bool, path: &str, host: &str) -> Self {
        let mut question = Self(Vec::with_capacity(COMMON_HEAD));
        for part in [if posts { "POST " } else { "GET " }, path, " HTTP/1.1\r\n"] {
            question.0.extend_from_slice(part.as_bytes());
        }
        question.header("host", host);
        question
    }

    /// Adds a header. A value that no header can have is left out: it would be another header, or another question.
    pub(crate) fn header(&mut self, name: &str, value: &str) {
        if is_value(value) {
            for part in [name, ": ", value, "\r\n"] {
                self.0.extend_from_slice(part.as_bytes());
            }
        }
    }

    /// Adds a header that is a number.
    pub(crate) fn number(&mut self, name: &str, value: u128) {
        self.header(name, &value.to_string());
    }

    /// Ends the head; what follows is the body, JSON.
    pub(crate) fn end(self, body: Option<&[u8]>) -> Self {
        self.end_as(body, Some("application/json"))
    }

    /// The same with a body of another type, or of none.
    pub(crate) fn end_as(mut self, body: Option<&[u8]>, content_type: Option<&str>) -> Self {
        if let Some(body) = body {
            if let Some(content_type) = content_type {
                self.header("content-type", content_type);
            }
            self.number("content-length", body.len() as u128);
        }
        self.0.extend_from_slice(b"\r\n");
        self.0.extend_from_slice(body.unwrap_or_default());
        self
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a header can have a value.
pub(crate) fn is_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}

/// What a service says beside its answer, as far as others want to know it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) timing: Option<String>,
    pub(crate) versions: Option<String>,
    pub(crate) filtered: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) nodes: Option<String>,
    pub(crate) usage: Option<String>,
    pub(crate) data_versions: Option<String>,
    pub(crate) places: Option<String>,
}

/// How the end of an answer's body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Bytes(usize),
    Chunks,
    /// It is not: the connection closes.
    Unsaid,
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) length: Length,
    /// Whether the connection can be used again.
    pub(super) keeps: bool,
    pub(super) said: Said,
}

impl Head {
    /// The head and its length in bytes, once it is whole.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, WireError> {
        let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers)?;
        let httparse::Status::Complete(end) = parsed else { return Ok(None) };
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(httparse::Error::Status)?;
        let mut head =
            Self { status, length: Length::Unsaid, keeps: response.version == Some(1), said: Said::default() };
        for header in response.headers {
            head.note(header)?;
        }
        Ok(Some((head, end)))
    }

    fn note(&mut self, header: &httparse::Header<'_>) -> Result<(), WireError> {
        let Ok(value) = std::str::from_utf8(header.value) else { return Ok(()) };
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let first = |into: &mut Option<String>| {
            into.get_or_insert_with(|| value.to_owned());
        };
        match header.name.len() {
            14 if is("content-length") => self.measure(value)?,
            17 if is("transfer-encoding") => match value.trim().eq_ignore_ascii_case("chunked") {
                true => self.length = Length::Chunks,
                false => return Err(WireError::Length(format!("transfer-encoding: {value}"))),
            },
            10 if is("connection") => {
                self.keeps &= !value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"));
            }
            _ if is(header::SERVER_TIMING) => first(&mut self.said.timing),
            _ if is(header::VERSION) => first(&mut self.said.versions),
            _ if is(header::FILTERED) => first(&mut self.said.filtered),
            _ if is(header::NODES) => first(&mut self.said.nodes),
            _ if is(header::USAGE) => first(&mut self.said.usage),
            _ if is(header::DATA_VERSION) => first(&mut self.said.data_versions),
            _ if is(header::PLACE) => first(&mut self.said.places),
            _ if is("content-type") => first(&mut self.said.content_type),
            _ => {}
        }
        Ok(())
    }

    fn measure(&mut self, value: &str) -> Result<(), WireError> {
        let wrong = || WireError::Length(value.to_owned());
        // `parse` takes a plus, HTTP does not.
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let length: usize = value.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
        match self.length {
            // Chunks say it themselves (RFC 9112, 6.3).
            Length::Chunks => {}
            Length::Bytes(before) if before != length => return Err(wrong()),
            _ => self.length = Length::Bytes(length),
        }
        Ok(())
    }
}

/// Whether there is an empty line.
pub(super) fn ends(bytes: &[u8]) -> bool {
    let after_line = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| &bytes[at + 1..]);
    after_line.into_iter().any(|rest| rest.starts_with(b"\n") || rest.starts_with(b"\r\n"))
}
