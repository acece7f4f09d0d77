//! Ports of this machine.

use std::collections::BTreeSet;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as SocketAddrUnix, UnixDatagram};

use parking_lot::Mutex;

/// A port of 127.0.0.1 that nobody listens on now: `wanted` itself, or for 0 one the system picks.
pub fn free_port(wanted: u16) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))?;
    listener.local_addr().map(|address| address.port())
}

/// A port that this process holds for a public listener of its own, until this is dropped.
///
/// Hosts bind a public listener with `SO_REUSEPORT`, so that the next host opens it before the one before closes it. The
/// system would let two sessions of a user do that on one port, and give each half of the connections. So a session
/// holds a name for the port first, in the abstract namespace of unix sockets: one for each network namespace, like the
/// port itself, and gone with the process.
#[derive(Debug)]
pub struct HeldPort {
    port: u16,
    _name: UnixDatagram,
}

impl HeldPort {
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Somebody listens there, or is about to.
    #[error("port {port} is taken by {holder}")]
    Taken { port: u16, holder: String },
    /// The system does not let this user listen there.
    #[error("this user has no permission to listen on port {port}")]
    Denied {
        port: u16,
        /// It is held all the same: an engine with more rights may listen there.
        held: HeldPort,
    },
    /// The system does not let anybody.
    #[error("cannot listen on port {port}: {source}")]
    Io { port: u16, source: io::Error },
}

impl PortError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let another = "name another with --port, or 0 for a free one";
        match self {
            Self::Taken { .. } => another.to_owned(),
            Self::Denied { port, .. } => format!(
                "{another}; ports below {} are for root: `sudo sysctl net.ipv4.ip_unprivileged_port_start={port}` opens \
                 this one to everybody",
                unprivileged_from()
            ),
            Self::Io { source, .. } if crate::limits::is_out_of_files(source) => crate::limits::FILES_HINT.to_owned(),
            Self::Io { .. } => another.to_owned(),
        }
    }
}

/// The first port that needs no rights (ip-sysctl: `ip_unprivileged_port_start`).
fn unprivileged_from() -> u16 {
    let start = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    start.trim().parse().unwrap_or(1024)
}

/// Holds a port for a public listener: `wanted`, or for 0 one that the system picks.
pub fn hold_port(wanted: u16) -> Result<HeldPort, PortError> {
    loop {
        let port = match wanted {
            0 => free_port(0).map_err(|source| PortError::Io { port: 0, source })?,
            port => port,
        };
        let name = match hold_name(port) {
            Ok(name) => name,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && wanted == 0 => continue,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(PortError::Taken { port, holder: holder(port) });
            }
            Err(source) => return Err(PortError::Io { port, source }),
        };
        let held = HeldPort { port, _name: name };
        return match free_port(port) {
            Ok(_) => Ok(held),
            Err(_) if wanted == 0 => continue,
            Err(error) => Err(refused(held, error)),
        };
    }
}

fn refused(held: HeldPort, error: io::Error) -> PortError {
    let port = held.port;
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            // The name is ours, the port is not.
            drop(held);
            PortError::Taken { port, holder: holder(port) }
        }
        io::ErrorKind::PermissionDenied => PortError::Denied { port, held },
        _ => PortError::Io { port, source: error },
    }
}

fn hold_name(port: u16) -> io::Result<UnixDatagram> {
    UnixDatagram::bind_addr(&SocketAddrUnix::from_abstract_name(name(port))?)
}

/// The name that stands for a port, of this user's: the system keeps users apart by itself.
fn name(port: u16) -> String {
    format!("dyninka/front/{}/{port}", rustix::process::getuid().as_raw())
}

/// Who has a port, or is about to.
fn holder(port: u16) -> String {
    let session = || {
        let inode = named_in(&fs::read_to_string("/proc/net/unix").ok()?, &format!("@{}", name(port)))?;
        owner(&inode).map(|owner| format!("the session of {owner}"))
    };
    session().or_else(|| port_holder(port)).unwrap_or_else(|| "another program".to_owned())
}

/// The inode of a unix socket by its name (proc(5): the name comes last).
fn named_in(table: &str, name: &str) -> Option<String> {
    table.lines().find(|line| line.ends_with(&format!(" {name}")))?.split_whitespace().nth(6).map(str::to_owned)
}

/// Ports that were picked and may not be listened on yet: the system, asked again, may name one of them again.
#[derive(Debug, Default)]
pub(crate) struct Ports(Mutex<BTreeSet<u16>>);

impl Ports {
    /// None of these will be picked.
    pub(crate) fn except(taken: impl IntoIterator<Item = u16>) -> Self {
        Self(Mutex::new(taken.into_iter().collect()))
    }

    /// A port that is free and was not picked before: below those that the system gives to connections, one of which
    /// would else have it by the time a host binds it. Where none of many is free, whatever the system names.
    pub(crate) fn pick(&self) -> io::Result<u16> {
        let mut picked = self.0.lock();
        let below = connections_from().saturating_sub(LOWEST);
        for _ in 0..if below > 0 { TRIES } else { 0 } {
            // Hashing nothing under a key drawn anew is a number nobody foresees: two sessions do not try in step.
            let drawn = RandomState::new().hash_one(());
            let port = LOWEST + u16::try_from(drawn % u64::from(below)).unwrap_or_default();
            if !picked.contains(&port) && free_port(port).is_ok() {
                picked.insert(port);
                return Ok(port);
            }
        }
        loop {
            let port = free_port(0)?;
            if picked.insert(port) {
                return Ok(port);
            }
        }
    }
}

/// Ports from here on are nobody's by custom: most servers have theirs below.
const LOWEST: u16 = 15_000;
const TRIES: usize = 1000;

/// The first port that the system gives to connections (ip-sysctl: `ip_local_port_range`).
fn connections_from() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(LOWEST)
}

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Who listens on a TCP port of this machine, in words such as `nginx (pid 123)`. None where nobody does, or where
/// it is somebody whose files this user may not see.
pub fn port_holder(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .find_map(|table| listener_in(&fs::read_to_string(table).ok()?, port))?;
    owner(&inode)
}

/// The process that has a socket, in words such as `nginx (pid 123)`.
fn owner(inode: &str) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target.as_os_str() == wanted.as_str())
    };
    let pid = processes.into_iter().find(holds)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} (pid {pid})", name.trim()))
}

/// The inode of the socket that listens on a port (proc(5): state 0A is TCP_LISTEN).
fn listener_in(table: &str, port: u16) -> Option<String> {
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let listens = words.get(1)?.ends_with(&suffix) && *words.get(3)? == "0A";
        listens.then(|| words.get(9).map(|inode| (*inode).to_owned()))?
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_picked_twice() {
        let first = Ports::default().pick().unwrap();
        let ports = Ports::except([first]);
        let picked: BTreeSet<u16> = (0..500).map(|_| ports.pick().unwrap()).collect();
        assert!(picked.len() == 500 && !picked.contains(&first));
    }

    #[test]
    fn a_port_is_held_by_one_however_late_it_is_listened_on_and_the_other_is_told_who() {
        let held = hold_port(0).unwrap();
        let port = held.port();
        let me = format!("(pid {})", std::process::id());
        let taken = hold_port(port).unwrap_err();
        assert!(matches!(&taken, PortError::Taken { holder, .. } if holder.starts_with("the session of ")), "{taken}");
        assert!(taken.to_string().ends_with(&me) && taken.hint().contains("--port"), "{taken}");
        // Somebody else who listens there.
        drop(held);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let taken = hold_port(port).unwrap_err();
        assert!(!taken.to_string().contains("session") && taken.to_string().ends_with(&me), "{taken}");
        drop(listener);
        assert_eq!(hold_port(port).unwrap().port(), port);
    }

    #[test]
    fn many_who_want_a_port_at_once_are_one_who_has_it() {
        let port = hold_port(0).unwrap().port();
        let held = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(move || hold_port(port).ok())).collect();
            tries.into_iter().filter_map(|held| held.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(held.len(), 1);
    }

    #[test]
    fn a_port_without_rights_is_not_one_that_is_taken() {
        let held = hold_port(0).unwrap();
        let denied = refused(held, io::ErrorKind::PermissionDenied.into());
        assert!(denied.to_string().contains("no permission") && denied.hint().contains("root"), "{denied}");
        let held = hold_port(0).unwrap();
        let full = refused(held, io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error()));
        assert!(full.hint().contains("ulimit -n"), "{full}: {}", full.hint());
    }

    #[test]
    fn a_port_of_ours_is_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(free_port(port).is_err());
        let holder = port_holder(port).unwrap();
        assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
        drop(listener);
        assert_eq!(port_holder(port), None);
        assert_eq!(free_port(port).unwrap(), port);
    }
}
