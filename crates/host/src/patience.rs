//! A connection that does not wait for ever for whoever should read it.
//!
//! A caller who takes no answer holds a connection, and the answer in memory, without ever sending anything that a
//! deadline could end. Nothing is timed while answers are taken as they come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// From when an answer had to wait for its reader for the first time, it is waited for this long.
const LONGEST: Duration = Duration::from_secs(30);
/// And a second more for each so many bytes that were taken since: a slow line is no attack.
const EACH_SECOND: u64 = 64 << 10;

/// A connection whose writes fail where nobody takes them.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    stalled: Option<Stalled>,
}

/// An answer that had to wait, until it is taken whole.
#[derive(Debug)]
struct Stalled {
    since: Instant,
    taken: u64,
    end: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, stalled: None }
    }

    /// What a write came to, unless it has been waited for too long.
    fn written(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if let (Ok(count), Some(stalled)) = (&written, &mut self.stalled) {
                stalled.taken += *count as u64;
            }
            return Poll::Ready(written);
        }
        let stalled = self.stalled.get_or_insert_with(|| Stalled {
            since: Instant::now(),
            taken: 0,
            end: Box::pin(tokio::time::sleep(LONGEST)),
        });
        let end = stalled.since + LONGEST + Duration::from_secs(stalled.taken / EACH_SECOND);
        if stalled.end.deadline() != end {
            stalled.end.as_mut().reset(end);
        }
        ready!(stalled.end.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nobody took the answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, from);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, from);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Asked once all of an answer is written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.stalled = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_its_connection() {
        let (near, _far) = duplex(1 << 10);
        let begun = Instant::now();
        let error = Patient::new(near).write_all(&[0; 4 << 10]).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, LONGEST.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_does_not_help_and_a_slow_line_does() {
        for (bytes, pause, whole) in [(1, 1, false), (128 << 10, 1, true), (1 << 20, 10, true)] {
            let (near, mut far) = duplex(1 << 10);
            let reader = tokio::spawn(async move {
                let mut buffer = vec![0; bytes];
                while far.read_exact(&mut buffer).await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                }
            });
            let mut patient = Patient::new(near);
            let written = patient.write_all(&vec![0; 8 << 20]).await;
            assert_eq!(written.is_ok(), whole, "{bytes} bytes every {pause} s");
            drop(patient);
            reader.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_taken_whole_is_forgotten() {
        let (near, mut far) = duplex(1 << 10);
        let reader = tokio::spawn(async move {
            let mut buffer = [0; 4 << 10];
            while far.read_exact(&mut buffer).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        });
        let mut patient = Patient::new(near);
        for _ in 0..10 {
            patient.write_all(&[0; 4 << 10]).await.unwrap();
            patient.flush().await.unwrap();
        }
        drop(patient);
        reader.await.unwrap();
    }
}
