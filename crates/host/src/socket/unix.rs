//! A unix socket that is told of what comes, and not of what went.
//!
//! Whenever the other side of a unix socket has read, the kernel tells the writer that there is room again, and tokio's
//! own would wake a host for that, twice a hop and for nothing: TCP tells only those who found none. So this one asks
//! about room only when there is none.

use std::io::{self, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, recv};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// A connection over a unix socket.
#[derive(Debug)]
pub(crate) struct Unix {
    stream: AsyncFd<UnixStream>,
    /// While there is no room: the same connection, waiting for it.
    room: Option<AsyncFd<UnixStream>>,
}

impl Unix {
    pub(super) fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        Ok(Self { stream: register(stream.into_std()?, Interest::READABLE)?, room: None })
    }

    /// Reads what is there; nothing: [`io::ErrorKind::WouldBlock`].
    pub(super) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.try_io(Interest::READABLE, |mut stream| stream.read(into))
    }

    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        send: impl Fn(&mut &UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match send(&mut self.stream.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                sent => {
                    self.room = None;
                    return Poll::Ready(sent);
                }
            }
            let room = match &mut self.room {
                Some(room) => room,
                None => {
                    let stream = self.stream.get_ref().try_clone()?;
                    self.room.insert(register(stream, Interest::WRITABLE)?)
                }
            };
            ready!(room.poll_write_ready(context))?.clear_ready();
        }
    }
}

fn register(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: the stream owns its descriptor, and is given out by reference only: it stays open, and the same.
    unsafe { Ok(AsyncFd::register_with_interest(stream, interest)?) }
}

impl AsyncRead for Unix {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.stream.poll_read_ready(context))?;
            // SAFETY: nothing that was initialised is made otherwise: bytes are only written to it.
            let room = unsafe { into.unfilled_mut() };
            let length = room.len();
            match ready.try_io(|stream| Ok(recv(stream.get_ref(), &mut *room, RecvFlags::empty())?.1)) {
                Ok(Ok(read)) => {
                    // Less than there was room for is all there was: the next look would find nothing.
                    if 0 < read && read < length {
                        ready.clear_ready();
                    }
                    // SAFETY: the kernel wrote so many bytes there.
                    unsafe { into.assume_init(read) };
                    into.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_nothing_there) => {}
            }
        }
    }
}

impl AsyncWrite for Unix {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.write(from))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.write_vectored(from))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.get_ref().shutdown(std::net::Shutdown::Write))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair() -> (Unix, Unix) {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        (Unix::new(near).unwrap(), Unix::new(far).unwrap())
    }

    #[tokio::test]
    async fn far_more_than_there_is_room_for_arrives_whole() {
        let (mut near, mut far) = pair();
        let bytes: Vec<u8> = (0..4_u32 << 20).map(|at| at.to_le_bytes()[1]).collect();
        let sent = bytes.clone();
        let sends = tokio::spawn(async move {
            near.write_all(&sent).await.unwrap();
            assert!(near.room.is_none(), "nobody waits any more");
            near.shutdown().await.unwrap();
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            answer
        });
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.unwrap();
        assert!(read == bytes);
        far.write_all(b"thanks").await.unwrap();
        drop(far);
        assert_eq!(sends.await.unwrap(), b"thanks");
    }

    #[tokio::test]
    async fn silence_is_told_from_the_end() {
        let (mut near, far) = pair();
        let silent = |unix: &Unix| unix.try_read(&mut [0]).unwrap_err().kind() == io::ErrorKind::WouldBlock;
        assert!(silent(&near));
        let mut far = far;
        far.write_all(b"42").await.unwrap();
        let mut read = [0; 8];
        assert_eq!(near.read(&mut read).await.unwrap(), 2);
        assert!(silent(&near));
        drop(far);
        near.stream.readable().await.unwrap().retain_ready();
        assert_eq!(near.try_read(&mut [0]).unwrap(), 0);
        assert_eq!(near.write(b"1").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
