//! Ports of this machine.

use std::collections::BTreeSet;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// A port of 127.0.0.1 that nobody listens on now: `wanted` itself, or for 0 one the system picks.
pub fn free_port(wanted: u16) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))?;
    listener.local_addr().map(|address| address.port())
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
        let mut picked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
