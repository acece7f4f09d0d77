//! One HTTP/1.1 connection to another service, read and written by the request that uses it: no task of its own that
//! would have to be woken, no map of headers, one buffer each way that is used again.

mod body;
mod head;
#[cfg(test)]
mod tests;

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::socket::Socket;
use head::{Head, Length};
pub(crate) use head::{Question, Said, is_value};

/// A head longer than this is none: what services say of those before them is held to half of it.
const LONGEST_HEAD: usize = 64 << 10;
/// What is asked for at a time where nothing is known of the length.
const READ: usize = 4 << 10;
/// A buffer that grew beyond this for one answer is not kept for the next.
const LARGEST_KEPT: usize = 64 << 10;

/// A connection that is open, as far as is known.
#[derive(Debug)]
pub(crate) struct Connection<S = Socket> {
    stream: S,
    /// Read, and not used yet.
    read: BytesMut,
    /// Whether the other side goes on after its answer.
    keeps: bool,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) said: Said,
    pub(crate) body: Bytes,
}

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// Of the question, nothing was sent: it may be asked again.
    #[error("nothing could be sent: {0}")]
    Unsent(io::Error),
    #[error("the question could not be sent whole: {0}")]
    Sent(io::Error),
    #[error("its answer could not be read: {0}")]
    Read(io::Error),
    #[error("connection closed before message completed")]
    Closed,
    #[error("its answer is no HTTP: {0}")]
    Head(#[from] httparse::Error),
    #[error("its answer's head is longer than {LONGEST_HEAD} bytes")]
    LongHead,
    #[error("its answer has no content-length that can be: {0}")]
    Length(String),
    #[error("it would go on in another protocol")]
    Switched,
    #[error("its answer breaks off: {0}")]
    Body(&'static str),
    #[error("its answer is too large")]
    TooLarge,
    /// Cut short, it would pass for whole.
    #[error("its answer does not say how long it is")]
    Endless,
}

impl Connection {
    /// Whether it can be used again: open as far as the kernel told, and nothing came that nobody asked for.
    pub(crate) fn is_open(&self) -> bool {
        let silent = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.stream.try_read(&mut [0]).as_ref().is_err_and(silent)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection nothing was asked on yet.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read: BytesMut::new(), keeps: true }
    }

    /// Asks, and reads the whole answer, of `limit` bytes at most. Dropped before its end, the connection is of no
    /// more use; after an error neither.
    pub(crate) async fn exchange(&mut self, question: &Question, limit: usize) -> Result<Answer, WireError> {
        self.keeps = false;
        let mut unsent = question.bytes();
        while !unsent.is_empty() {
            match self.stream.write(unsent).await {
                Ok(0) => return Err(WireError::Sent(io::ErrorKind::WriteZero.into())),
                Ok(written) => unsent.advance(written),
                Err(error) if unsent.len() == question.bytes().len() => return Err(WireError::Unsent(error)),
                Err(error) => return Err(WireError::Sent(error)),
            }
        }
        let mut head = self.head().await?;
        // What is said before the answer itself is for those who wait before they send, which we do not.
        while head.status.is_informational() {
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(WireError::Switched);
            }
            head = self.head().await?;
        }
        let Head { status, length, keeps, said } = head;
        let body = self.body(status, length, limit).await?;
        let ended = length != Length::Unsaid || body::is_bare(status);
        self.keeps = keeps && ended && self.read.is_empty();
        Ok(Answer { status, said, body })
    }

    /// Whether it may be asked again after the answer that was read last.
    pub(crate) fn keeps(&mut self) -> bool {
        if self.read.capacity() > LARGEST_KEPT {
            self.read = BytesMut::new();
        }
        self.keeps
    }

    async fn head(&mut self) -> Result<Head, WireError> {
        // Read again only once there is an empty line: a head that comes byte by byte is not read as often.
        let mut looked = 0_usize;
        loop {
            let news = &self.read[looked.saturating_sub(3)..];
            if !news.is_empty()
                && (looked == 0 || head::ends(news))
                && let Some((head, length)) = Head::parse(&self.read)?
            {
                self.read.advance(length);
                return Ok(head);
            }
            looked = self.read.len();
            if looked > LONGEST_HEAD {
                return Err(WireError::LongHead);
            }
            if self.more().await? == 0 {
                return Err(WireError::Closed);
            }
        }
    }

    /// Reads what has come; 0: nothing more will.
    async fn more(&mut self) -> Result<usize, WireError> {
        self.read.reserve(READ);
        self.stream.read_buf(&mut self.read).await.map_err(WireError::Read)
    }
}
