//! What was measured, ready to be drawn. Times are microseconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Measurements of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredHop {
    /// Over the last stretches of time, shortest first: ten seconds, a minute, five minutes.
    pub windows: Vec<Window>,
    /// Requests of each of the last 60 seconds, oldest first.
    pub per_second: Vec<u32>,
    /// Requests that are being answered at this moment.
    pub in_flight: u32,
    /// Requests to other services that were tried again, since the service's host began: nothing of them had been sent.
    pub retries: u64,
    /// The services it does not try to connect to for now: their circuits are open.
    pub open: Vec<String>,
    /// Before and after the last edit that changed the service.
    pub edit: Option<HopComparison>,
    /// Before and after it last shared a host with other services than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<MoveComparison>,
}

/// One service over one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Its length in seconds.
    pub seconds: u32,
    /// Requests seen.
    pub n: u64,
    /// Of those, answered with an error.
    pub errors: u64,
    /// Requests a second.
    pub rate: f64,
    /// From the first byte of a request to the last of its answer.
    pub total: HopPercentiles,
    /// In the user's function, without what it waited for.
    pub function: HopPercentiles,
    /// Waiting for upstream services, network included.
    pub upstream: HopPercentiles,
    /// On the wire to upstream services: what was waited for less what they say they took.
    pub network: HopPercentiles,
    /// Everything else: our own work.
    pub overhead: HopPercentiles,
    /// Requests by total time: the upper end of a bucket and how many fell into it, in rising order.
    pub histogram: Vec<(u64, u64)>,
}

/// The calls of one service to another, over the last minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeWindow {
    /// Calls that ended.
    pub n: u64,
    /// Of those, answered with an error or not at all.
    pub errors: u64,
    /// Calls a second.
    pub rate: f64,
    /// What the caller waited.
    pub wait: HopPercentiles,
    /// What of that was on the wire.
    pub network: HopPercentiles,
}

/// A service's latency over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyHistory {
    /// Seconds of a step.
    pub step_s: u32,
    /// Seconds of all of it.
    pub span_s: u32,
    /// Oldest first; steps in which no request ended are left out.
    pub points: Vec<LatencyPoint>,
}

/// A step of a service's latency, as an array: seconds since the session began, below 0 before it; requests; errors;
/// p50, p90, p99, and the longest; p50 in the function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyPoint(
    /// Where the step begins, in seconds.
    pub i64,
    /// Requests that ended.
    pub u32,
    /// Of those, answered with an error.
    pub u32,
    /// Half took no longer.
    pub u32,
    /// Nine of ten took no longer.
    pub u32,
    /// 99 of 100 took no longer.
    pub u32,
    /// The longest.
    pub u32,
    /// Half were no longer in the function.
    pub u32,
);

/// Percentiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HopPercentiles {
    /// Half of them.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

/// Function times before and after an edit, in nanoseconds: many functions take less than a microsecond.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HopComparison {
    /// The edit.
    pub edit: u64,
    /// Median before.
    pub before_p50: u64,
    /// Samples before.
    pub before_n: u64,
    /// Median since.
    pub after_p50: u64,
    /// Samples since.
    pub after_n: u64,
    /// The verdict that the samples support.
    pub verdict: SpeedVerdict,
}

/// What requests took beside functions, before and after services came into one host or left it, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MoveComparison {
    /// The services it called within its host before.
    pub before: Vec<String>,
    /// Those since.
    pub after: Vec<String>,
    /// Median before.
    pub before_p50: u64,
    /// Samples before.
    pub before_n: u64,
    /// Median since.
    pub after_p50: u64,
    /// Samples since.
    pub after_n: u64,
    /// The verdict that the samples support.
    pub verdict: SpeedVerdict,
}

/// The verdict that two samples support.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpeedVerdict {
    /// Neither, or too few samples.
    #[default]
    NoEvidence,
    /// The new code is slower.
    Slower,
    /// The new code is faster.
    Faster,
}

/// One request, whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// W3C trace id, 32 hex digits.
    pub id: String,
    /// When it was seen, in milliseconds since the session began.
    pub at_ms: u64,
    /// From first to last.
    pub total: u64,
    /// Whether parts are missing.
    pub partial: bool,
    /// Its parts, each after the one that asked for it.
    pub spans: Vec<MeasuredSpan>,
}

/// A service's part of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredSpan {
    /// Rust name.
    pub service: String,
    /// `service@hash`.
    pub version: String,
    /// The number of services that asked one another before it.
    pub depth: u32,
    /// From the request's beginning to this part's, as far as clocks and durations say; never negative.
    pub start: u64,
    /// All of it.
    pub total: u64,
    /// In the user's function.
    pub function: u64,
    /// Waiting for upstream services.
    pub upstream: u64,
    /// On the wire from the one that asked.
    pub network: u64,
    /// HTTP status.
    pub status: u16,
    /// The error, in words.
    pub error: Option<String>,
}
