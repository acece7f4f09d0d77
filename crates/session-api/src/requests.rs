//! Recorded requests in memory, as a list.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
