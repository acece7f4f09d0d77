//! The chain's public listener: a second listener, on the last service of the chain, that comes and goes with the
//! configuration.
//!
//! As a process it uses `SO_REUSEPORT`, so that the new one opens before the old one closes. Docker binds the port to a container:
//! when the last service becomes another, both containers are made anew, values are carried, and the gap is shown.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use crate::socket::Listener;

/// As many callers may wait to be let in as the kernel usually allows, and as are let in at a time. Whoever does not find
/// room takes himself for connected, and waits for an answer from nobody.
const BACKLOG: u32 = 4096;

/// Opens and closes the public listener.
pub(crate) struct PublicListener {
    open: Mutex<Option<Open>>,
    admin: UnboundedSender<Opened>,
}

struct Open {
    address: SocketAddr,
    end: watch::Sender<bool>,
}

/// A door to let callers in by, until its end is told.
pub(crate) struct Opened {
    pub(crate) listener: Listener,
    pub(crate) end: watch::Receiver<bool>,
}

impl PublicListener {
    /// The public listener, closed, and where it appears once it is open.
    pub(crate) fn new() -> (Self, UnboundedReceiver<Opened>) {
        let (admin, opened) = unbounded_channel();
        (Self { open: Mutex::default(), admin }, opened)
    }

    /// Has the public listener be at this address, or nowhere. Another host may have it at the same moment: whoever gets it
    /// opens first, whoever had it closes then, and no caller finds nobody.
    pub(crate) fn lead(&self, address: Option<SocketAddr>) -> io::Result<()> {
        let mut open = self.open.lock();
        if open.as_ref().map(|open| open.address) == address {
            return Ok(());
        }
        let next = address.map(|address| bind(address, true).map(|listener| (address, listener))).transpose()?;
        if let Some(before) = open.take() {
            before.end.send_replace(true);
        }
        *open = next.map(|(address, listener)| {
            let (end, ended) = watch::channel(false);
            // Refused by a server that ends, which lets nobody in any more.
            drop(self.admin.send(Opened { listener: Listener::Tcp(listener), end: ended }));
            Open { address, end }
        });
        Ok(())
    }
}

/// Listens at an address, alone or beside others that share it.
pub(crate) fn bind(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(is_shared)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    if is_shared && let Err(error) = take_all(&listener) {
        eprintln!("dyninka: the public listener moves without a filter, so a caller may be cut off: {error}");
    }
    Ok(listener)
}

/// Has the kernel lead all callers to the second listener of an address from now on: the one before it then closes with
/// nobody who waits to be let in. Where there is but one, it is that one.
fn take_all(listener: &TcpListener) -> io::Result<()> {
    // socket(7), SO_ATTACH_REUSEPORT_CBPF: a program that answers which listener, by its place in the order they came.
    let mut second = [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 1 }];
    let program = libc::sock_fprog { len: 1, filter: second.as_mut_ptr() };
    let length = size_of::<libc::sock_fprog>() as libc::socklen_t;
    // SAFETY: the program and what it points to live as long as the call, which copies them.
    let set = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            length,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_crowd_waits_to_be_let_in_and_nobody_of_it_is_forgotten() {
        let listener = bind(([127, 0, 0, 1], 0).into(), false).unwrap();
        let address = listener.local_addr().unwrap();
        let mut crowd = Vec::new();
        for _ in 0..400 {
            // Where there is no room left, the kernel tries for two minutes and gives up.
            crowd.push(TcpStream::connect(address).await.unwrap());
        }
        for _ in &crowd {
            listener.accept().await.unwrap();
        }
        assert_eq!(bind(address, false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn two_hosts_hand_the_door_over_and_it_is_never_shut() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let ((old, mut old_doors), (new, mut new_doors)) = (PublicListener::new(), PublicListener::new());
        old.lead(Some(address)).unwrap();
        let before = old_doors.recv().await.unwrap();
        new.lead(Some(address)).unwrap();
        let after = new_doors.recv().await.unwrap();
        old.lead(None).unwrap();
        assert!(*before.end.borrow());
        drop(before);
        assert!(!*after.end.borrow());
        let (caller, accepted) = tokio::join!(TcpStream::connect(address), after.listener.accept());
        assert!(caller.is_ok() && accepted.is_ok());
    }

    #[tokio::test]
    async fn whoever_opens_second_has_all_callers_from_then_on() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut before = bind(address, true).unwrap();
        for _ in 0..3 {
            let after = bind(address, true).unwrap();
            for _ in 0..64 {
                let (caller, accepted) = tokio::join!(TcpStream::connect(address), after.accept());
                assert!(caller.is_ok() && accepted.is_ok());
            }
            drop(std::mem::replace(&mut before, after));
        }
        let (caller, accepted) = tokio::join!(TcpStream::connect(address), before.accept());
        assert!(caller.is_ok() && accepted.is_ok());
    }
}
