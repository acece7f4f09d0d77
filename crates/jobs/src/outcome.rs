//! How attempts end, and what follows for the job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    /// The service answered with a value.
    Value,
    /// A service of the chain answered with nothing.
    Filtered,
    /// The function returned an error.
    Failed,
    Panicked,
    /// The service does not take the inputs, or the request is wrong in another way that stays.
    Rejected,
    Deadline,
    /// A service further up could not be reached.
    Upstream,
    /// Nothing ran: the service could not be reached or had no room.
    Held,
    /// The attempt's host ended during it, or nobody knows what became of it.
    Lost,
    Cancelled,
    /// There is no such service any more.
    Gone,
}

/// How an attempt ended, with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptReport {
    pub outcome: AttemptOutcome,
    /// The problem document, where there is one.
    pub problem: Option<Value>,
    /// The service that filtered.
    pub filtered: Option<String>,
    /// `service@version` of each hop.
    pub versions: Vec<String>,
    /// Nanoseconds in functions by service, without waits for others.
    pub usage: BTreeMap<String, u64>,
    /// What the function says of another attempt.
    pub retry: RetryWish,
    /// What the function printed, where that is kept with the job: `{"lines":[{"level","text"}],"cut_bytes":0}`.
    pub lines: Option<Value>,
}

/// What a function that failed says of another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryWish {
    /// As the job says.
    #[default]
    Usual,
    /// It would fail again.
    Never,
    /// After so many milliseconds, without using an attempt.
    AfterMs(u64),
}

impl RetryWish {
    /// Reads the members of a problem document that say so.
    pub fn read(problem: &Value) -> Self {
        match (problem["retry"].as_str(), problem["retry_ms"].as_u64()) {
            (Some("never"), _) => Self::Never,
            (_, Some(millis)) => Self::AfterMs(millis),
            _ => Self::Usual,
        }
    }
}

impl AttemptReport {
    /// A report of nothing but the outcome.
    pub fn of(outcome: AttemptOutcome) -> Self {
        Self {
            outcome,
            problem: None,
            filtered: None,
            versions: Vec::new(),
            usage: BTreeMap::new(),
            retry: RetryWish::Usual,
            lines: None,
        }
    }

    /// Nanoseconds in functions, all hops together.
    pub fn function_ns(&self) -> u64 {
        self.usage.values().fold(0, |sum, ns| sum.saturating_add(*ns))
    }
}

/// What follows for a job from the end of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum JobNext {
    Done,
    /// Another attempt after so many milliseconds; `charged` where this one counts as one of `attempts`.
    Again {
        after_ms: u64,
        charged: bool,
    },
    /// The end, of this kind of dead letter.
    Failed {
        kind: &'static str,
    },
}

impl JobNext {
    /// Whether another attempt follows and this one does not count.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self, Self::Again { charged: false, .. })
    }
}

impl AttemptOutcome {
    /// Reads the answer of a service: its status, and the kind of its problem document.
    pub fn read(status: u16, kind: Option<&str>) -> Self {
        match (status, kind) {
            (200, _) => Self::Value,
            (204, _) => Self::Filtered,
            (_, Some("failed")) => Self::Failed,
            (_, Some("panicked")) => Self::Panicked,
            (_, Some("deadline")) => Self::Deadline,
            (503, Some("not-ready" | "overloaded") | None) => Self::Held,
            (_, Some("unreachable" | "not-ready" | "overloaded" | "upstream")) => Self::Upstream,
            (400..=499 | 508, _) | (_, Some("too-large" | "route" | "loop" | "unsupported")) => Self::Rejected,
            _ => Self::Failed,
        }
    }

    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Value,
        Self::Filtered,
        Self::Failed,
        Self::Panicked,
        Self::Rejected,
        Self::Deadline,
        Self::Upstream,
        Self::Held,
        Self::Lost,
        Self::Cancelled,
        Self::Gone,
    ];

    /// Whether the function may have run.
    pub fn may_have_run(self) -> bool {
        self != Self::Held
    }

    /// The kind of dead letter that a job ends as where no attempt is left.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Filtered => "filtered",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Rejected => "rejected",
            Self::Deadline => "deadline",
            Self::Upstream => "upstream",
            Self::Held => "held",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
            Self::Gone => "gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_services_are_read_by_their_kind() {
        let read = AttemptOutcome::read;
        assert_eq!(read(200, None), AttemptOutcome::Value);
        assert_eq!(read(204, None), AttemptOutcome::Filtered);
        assert_eq!(read(500, Some("failed")), AttemptOutcome::Failed);
        assert_eq!(read(500, Some("panicked")), AttemptOutcome::Panicked);
        assert_eq!(read(504, Some("deadline")), AttemptOutcome::Deadline);
        assert_eq!(read(503, Some("not-ready")), AttemptOutcome::Held);
        assert_eq!(read(503, Some("overloaded")), AttemptOutcome::Held);
        assert_eq!(read(503, None), AttemptOutcome::Held, "more connections than are let in");
        assert_eq!(read(502, Some("unreachable")), AttemptOutcome::Upstream, "what came before it may have run");
        assert_eq!(read(500, Some("too-large")), AttemptOutcome::Rejected);
        assert_eq!(read(508, Some("loop")), AttemptOutcome::Rejected);
        for status in [400, 404, 413, 415, 421, 422] {
            assert_eq!(read(status, Some("request")), AttemptOutcome::Rejected, "{status}");
        }
        assert_eq!(read(500, None), AttemptOutcome::Failed);
    }
}
