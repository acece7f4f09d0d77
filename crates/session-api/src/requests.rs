//! Recorded requests in memory, as a list.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A page of the requests in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestList {
    /// Newest first.
    pub requests: Vec<RequestLine>,
    /// The number of the newest request in memory.
    pub newest: Option<u64>,
    /// The number of the oldest request in memory.
    pub oldest: Option<u64>,
    /// The requests that were looked at for this page.
    pub scanned: u64,
    /// Whether no older request in memory matches.
    pub whole: bool,
    /// What to ask on with, as `before`: older requests were not looked at, since the page is full or to look takes too
    /// long; none: all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A request in memory, in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestLine {
    /// Its number.
    pub number: u64,
    /// W3C trace id, 32 hex digits.
    pub trace: String,
    /// When it began, in milliseconds since 1970.
    pub at_ms: u64,
    /// Microseconds until the last of its functions had answered; 0: a host of an earlier version does not say.
    #[serde(default)]
    pub total_us: u64,
    /// The route that it asked for; none: the app's flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The versions that took part, as `service@hash`, in the order in which they ended.
    pub versions: Vec<String>,
    /// `value`, `filtered`, or the kind of its problem.
    pub end: String,
    /// The service that filtered or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The beginning of its answer as JSON, or the problem's message: 120 characters at most.
    pub value: String,
}

/// A request in memory, with its values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestDetail {
    /// The request in a line.
    pub line: RequestLine,
    /// Its functions in the order in which they ended, each after those that fed it.
    pub hops: Vec<RequestHop>,
}

/// A function's part in a request. A result that is no value is an object such as `{"end":"filtered"}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestHop {
    /// From 1.
    pub number: u64,
    /// The number of the hop that asked for it; none: it was called from outside, or the one that asked ran no function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// Rust name.
    pub service: String,
    /// `service@hash`.
    pub version: String,
    /// From the request's begin to this part's, in microseconds.
    pub start_us: u64,
    /// All of it, in microseconds.
    pub total_us: u64,
    /// In the function, in nanoseconds.
    pub function_ns: u64,
    /// The names of its inputs; empty where the service is not known any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The inputs, in order.
    pub inputs: Vec<Value>,
    /// The result.
    pub end: Value,
}

/// A request in memory as a Rust test file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestTest {
    /// A name for the file.
    pub file: String,
    /// The code. Its first lines say how the app's file takes it in.
    pub text: String,
    /// Calls that it checks.
    pub calls: u64,
    /// Services without a test, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, String>,
}

/// The form of a service's inputs and of its answer, as JSON Schema (2020-12).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceForm {
    /// The object that a call sends.
    pub input: Value,
    /// The value that it answers with.
    pub output: Value,
}
