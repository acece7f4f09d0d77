//! A unix socket that a session made, listening, and handed to a host which may write nowhere itself.
//!
//! What is handed over leads nowhere: a socket that listens connects to nobody, and whoever connects to it is in the
//! folder of the app's sockets already.

use std::ffi::OsStr;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};

use super::Listener;

/// A session answers within this: it may be building.
const PATIENCE: Duration = Duration::from_secs(10);
/// A folder's name is shorter.
const LONGEST: usize = 4096;

/// What a session hands over.
pub(crate) struct Handed {
    pub(crate) listener: Listener,
    /// Where the sockets of all services of the app are.
    pub(crate) sockets: PathBuf,
}

/// What a session hands to the service of this folder; none where it hands nothing over.
pub(crate) async fn handed(folder: &Path) -> io::Result<Option<Handed>> {
    let from = folder.join(protocol::HANDOVER);
    let taken = tokio::task::spawn_blocking(move || take(&from)).await.map_err(io::Error::other)??;
    let Some((listener, sockets)) = taken else { return Ok(None) };
    listener.set_nonblocking(true)?;
    Ok(Some(Handed { listener: Listener::Unix(tokio::net::UnixListener::from_std(listener)?), sockets }))
}

fn take(from: &Path) -> io::Result<Option<(UnixListener, PathBuf)>> {
    let session = match UnixStream::connect(from) {
        Ok(session) => session,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    session.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = [0; LONGEST];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let read = recvmsg(&session, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let file: OwnedFd = files.flatten().next().ok_or_else(|| refused("the session handed none over"))?;
    if !sockopt::socket_acceptconn(&file)? {
        return Err(refused("what the session handed over does not listen"));
    }
    let sockets = PathBuf::from(OsStr::from_bytes(&bytes[..read]));
    if !sockets.is_absolute() {
        return Err(refused("the session did not say where the others are"));
    }
    Ok(Some((file.into(), sockets)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;
    use std::io::IoSlice;
    use std::os::fd::AsFd;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use tokio::net::TcpListener;

    use super::*;
    use crate::socket::Socket;

    /// A session that hands something over once.
    fn session(folder: &Path, file: impl AsFd + Send + 'static, sockets: &str) -> std::thread::JoinHandle<()> {
        let listener = UnixListener::bind(folder.join(protocol::HANDOVER)).unwrap();
        let sockets = sockets.to_owned();
        std::thread::spawn(move || {
            let (host, _) = listener.accept().unwrap();
            let files = [file.as_fd()];
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
            sendmsg(&host, &[IoSlice::new(sockets.as_bytes())], &mut control, SendFlags::empty()).unwrap();
        })
    }

    #[tokio::test]
    async fn handed_sockets_are_found_by_address_and_where_nobody_listens_it_is_tcp() {
        let (folder, sockets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        let made = UnixListener::bind(sockets.path().join(&address)).unwrap();
        let session = session(folder.path(), made, sockets.path().to_str().unwrap());
        let handed = handed(folder.path()).await.unwrap().unwrap();
        session.join().unwrap();
        assert_eq!(handed.sockets, sockets.path());
        let (near, far) = tokio::join!(Socket::connect(&address, Some(sockets.path())), handed.listener.accept());
        assert!(matches!((near.unwrap(), far.unwrap()), (Socket::Unix(_), Socket::Unix(_))));
        // The host is gone: its socket is still there, and nobody behind it.
        drop(handed);
        for folder in [Some(sockets.path()), Some(Path::new("/nowhere")), None] {
            let (near, far) = tokio::join!(Socket::connect(&address, folder), tcp.accept());
            assert!(matches!((near.unwrap(), far.is_ok()), (Socket::Tcp(_), true)), "{folder:?}");
        }
        // More than a socket's name may have.
        let long = sockets.path().join("x".repeat(200));
        let (near, far) = tokio::join!(Socket::connect(&address, Some(&long)), tcp.accept());
        assert!(matches!((near.unwrap(), far.is_ok()), (Socket::Tcp(_), true)));
    }

    #[tokio::test]
    async fn a_folder_without_a_handover_has_none_and_one_that_leads_nowhere_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(handed(folder.path()).await.unwrap().is_none());
        let listener = UnixListener::bind(folder.path().join(protocol::HANDOVER)).unwrap();
        drop(listener);
        let kind = |error: io::Error| error.kind();
        assert_eq!(handed(folder.path()).await.err().map(kind), Some(io::ErrorKind::ConnectionRefused));
        fs::remove_file(folder.path().join(protocol::HANDOVER)).unwrap();
        let connected = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let session = session(folder.path(), connected, "/sockets");
        assert!(handed(folder.path()).await.is_err(), "it does not listen");
        session.join().unwrap();
    }

    #[tokio::test]
    async fn a_session_that_does_not_say_where_the_others_are_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let made = UnixListener::bind(folder.path().join("made")).unwrap();
        let session = session(folder.path(), made, "sockets");
        let why = handed(folder.path()).await.err().unwrap().to_string();
        assert!(why.contains("where the others are"), "{why}");
        session.join().unwrap();
    }
}
