//! What a push tells while it is under way.

use std::sync::Arc;

use serde::Serialize;

/// Whoever wants to know.
pub type PushListener = Arc<dyn Fn(PushEvent) + Send + Sync>;

/// Something that happened. Services by their Rust names.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PushEvent {
    /// The cluster answers.
    Connected {
        context: String,
        namespace: String,
        /// The API server's URL.
        server: String,
        /// What tells it from other clusters.
        cluster: String,
    },
    /// A service is being built.
    Building { service: String },
    /// A service is built.
    Built {
        service: String,
        /// `service@hash`.
        version: String,
        /// Bytes of the library.
        bytes: u64,
        /// Milliseconds it took.
        ms: f64,
    },
    /// Somebody else is pushing, and is waited for.
    Waiting { holder: String },
    /// Images travel.
    Shipping {
        /// Which way, to be put after "through".
        through: String,
    },
    /// Images are where nodes find them.
    Shipped {
        /// Layers that travelled.
        layers: usize,
        /// Compressed bytes that travelled.
        bytes: u64,
        /// Milliseconds it took.
        ms: f64,
    },
    /// How the roll of a service stands.
    Rolling {
        service: String,
        /// Pods of the new version that take requests.
        ready: u32,
        /// Pods of the new version there should be.
        wanted: u32,
        /// Pods of earlier versions that are not gone yet.
        old: u32,
        /// Why a pod of the new version is not ready.
        why: Option<String>,
    },
    /// A service runs as it is wanted.
    Live {
        service: String,
        /// `service@hash`.
        version: String,
        /// Milliseconds its roll took.
        ms: f64,
    },
    /// A service did not get there.
    Failed {
        service: String,
        why: String,
        /// The last lines of a container that ended.
        lines: Vec<String>,
    },
    /// A service is put back to what ran.
    RollingBack { service: String },
    /// What is needed no more was removed.
    Removed {
        /// `kind/name`.
        object: String,
    },
    /// Something to know.
    Notice { text: String },
}
