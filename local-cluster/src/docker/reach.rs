//! Services of this machine that containers reach: each has a port at the address that the app's network has here, which
//! leads on to it, for containers of that network alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bollard::query_parameters::InspectNetworkOptions;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::Inner;
use crate::backend::BackendError;
use crate::environment::Environment;

/// What leads on.
#[derive(Default)]
pub(super) struct Reach {
    /// By what it leads to.
    open: Mutex<BTreeMap<SocketAddr, Forward>>,
    /// What services reach whether their environment names it or not.
    kept: Mutex<BTreeSet<SocketAddr>>,
}

impl Reach {
    /// Where this leads on to an address.
    fn to(&self, bridge: Bridge, to: SocketAddr) -> Result<SocketAddr, BackendError> {
        let mut open = self.open.lock();
        if let Some(forward) = open.get(&to) {
            return Ok(forward.at);
        }
        let forward = Forward::open(bridge, to);
        let forward = forward.map_err(|error| lacking(to, &format!("{}: {error}", bridge.gateway)))?;
        let at = forward.at;
        open.insert(to, forward);
        Ok(at)
    }

    /// Leads nobody anywhere any more.
    pub(super) fn close(&self) {
        self.kept.lock().clear();
        self.open.lock().clear();
    }
}

fn lacking(to: SocketAddr, why: &str) -> BackendError {
    BackendError::Lacking(format!(
        "containers of this engine cannot reach {to} of this machine: {why}; --on process can"
    ))
}

/// An IPv4 network, and the address that this machine has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bridge {
    gateway: Ipv4Addr,
    network: Ipv4Addr,
    bits: u32,
}

impl Bridge {
    fn read(gateway: &str, subnet: &str) -> Option<Self> {
        let (network, bits) = subnet.split_once('/')?;
        let bits = bits.parse().ok().filter(|bits| *bits <= 32)?;
        // Some engines write the address with its bits.
        let gateway = gateway.split('/').next()?;
        Some(Self { gateway: gateway.parse().ok()?, network: network.parse().ok()?, bits })
    }

    fn has(self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
        address.to_bits() & mask == self.network.to_bits() & mask
    }
}

/// A port that leads on, until this is dropped.
struct Forward {
    at: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Forward {
    fn open(bridge: Bridge, to: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((bridge.gateway, 0))?;
        listener.set_nonblocking(true)?;
        let at = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Self { at, task: tokio::spawn(lead_on(listener, bridge, to)) })
    }
}

async fn lead_on(listener: TcpListener, bridge: Bridge, to: SocketAddr) {
    // Gone with the task that holds them.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((from, peer)) if bridge.has(peer.ip()) => drop(connections.spawn(join(from, to))),
                // Somebody else of this machine, or of another network.
                Ok(_) => {}
                // Out of files, as a rule: others give some back.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Whatever ends it is seen by both sides as the end of their connection.
async fn join(mut from: TcpStream, to: SocketAddr) {
    if let Ok(mut there) = TcpStream::connect(to).await {
        drop(tokio::io::copy_bidirectional(&mut from, &mut there).await);
    }
}

impl Inner {
    /// An environment as containers find it, addresses of this machine included: `open` is for the engine to know, the
    /// rest is `hidden`.
    pub(super) async fn told(&self, environment: &Environment) -> Result<Environment, BackendError> {
        let Environment { open, hidden, here, urls } = environment.clone();
        let mut told = Environment { open, hidden, ..Environment::default() };
        let Some(first) = environment.addresses().next() else { return Ok(told) };
        let bridge = self.bridge_to(first).await?;
        // What nobody is to reach any more is closed.
        let mut named = self.reach.kept.lock().clone();
        named.extend(self.specs.all().iter().flat_map(|spec| spec.environment.addresses().collect::<Vec<_>>()));
        self.reach.open.lock().retain(|to, _| named.contains(to));
        for (name, to) in here {
            told.open.insert(name, self.reach.to(bridge, to)?.to_string());
        }
        for (name, url) in urls {
            told.hidden.insert(name, url.by(self.reach.to(bridge, url.at)?));
        }
        Ok(told)
    }

    /// Where containers find an address of this machine, until the backend is closed.
    pub(super) async fn reach(&self, to: SocketAddr) -> Result<SocketAddr, BackendError> {
        let bridge = self.bridge_to(to).await?;
        self.reach.kept.lock().insert(to);
        self.reach.to(bridge, to)
    }

    /// The network by which containers find an address of this machine.
    async fn bridge_to(&self, to: SocketAddr) -> Result<Bridge, BackendError> {
        if self.opened().as_ref().is_some_and(|opened| opened.is_carried) {
            return Err(lacking(to, "the engine is on another"));
        }
        self.bridge().await?.ok_or_else(|| lacking(to, "the app's network has no IPv4 address here"))
    }

    async fn bridge(&self) -> Result<Option<Bridge>, BackendError> {
        let network = self.engine.inspect_network(&self.network_name(), None::<InspectNetworkOptions>).await;
        let network = network.map_err(BackendError::engine("look at the app's network"))?;
        let parts = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        Ok(parts.iter().find_map(|part| Bridge::read(part.gateway.as_deref()?, part.subnet.as_deref()?)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn a_network_knows_its_addresses() {
        let bridge = Bridge::read("172.18.0.1", "172.18.0.0/16").unwrap();
        assert_eq!(bridge.gateway, Ipv4Addr::new(172, 18, 0, 1));
        let has = |address: &str| bridge.has(address.parse().unwrap());
        assert!(has("172.18.0.2") && has("172.18.255.255"));
        assert!(!has("172.19.0.2") && !has("127.0.0.1") && !has("::1"));
        assert!(Bridge::read("10.0.0.1/8", "10.0.0.0/8").unwrap().has(Ipv4Addr::new(10, 9, 8, 7).into()));
        for (gateway, subnet) in [("fd00::1", "fd00::/64"), ("10.0.0.1", "10.0.0.0"), ("10.0.0.1", "10.0.0.0/33")] {
            assert_eq!(Bridge::read(gateway, subnet), None);
        }
    }

    #[tokio::test]
    async fn a_port_leads_on_for_its_network_alone_and_ends_with_its_owner() {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = service.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut from, _)) = service.accept().await {
                from.write_all(b"measured").await.unwrap();
            }
        });
        let ask = async |at: SocketAddr| {
            let mut text = String::new();
            let mut stream = TcpStream::connect(at).await?;
            // One who is shut out may see a reset, or the end.
            drop(stream.read_to_string(&mut text).await);
            io::Result::Ok(text)
        };
        let own = Forward::open(Bridge::read("127.0.0.1", "127.0.0.0/8").unwrap(), to).unwrap();
        assert_eq!(ask(own.at).await.unwrap(), "measured");
        let other = Forward::open(Bridge::read("127.0.0.1", "127.9.0.0/16").unwrap(), to).unwrap();
        assert_eq!(ask(other.at).await.unwrap(), "");
        let (at, task) = (own.at, own.task.abort_handle());
        drop(own);
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(ask(at).await.is_err(), "nobody listens");
    }

    #[tokio::test]
    async fn an_address_is_reached_at_one_port_until_nobody_is_led_anywhere() {
        let bridge = Bridge::read("127.0.0.1", "127.0.0.0/8").unwrap();
        let (reach, to) = (Reach::default(), SocketAddr::from(([127, 0, 0, 1], 7941)));
        let at = reach.to(bridge, to).unwrap();
        assert_eq!(reach.to(bridge, to).unwrap(), at);
        assert_ne!(reach.to(bridge, SocketAddr::from(([127, 0, 0, 1], 7942))).unwrap(), at);
        reach.close();
        while TcpStream::connect(at).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let nowhere = Bridge::read("192.0.2.1", "192.0.2.0/24").unwrap();
        let words = reach.to(nowhere, to).unwrap_err().to_string();
        assert!(words.starts_with("containers of this engine cannot reach 127.0.0.1:7941"), "{words}");
    }
}
