//! `[resources]`: servers that the services use. A session starts them, and a cluster has a Secret of the same name that
//! tells where they are.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AppSettings, SecretKey, Variable};

/// What `dyn.toml` says of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected \"postgres\", \"redis\", \"mosquitto\" or { server = NAME, port = PORT }")]
pub enum ResourceSaid {
    /// Its server.
    Server(#[schemars(with = "ResourceServer")] String),
    /// Its server, with a port.
    Table(ResourceTable),
}

/// A resource with a port of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceTable {
    /// Its server.
    #[schemars(with = "ResourceServer")]
    pub server: String,
    /// Port of 127.0.0.1 in sessions. Default: a free one.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
}

/// A server that a session can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResourceServer {
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// Mosquitto, a broker of MQTT.
    Mosquitto,
}

/// A resource of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceSettings {
    pub server: ResourceServer,
    /// Port of 127.0.0.1 in sessions. None: a free one.
    pub port: Option<u16>,
}

/// What a variable tells of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourcePart {
    /// All of it, in a URL.
    Url,
    /// Host and port.
    Address,
    /// Name of the user.
    User,
    /// Password of the user.
    Password,
}

/// The variables of a resource.
pub(super) const PARTS: [ResourcePart; 4] =
    [ResourcePart::Url, ResourcePart::Address, ResourcePart::User, ResourcePart::Password];

/// The servers, as `dyn.toml` names them.
const SERVERS: [(&str, ResourceServer); 3] = [
    ("postgres", ResourceServer::Postgres),
    ("redis", ResourceServer::Redis),
    ("mosquitto", ResourceServer::Mosquitto),
];

impl ResourcePart {
    /// The key of the Secret on a cluster.
    pub fn key(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Address => "address",
            Self::User => "user",
            Self::Password => "password",
        }
    }

    /// The variable, such as `DB_URL`.
    pub fn variable(self, resource: &str) -> String {
        format!("{resource}_{}", self.key()).to_ascii_uppercase()
    }
}

impl ResourceSaid {
    /// The server that is named, and the port.
    pub(super) fn named(&self) -> (&str, Option<u16>) {
        match self {
            Self::Server(server) => (server, None),
            Self::Table(ResourceTable { server, port }) => (server, *port),
        }
    }

    /// None where no such server is known.
    pub(super) fn settings(&self) -> Option<ResourceSettings> {
        let (name, port) = self.named();
        let (_, server) = SERVERS.into_iter().find(|(known, _)| *known == name)?;
        Some(ResourceSettings { server, port })
    }
}

/// The Secret of a resource on a cluster.
pub(super) fn secret(resource: &str) -> String {
    resource.replace('_', "-")
}

/// What is wrong with the resources that are said: in words, how to mend it, and the key that it stands at.
pub(super) fn faults(
    said: &BTreeMap<String, ResourceSaid>,
    reach: &BTreeMap<String, String>,
) -> Vec<(String, String, Vec<String>)> {
    let mut faults = Vec::new();
    let mut ports: BTreeMap<u16, &str> = BTreeMap::new();
    let mut secrets: BTreeMap<String, &str> = BTreeMap::new();
    for (name, resource) in said {
        let mut fault = |message: String, help: String| {
            faults.push((message, help, vec!["resources".to_owned(), name.clone()]));
        };
        let (server, port) = resource.named();
        if !super::file::is_reach_name(name) || name.ends_with('_') {
            let help = "lower-case letters, digits and _, a letter first, no _ last: it becomes the variable NAME_URL";
            fault(format!("{name:?} is no name of a resource"), help.to_owned());
        } else if let Some(other) = secrets.insert(secret(name), name) {
            fault(format!("{name} and {other} are one Secret on a cluster"), "rename one of the two".to_owned());
        }
        if resource.settings().is_none() {
            let known = SERVERS.iter().map(|(name, _)| *name);
            fault(format!("{server} is no server that a session starts"), app::suggest(server, known, "servers"));
        }
        if port == Some(0) {
            fault("0 is no port".to_owned(), "leave it out to have a free one".to_owned());
        }
        if let Some(other) = port.and_then(|port| ports.insert(port, name)) {
            let help = "name another, or none to have a free one".to_owned();
            fault(format!("{name} and {other} have one port"), help);
        }
        if reach.contains_key(name) {
            let variable = ResourcePart::Address.variable(name);
            fault(format!("[reach] sets {variable}, too"), "rename one of the two".to_owned());
        }
    }
    faults
}

impl AppSettings {
    /// Secrets that have to be on a cluster for the app's resources, with their keys. Of variables that `env` says, it
    /// is what `env` says.
    pub fn resource_secrets(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut secrets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for said in self.services.values() {
            for (variable, (resource, part)) in &said.resources {
                let key = SecretKey { secret: secret(resource), key: part.key().to_owned() };
                if said.env.get(variable) == Some(&Variable::Secret(key)) {
                    secrets.entry(secret(resource)).or_default().insert(part.key().to_owned());
                }
            }
        }
        secrets
    }
}
