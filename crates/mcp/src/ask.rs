//! What a tool is asked with.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A part of a long answer.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Part {
    /// Byte to go on from, as a cut answer says
    #[serde(default)]
    pub(crate) offset: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Services {
    /// Service, by Rust name: all about it, with the JSON Schemas of its inputs and answer. Left out: a line for each
    pub(crate) service: Option<String>,
    /// Byte to go on from, as a cut answer says
    #[serde(default)]
    pub(crate) offset: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Call {
    /// Service, by Rust name
    pub(crate) service: String,
    /// Inputs by name, as JSON. The flow has those that are left out
    #[serde(default)]
    pub(crate) inputs: Map<String, Value>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Requests {
    /// Words that all have to fit: service:NAME, version:HASH, end:value|filtered|error|KIND, trace:ID, route:TEXT, or any
    /// text of inputs and outputs
    #[serde(default)]
    pub(crate) query: String,
    /// Only requests with a smaller number
    pub(crate) before: Option<u64>,
    /// Requests at most, up to 200
    #[serde(default = "usual")]
    pub(crate) limit: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Request {
    /// Number of the request
    pub(crate) number: Option<u64>,
    /// Trace id of the request, as call answers with it; a request that has just ended is waited for
    pub(crate) trace: Option<String>,
    /// One of its hops, numbered from 1: its values whole, in parts
    pub(crate) hop: Option<u64>,
    /// Byte to go on from, as a cut answer says
    #[serde(default)]
    pub(crate) offset: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Logs {
    /// Service, by Rust name [default: all]
    pub(crate) service: Option<String>,
    /// Only lines with a smaller seq
    pub(crate) before: Option<u64>,
    /// Lines at most
    #[serde(default = "usual")]
    pub(crate) limit: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Edits {
    /// One edit, with its verdict whole
    pub(crate) edit: Option<u64>,
    /// Only edits with a smaller number
    pub(crate) before: Option<u64>,
    /// Byte to go on from, as a cut answer says
    #[serde(default)]
    pub(crate) offset: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct WaitForEdit {
    /// Number of the last edit that is known: a later one is waited for [default: the last one that this tool told of, or
    /// that there was when the server first saw the session]
    pub(crate) after: Option<u64>,
    /// Seconds to wait at most
    #[serde(default = "patience")]
    pub(crate) timeout_s: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Replay {
    /// A recording, by name. Without it and without a request: what was recorded, for the last edit
    pub(crate) recording: Option<String>,
    /// Number of one request in memory
    pub(crate) request: Option<u64>,
    /// Byte to go on from, as a cut answer says; the replay runs again
    #[serde(default)]
    pub(crate) offset: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct StateOf {
    /// Service, by Rust name
    pub(crate) service: String,
    /// Byte to go on from, as a cut answer says
    #[serde(default)]
    pub(crate) offset: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PushPlan {
    /// Context of the kubeconfig [default: the current one]
    pub(crate) context: Option<String>,
    /// Namespace [default: the context's]
    pub(crate) namespace: Option<String>,
    /// Only these services, by Rust name
    #[serde(default)]
    pub(crate) services: Vec<String>,
    /// Show the plan in `dyn` and ask the user there whether it is carried out
    #[serde(default)]
    pub(crate) ask: bool,
}

fn usual() -> usize {
    50
}

fn patience() -> u64 {
    60
}
