//! A cluster and namespace as a node of a fleet: its agent, and what that is told of the app.

use std::collections::BTreeMap;

use app::App;
use serde::{Deserialize, Serialize};

use super::wanted::{Built, Wanted};
use super::{keeps_state, needs};
use crate::settings::{AppSettings, NodeTable};

/// What the agent is called among services, which have no hyphens in their names.
pub const NODE: &str = "dyninka-node";
/// Where other nodes reach the agent in its pod.
pub const NODE_LINKS: u16 = 7940;
/// Where hosts hand over what they have no room for.
pub const NODE_AWAY: u16 = 7941;
/// Where the agent says that it is well, and what it measures.
pub const NODE_METRICS: u16 = 7942;
/// The environment variable with [`NodeApp`].
pub const NODE_APP: &str = "DYNINKA_NODE_APP";
/// The one with the address of the agent's pod.
pub const NODE_POD: &str = "DYNINKA_NODE_POD";
/// Where the files are that make it a node.
pub const NODE_IDENTITY: &str = "/etc/dyninka-node";

/// The agent as it is to run.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedNode {
    pub settings: NodeTable,
    /// What tells its program from another.
    pub version: String,
    /// Its image by digest; none where none is made.
    pub image: Option<String>,
    pub pull_policy: String,
    /// What requests of a service need, and whether it stays, by Rust name.
    pub(super) terms: BTreeMap<String, (Vec<String>, bool)>,
}

/// What an agent is told of the app whose pods it follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeApp {
    pub app: String,
    /// By Rust name.
    pub services: BTreeMap<String, NodeService>,
    /// CPUs that the services of the app were given.
    pub cpus: f64,
}

/// A service of it. Nothing is here that changes with its body: an agent lives longer than a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeService {
    /// Its DNS label.
    pub host: String,
    /// Hash of what it reads and writes.
    pub schema: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays: bool,
}

impl WantedNode {
    /// The agent that settings ask for.
    pub(super) fn of(app: &App, settings: &AppSettings, built: &BTreeMap<String, Built>) -> Option<Self> {
        let built = built.get(NODE);
        let terms = app.services.iter().map(|service| {
            let needs = needs(app, &service.name);
            let said = settings.services.get(&service.name).and_then(|said| said.load.stays);
            let stays = said.unwrap_or_else(|| keeps_state(app, &service.name, &needs));
            (service.name.clone(), (needs.into_iter().collect(), stays))
        });
        Some(Self {
            settings: settings.node.clone()?,
            version: built.map(|built| built.version.clone()).unwrap_or_default(),
            image: built.map(|built| built.image.clone()).filter(|image| !image.is_empty()),
            pull_policy: if built.is_some_and(|built| built.is_there) { "Never" } else { "IfNotPresent" }.to_owned(),
            terms: terms.collect(),
        })
    }
}

impl NodeApp {
    /// What the agent of an app is told.
    pub fn of(wanted: &Wanted, node: &WantedNode) -> Self {
        let services = wanted.services.iter().map(|service| {
            let (needs, stays) = node.terms.get(&service.name).cloned().unwrap_or_default();
            let load = service.config.load;
            let told = NodeService {
                host: service.dns.clone(),
                schema: service.wire.clone(),
                needs,
                rate: load.rate,
                at_once: load.at_once,
                latency_ms: load.latency_ms,
                idempotent: load.idempotent,
                stays,
            };
            (service.name.clone(), told)
        });
        let cpus = wanted.services.iter().map(|service| {
            let said = &service.settings;
            said.cpu_limit.unwrap_or(said.cpu).cores() * f64::from(said.replicas.unwrap_or(1))
        });
        Self { app: wanted.app.clone(), services: services.collect(), cpus: cpus.sum() }
    }
}
