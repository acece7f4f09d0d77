//! Durable jobs, as a session that has a job server beside it tells of them.

use std::fmt::{self, Display};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::units::{many, millis};

/// The jobs of a session, at the latest look at its job server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobsView {
    /// The URL that jobs are accepted at, without a path.
    pub url: String,
    /// The reason why the job server does not answer, in words; the rest is then as it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Jobs that can run at a time.
    pub workers: u64,
    /// Jobs that run.
    pub busy: u64,
    /// Every tenant that has or had jobs, by name.
    pub tenants: Vec<TenantJobs>,
    /// Failed jobs that nobody has looked after, by tenant, service and kind.
    pub dead: Vec<DeadLetters>,
    /// The latest jobs, the newest first.
    pub latest: Vec<JobLine>,
}

/// The jobs of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TenantJobs {
    /// Its name.
    pub name: String,
    /// Its share of function time, beside that of the others.
    pub weight: f64,
    /// Jobs by state.
    pub queued: u64,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that ended with a result, of those that are kept.
    pub done: u64,
    /// Jobs that failed, of those that are kept.
    pub failed: u64,
    /// Jobs that ended as done in a second, lately.
    pub done_per_second: f64,
    /// Function time that it is billed for, in milliseconds.
    pub function_ms: f64,
    /// Milliseconds of function time in a second, lately.
    pub function_ms_per_second: f64,
    /// Half of its latest jobs waited no longer for their begin, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_p50: Option<f64>,
    /// 99 % of its latest jobs waited no longer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_p99: Option<f64>,
}

/// Failed jobs of a service that ended alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetters {
    /// The tenant.
    pub tenant: String,
    /// The service, or `fn:NAME`.
    pub service: String,
    /// The kind of their end.
    pub kind: String,
    /// The number of them.
    pub jobs: u64,
    /// The id of one of them.
    pub example: String,
}

/// The state of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobCondition {
    /// Waits for its turn, or its time.
    #[default]
    Queued,
    /// An attempt is under way.
    Running,
    /// It has a result.
    Done,
    /// Its attempts are used, or it can never run.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// It did not begin within its time to live.
    Expired,
}

impl JobCondition {
    /// The state in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether it has come to its end.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A job in a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobLine {
    /// Its id; without its hyphens the id of its trace.
    pub id: String,
    /// The tenant.
    pub tenant: String,
    /// The service, or `fn:NAME`.
    pub service: String,
    /// Its state.
    pub state: JobCondition,
    /// Runs that counted as attempts.
    pub used: u32,
    /// Attempts that it may use.
    pub attempts: u32,
    /// When it was accepted (RFC 3339).
    pub created_at: String,
    /// The wait before its latest run, in milliseconds; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<f64>,
    /// Function time of all attempts, in milliseconds.
    pub function_ms: f64,
    /// The kind of its end, of a failed job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A job with its attempts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobDetail {
    /// The job.
    #[serde(flatten)]
    pub line: JobLine,
    /// The id of its trace, as the hops of its runs have it.
    pub trace: String,
    /// `service@hash` of the hops that took part.
    pub versions: Vec<String>,
    /// The words of the problem that its latest attempt ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Its attempts, oldest first.
    pub history: Vec<JobAttempt>,
    /// Its result, where it has one that is still kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

/// An attempt of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it began (RFC 3339).
    pub began_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// How it ended; none: it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The words of its problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A page of a list of jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobPage {
    /// The oldest first.
    pub jobs: Vec<JobLine>,
    /// The id that the next page begins after; none: there are no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Function time that a tenant is billed for, of a service and a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobBill {
    /// The tenant.
    pub tenant: String,
    /// The service, or `fn:NAME`.
    pub service: String,
    /// The day in UTC, such as 2026-12-01.
    pub day: String,
    /// Calls of its function.
    pub calls: u64,
    /// Function time of these calls, in milliseconds.
    pub function_ms: f64,
}

impl JobsView {
    /// Dead letters of all tenants.
    pub fn dead_letters(&self) -> u64 {
        self.dead.iter().map(|group| group.jobs).sum()
    }

    /// Jobs that wait, of all tenants.
    pub fn queued(&self) -> u64 {
        self.tenants.iter().map(|tenant| tenant.queued).sum()
    }

    /// `12 of 32 workers busy, 1204 jobs wait, 2 dead letters`.
    pub fn headline(&self) -> String {
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let (jobs, verb) = (many(count(self.queued()), "job"), if self.queued() == 1 { "waits" } else { "wait" });
        let letters = many(count(self.dead_letters()), "dead letter");
        format!("{} of {} workers busy, {jobs} {verb}, {letters}", self.busy, self.workers)
    }

    /// All of it in lines of text.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.headline()];
        lines.extend(self.why.iter().map(|why| format!("the job server does not answer: {why}")));
        for tenant in &self.tenants {
            let TenantJobs { name, queued, running, done, failed, function_ms, .. } = tenant;
            let function = millis(*function_ms);
            lines.push(format!(
                "  {name}: {queued} queued, {running} running, {done} done, {failed} failed, {function} in functions"
            ));
        }
        for group in &self.dead {
            let DeadLetters { tenant, service, kind, jobs, example } = group;
            lines.push(format!("  dead: {jobs} of {tenant} for {service}, {kind}, such as {example}"));
        }
        lines.extend(self.latest.iter().map(ToString::to_string));
        lines
    }
}

/// `019370c4-… alice map done 1/5, waited 1.2 ms, 0.4 ms in functions`.
impl Display for JobLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, tenant, service, used, attempts, .. } = self;
        write!(f, "{id} {tenant} {service} {} {used}/{attempts}", self.state.word())?;
        self.kind.iter().try_for_each(|kind| write!(f, " ({kind})"))?;
        self.waited_ms.iter().try_for_each(|waited| write!(f, ", waited {}", millis(*waited)))?;
        write!(f, ", {} in functions", millis(self.function_ms))
    }
}

impl JobDetail {
    /// All of it in lines of text.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.line.to_string(), format!("  accepted {}", self.line.created_at)];
        for JobAttempt { attempt, began_at, ended_at, outcome, problem } in &self.history {
            let outcome = outcome.as_deref().unwrap_or("running");
            let ended = ended_at.iter().map(|at| format!(", ended {at}")).collect::<String>();
            let problem = problem.iter().map(|words| format!(": {words}")).collect::<String>();
            lines.push(format!("  attempt {attempt}: {outcome}, began {began_at}{ended}{problem}"));
        }
        if self.history.is_empty() {
            lines.extend(self.problem.iter().map(|words| format!("  {words}")));
        }
        if !self.versions.is_empty() {
            lines.push(format!("  ran {}", self.versions.join(", ")));
        }
        lines.push(format!("  trace {}", self.trace));
        lines.extend(self.result.iter().map(|value| format!("  result {value}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_and_what_it_left_are_told_in_lines() {
        let tenant = |name: &str, queued| TenantJobs { name: name.to_owned(), queued, ..TenantJobs::default() };
        let dead =
            DeadLetters { tenant: "bob".to_owned(), kind: "poison".to_owned(), jobs: 2, ..DeadLetters::default() };
        let view = JobsView {
            workers: 32,
            busy: 12,
            tenants: vec![tenant("alice", 1203), tenant("bob", 1)],
            dead: vec![dead],
            ..JobsView::default()
        };
        let lines = view.lines();
        assert_eq!(lines[0], "12 of 32 workers busy, 1204 jobs wait, 2 dead letters");
        assert!(lines[1].starts_with("  alice: 1203 queued, 0 running") && lines[3].contains("poison"), "{lines:?}");
    }

    #[test]
    fn a_job_that_failed_says_why_for_each_attempt() {
        let attempt = JobAttempt { attempt: 1, problem: Some("no 3".to_owned()), ..JobAttempt::default() };
        let line = JobLine { state: JobCondition::Failed, kind: Some("failed".to_owned()), ..JobLine::default() };
        let job = JobDetail { line, history: vec![attempt], ..JobDetail::default() };
        let lines = job.lines();
        assert!(lines[0].contains("failed 0/0 (failed)") && lines[2].contains("running") && lines[2].ends_with("no 3"));
    }
}
