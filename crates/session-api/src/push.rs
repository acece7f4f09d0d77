//! A push to a cluster, or a rollback there, as faces see it: plain data.

use std::fmt::{self, Display};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units;

/// A push or rollback of this session, from its preparation to its end. Times are milliseconds since the session began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PushView {
    /// Counts the pushes and rollbacks of this session, from 1.
    pub push: u64,
    /// The operation.
    pub act: PushAct,
    /// The edit whose text is pushed; 0 is the start.
    pub edit: u64,
    /// When it was asked for.
    pub at_ms: u64,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// The stage.
    pub stage: Stage,
    /// The target, once the cluster answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PushTarget>,
    /// Each service's change and its state, upstreams before those who call them.
    pub services: Vec<Roll>,
    /// Image layers that have to travel.
    #[serde(default)]
    pub layers: usize,
    /// Compressed bytes of them.
    #[serde(default)]
    pub bytes: u64,
    /// The last push was ended in the midst of it: this one goes on.
    #[serde(default)]
    pub unfinished: bool,
    /// The work of this moment, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// Remarks, in words, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An operation on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum PushAct {
    /// The app as it was loaded last is brought there.
    #[default]
    Push,
    /// Services run as they ran before.
    Rollback {
        /// The number of the push whose state they have again, once it is known.
        to: Option<u32>,
    },
}

/// The stage of a push.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The cluster is asked, and what differs is built. Nothing is changed by it.
    #[default]
    Preparing,
    /// Ready to be carried out: somebody has to say yes or no.
    Asking,
    /// Being carried out.
    Underway,
    /// Told to stop, and saying so to the cluster.
    Stopping,
    /// The plan alone was asked for.
    Planned,
    /// Nothing to do: everything runs as it is wanted.
    Nothing,
    /// Nobody wanted it carried out.
    Declined {
        /// The reason, in words.
        why: String,
    },
    /// Everything is live.
    Live {
        /// The number of its record on the cluster.
        number: u32,
        /// Compressed bytes that travelled.
        sent: u64,
        /// Milliseconds from the word to go until everything was live.
        ms: f64,
    },
    /// Not done, or not whole.
    Failed {
        /// The reason, in words.
        why: String,
        /// A hint at a remedy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        /// Whether changes were put back to the state before.
        put_back: bool,
    },
    /// Stopped in the midst of it: the next push goes on from there.
    Stopped,
}

/// A namespace of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PushTarget {
    /// The context of the kubeconfig.
    pub context: String,
    /// The namespace.
    pub namespace: String,
    /// The API server's URL.
    pub server: String,
    /// The identity of the cluster among others.
    pub cluster: String,
}

/// A service in a push.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Roll {
    /// Rust name.
    pub name: String,
    /// The change: new, changed, settings, moved, route only, along, drifted, unchanged, gone or rolled back.
    pub what: String,
    /// The reasons, in terms of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// `service@hash` that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// `service@hash` that is to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The image that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_before: Option<String>,
    /// The image that is to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Pods there should be.
    #[serde(default)]
    pub replicas: u32,
    /// Compressed bytes of its image that no other service has; 0 where the image is there already.
    #[serde(default)]
    pub bytes: u64,
    /// The state.
    pub state: RollState,
}

/// The state of a service in a push.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RollState {
    /// Not begun, or nothing is to be done.
    #[default]
    Waiting,
    /// Being built at the level at which it is pushed.
    Building,
    /// Built, not rolled yet.
    Built {
        /// Milliseconds it took.
        ms: f64,
    },
    /// Pods of the new version come, those of old ones go.
    Rolling {
        /// Pods of the new version that take requests.
        ready: u32,
        /// Pods of the new version there should be.
        wanted: u32,
        /// Pods of earlier versions that are not gone yet.
        old: u32,
        /// The reason why a pod of the new version is not ready.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Running as it is wanted.
    Live {
        /// Milliseconds its roll took.
        ms: f64,
    },
    /// Not rolled out.
    Failed {
        /// The reason, in words.
        why: String,
        /// The last lines of a container that ended.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<String>,
        /// Whether it is put back to the version before.
        put_back: bool,
    },
    /// Put back to the version before, because another was not rolled out.
    PutBack,
}

impl PushView {
    /// Whether it is neither asked about nor at its end: no other can begin.
    pub fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Preparing | Stage::Underway | Stage::Stopping)
    }

    /// Whether it has not come to its end.
    pub fn is_open(&self) -> bool {
        self.is_busy() || self.stage == Stage::Asking
    }

    /// Whether it changed what runs on the cluster, and all of it is live.
    pub fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live { .. })
    }

    /// The number of its record on the cluster, once it is live.
    pub fn number(&self) -> Option<u32> {
        match self.stage {
            Stage::Live { number, .. } => Some(number),
            _ => None,
        }
    }

    /// Tells the plan in lines: the target, each service's change and reason, and the bytes that travel.
    pub fn plan(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(PushTarget { context, namespace, server, cluster }) = &self.target {
            lines
                .push(format!("{} to {context}, namespace {namespace} ({server}, cluster {cluster})", self.act.word()));
        }
        let width = self.services.iter().map(|roll| roll.name.chars().count()).max().unwrap_or_default();
        for roll in &self.services {
            lines.push(format!("  {:width$}  {}", roll.name, roll.words()));
            lines.extend(roll.reasons.iter().map(|reason| format!("  {:width$}    {reason}", "")));
        }
        if self.unfinished {
            lines.push("the last push was ended in the midst of it: this one goes on".to_owned());
        }
        if self.layers > 0 {
            lines.push(format!("{} to send, {}", units::many(self.layers, "layer"), units::bytes(self.bytes)));
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    /// The services with which something is done.
    pub fn changed(&self) -> impl Iterator<Item = &Roll> {
        self.services.iter().filter(|roll| roll.is_changed())
    }
}

impl Roll {
    /// Tells its change in a line: `changed  plus@1f -> plus@2e  image 77c0…  2 pods  240 kB`.
    pub fn words(&self) -> String {
        let mut words = vec![self.what.clone()];
        match (&self.before, &self.version) {
            (Some(before), Some(after)) if before != after => words.push(format!("{before} -> {after}")),
            (_, Some(version)) | (Some(version), None) => words.push(version.clone()),
            (None, None) => {}
        }
        let changed = || self.image.is_some() && self.image != self.image_before;
        if let Some(image) = self.image.as_deref().filter(|_| changed()) {
            words.push(format!("image {}", digest(image)));
        }
        if self.is_changed() && self.replicas > 0 {
            words.push(units::many(self.replicas as usize, "pod"));
        }
        if self.bytes > 0 {
            words.push(units::bytes(self.bytes));
        }
        words.join("  ")
    }

    /// Whether something is done with it.
    pub fn is_changed(&self) -> bool {
        self.what != "unchanged"
    }
}

/// Shortens an image to the part by which people compare it.
fn digest(image: &str) -> &str {
    let digest = image.rsplit([':', '.']).next().unwrap_or(image);
    digest.get(..12).unwrap_or(digest)
}

impl PushAct {
    /// `push` or `rollback`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Rollback { .. } => "rollback",
        }
    }
}

/// `context / namespace`.
impl Display for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.context, self.namespace)
    }
}

/// In a few words: `1 of 2 new ready, 1 old left: …`.
impl Display for RollState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting"),
            Self::Building => f.write_str("building"),
            Self::Built { ms } => write!(f, "built in {ms:.0} ms"),
            Self::Rolling { ready, wanted, old, why } => {
                write!(f, "{ready} of {wanted} new ready, {old} old left")?;
                why.iter().try_for_each(|why| write!(f, ": {why}"))
            }
            Self::Live { ms } => write!(f, "live after {:.1} s", ms / 1e3),
            Self::Failed { why, put_back: false, .. } => write!(f, "failed: {why}"),
            Self::Failed { why, put_back: true, .. } => write!(f, "failed and put back: {why}"),
            Self::PutBack => f.write_str("put back"),
        }
    }
}

/// In a few words.
impl Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preparing => f.write_str("preparing"),
            Self::Asking => f.write_str("waits for yes or no"),
            Self::Underway => f.write_str("under way"),
            Self::Stopping => f.write_str("stopping"),
            Self::Planned => f.write_str("planned, not carried out"),
            Self::Nothing => f.write_str("nothing to do: everything runs as it is wanted"),
            Self::Declined { why } => write!(f, "not carried out: {why}"),
            Self::Live { number, sent, ms } => {
                write!(f, "live as push {number}: {:.1} s, {} sent", ms / 1e3, units::bytes(*sent))
            }
            Self::Failed { why, put_back: true, .. } => write!(f, "put back: {why}"),
            Self::Failed { why, put_back: false, .. } => write!(f, "failed: {why}"),
            Self::Stopped => f.write_str("stopped: the next push goes on from there"),
        }
    }
}
