//! The first line of a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The format that is written. It goes up when a reader of the one before would misread it.
pub const FORMAT: u32 = 1;

/// The file in a recording's folder that holds its lines.
pub const FILE: &str = "recording.jsonl";

/// The folder in a recording's folder that holds large bodies.
pub(crate) const BODIES: &str = "bodies";

/// The first line: what was recorded, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format: [`FORMAT`].
    pub recording: u32,
    pub app: String,
    /// When it began: milliseconds since 1970.
    pub began: u64,
    /// Version of `dyn` that wrote it.
    #[serde(rename = "dyn")]
    pub writer: String,
    /// Each service's version when it began.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
    /// What was blanked, besides the secret headers.
    #[serde(default)]
    pub redactions: Vec<String>,
    /// Paths to leave out of comparisons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// One of so many requests was recorded.
    #[serde(default = "every")]
    pub every: u32,
}

fn every() -> u32 {
    1
}

impl Header {
    /// Of a recording that begins now (milliseconds since 1970), by this version of `dyn`.
    pub fn new(app: &str, began: u64) -> Self {
        Self {
            recording: FORMAT,
            app: app.to_owned(),
            began,
            writer: env!("CARGO_PKG_VERSION").to_owned(),
            versions: BTreeMap::new(),
            redactions: Vec::new(),
            ignore: Vec::new(),
            every: every(),
        }
    }
}
