//! What was pushed when, by whom, and what became of it: kept on the cluster itself, so that everybody who may push
//! sees it, and any of it can be put back.

mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use store::{Store, StoreError};

/// How many pushes are kept.
pub const KEPT: usize = 10;

/// One push or rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushRecord {
    /// Counts up with each.
    pub number: u32,
    /// When it began, by the clock of who pushed.
    pub at: Timestamp,
    /// Who: `user@machine`.
    pub by: String,
    /// What was done.
    pub act: Operation,
    /// How it ended.
    pub outcome: PushOutcome,
    /// Each service's version after it, by Rust name.
    pub services: BTreeMap<String, String>,
    /// Why services were changed by it, in terms of the source, by Rust name.
    #[serde(default)]
    pub reasons: BTreeMap<String, Vec<String>>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A source was pushed.
    Push,
    /// Services were put back.
    Rollback {
        /// The number of the record whose state they have again.
        to: u32,
        /// Rust names.
        services: Vec<String>,
    },
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushOutcome {
    /// It has not, or nobody was there to say so: the next push completes it.
    Underway,
    /// Everything is live.
    Live,
    /// A service did not get there; what was changed before was put back.
    RolledBack {
        /// Rust name.
        service: String,
        why: String,
    },
    /// It was ended in the midst of it.
    Stopped { why: String },
}

/// The source of a push: what the next one is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedSource {
    /// The root file.
    pub root: PathBuf,
    /// Texts by path, the root file's among them.
    pub texts: BTreeMap<PathBuf, String>,
    /// Content hashes of included files, by path.
    pub included: BTreeMap<PathBuf, String>,
}

impl PushedSource {
    /// What an app was read from.
    pub fn of(sources: &app::Sources) -> Self {
        let texts = sources.texts.iter().map(|(path, text)| (path.clone(), text.to_string())).collect();
        Self { root: sources.root.clone(), texts, included: sources.included.clone() }
    }

    /// Stands for all of it; none where it cannot be written.
    pub fn hash(&self) -> Option<String> {
        let text = serde_json::to_vec(self).ok()?;
        Some(blake3::hash(&text).to_hex()[..16].to_owned())
    }

    /// The app it says, read again.
    pub fn app(&self) -> app::App {
        let sources = app::Sources {
            root: self.root.clone(),
            texts: self.texts.iter().map(|(path, text)| (path.clone(), text.as_str().into())).collect(),
            included: self.included.clone(),
            absent: BTreeMap::new(),
            // Values are kept by nobody: they may be secrets. What is built again is built with those of now.
            environment: compiler::environment(),
        };
        app::parse(&sources).0
    }
}

/// A record with all that is kept of it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptRecord {
    /// What happened.
    pub record: PushRecord,
    /// Every object of the app as it was applied then.
    pub objects: Vec<serde_json::Value>,
    /// The source; none where it is too large to be kept.
    pub source: Option<PushedSource>,
}
