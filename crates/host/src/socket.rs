//! Connections between services: TCP, and within a machine's own processes a unix socket beside it.
//!
//! A hop over loopback TCP goes through all of the network stack twice, a unix socket through none of it. A host that
//! listens on a loopback address has a second door under a name made of that address, in the kernel's abstract
//! namespace: nothing to remove, and gone with the process. Who is told the address finds the name. Containers have
//! namespaces of their own: there the sockets of an app are in a folder, by address, which a session made ([`mod@handed`]).
//! Where nobody listens it is TCP as ever.

mod handed;
mod unix;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

pub(crate) use handed::{Handed, handed};
use unix::Unix;

/// Where callers come in.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(Unix),
}

/// What a loopback address is called among unix sockets: a zero first is the abstract namespace.
fn name(address: SocketAddr) -> Option<String> {
    address.ip().is_loopback().then(|| format!("\0dyninka/{address}"))
}

impl Listener {
    /// The second door of a host that listens on this address; none where the address is for others, too.
    pub(crate) fn beside(address: SocketAddr) -> io::Result<Option<Self>> {
        name(address).map(|name| UnixListener::bind(name).map(Self::Unix)).transpose()
    }

    /// The next caller.
    pub(crate) async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp(listener) => listener.accept().await.and_then(|(stream, _)| Socket::tcp(stream)),
            Self::Unix(listener) => listener.accept().await.and_then(|(stream, _)| Unix::new(stream)).map(Socket::Unix),
        }
    }

    /// Closes it, and answers the callers that waited to be let in: closed with the listener, they would be reset. The
    /// kernel itself is asked for them, because tokio hears of a caller only when a thread of its looks.
    pub(crate) fn close(self) -> io::Result<Vec<Socket>> {
        match self {
            Self::Tcp(listener) => {
                let listener = listener.into_std()?;
                all(|| {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    Socket::tcp(TcpStream::from_std(stream)?)
                })
            }
            Self::Unix(listener) => {
                let listener = listener.into_std()?;
                all(|| {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    Unix::new(UnixStream::from_std(stream)?).map(Socket::Unix)
                })
            }
        }
    }
}

/// What there is before it would have to be waited for.
fn all<T>(next: impl Fn() -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    loop {
        match next() {
            Ok(one) => all.push(one),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(all),
            // A caller that has gone again, or a signal.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

impl Socket {
    /// Connects to a host's address, `host:port`; its socket may be in a folder.
    pub(crate) async fn connect(address: &str, folder: Option<&Path>) -> io::Result<Self> {
        // Only the session makes sockets there: whoever listens is whom it gave the address.
        if let Some(name) = folder.and(protocol::socket_name(address))
            && let Some(folder) = folder
            && let Ok(stream) = UnixStream::connect(folder.join(name)).await
        {
            return Unix::new(stream).map(Self::Unix);
        }
        let name = address.parse().ok().and_then(name);
        // Not there, or more callers than it lets in: the address itself says what is wrong, or nothing is.
        if let Some(name) = name
            && let Ok(stream) = UnixStream::connect(name).await
        {
            // A name is anybody's who takes it first.
            if stream.peer_cred()?.uid() == rustix::process::geteuid().as_raw() {
                return Unix::new(stream).map(Self::Unix);
            }
            eprintln!("dyninka: another user listens in the name of {address}: connected by TCP");
        }
        Self::tcp(TcpStream::connect(address).await?)
    }

    fn tcp(stream: TcpStream) -> io::Result<Self> {
        // A hop is one small packet each way: waiting to fill it is waiting for nothing.
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Reads what is there; nothing: [`io::ErrorKind::WouldBlock`].
    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(into),
            Self::Unix(stream) => stream.try_read(into),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, into),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, from),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, from),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, from),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, from),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr as SocketAddrUnix;

    use super::*;

    #[tokio::test]
    async fn a_host_on_loopback_is_met_at_its_second_door_and_without_one_at_the_first() {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap();
        let (first, named) = (Listener::Tcp(first), address.to_string());
        let second = Listener::beside(address).unwrap().unwrap();
        assert!(Listener::beside(address).is_err(), "the name is taken");
        let (near, far) = tokio::join!(Socket::connect(&named, None), second.accept());
        assert!(matches!((near.unwrap(), far.unwrap()), (Socket::Unix(_), Socket::Unix(_))));
        drop(second);
        let (near, far) = tokio::join!(Socket::connect(&named, None), first.accept());
        assert!(matches!((near.unwrap(), far.unwrap()), (Socket::Tcp(_), Socket::Tcp(_))));
        drop(first);
        let refused = Socket::connect(&named, None).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_listener_that_closes_lets_in_who_came_before_tokio_heard_of_it() {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap();
        let second = Listener::beside(address).unwrap().unwrap();
        // Without a pause for the runtime between, which has one thread here.
        let callers: Vec<_> = (0..4).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let name = SocketAddrUnix::from_abstract_name(&name(address).unwrap()[1..]).unwrap();
        let besides: Vec<_> = (0..4).map(|_| std::os::unix::net::UnixStream::connect_addr(&name).unwrap()).collect();
        let let_in = (Listener::Tcp(first).close().unwrap(), second.close().unwrap());
        assert_eq!((let_in.0.len(), let_in.1.len()), (callers.len(), besides.len()));
    }

    #[tokio::test]
    async fn an_address_for_others_has_one_door() {
        for address in ["0.0.0.0:8080", "192.0.2.1:80", "[::]:8080"] {
            assert!(Listener::beside(address.parse().unwrap()).unwrap().is_none(), "{address}");
        }
    }
}
