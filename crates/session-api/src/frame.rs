//! A session as it changes: frames, each with the entries that changed since the one before, whole.
//!
//! A [`crate::snapshot::Snapshot`] of many services is large, and most of it stays. A [`FrameWriter`] says what changed between two
//! snapshots, a [`FrameFollower`] makes snapshots of frames again. Frames may be skipped by whoever makes them, never by
//! whoever reads them: each builds on the one before.
//!
//! Figures change all the time, so they go as rows of numbers, and at their own pace ([`PACE_MS`]). The whole
//! [`MeasuredHop`](crate::measured::MeasuredHop) of one service is asked for by itself (`GET /v1/hops/SERVICE`).
//!
//! Pure: when a frame is made, and how it travels, is the caller's.

mod reader;
mod row;
mod writer;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::measured::Trace;
use crate::push::PushView;
use crate::snapshot::{EditLine, FlowEdge, ServiceView, TypeShape};

pub use reader::{FollowError, FrameFollower};
pub use row::{EdgeRow, FigureRow};
pub use writer::FrameWriter;

/// Milliseconds between two frames.
pub const FRAME_MS: u64 = 200;
/// Milliseconds between two looks at figures: of the shortest window, and of all others in an app with many services.
pub const PACE_MS: [u64; 2] = [1_000, 10_000];
/// Services above which the figures of longer windows come at the slower pace.
pub const MANY_SERVICES: usize = 40;

/// The entries of a session that changed since the frame before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionFrame {
    /// Counts the frames of one reader, from 1. The first has everything.
    pub seq: u64,
    /// When the picture was taken, in milliseconds since the session began.
    pub now_ms: u64,
    /// Fields of a snapshot that are small, by name, each whole; `null` where a field is none now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Value>,
    /// Services by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, ServiceView>,
    /// The names of all services, in the order of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<String>>,
    /// All edges of the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<Vec<FlowEdge>>,
    /// All shapes of types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<BTreeMap<String, TypeShape>>,
    /// Edits by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edits: BTreeMap<u64, EditLine>,
    /// Pushes and rollbacks by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pushes: BTreeMap<u64, PushView>,
    /// Requests kept whole, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<Vec<Trace>>,
    /// Figures by the length of their window in seconds, then by service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<u32, BTreeMap<String, FigureRow>>,
    /// Requests of each of the last 60 seconds, by service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seconds: BTreeMap<String, Vec<u32>>,
    /// Figures of calls by the service that calls, all that are called by it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, BTreeMap<String, EdgeRow>>,
    /// Entries that are gone.
    #[serde(default, skip_serializing_if = "Gone::is_empty")]
    pub gone: Gone,
}

/// Entries that are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gone {
    /// Services, with all their figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Edits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<u64>,
    /// Pushes and rollbacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pushes: Vec<u64>,
    /// Services that call nobody any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
}

impl Gone {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl SessionFrame {
    /// Whether nothing but the time changed.
    pub fn is_empty(&self) -> bool {
        *self == Self { seq: self.seq, now_ms: self.now_ms, ..Self::default() }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
