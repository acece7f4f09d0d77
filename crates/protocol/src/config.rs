//! What a host is told: a file `config.json` in its folder, read at start and again on `POST /_dyninka/reload`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::moved::Moved;
use crate::near::HostNear;

/// The environment variable a host's configuration may stand in instead, for backends that have no files.
pub const CONFIG_VARIABLE: &str = "DYNINKA_CONFIG";
/// The environment variable the secret may stand in, where the configuration itself is no secret.
pub const TOKEN_VARIABLE: &str = "DYNINKA_TOKEN";

/// The configurations of the services of one host, as [`CONFIG_VARIABLE`] holds them where there are several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostConfigs {
    /// By the name of a service's folder.
    pub services: BTreeMap<String, Config>,
}

/// The configuration of one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub app: String,
    /// The service this host runs, by its Rust name.
    pub service: String,
    /// The number of this instance, where the service has several and this is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<u32>,
    /// Where to listen. Port 0: a free one, printed.
    pub listen: SocketAddr,
    /// A second place to listen: the chain's public listener, on the last service where the backend has no port mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front: Option<SocketAddr>,
    /// The services of the app, on a cluster those a route through this one may lead to: its Rust name, and `host:port`
    /// where its peers reach it. A route can name no other. Shared: a session of many services holds a configuration for
    /// each of them.
    pub peers: Arc<BTreeMap<String, Peer>>,
    /// The flow's expression list for the inputs, e.g. `map(filter(get))`; none: inputs come in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The library to serve: a file name inside the folder. None yet while the first build runs: not ready (503).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// Secret of the session, needed by every `/_dyninka/` call. Empty: that of [`TOKEN_VARIABLE`]; where there is
    /// none either, nobody is let in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// Names callers may call this host by, besides those of its peers, addresses and `localhost`; pages of these may
    /// call it, too. None: any name will do, as behind an ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<BTreeSet<String>>,
    /// What callers from outside may do, on the host that leads in from outside on a cluster. None: what the app's own
    /// services may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
    /// Limits on requests.
    #[serde(default)]
    pub limits: Limits,
    /// The load its service takes, for a node's agent; without one it binds nobody.
    #[serde(default, skip_serializing_if = "ServiceLoad::is_unsaid")]
    pub load: ServiceLoad,
    /// Whether values are recorded of requests that are recorded in detail.
    #[serde(default)]
    pub record: bool,
    /// Where the code of its library stands by now, where that is not where it stood when the library was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Arc<Moved>>,
    /// Places of instances and of buckets. None: no instance has a place, and requests do not say what data they work on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<HostNear>,
}

impl Config {
    /// The name of the host's instance: `map`, or `map.2` for the second instance of `map`.
    pub fn instance_name(&self) -> String {
        instance_name(&self.service, self.instance.unwrap_or(1))
    }

    /// The address that peers are told of this host; none where they are told of none.
    pub fn own_address(&self) -> Option<&str> {
        let own = self.peers.get(&self.service)?;
        match self.instance {
            Some(number @ 2..) => own.others.get(number as usize - 2).map(String::as_str),
            _ => Some(&own.address),
        }
    }
}

/// The name of a service's instance: the service's own name for the first, `map.2` for the second of `map`.
pub fn instance_name(service: &str, number: u32) -> String {
    if number < 2 { service.to_owned() } else { format!("{service}.{number}") }
}

/// The service and the number of an instance, by its name.
pub fn instance_of(name: &str) -> (&str, u32) {
    let numbered = name.split_once('.').and_then(|(service, number)| Some((service, number.parse().ok()?)));
    numbered.unwrap_or((name, 1))
}

/// What callers from outside may do, who are those that do not know the app's secret. What went wrong is told them
/// without files, lines and the words of a panic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// Choose another flow.
    #[serde(default)]
    pub routes: bool,
    /// Read `/metrics`.
    #[serde(default)]
    pub metrics: bool,
}

/// The load a service takes where nodes share it, as its author says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceLoad {
    /// Requests a second that one node serves; none: as many as it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Requests that one node serves at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u32>,
    /// No node is asked for help that takes longer than this, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Whether a request may be asked again elsewhere although it may have run.
    pub idempotent: bool,
    /// Whether it is never served elsewhere.
    pub stays: bool,
}

impl ServiceLoad {
    /// Whether nothing is said.
    pub fn is_unsaid(&self) -> bool {
        *self == Self::default()
    }
}

/// A service as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// `host:port` it is connected to; where it has several instances, the first of them.
    pub address: String,
    /// `host:port` of each of its other instances, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// Its DNS name, sent as `Host`.
    pub host: String,
    /// Its input names in order, so that a wrong route is refused before the call.
    pub inputs: Vec<String>,
}

/// Limits on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest body in and out, in bytes.
    pub body: usize,
    /// Deadline of a request that brings none, in milliseconds.
    pub deadline_ms: u64,
    /// Deepest route.
    pub depth: usize,
    /// Requests a second that are recorded in detail where they enter the app; what is above is counted only.
    /// 0: nothing is recorded.
    #[serde(default = "detail")]
    pub detail: u32,
    /// How long a host that is to end still lets callers in, in milliseconds: not ready, and every connection closed
    /// after its answer. For where callers are told of its end later than it is. 0: it lets none in.
    #[serde(default)]
    pub linger_ms: u64,
}

/// Five thousand in ten seconds make a steady p99; twice as many cost a busy chain twice as much (`cargo bench -p host`).
fn detail() -> u32 {
    500
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 8 << 20, deadline_ms: 30_000, depth: 64, detail: detail(), linger_ms: 0 }
    }
}

/// The body of `POST /_dyninka/open`: run another service in this host as well. One that runs is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenService {
    /// Name of its folder, which is beside that of the service that is asked.
    pub folder: String,
}

/// The body of `POST /_dyninka/transfer`: hold requests, give every placed value to the same service in another host, and
/// pass on to it whatever comes from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// `host:port` of the service there.
    pub to: String,
    /// Whether a value that cannot be carried begins anew, instead of keeping the service where it is.
    #[serde(default)]
    pub reset: bool,
}

/// The body of `POST /_dyninka/swap`: take this library over. Also written to the configuration by the caller,
/// so that a host started anew serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// File name inside the folder.
    pub library: String,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn instances_have_names_that_read_back_and_addresses_of_their_own() {
        for (service, number, name) in [("map", 1, "map"), ("map", 2, "map.2"), ("moving_avg", 16, "moving_avg.16")] {
            assert_eq!(instance_name(service, number), name);
            assert_eq!(instance_of(name), (service, number));
        }
        assert_eq!(instance_of("map.x"), ("map.x", 1));
        let text = r#"{ "app": "a", "service": "map", "listen": "127.0.0.1:1", "peers": {
            "map": { "address": "map:1", "others": ["map.2:1"], "host": "map", "inputs": [] } } }"#;
        let first: Config = serde_json::from_str(text).unwrap();
        let second = Config { instance: Some(2), ..first.clone() };
        let fourth = Config { instance: Some(4), ..first.clone() };
        assert_eq!([&first, &second, &fourth].map(Config::own_address), [Some("map:1"), Some("map.2:1"), None]);
        assert_eq!((first.instance_name(), second.instance_name()), ("map".to_owned(), "map.2".to_owned()));
    }
}
