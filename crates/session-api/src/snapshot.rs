//! What a face sees: plain data, a picture of the session at one moment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use app::Diagnostic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::DataMatrix;
use crate::jobs::JobsView;
use crate::measured::{EdgeWindow, MeasuredHop, Trace};
use crate::push::PushView;
use crate::report::{EditTimes, Fate};
use crate::verdict::Judgement;

/// A session at one moment. Times are milliseconds since the session began, on a clock that never jumps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The app's name.
    pub app: String,
    /// Its file, canonical.
    pub file: PathBuf,
    /// The session's process.
    pub pid: u32,
    /// Whether services are built for a debugger.
    #[serde(default)]
    pub debug: bool,
    /// When this picture was taken.
    pub now_ms: u64,
    /// The subject of the session.
    pub phase: Phase,
    /// `docker` or `process`, once chosen.
    pub backend: Option<String>,
    /// How its services call each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<HopTransport>,
    /// The public listener, once every service served.
    pub url: Option<String>,
    /// The latest edit; 0 is the start.
    pub edit: u64,
    /// Every service, in the order of the file.
    pub services: Vec<ServiceView>,
    /// The hosts that services run in, by name, those of one service too.
    #[serde(default)]
    pub hosts: Vec<HostView>,
    /// The tail of `main` as a route, such as `moving_avg(map(filter(get)))`.
    pub flow: Option<String>,
    /// The edges of the flow, from service to input of a service.
    pub edges: Vec<FlowEdge>,
    /// The shapes of the user's types, for completion: every struct and enum that an input or a placed value reaches.
    pub types: BTreeMap<String, TypeShape>,
    /// Every edit so far, oldest first; the oldest of very many are forgotten.
    pub edits: Vec<EditLine>,
    /// The context that a push goes to where none is named; none: no kubeconfig names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Every push and rollback of this session, oldest first; the last may be under way.
    #[serde(default)]
    pub pushes: Vec<PushView>,
    /// The session's edits, timed from save to first answer.
    pub totals: Totals,
    /// The mistakes in the file as it stands, errors first. Empty once it is mended.
    pub diagnostics: Vec<Diagnostic>,
    /// Notices to the user, oldest first; the oldest of very many are forgotten.
    pub notices: Vec<Notice>,
    /// Measured per service, by Rust name.
    pub hops: BTreeMap<String, MeasuredHop>,
    /// What each service waited for others in the last minute: by the one that calls, then by the one that is called.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, BTreeMap<String, EdgeWindow>>,
    /// Requests kept whole: the slowest of the last minutes first, then the latest.
    pub traces: Vec<Trace>,
    /// Requests that were counted but not measured in detail, or whose detail was lost on its way here.
    pub dropped: u64,
    /// The state of recording.
    #[serde(default)]
    pub recording: Recording,
    /// Durable jobs; none: this session accepts none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<JobsView>,
    /// Buckets and their copies; none: no data server answers that a session asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataMatrix>,
    /// Pictures like this one that were made for those who follow the session: none while nobody does.
    #[serde(default)]
    pub pictures: u64,
}

/// The state of recording requests and the values that travel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recording {
    /// Requests in memory.
    pub requests: u64,
    /// The number of the latest.
    pub newest: Option<u64>,
    /// Bytes they take.
    pub bytes: u64,
    /// Requests, or parts of them, that were lost on their way here.
    pub dropped: u64,
    /// The folder they are written to, if they are.
    pub written: Option<Written>,
}

/// A recording that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// Its name.
    pub name: String,
    /// Requests in it.
    pub requests: u64,
    /// Requests that are not: the disk was slow or refused.
    pub lost: u64,
    /// Bytes of disk it takes.
    pub bytes: u64,
}

/// How the services of a session call each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum HopTransport {
    /// Unix sockets; TCP where a service has none.
    Socket,
    /// TCP alone.
    Tcp {
        /// The reason why it is not unix sockets.
        why: String,
    },
}

/// The subject of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The first build; nothing serves yet.
    #[default]
    Starting,
    /// The chain serves what the file says.
    Serving,
    /// An edit is built or taken over; the old version still serves.
    Building,
    /// The file is broken; the old version still serves.
    Broken,
    /// The session ends.
    Closing,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceView {
    /// Rust name.
    pub name: String,
    /// The state of its health.
    pub state: Condition,
    /// `service@hash` of what serves.
    pub version: Option<String>,
    /// When that version began to serve.
    pub since_ms: Option<u64>,
    /// The URL to call it from here.
    pub url: Option<String>,
    /// Its inputs, in order.
    pub inputs: Vec<StateField>,
    /// Its return type, as written.
    pub output: String,
    /// Its placed values, and what the last takeover did with each.
    pub placed: BTreeMap<String, PlacedState>,
    /// The number of times its host was started again after it went down.
    pub restarts: u32,
    /// The reason why it is down or broken, in words.
    pub why: Option<String>,
    /// The host that runs it, by the DNS name of a service.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The services that share its host, itself among them, in the order of the file; empty: it has a host to itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub together: Vec<String>,
    /// The place of its host, where it has one instance in a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Its instances, in the order of their numbers; empty: it has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceView>,
    /// The process of its host on this machine; none: its backend runs elsewhere, or it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// One of several hosts of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceView {
    /// Its name: the service's for the first, `map.2` for the second of `map`.
    pub name: String,
    /// Its number, from 1.
    pub number: u32,
    /// Its place; none: it is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The state of its health.
    pub state: Condition,
    /// `service@hash` of what serves.
    pub version: Option<String>,
    /// When that version began to serve.
    pub since_ms: Option<u64>,
    /// The URL to call it from here.
    pub url: Option<String>,
    /// The number of times its host was started again after it went down.
    pub restarts: u32,
    /// The reason why it is down or broken, in words.
    pub why: Option<String>,
    /// Its process on this machine; none: its backend runs elsewhere, or it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// A host and the services that run in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostView {
    /// The DNS name of a service.
    pub name: String,
    /// Rust names, in the order of the file.
    pub services: Vec<String>,
    /// Its process on this machine; none: its backend runs elsewhere, or it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// The health of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Nothing of it serves yet.
    #[default]
    Starting,
    /// Serves the file's meaning.
    Live,
    /// Serves, while a newer version is built or taken over.
    Building,
    /// Serves an older version: the newer one cannot be built or was not taken over.
    Stale,
    /// Answers what it has begun and takes nothing new.
    Draining,
    /// Does not answer.
    Down,
}

/// A placed value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlacedState {
    /// Its type, as written.
    #[serde(rename = "type")]
    pub ty: String,
    /// The last takeover's deed to it.
    pub fate: Option<Fate>,
}

/// A named value of a type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StateField {
    /// Its name.
    pub name: String,
    /// Its type, as written.
    #[serde(rename = "type")]
    pub ty: String,
}

/// A type of the user's, as JSON sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TypeShape {
    /// An object with these fields.
    Struct(Vec<StateField>),
    /// One of these; a name without fields is a string.
    Enum(Vec<String>),
}

/// One service feeds another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowEdge {
    /// The one that answers.
    pub from: String,
    /// The one that asks.
    pub to: String,
    /// The input it feeds; none: a call in the body.
    pub input: Option<String>,
    /// Whether both are in one host: the call crosses no process.
    #[serde(default)]
    pub within: bool,
}

/// An edit and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EditLine {
    /// Its number.
    pub edit: u64,
    /// When it was saved.
    pub at_ms: u64,
    /// The outcome.
    pub outcome: EditOutcome,
    /// The services it changed.
    pub services: Vec<EditedService>,
    /// Whether services feed each other in another way since.
    pub flow: bool,
    /// The parts of its time, once it is live.
    pub ms: Option<EditTimes>,
    /// The verdict of recorded inputs, once it is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
}

/// A service in an edit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EditedService {
    /// Rust name.
    pub name: String,
    /// The change, in terms of the source.
    pub reason: String,
    /// `service@hash`, once it is built.
    pub version: Option<String>,
}

/// The outcome of an edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum EditOutcome {
    /// Being built or taken over.
    Open,
    /// Serves.
    Live,
    /// Changed no meaning.
    Unchanged,
    /// Cannot be built.
    Broken {
        /// The number of errors.
        errors: usize,
    },
    /// Was not taken over.
    RolledBack {
        /// The reason, in words.
        why: String,
    },
    /// A later save came before it was live.
    Superseded,
}

/// Times of edits, in milliseconds from the settled save to the first answer of the new code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// The number of edits that went live.
    pub n: u64,
    /// Half of them took no longer.
    pub p50: f64,
    /// 95 % of them took no longer.
    pub p95: f64,
}

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// When.
    pub at_ms: u64,
    /// The text, in words.
    pub message: String,
}

impl Snapshot {
    /// A service by its Rust name.
    pub fn service(&self, name: &str) -> Option<&ServiceView> {
        self.services.iter().find(|service| service.name == name)
    }
}
