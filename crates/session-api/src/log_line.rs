//! A line of output.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line a service wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Its number among all lines of the session.
    pub seq: u64,
    /// When, in milliseconds since the session began.
    pub at_ms: u64,
    /// Rust name.
    pub service: String,
    /// `stdout` or `stderr`; `dropped` where the line tells how many lines are missing in its place.
    pub stream: String,
    /// Without its line end.
    pub line: String,
}
