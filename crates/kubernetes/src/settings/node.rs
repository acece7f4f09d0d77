//! `[node]`: the cluster and namespace that an app is pushed to, as a node of a fleet.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The port of a cluster's nodes where nobody says another.
pub const NODE_PORT: u16 = 30794;
/// The longest name of a node: a DNS label.
const LONGEST_NAME: usize = 63;

/// This cluster and namespace as a node of a fleet, which shares load with other nodes. `dyn push` adds its agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeTable {
    /// Name in the fleet, such as "edge-1". Default: the namespace's.
    pub name: Option<String>,
    /// How other nodes reach the agent. Default: "node-port".
    pub reach: NodeReach,
    /// Port of the cluster's nodes, or of the load balancer. Default: 30794.
    pub port: u16,
    /// Address that other nodes are told, such as "198.51.100.7:7940". Default: the one of the cluster's node that the agent
    /// runs on, and `port`.
    pub address: Option<String>,
    /// Nodes to ask for others, such as "fog-1.example.org:7940", beside those that the invitation told of.
    pub seeds: Vec<String>,
    /// Nodes that may be asked for help: names, "zone=eu-1" of a label, "nearest=8". Default: "nearest=8".
    pub neighbours: Vec<String>,
    /// Strategy that decides which node serves what. Default: "offer".
    pub strategy: String,
    /// URL of the model that the strategy "remote" asks.
    pub model: Option<String>,
    /// Power of the cluster's node in W, idle and busy, for the strategy "power-saving": `[20, 95]`.
    pub watts: Option<[u32; 2]>,
    /// Labels that the cluster's node must have which the agent runs on.
    pub nodes: BTreeMap<String, String>,
}

/// How other nodes reach an agent in a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeReach {
    /// By a port of every node of the cluster.
    #[default]
    NodePort,
    /// By a load balancer of the cluster's; its address is to be said.
    LoadBalancer,
    /// By a port of the node that the agent runs on.
    HostPort,
}

impl Default for NodeTable {
    fn default() -> Self {
        Self {
            name: None,
            reach: NodeReach::default(),
            port: NODE_PORT,
            address: None,
            seeds: Vec::new(),
            neighbours: Vec::new(),
            strategy: "offer".to_owned(),
            model: None,
            watts: None,
            nodes: BTreeMap::new(),
        }
    }
}

impl NodeTable {
    /// The power as the agent takes it.
    pub fn watts(&self) -> Option<String> {
        self.watts.map(|[idle, busy]| format!("{idle},{busy}"))
    }
}

/// What is wrong with the table: in words, how to mend it, and the key.
pub(super) fn faults(node: &NodeTable) -> Vec<(String, String, &'static str)> {
    let mut faults = Vec::new();
    if let Some(name) = node.name.as_ref().filter(|name| !is_node_name(name)) {
        let help = format!("letters a to z, digits and hyphens between them, {LONGEST_NAME} at most");
        faults.push((format!("{name:?} is no name of a node"), help, "name"));
    }
    if node.port == 0 {
        let help = "write the port that other nodes are to use, or leave it out".to_owned();
        faults.push(("other nodes cannot be told port 0".to_owned(), help, "port"));
    }
    match &node.address {
        Some(address) if address.parse::<SocketAddr>().map_or(true, |address| address.port() == 0) => {
            let help = "write it as \"198.51.100.7:7940\"".to_owned();
            faults.push((format!("{address:?} is no address with a port"), help, "address"));
        }
        None if node.reach == NodeReach::LoadBalancer => {
            let help = "say the load balancer's: address = \"198.51.100.7:7940\"".to_owned();
            faults.push(("other nodes have to be told the load balancer's address".to_owned(), help, "reach"));
        }
        _ => {}
    }
    for seed in &node.seeds {
        let parts = seed.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if !parts.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0)) {
            let help = "write it as \"fog-1.example.org:7940\"".to_owned();
            faults.push((format!("{seed:?} is no host with a port"), help, "seeds"));
        }
    }
    faults
}

fn is_node_name(name: &str) -> bool {
    let inner = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    inner && !name.is_empty() && name.len() <= LONGEST_NAME && !name.starts_with('-') && !name.ends_with('-')
}
