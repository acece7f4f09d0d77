//! `dyn.toml`: the same settings, and some that are no function's.
//!
//! ```toml
//! name = "plant"                  # what the app is called on a cluster; else as its file
//! keep_source = false             # the source is not kept on the cluster; by default it is, in a ConfigMap of each push
//!
//! [defaults]                      # every service
//! memory = "64Mi"
//! spread = "nodes"                # or "zones", "anywhere"
//! attempts = 8                    # of a job; likewise timeout, backoff = "2s..10m", lost = "fail", parallel
//! rate = 200                      # a node, where nodes share load; likewise at_once, latency, idempotent, stays
//!
//! [services.moving_avg]           # one of them, by its Rust name
//! replicas = 2
//! cpu = "500m"
//! cpu_limit = "1"
//! places = ["hpc", "cc1"]         # an instance, on a cluster pods, in each of these places of [data]
//! env.MODE = "quiet"
//! env.PASSWORD = { secret = "database", key = "password" }
//! env.REGION = { config = "place", key = "region" }
//! env_file = ".env"              # variables of a file beside this one, for sessions; `env` goes before it
//! inherit = ["RUST_LOG"]          # from the shell of `dyn dev`; a push takes nothing of it
//! nodes = { disk = "ssd" }
//!
//! [entry]                         # the last service, from outside
//! host = "building.example.org"
//! tls = "building-certificate"
//! routes = true                   # callers from outside may send Dyninka-Route; metrics = true: and read /metrics
//!
//! [together]                      # services of one host: calls between them stay in its process
//! pipeline = ["filter", "map"]    # the name of their pods on a cluster
//!
//! [reach]                         # services of this machine: SENSOR_ADDRESS, in sessions
//! sensor = "127.0.0.1:9000"
//!
//! [resources]                     # servers that sessions start: DB_URL, DB_ADDRESS, DB_USER, DB_PASSWORD
//! db = "postgres"                 # or "redis", "mosquitto", { server = "postgres", port = 5432 }
//!
//! [places.hpc]                    # nodes of a cluster; without it those of the zone hpc
//! nodes = { "topology.kubernetes.io/zone" = "eu-1a" }
//!
//! [node]                          # this cluster and namespace as a node of a fleet, which shares load
//! name = "edge-1"
//! seeds = ["fog-1.example.org:7940"]
//!
//! [images]
//! repository = "registry.example.org/building"  # or serve = true: nodes fetch from whoever pushes
//! keep = 5
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use app::{App, Cpu, JobTerms, LoadTerms, LostAttempt, Memory, RetryWaits, TimeSpan};
use schemars::JsonSchema;
use serde::Deserialize;

use super::form::decode;
use super::{
    DataTable, Images, JobsTable, KumoriSaid, NodeTable, PlaceTable, PodSpread, PublicEntry, ResourceSaid, Variable,
    data, node, places, resources,
};

/// How the services of an app run, here and on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// The app's name on a cluster: lower-case letters, digits and single hyphens. Default: the file's.
    pub name: Option<String>,
    /// Whether the source is kept on the cluster with each push. Default: true.
    pub keep_source: Option<bool>,
    /// Settings of every service.
    pub defaults: Said,
    /// Settings of one service, by its Rust name. They win over `[defaults]` and `#[service(…)]`.
    pub services: BTreeMap<String, Said>,
    /// How the last service is reached from outside the cluster. Default: not at all.
    pub entry: PublicEntry,
    /// Where images are put.
    pub images: Images,
    /// Durable jobs beside the app, in sessions. Default: none.
    pub jobs: Option<JobsTable>,
    /// Services that share a host, such as pipeline = ["filter", "map"]: calls between them stay in one process. On a cluster
    /// they share pods, which are called by the name. Default: each service has a host of its own.
    pub together: BTreeMap<String, Vec<String>>,
    /// Services of this machine that an app's services reach in sessions, such as sensor = "127.0.0.1:9000": their address is in
    /// the variable SENSOR_ADDRESS.
    pub reach: BTreeMap<String, String>,
    /// Servers that sessions start for the services, such as db = "postgres": they find it by the variables DB_URL, DB_ADDRESS,
    /// DB_USER and DB_PASSWORD. On a cluster those are keys of the Secret db.
    pub resources: BTreeMap<String, ResourceSaid>,
    /// The cluster and namespace as a node of a fleet, which shares load with other nodes. Default: it is in none.
    pub node: Option<NodeTable>,
    /// Stores of the app's buckets. Default: in sessions the folder `buckets` beside the app's file, on clusters none.
    pub data: DataTable,
    /// Places on clusters, by name. Default of each: the nodes whose label topology.kubernetes.io/zone is its name.
    pub places: BTreeMap<String, PlaceTable>,
}

/// Settings of a service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Said {
    /// Number of pods, at least 1. Default: 1 at first; later, the number that the cluster has.
    #[schemars(range(min = 1))]
    pub replicas: Option<u32>,
    /// Number of hosts of one service in sessions, at most 16; a push takes `replicas`. Default: 1.
    #[schemars(range(min = 1, max = 16))]
    pub instances: Option<u32>,
    /// Places of one service's instances, such as ["hpc", "cc1"], at most 16: one instance in each, on clusters `replicas` pods.
    /// Callers prefer the instances where the data of a request is. Default: no places.
    #[schemars(length(max = 16))]
    pub places: Vec<String>,
    /// CPU that is reserved, such as "500m" or "1". Default: "100m".
    #[schemars(with = "Option<String>")]
    pub cpu: Option<Cpu>,
    /// CPU that may not be exceeded, such as "1". Default: no limit.
    #[schemars(with = "Option<String>")]
    pub cpu_limit: Option<Cpu>,
    /// Memory that is reserved and may not be exceeded, such as "64Mi". Default: "128Mi".
    #[schemars(with = "Option<String>")]
    pub memory: Option<Memory>,
    /// Environment variables: texts, keys of Secrets or keys of ConfigMaps.
    pub env: BTreeMap<String, Variable>,
    /// File beside `dyn.toml` with more variables, such as ".env". Sessions read it, a push does not.
    pub env_file: Option<String>,
    /// Variables that sessions take from the shell, such as ["RUST_LOG"]. A push takes none.
    pub inherit: BTreeSet<String>,
    /// Labels that a node must have.
    pub nodes: BTreeMap<String, String>,
    /// What pods are spread over. Default: "nodes".
    pub spread: Option<PodSpread>,
    /// Attempts of a job that names none. Default: 5.
    #[schemars(range(min = 1))]
    pub attempts: Option<u32>,
    /// Time of one attempt of a job, such as "2m". Default: "30s".
    #[schemars(with = "Option<String>")]
    pub timeout: Option<TimeSpan>,
    /// Waits between attempts of a job, the first and the longest. Default: "2s..10m".
    #[schemars(with = "Option<String>")]
    pub backoff: Option<RetryWaits>,
    /// What becomes of a job's attempt whose host ended. Default: "retry".
    pub lost: Option<LostAttempt>,
    /// Jobs of it that run at a time. Default: as many as there are workers.
    #[schemars(range(min = 1))]
    pub parallel: Option<u32>,
    /// Requests a second that a node serves while nodes share load. Default: as many as it can.
    #[schemars(range(min = 1))]
    pub rate: Option<u32>,
    /// Requests that a node serves at a time while nodes share load. Default: as many as it can.
    #[schemars(range(min = 1))]
    pub at_once: Option<u32>,
    /// Time that a node which is asked for help may take, such as "20ms". Default: any.
    #[schemars(with = "Option<String>")]
    pub latency: Option<TimeSpan>,
    /// Whether a request may be asked again on another node although it may have run. Default: false.
    pub idempotent: Option<bool>,
    /// Whether it is served by its own node alone. Default: only where it has placed state.
    pub stays: Option<bool>,
}

impl Said {
    /// What is said of jobs.
    pub fn jobs(&self) -> JobTerms {
        let Self { attempts, timeout, backoff, lost, parallel, .. } = *self;
        JobTerms { attempts, timeout, backoff, lost, parallel }
    }

    /// What is said of load.
    pub fn load(&self) -> LoadTerms {
        let Self { rate, at_once, latency, idempotent, stays, .. } = *self;
        LoadTerms { rate, at_once, latency, idempotent, stays }
    }
}

/// What is wrong in a `dyn.toml`, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsMistake {
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong: lowercase, no full stop.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

impl Display for SettingsMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)
    }
}

impl std::error::Error for SettingsMistake {}

/// Reads the text of a `dyn.toml` for an app, and reports every mistake.
pub fn read(path: &Path, text: &str, app: &App) -> Result<File, Vec<SettingsMistake>> {
    let mistake = |at: Range<usize>, message: String, help: String| {
        let (line, column) = position(text, at.start);
        SettingsMistake { file: path.to_owned(), line, column, message, help }
    };
    let (file, of_form) = decode(text);
    let is_struck = |table: &str| of_form.iter().any(|fault| fault.keys.first().is_some_and(|key| key == table));
    // Without what was struck out, the rest of the entry would make no sense for that alone.
    let counts = |keys: &[String]| keys.first().is_none_or(|key| key != "entry" || !is_struck("entry"));
    let of_meaning = faults(&file, app).into_iter().filter(|(.., keys)| counts(keys));
    let mut mistakes: Vec<SettingsMistake> =
        of_meaning.map(|(message, help, keys)| mistake(find(text, &keys).unwrap_or_default(), message, help)).collect();
    mistakes.extend(of_form.into_iter().map(|fault| mistake(fault.at, fault.message, fault.help)));
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    if mistakes.is_empty() { Ok(file) } else { Err(mistakes) }
}

/// What is well formed and still makes no sense: in words, how to mend it, and the key it stands at.
fn faults(file: &File, app: &App) -> Vec<(String, String, Vec<String>)> {
    let mut faults = Vec::new();
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    for name in file.services.keys().filter(|name| app.service(name).is_none()) {
        let there = app.services.iter().map(|service| service.name.as_str());
        let message = format!("{name} is no service of {}", app.name);
        faults.push((message, app::suggest(name, there, "services"), keys(&["services", name])));
    }
    let jobs = file.jobs.iter();
    for name in jobs.clone().flat_map(|jobs| &jobs.open).filter(|name| app.service(name).is_none()) {
        let there = app.services.iter().map(|service| service.name.as_str());
        let message = format!("{name} is no service of {}", app.name);
        faults.push((message, app::suggest(name, there, "services"), keys(&["jobs", "open"])));
    }
    let functions = |jobs: &JobsTable| jobs.functions.table();
    if jobs.clone().filter_map(functions).any(|functions| functions.max == Some(0)) {
        let message = "with no processes no function ever runs".to_owned();
        faults.push((message, "leave it out for 64".to_owned(), keys(&["jobs", "functions"])));
    }
    if jobs.clone().any(|jobs| jobs.kumori != KumoriSaid::Flag(false) && functions(jobs).is_none()) {
        let message = "kumori registers and runs functions, which are off".to_owned();
        faults.push((message, "say functions = true as well".to_owned(), keys(&["jobs", "kumori"])));
    }
    if jobs.clone().any(|jobs| jobs.workers == Some(0)) {
        faults.push((
            "with no workers no job ever runs".to_owned(),
            "leave it out for 32".to_owned(),
            keys(&["jobs", "workers"]),
        ));
    }
    if jobs.clone().filter_map(|jobs| jobs.store.as_ref()).any(|store| store.is_empty() || store.contains('/')) {
        let help = "write a name such as \"jobs.db\"".to_owned();
        faults.push(("store is the name of a file beside dyn.toml".to_owned(), help, keys(&["jobs", "store"])));
    }
    let of_data = data::faults(file).into_iter().chain(places::faults(file, app));
    faults.extend(of_data.map(|(message, help, at)| (message, help, keys(&at))));
    let mut grouped: BTreeMap<&str, &str> = BTreeMap::new();
    for (group, names) in &file.together {
        let at = keys(&["together", group]);
        if names.len() < 2 {
            let help = "name two services at least, or take the line out".to_owned();
            let few = if names.is_empty() { "no service" } else { "one service" };
            faults.push((format!("{group} is no group: it has {few}"), help, at.clone()));
        }
        for name in names {
            if app.service(name).is_none() {
                let there = app.services.iter().map(|service| service.name.as_str());
                let message = format!("{name} is no service of {}", app.name);
                faults.push((message, app::suggest(name, there, "services"), at.clone()));
            }
            if let Some(other) = grouped.insert(name, group) {
                let help = "a service has one host: leave it in one of them".to_owned();
                let message = match other == group {
                    true => format!("{name} is in {group} twice"),
                    false => format!("{name} is in {other} and in {group}"),
                };
                faults.push((message, help, at.clone()));
            }
        }
    }
    let own = file.services.iter().map(|(name, said)| (vec!["services", name.as_str()], said));
    for (table, said) in own.chain([(vec!["defaults"], &file.defaults)]) {
        let at = |more: &[&str]| keys(&table.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>());
        if said.replicas == Some(0) {
            let help = "leave it out to let others scale it, or take the service out of the app";
            faults.push(("a service with no pods answers nobody".to_owned(), help.to_owned(), at(&["replicas"])));
        }
        if let Some(count) = said.instances {
            let wrong = (count == 0 || count > super::MOST_INSTANCES).then(|| {
                (format!("{count} is no number of instances"), format!("write 1 to {}", super::MOST_INSTANCES))
            });
            let for_all = || {
                let help = "write it below [services.NAME], for a service that does much of the work".to_owned();
                ("not every service can have instances".to_owned(), help)
            };
            let wrong = wrong.or_else(|| (table == ["defaults"]).then(for_all));
            faults.extend(wrong.map(|(message, help)| (message, help, at(&["instances"]))));
        }
        for (key, number, nobody) in [
            ("attempts", said.attempts, "a job with no attempts never runs"),
            ("parallel", said.parallel, "with none at a time no job ever runs"),
            ("rate", said.rate, "a node that serves none has no need of the service"),
            ("at_once", said.at_once, "a node that serves none at a time has no need of the service"),
        ] {
            if number == Some(0) {
                faults.push((nobody.to_owned(), "write 1 or more, or leave it out".to_owned(), at(&[key])));
            }
        }
        if let (Some(cpu), Some(limit)) = (said.cpu, said.cpu_limit)
            && cpu > limit
        {
            let help = "reserve less, or raise the limit".to_owned();
            faults.push((format!("{cpu} is reserved and only {limit} allowed"), help, at(&["cpu_limit"])));
        }
        let names = said.env.keys().map(|name| (name, at(&["env", name])));
        let names = names.chain(said.inherit.iter().map(|name| (name, at(&["inherit"]))));
        for (name, keys) in names.filter(|(name, _)| !is_variable(name)) {
            let help = "letters, digits and _, no digit first; DYNINKA_… is the host's own".to_owned();
            faults.push((format!("{name:?} is no name of an environment variable here"), help, keys));
        }
        for (name, variable) in &said.env {
            let Variable::Text(text) = variable else { continue };
            if text.contains('\0') {
                let help = "no environment holds a NUL: leave it out".to_owned();
                faults.push((format!("the value of {name} has a NUL in it"), help, at(&["env", name])));
            }
            if text.len() > LONGEST_VALUE {
                let message = format!("the value of {name} is longer than {LONGEST_VALUE} bytes");
                let help = "a program with more is not started: include_str! has room for it".to_owned();
                faults.push((message, help, at(&["env", name])));
            }
        }
    }
    if let Some(name) = file.name.as_ref().filter(|name| !is_name(name)) {
        let help = "lower-case letters, digits and single hyphens between them, 40 characters at most".to_owned();
        faults.push((format!("{name:?} is no name of an app"), help, keys(&["name"])));
    }
    if file.images.serve && file.images.repository.is_some() {
        let message = "images are put into a repository, or served by whoever pushes, and not both".to_owned();
        faults.push((message, "leave one of the two out".to_owned(), keys(&["images", "serve"])));
    }
    let entry = &file.entry;
    for (key, is_there) in
        [("path", entry.path.is_some()), ("class", entry.class.is_some()), ("tls", entry.tls.is_some())]
    {
        if is_there && entry.host.is_none() {
            let help = "name the host it answers to: host = \"app.example.org\"".to_owned();
            faults.push((format!("{key} is an Ingress's, and there is none"), help, keys(&["entry", key])));
        }
    }
    for (name, address) in &file.reach {
        if !is_reach_name(name) {
            let help =
                "lower-case letters, digits and _, a letter first: it becomes the variable NAME_ADDRESS".to_owned();
            faults.push((format!("{name:?} is no name of what is reached"), help, keys(&["reach", name])));
        }
        if loopback(address).is_none() {
            let help =
                "write it as \"127.0.0.1:9000\"; what is elsewhere is reached without, by its own address in env";
            let message = format!("{address} is no address of this machine's loopback");
            faults.push((message, help.to_owned(), keys(&["reach", name])));
        }
    }
    faults.extend(resources::faults(&file.resources, &file.reach));
    let of_node = file.node.iter().flat_map(node::faults);
    faults.extend(of_node.map(|(message, help, key)| (message, help, keys(&["node", key]))));
    if let Some(path) = entry.path.as_ref().filter(|path| !path.starts_with('/')) {
        faults.push((format!("{path} is no path"), "begin it with /".to_owned(), keys(&["entry", "path"])));
    }
    faults
}

/// One variable may have 128 KiB, name and all (execve(2), `MAX_ARG_STRLEN`).
pub const LONGEST_VALUE: usize = 120 << 10;

pub(super) fn is_reach_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(fits) && name.len() <= 40
}

/// An address of this machine's loopback with a port.
pub(super) fn loopback(text: &str) -> Option<SocketAddr> {
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = named.as_deref().unwrap_or(text).parse().ok()?;
    (address.ip().is_loopback() && address.port() != 0).then_some(address)
}

fn is_name(name: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.len() <= 40 && name.split('-').all(is_part)
}

pub(super) fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.starts_with("DYNINKA_")
}

/// Line and column, both from 1, of the first of these keys that is there; each is named from the outermost table.
pub fn place(text: &str, places: &[Vec<&str>]) -> Option<(usize, usize)> {
    let keys = |place: &Vec<&str>| place.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    places.iter().find_map(|place| find(text, &keys(place))).map(|span| position(text, span.start))
}

/// Where a key, or the nearest table around it, stands.
fn find(text: &str, keys: &[String]) -> Option<Range<usize>> {
    let mut table = toml::de::DeTable::parse(text).ok()?.into_inner();
    let mut at = None;
    for key in keys {
        let (found, value) = table.into_iter().find(|(known, _)| known.get_ref() == key)?;
        at = Some(found.span());
        table = match value.into_inner() {
            toml::de::DeValue::Table(inner) => inner,
            _ => return at,
        };
    }
    at
}

/// Line and column of a byte, both from 1.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
