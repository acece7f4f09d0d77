//! What was found.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::compare::ValueChange;

/// What changed for a service, and what that changed downstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReplayVerdict {
    /// The service, by its Rust name.
    pub service: String,
    /// Its version before; none: what was recorded stood for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Its version now.
    pub now: String,
    /// Of the service itself.
    #[serde(flatten)]
    pub findings: FunctionRuns,
    /// Services that got other values for it, as far as it makes a difference.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub downstream: BTreeMap<String, FunctionRuns>,
    /// The code now takes longer on the same inputs, as far as the samples support that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slower: Option<Pace>,
    /// It takes less long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faster: Option<Pace>,
}

/// What the runs of one function came to. Each run counts once: as same, as changed, as unstable or as skipped.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FunctionRuns {
    /// Recorded calls that were looked at.
    pub recorded: usize,
    /// Those that end as before.
    pub same: usize,
    /// Those that end otherwise.
    pub differ: usize,
    /// Those that end otherwise only where the code before does so from run to run.
    #[serde(skip_serializing_if = "is_zero")]
    pub unstable: usize,
    /// Those of which nothing can be said, by the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, usize>,
    /// Those of them whose inputs do not read any more.
    #[serde(skip_serializing_if = "is_zero")]
    pub unread: usize,
    /// Differences one by one, of the newest requests first where calls have no order.
    pub changed: Vec<CaseChange>,
    /// Differences that were found besides these.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// What is to be known besides, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A difference in one request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseChange {
    /// The request's number.
    pub at: u64,
    /// Where, what was, what is.
    #[serde(flatten)]
    pub change: ValueChange,
}

/// Times of the code before and now, on the same inputs in turns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pace {
    /// Median before, in nanoseconds in the function.
    pub was_ns: u64,
    /// Median now, in nanoseconds in the function.
    pub now_ns: u64,
    /// Runs on each side.
    pub n: usize,
    /// How likely times this far apart are where there is no difference (Mann-Whitney).
    pub p: f64,
}

impl ReplayVerdict {
    /// Whether anything ends otherwise than before.
    pub fn differs(&self) -> bool {
        self.findings.differ > 0 || self.downstream.values().any(|findings| findings.differ > 0)
    }
}

impl FunctionRuns {
    pub(super) fn skip(&mut self, why: impl Into<String>) {
        self.recorded += 1;
        *self.skipped.entry(why.into()).or_default() += 1;
    }

    pub(super) fn differ(&mut self, at: u64, changes: Vec<ValueChange>, shown: usize) {
        self.differ += 1;
        let room = shown.saturating_sub(self.changed.len());
        self.more += changes.len().saturating_sub(room);
        self.changed.extend(changes.into_iter().take(room).map(|change| CaseChange { at, change }));
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
