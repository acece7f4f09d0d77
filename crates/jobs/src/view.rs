//! A job as it is shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::outcome::AttemptOutcome;
use crate::record::JobRecord;
use crate::state::JobState;

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Also the id of its trace.
    pub id: String,
    pub tenant: String,
    pub state: JobState,
    pub service: String,
    /// The number of its latest run; 0 before the first.
    pub attempt: u32,
    /// Runs that counted as attempts.
    pub used: u32,
    /// Attempts that it may use.
    pub attempts: u32,
    pub priority: u8,
    pub created_at: String,
    pub run_at: String,
    pub began_at: Option<String>,
    pub ended_at: Option<String>,
    /// From when it might run to the beginning of its latest run, in microseconds.
    pub waited_us: Option<u64>,
    /// In functions, over all attempts, in microseconds.
    pub function_us: u64,
    /// The same by service, in nanoseconds, without waits for others.
    #[serde(default)]
    pub usage_ns: BTreeMap<String, u64>,
    /// `service@version` of the hops that took part.
    pub versions: Vec<String>,
    pub trace: String,
    /// The trace of the request whose function asked for it: where that ran for a job, the id of that job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// The service that answered with nothing.
    pub filtered: Option<String>,
    /// The problem that its latest attempt ended with.
    #[schema(value_type = Option<Object>)]
    pub problem: Option<Value>,
    /// The kind of dead letter, of a failed job.
    pub kind: Option<String>,
    /// A synchronous function goes on, for nobody.
    pub still_runs: bool,
    /// When its result is removed.
    pub keep_until: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its attempts, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<AttemptView>,
}

/// An attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    pub attempt: u32,
    pub began_at: String,
    pub ended_at: Option<String>,
    pub outcome: Option<AttemptOutcome>,
    #[schema(value_type = Option<Object>)]
    pub problem: Option<Value>,
    /// What the function printed: `{"lines":[{"level","text"}],"cut_bytes":0}`. Only of functions that tenants registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub printed: Option<Value>,
}

impl JobView {
    /// The view of a record.
    pub fn of(record: &JobRecord, history: Vec<AttemptView>) -> Self {
        let waited = |began: i64| u64::try_from(began.saturating_sub(record.run_at)).unwrap_or(0) * 1_000;
        Self {
            id: record.id.clone(),
            tenant: record.tenant.clone(),
            state: record.state,
            service: record.service.clone(),
            attempt: record.attempt,
            used: record.used,
            attempts: record.attempts,
            priority: record.priority,
            created_at: time(record.created_at),
            run_at: time(record.run_at),
            began_at: record.began_at.map(time),
            ended_at: record.ended_at.map(time),
            waited_us: record.began_at.map(waited),
            function_us: record.function_ns / 1_000,
            usage_ns: record.usage.clone(),
            versions: record.versions.clone(),
            trace: record.id.replace('-', ""),
            asked_by: record.asked_by.clone(),
            filtered: record.filtered.clone(),
            problem: record.problem.clone(),
            kind: record.kind.clone(),
            still_runs: record.still_runs,
            keep_until: record.ended_at.map(|ended| time(ended.saturating_add_unsigned(record.keep_ms))),
            tags: record.tags.clone(),
            serial: record.serial.clone(),
            history,
        }
    }
}

/// A time as RFC 3339 has it, in UTC; the bounds of what it can write where it is beyond them.
pub fn time(millis: i64) -> String {
    let at = Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX });
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_millisecond() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_764_000_000_123), "2025-11-24T16:00:00.123Z");
        assert!(time(i64::MAX).starts_with("9999-") && time(i64::MIN).starts_with("-009999-"));
    }
}
