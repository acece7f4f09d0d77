//! The page's port on both loopbacks: whoever has one of them alone could answer in the page's name.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

/// Ports that are tried in turn.
const PORTS: std::ops::Range<u16> = 7400..7500;

/// Listeners at one port.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) port: u16,
    /// On 127.0.0.1, and on ::1 where this machine has it.
    pub(crate) sockets: Vec<TcpListener>,
    /// Whether the port that was wanted first is taken by somebody else.
    pub(crate) is_other: bool,
}

/// Listens at a fixed port.
pub(crate) async fn fixed(port: u16) -> io::Result<Listeners> {
    Ok(Listeners { port, sockets: both(port).await?, is_other: false })
}

/// Listens at the port of last time, else at one of a hundred from one that the app's name chooses, else at any.
pub(crate) async fn any(name: &str, last: Option<u16>) -> io::Result<Listeners> {
    if let Some(port) = last
        && let Ok(sockets) = both(port).await
    {
        return Ok(Listeners { port, sockets, is_other: false });
    }
    let is_other = last.is_some();
    let first = u16::from(blake3::hash(name.as_bytes()).as_bytes()[0]) % 100;
    for at in 0..100 {
        let port = PORTS.start + (first + at) % 100;
        if let Ok(sockets) = both(port).await {
            return Ok(Listeners { port, sockets, is_other });
        }
    }
    let mut refused = io::Error::other("no port is free");
    for _ in 0..16 {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        match both(free).await {
            Ok(sockets) => return Ok(Listeners { port: free, sockets, is_other }),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Both loopbacks or none; a machine without IPv6 has one.
async fn both(port: u16) -> io::Result<Vec<TcpListener>> {
    let mut sockets = vec![TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?];
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
        Ok(socket) => sockets.push(socket),
        // EADDRNOTAVAIL, EAFNOSUPPORT: nobody can have it.
        Err(error) if matches!(error.raw_os_error(), Some(99 | 97)) => {}
        Err(error) => return Err(error),
    }
    Ok(sockets)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_of_which_one_loopback_is_taken_is_not_used() {
        let Ok(impostor) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
            // A machine without IPv6: there is nobody who could.
            return;
        };
        let port = impostor.local_addr().unwrap().port();
        assert!(fixed(port).await.is_err());
        let other = any("app-1", Some(port)).await.unwrap();
        assert!(other.is_other && other.port != port, "{other:?}");
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        assert!(fixed(taken.local_addr().unwrap().port()).await.is_err());
        assert!(fixed(other.port).await.is_err(), "it is this one's");
    }
}
