//! What a user says of how services run, on a cluster above all: in `#[service(…)]`, and in a `dyn.toml` beside the app's file.
//!
//! Of a service, the nearest word counts: built-in < `[defaults]` < `#[service(…)]` < `[services.NAME]`, since the file
//! is what may differ from place to place. Maps (`env`, `nodes`) add up, key by key, and so do lists (`inherit`).

mod data;
mod file;
mod form;
mod group;
mod jobs;
mod node;
mod on;
mod places;
mod resources;
mod schema;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use app::{App, Cpu, JobTerms, LoadTerms, Memory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use data::DataTable;
pub use file::{File, LONGEST_VALUE, SettingsMistake, place, read};
pub use group::{NotAlike, differing};
pub use jobs::{
    CallbacksTable, FunctionPolicy, FunctionsSaid, FunctionsTable, JobsTable, KumoriSaid, KumoriWord, jobs,
};
pub use node::{NODE_PORT, NodeReach, NodeTable};
#[cfg(all(feature = "cluster", feature = "data"))]
pub(crate) use places::credentials;
#[cfg(feature = "cluster")]
pub(crate) use places::variables_of;
pub use places::{PlaceNodes, PlaceTable, PodServer, PodStores};
pub use resources::{ResourcePart, ResourceSaid, ResourceServer, ResourceSettings, ResourceTable};
pub use schema::schema;
pub use values::{ENV_FILE_HELP, secrets, variables};

/// What a service asks for where nobody says anything: a chain of small functions fits on one small node.
pub const CPU: Cpu = Cpu::millis(100);
/// Likewise; a host takes 5 MiB, the rest is the function's.
pub const MEMORY: Memory = Memory::bytes(128 << 20);
/// How many of a service's earlier images are kept.
pub const KEEP: u32 = 5;

/// Everything that is said of an app.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppSettings {
    /// By Rust name; every service of the app is there.
    pub services: BTreeMap<String, ServiceSettings>,
    /// How the last service is reached from outside; only from inside the cluster where nothing is said.
    pub entry: PublicEntry,
    /// Where images go.
    pub images: Images,
    /// What the app is called on a cluster; none: as its file.
    pub name: Option<String>,
    /// Whether the app's source is left out of what is kept on the cluster of each push.
    pub without_source: bool,
    /// Servers that sessions start for the services, by name.
    pub resources: BTreeMap<String, ResourceSettings>,
    /// Services that share a host, by the name of their group.
    pub together: BTreeMap<String, Vec<String>>,
    /// The cluster and namespace as a node of a fleet; none: it is in none.
    pub node: Option<NodeTable>,
    /// Where the app's buckets are.
    pub data: DataTable,
    /// Places on clusters.
    pub places: BTreeMap<String, PlaceTable>,
    /// The stores of the app's buckets as pods are told of them; none: they have none.
    pub pod_stores: Option<PodStores>,
    /// Buckets that the app names.
    pub buckets: Vec<String>,
}

/// Hosts of one service in a session, at most.
pub const MOST_INSTANCES: u32 = 16;

/// How one service runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceSettings {
    /// How many pods. None: one at first, and afterwards whatever somebody or something scaled it to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Hosts that it has in sessions. No part of what runs on a cluster.
    #[serde(skip)]
    pub instances: Option<u32>,
    /// The place of each of them, where they have places.
    #[serde(skip)]
    pub places: Vec<String>,
    /// The same on a cluster: it has pods in each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub place_nodes: Vec<PlaceNodes>,
    /// What is reserved; more is used where the node has it.
    pub cpu: Cpu,
    /// What it is held down to; none: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<Cpu>,
    /// What is reserved and may not be exceeded: beyond it the kernel ends the pod.
    pub memory: Memory,
    /// Environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Variable>,
    /// A file with variables, for sessions; `env` goes before it. No part of what runs on a cluster.
    #[serde(skip)]
    pub env_file: Option<String>,
    /// Variables that sessions take from the shell they were started in. No part of what runs on a cluster.
    #[serde(skip)]
    pub inherit: BTreeSet<String>,
    /// Services of this machine that sessions lead to, by variable. No part of what runs on a cluster.
    #[serde(skip)]
    pub reach: BTreeMap<String, SocketAddr>,
    /// Variables that sessions set for a resource. On a cluster they are what `env` says: a key of the resource's Secret,
    /// where the user said nothing else.
    #[serde(skip)]
    pub resources: BTreeMap<String, (String, ResourcePart)>,
    /// Labels a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, String>,
    /// What its pods are spread over.
    pub spread: PodSpread,
    /// How jobs of it run. No part of what runs on a cluster.
    #[serde(skip)]
    pub jobs: JobTerms,
    /// The load it takes where nodes share it.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub load: LoadTerms,
}

fn is_unsaid(load: &LoadTerms) -> bool {
    *load == LoadTerms::default()
}

/// An environment variable's value: a text, a key of a Secret or a key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected text, { secret = NAME, key = KEY } or { config = NAME, key = KEY }")]
pub enum Variable {
    /// A text.
    Text(String),
    /// A key of a Secret: in a session out of `.secrets.toml` or `DYN_SECRET_NAME_KEY`.
    Secret(SecretKey),
    /// A key of a ConfigMap; unset in a session.
    Config(ConfigKey),
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretKey {
    /// Name of the Secret.
    pub secret: String,
    /// Its key.
    pub key: String,
}

/// A key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigKey {
    /// Name of the ConfigMap.
    pub config: String,
    /// Its key.
    pub key: String,
}

/// What pods of a service are spread over, as evenly as there is room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodSpread {
    /// Nodes.
    #[default]
    Nodes,
    /// Zones, and nodes in them.
    Zones,
    /// Wherever the scheduler likes.
    Anywhere,
}

/// How the last service is reached from outside the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublicEntry {
    /// Host name of an Ingress, such as "building.example.org". Default: no Ingress.
    pub host: Option<String>,
    /// Path below which the Ingress answers.
    pub path: Option<String>,
    /// Class of the Ingress. Default: the cluster's.
    pub class: Option<String>,
    /// Name of a Secret with the certificate. Default: plain HTTP.
    pub tls: Option<String>,
    /// Port of every node, 30000 to 32767 on most clusters; 0 lets the cluster pick one.
    pub node_port: Option<u16>,
    /// Address where a node lets callers in, such as "0.0.0.0:8080"; only for `dyn push --to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Whether callers from outside may send `Dyninka-Route`. Default: false.
    pub routes: bool,
    /// Whether callers from outside may read `/metrics`. Default: false.
    pub metrics: bool,
}

/// Where images go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// `registry/folder` for images. Default: the registry that the cluster advertises, or another way.
    pub repository: Option<String>,
    /// Whether nodes fetch images from the machine that pushes. Default: false.
    pub serve: bool,
    /// Number of a service's earlier images that are kept for rollbacks. Default: 5.
    pub keep: u32,
}

impl Default for Images {
    fn default() -> Self {
        Self { repository: None, serve: false, keep: KEEP }
    }
}

impl AppSettings {
    /// What is said of an app: in its attributes, and in the file beside it.
    pub fn of(app: &App, file: &File) -> Self {
        let variable = |name: &String| format!("{}_ADDRESS", name.to_ascii_uppercase());
        let reach = file.reach.iter().filter_map(|(name, at)| Some((variable(name), file::loopback(at)?)));
        let reach: BTreeMap<String, SocketAddr> = reach.collect();
        let resources: BTreeMap<String, ResourceSettings> =
            file.resources.iter().filter_map(|(name, said)| Some((name.clone(), said.settings()?))).collect();
        let parts = resources
            .keys()
            .flat_map(|name| resources::PARTS.into_iter().map(move |part| (part.variable(name), (name.clone(), part))));
        let of_resources: BTreeMap<String, (String, ResourcePart)> = parts.collect();
        let service = |service: &app::Service| {
            let mut settings = ServiceSettings::default();
            settings.take(&file.defaults);
            settings.replicas = service.needs.replicas.or(settings.replicas);
            settings.cpu = service.needs.cpu.unwrap_or(settings.cpu);
            settings.memory = service.needs.memory.unwrap_or(settings.memory);
            settings.jobs = service.needs.jobs.or(settings.jobs);
            settings.load = service.needs.load.or(settings.load);
            if let Some(own) = file.services.get(&service.name) {
                settings.take(own);
            }
            settings.place_nodes = places::nodes(file, &settings.places);
            settings.reach.clone_from(&reach);
            settings.resources.clone_from(&of_resources);
            for (variable, (name, part)) in &of_resources {
                let key = SecretKey { secret: resources::secret(name), key: part.key().to_owned() };
                settings.env.entry(variable.clone()).or_insert(Variable::Secret(key));
            }
            (service.name.clone(), settings)
        };
        let services = app.services.iter().map(service).collect();
        Self {
            services,
            entry: file.entry.clone(),
            images: file.images.clone(),
            name: file.name.clone(),
            without_source: file.keep_source == Some(false),
            resources,
            together: file.together.clone(),
            node: file.node.clone(),
            data: file.data.clone(),
            places: file.places.clone(),
            pod_stores: None,
            buckets: app.buckets.iter().map(|bucket| bucket.name.clone()).collect(),
        }
    }

    /// What files and addresses of this machine give services and a push does not, in words: else a pod that fails says so.
    pub fn only_here(&self) -> Vec<String> {
        let mut given: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (service, said) in &self.services {
            let file = said.env_file.iter().map(|file| format!("the variables of {file}"));
            let names = said.reach.keys().filter(|name| !said.env.contains_key(*name)).cloned();
            for what in file.chain(names) {
                given.entry(what).or_default().push(service);
            }
        }
        let words = |(what, services): (String, Vec<&str>)| {
            format!(
                "a session gives {} {what}, a cluster does not: say in env what they need there",
                services.join(", ")
            )
        };
        let has_none = !self.buckets.is_empty() && self.data.on_clusters().is_none();
        let buckets = has_none.then(|| {
            let names = self.buckets.join(", ");
            format!("a session has a folder for the buckets of the app ({names}), a cluster does not: name stores below [data]")
        });
        given.into_iter().map(words).chain(buckets).collect()
    }

    /// What an app is called on a cluster.
    pub fn name_of<'a>(&'a self, app: &'a App) -> &'a str {
        self.name.as_deref().unwrap_or(&app.name)
    }
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            replicas: None,
            instances: None,
            places: Vec::new(),
            place_nodes: Vec::new(),
            cpu: CPU,
            cpu_limit: None,
            memory: MEMORY,
            env: BTreeMap::new(),
            env_file: None,
            inherit: BTreeSet::new(),
            reach: BTreeMap::new(),
            resources: BTreeMap::new(),
            nodes: BTreeMap::new(),
            spread: PodSpread::default(),
            jobs: JobTerms::default(),
            load: LoadTerms::default(),
        }
    }
}

impl ServiceSettings {
    /// Stands for all of it but the number of pods, which is changed without new ones.
    pub fn hash(&self) -> String {
        let said = Self { replicas: None, instances: None, ..self.clone() };
        crate::model::hash(&[&serde_json::to_string(&said).unwrap_or_default()])
    }

    fn take(&mut self, said: &file::Said) {
        self.replicas = said.replicas.or(self.replicas);
        self.instances = said.instances.or(self.instances);
        self.places.clone_from(&said.places);
        self.cpu = said.cpu.unwrap_or(self.cpu);
        self.cpu_limit = said.cpu_limit.or(self.cpu_limit);
        self.memory = said.memory.unwrap_or(self.memory);
        self.env.extend(said.env.clone());
        if said.env_file.is_some() {
            self.env_file.clone_from(&said.env_file);
        }
        self.inherit.extend(said.inherit.iter().cloned());
        self.nodes.extend(said.nodes.clone());
        self.spread = said.spread.unwrap_or(self.spread);
        self.jobs = said.jobs().or(self.jobs);
        self.load = said.load().or(self.load);
    }
}
