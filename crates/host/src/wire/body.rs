//! The body of an answer, whole or not at all.

use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::head::{Length, ends};
use super::{Connection, LONGEST_HEAD, WireError};

/// Up to this a body is copied, so that the connection's buffer serves the next answer, and a value that is kept for
/// long holds no more memory than itself.
const COPIED: usize = 16 << 10;

/// Whether answers of this status have no body, whatever they say.
pub(super) fn is_bare(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) async fn body(&mut self, status: StatusCode, length: Length, limit: usize) -> Result<Bytes, WireError> {
        match length {
            _ if is_bare(status) => Ok(Bytes::new()),
            Length::Bytes(length) if length > limit => Err(WireError::TooLarge),
            Length::Bytes(length) => self.take(length).await,
            Length::Chunks => self.chunks(limit).await,
            Length::Unsaid if status == StatusCode::OK => Err(WireError::Endless),
            Length::Unsaid => self.rest(limit).await,
        }
    }

    /// The next so many bytes.
    async fn take(&mut self, length: usize) -> Result<Bytes, WireError> {
        while self.read.len() < length {
            self.read.reserve(length - self.read.len());
            if self.stream.read_buf(&mut self.read).await.map_err(WireError::Read)? == 0 {
                return Err(WireError::Body("the connection closed"));
            }
        }
        if length > COPIED {
            return Ok(self.read.split_to(length).freeze());
        }
        let body = Bytes::copy_from_slice(&self.read[..length]);
        self.read.advance(length);
        Ok(body)
    }

    async fn chunks(&mut self, limit: usize) -> Result<Bytes, WireError> {
        let mut body = BytesMut::new();
        loop {
            let length = self.chunk_size().await?;
            if length == 0 {
                self.trailers().await?;
                return Ok(body.freeze());
            }
            if length > limit.saturating_sub(body.len()) {
                return Err(WireError::TooLarge);
            }
            body.extend_from_slice(&self.take(length).await?);
            if &self.take(2).await?[..] != b"\r\n" {
                return Err(WireError::Body("a chunk is longer than it says"));
            }
        }
    }

    async fn chunk_size(&mut self) -> Result<usize, WireError> {
        loop {
            match httparse::parse_chunk_size(&self.read) {
                Ok(httparse::Status::Complete((line, length))) => {
                    self.read.advance(line);
                    return usize::try_from(length).map_err(|_| WireError::TooLarge);
                }
                Ok(httparse::Status::Partial) if self.read.len() > LONGEST_HEAD => return Err(WireError::LongHead),
                Ok(httparse::Status::Partial) => {}
                Err(_) => return Err(WireError::Body("a chunk does not say how long it is")),
            }
            if self.more().await? == 0 {
                return Err(WireError::Body("the connection closed"));
            }
        }
    }

    /// Reads past what may stand after the last chunk; nobody is interested in it.
    async fn trailers(&mut self) -> Result<(), WireError> {
        loop {
            // The last chunk's own line has ended: an empty one is the end.
            if self.read.starts_with(b"\r\n") {
                self.read.advance(2);
                return Ok(());
            }
            if ends(&self.read) {
                // Whatever else came is let go of with the connection.
                return Ok(());
            }
            if self.read.len() > LONGEST_HEAD {
                return Err(WireError::LongHead);
            }
            if self.more().await? == 0 {
                return Err(WireError::Body("the connection closed"));
            }
        }
    }

    /// All that comes until the connection closes.
    async fn rest(&mut self, limit: usize) -> Result<Bytes, WireError> {
        while self.read.len() <= limit {
            if self.more().await? == 0 {
                return Ok(self.read.split().freeze());
            }
        }
        Err(WireError::TooLarge)
    }
}
