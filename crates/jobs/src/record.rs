//! A job, and what each change does to it. A store loads a record, changes it here, and keeps what came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backoff::{self, Backoff};
use crate::outcome::{AttemptOutcome, AttemptReport, JobNext, RetryWish};
use crate::state::{JobChange, JobState};

/// Runs of a job that asked for a later one and used no attempt.
const LATER: u32 = 100;
/// Attempts in a row whose host ended during them: the job is what ends it.
const POISON: u32 = 3;

/// All that is known of a job but its input, its result and its history. Times are milliseconds since 1970.
///
/// A store searches by the first six members, which it keeps beside: they are no part of the JSON, and nor is what is as most
/// jobs have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    #[serde(skip)]
    pub id: String,
    #[serde(skip)]
    pub tenant: String,
    #[serde(skip)]
    pub service: String,
    #[serde(skip, default = "usual::state")]
    pub state: JobState,
    /// When it may run next.
    #[serde(skip)]
    pub run_at: i64,
    #[serde(skip)]
    pub ttl_at: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: u8,
    pub created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// The number of its latest run; 0 before the first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attempt: u32,
    /// Runs that count as attempts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub used: u32,
    /// Attempts that it may use.
    #[serde(default = "usual::attempts", skip_serializing_if = "usual::are_attempts")]
    pub attempts: u32,
    /// Runs in a row that did not reach the service.
    #[serde(default, skip_serializing_if = "is_default")]
    pub held: u32,
    /// Runs in a row that were lost.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: u32,
    /// Runs that asked for a later one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub later: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub backoff: Backoff,
    /// Milliseconds of one attempt.
    #[serde(default = "usual::timeout", skip_serializing_if = "usual::is_timeout")]
    pub timeout_ms: u64,
    /// Whether an attempt that was lost is repeated.
    #[serde(default = "usual::repeats", skip_serializing_if = "usual::does_repeat")]
    pub repeat_lost: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<JobCallback>,
    /// Milliseconds that its result is kept after its end.
    #[serde(default = "usual::keep", skip_serializing_if = "usual::is_keep")]
    pub keep_ms: u64,
    /// The life of the server that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// The life of the host that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub function_ns: u64,
    /// The same by service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub usage: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Value>,
    /// The kind of dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// A synchronous function that could not be ended goes on for nobody.
    #[serde(default, skip_serializing_if = "is_default")]
    pub still_runs: bool,
    /// The trace of the request whose function asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// A function's result is wanted as text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub as_text: bool,
}

/// What most jobs have, and no store writes down. Never changed: stores of before mean these.
mod usual {
    use crate::state::JobState;

    pub(super) fn state() -> JobState {
        JobState::Queued
    }

    pub(super) fn attempts() -> u32 {
        5
    }

    pub(super) fn are_attempts(said: &u32) -> bool {
        *said == attempts()
    }

    pub(super) fn timeout() -> u64 {
        30_000
    }

    pub(super) fn is_timeout(said: &u64) -> bool {
        *said == timeout()
    }

    pub(super) fn repeats() -> bool {
        true
    }

    pub(super) fn does_repeat(said: &bool) -> bool {
        *said
    }

    pub(super) fn keep() -> u64 {
        86_400_000
    }

    pub(super) fn is_keep(said: &u64) -> bool {
        *said == keep()
    }
}

/// What stands before the name of a registered function where a service's name could stand. No service has a colon.
pub const FUNCTION: &str = "fn:";

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where the end of a job is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobCallback {
    /// An `http` or `https` URL.
    pub url: String,
    /// The ends that are told; none: `done` and `failed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<JobState>,
}

/// The run that a change is for. A change by anybody else changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    pub id: String,
    pub attempt: u32,
    pub holder: String,
}

/// A change that a job does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobRefusal {
    /// The table of states has no such change.
    #[error("the job is {} already", state.word())]
    State { state: JobState },
    /// Another run, or the same run in other hands.
    #[error("the attempt belongs to somebody else by now")]
    Fenced,
}

/// Times and chance that a change needs.
#[derive(Clone, Copy, Debug)]
pub struct Instance {
    /// Milliseconds since 1970.
    pub now: i64,
    /// Uniform in 0..1.
    pub chance: f64,
}

impl JobRecord {
    /// What orders the jobs of a tenant: its time, with a minute for each step of priority. So a job gains a step for each
    /// minute that it waits.
    pub fn rank(&self) -> i64 {
        self.run_at.saturating_sub(i64::from(self.priority) * 60_000)
    }

    /// The registered function that it runs; none: it calls a service.
    pub fn function(&self) -> Option<&str> {
        self.service.strip_prefix(FUNCTION)
    }

    /// The fence of its latest run.
    pub fn fence(&self) -> Option<Fence> {
        let holder = self.holder.clone()?;
        Some(Fence { id: self.id.clone(), attempt: self.attempt, holder })
    }

    /// The id of its latest run, as hosts know it.
    pub fn run(&self) -> String {
        format!("{}.{}", self.id, self.attempt)
    }

    fn take(&mut self, change: JobChange) -> Result<(), JobRefusal> {
        self.state = self.state.after(change).ok_or(JobRefusal::State { state: self.state })?;
        Ok(())
    }

    /// Begins an attempt.
    pub fn begin(&mut self, now: i64, holder: &str, epoch: Option<&str>) -> Result<(), JobRefusal> {
        self.take(JobChange::Begin)?;
        self.attempt += 1;
        self.began_at = Some(now);
        self.holder = Some(holder.to_owned());
        self.epoch = epoch.map(str::to_owned);
        Ok(())
    }

    /// Takes a run over from a server that is no more.
    pub fn adopt(&mut self, holder: &str) -> Result<(), JobRefusal> {
        if self.state != JobState::Running {
            return Err(JobRefusal::State { state: self.state });
        }
        self.holder = Some(holder.to_owned());
        Ok(())
    }

    /// Notes the host's life that a run goes to, where it is another than was thought.
    pub fn move_to(&mut self, fence: &Fence, epoch: &str) -> Result<(), JobRefusal> {
        self.check(fence)?;
        self.epoch = Some(epoch.to_owned());
        Ok(())
    }

    fn check(&self, fence: &Fence) -> Result<(), JobRefusal> {
        let is_own =
            self.id == fence.id && self.attempt == fence.attempt && self.holder.as_ref() == Some(&fence.holder);
        if is_own && self.state == JobState::Running { Ok(()) } else { Err(JobRefusal::Fenced) }
    }

    /// Ends an attempt.
    pub fn end(&mut self, fence: &Fence, report: &AttemptReport, at: Instance) -> Result<JobNext, JobRefusal> {
        self.check(fence)?;
        let next = self.decide(report, at.chance);
        self.function_ns = self.function_ns.saturating_add(report.function_ns());
        for (service, ns) in &report.usage {
            let sum = self.usage.entry(service.clone()).or_default();
            *sum = sum.saturating_add(*ns);
        }
        for version in &report.versions {
            if !self.versions.contains(version) {
                self.versions.push(version.clone());
            }
        }
        self.problem.clone_from(&report.problem);
        self.still_runs = report.problem.as_ref().is_some_and(|problem| problem["still_runs"] == true);
        self.filtered.clone_from(&report.filtered);
        self.lost = if report.outcome == AttemptOutcome::Lost { self.lost + 1 } else { 0 };
        self.held = if report.outcome == AttemptOutcome::Held { self.held + 1 } else { 0 };
        let asks_later = matches!(report.retry, RetryWish::AfterMs(_)) && next.is_free();
        self.later += u32::from(asks_later);
        self.holder = None;
        self.epoch = None;
        match &next {
            JobNext::Done => {
                self.take(JobChange::Succeed)?;
                self.used += 1;
            }
            JobNext::Again { after_ms, charged } => {
                self.take(JobChange::Requeue)?;
                self.used += u32::from(*charged);
                self.run_at = at.now.saturating_add_unsigned(*after_ms);
            }
            JobNext::Failed { kind } => {
                self.take(JobChange::Fail)?;
                self.used += 1;
                // A function that was stopped is told by what stopped it.
                let is_named = report.outcome == AttemptOutcome::Failed && *kind == report.outcome.kind();
                let named = report.problem.as_ref().filter(|_| is_named);
                let named = named.and_then(|problem| problem["type"].as_str()?.rsplit(':').next());
                self.kind = Some(named.unwrap_or(kind).to_owned());
            }
        }
        if self.state.is_over() {
            self.ended_at = Some(at.now);
        }
        Ok(next)
    }

    /// What follows from the end of its latest attempt.
    fn decide(&self, report: &AttemptReport, chance: f64) -> JobNext {
        let again = |kind| match self.used + 1 < self.attempts {
            true => JobNext::Again { after_ms: self.backoff.after(self.used + 1, chance), charged: true },
            false => JobNext::Failed { kind },
        };
        let outcome = report.outcome;
        match (outcome, report.retry) {
            (AttemptOutcome::Failed, RetryWish::Never) => return JobNext::Failed { kind: "permanent" },
            (AttemptOutcome::Failed, RetryWish::AfterMs(after_ms)) if self.later < LATER => {
                return JobNext::Again { after_ms, charged: false };
            }
            _ => {}
        }
        match outcome {
            AttemptOutcome::Value | AttemptOutcome::Filtered => JobNext::Done,
            AttemptOutcome::Held => JobNext::Again { after_ms: backoff::held(self.held), charged: false },
            AttemptOutcome::Lost if !self.repeat_lost => JobNext::Failed { kind: "lost" },
            AttemptOutcome::Lost if self.lost + 1 >= POISON => JobNext::Failed { kind: "poison" },
            AttemptOutcome::Rejected | AttemptOutcome::Cancelled | AttemptOutcome::Gone => {
                JobNext::Failed { kind: outcome.kind() }
            }
            other => again(other.kind()),
        }
    }

    /// Cancels it. A run that is under way is nobody's from here on.
    pub fn cancel(&mut self, now: i64) -> Result<(), JobRefusal> {
        self.finish(JobChange::Cancel, now)
    }

    /// Ends a job whose time to live passed.
    pub fn expire(&mut self, now: i64) -> Result<(), JobRefusal> {
        if self.state != JobState::Queued || self.ttl_at.is_none_or(|ttl_at| ttl_at > now) {
            return Err(JobRefusal::State { state: self.state });
        }
        self.finish(JobChange::Expire, now)
    }

    /// Ends a queued job that cannot run any more.
    pub fn fail(&mut self, now: i64, kind: &str, problem: Option<Value>) -> Result<(), JobRefusal> {
        if self.state != JobState::Queued {
            return Err(JobRefusal::State { state: self.state });
        }
        self.finish(JobChange::Fail, now)?;
        self.kind = Some(kind.to_owned());
        self.problem = problem;
        Ok(())
    }

    fn finish(&mut self, change: JobChange, now: i64) -> Result<(), JobRefusal> {
        self.take(change)?;
        self.ended_at = Some(now);
        self.holder = None;
        self.epoch = None;
        Ok(())
    }

    /// Queues a failed job again, with all its attempts.
    pub fn retry(&mut self, now: i64) -> Result<(), JobRefusal> {
        self.take(JobChange::Retry)?;
        (self.used, self.held, self.lost, self.later) = (0, 0, 0, 0);
        (self.run_at, self.ended_at, self.kind, self.problem) = (now, None, None, None);
        self.ttl_at = None;
        Ok(())
    }

    /// Brings times of the future back into bounds, for a clock that was set back while nothing ran.
    pub fn settle(&mut self, now: i64) {
        if self.state == JobState::Queued && self.attempt > 0 {
            self.run_at = self.run_at.min(now.saturating_add_unsigned(self.backoff.most_ms.max(5_000)));
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::request::{JobLimits, JobRequest, JobTarget, LostRule};

    fn job(attempts: u32, lost: LostRule) -> JobRecord {
        let request = JobRequest { attempts: Some(attempts), lost: Some(lost), ..JobRequest::default() };
        let target = JobTarget { service: "map", inputs: &[], terms: Default::default() };
        request.record(("j".to_owned(), "t"), &target, &JobLimits::default(), 0).unwrap()
    }

    /// Runs attempts that end like this, one after the other, and answers what followed from the last.
    fn after(record: &mut JobRecord, outcomes: &[AttemptOutcome]) -> JobNext {
        let mut next = JobNext::Done;
        for outcome in outcomes {
            record.begin(0, "life", None).unwrap();
            let fence = record.fence().unwrap();
            next = record.end(&fence, &AttemptReport::of(*outcome), Instance { now: 0, chance: 1.0 }).unwrap();
        }
        next
    }

    #[test]
    fn each_end_of_an_attempt_has_what_follows() {
        use AttemptOutcome::{Failed, Gone, Held, Lost, Rejected, Value};
        assert_eq!(after(&mut job(1, LostRule::Retry), &[Value]), JobNext::Done);
        let wait = |after_ms, charged| JobNext::Again { after_ms, charged };
        assert_eq!(after(&mut job(3, LostRule::Retry), &[Failed]), wait(2_000, true));
        assert_eq!(after(&mut job(3, LostRule::Retry), &[Failed, Failed]), wait(4_000, true));
        assert_eq!(after(&mut job(3, LostRule::Retry), &[Failed; 3]), JobNext::Failed { kind: "failed" });
        assert_eq!(after(&mut job(9, LostRule::Retry), &[Rejected]), JobNext::Failed { kind: "rejected" });
        assert_eq!(after(&mut job(9, LostRule::Retry), &[Gone]), JobNext::Failed { kind: "gone" });
        // One that reached nobody uses no attempt, however often.
        let mut held = job(1, LostRule::Retry);
        assert_eq!(after(&mut held, &[Held; 50]), wait(5_000, false));
        assert_eq!((held.used, held.attempt, after(&mut held, &[Value])), (0, 50, JobNext::Done));
        // D8: a job whose host ends each time is what ends it.
        assert_eq!(after(&mut job(9, LostRule::Retry), &[Lost; 3]), JobNext::Failed { kind: "poison" });
        assert_eq!(after(&mut job(9, LostRule::Retry), &[Lost, Lost, Failed, Lost]), wait(16_000, true));
        assert_eq!(after(&mut job(9, LostRule::Fail), &[Lost]), JobNext::Failed { kind: "lost" });
    }

    #[test]
    fn a_function_says_whether_and_when_its_job_runs_again() {
        let ends = |record: &mut JobRecord, retry| {
            record.begin(0, "life", None).unwrap();
            let fence = record.fence().unwrap();
            let report = AttemptReport { retry, ..AttemptReport::of(AttemptOutcome::Failed) };
            record.end(&fence, &report, Instance { now: 0, chance: 1.0 }).unwrap()
        };
        let mut permanent = job(9, LostRule::Retry);
        assert_eq!(ends(&mut permanent, RetryWish::Never), JobNext::Failed { kind: "permanent" });
        assert_eq!(permanent.kind.as_deref(), Some("permanent"));
        let mut later = job(2, LostRule::Retry);
        for _ in 0..100 {
            let again = JobNext::Again { after_ms: 30_000, charged: false };
            assert_eq!(ends(&mut later, RetryWish::AfterMs(30_000)), again);
        }
        assert_eq!((later.used, later.attempt, later.run_at), (0, 100, 30_000));
        // From here on it counts as any other failure.
        let again = JobNext::Again { after_ms: 2_000, charged: true };
        assert_eq!(ends(&mut later, RetryWish::AfterMs(30_000)), again);
        assert_eq!(ends(&mut later, RetryWish::AfterMs(30_000)), JobNext::Failed { kind: "failed" });
    }

    /// D7: a clock that was set back while nothing ran lets no retry wait longer than its longest wait.
    #[test]
    fn a_clock_that_was_set_back_keeps_no_retry_waiting() {
        let mut record = job(9, LostRule::Retry);
        after(&mut record, &[AttemptOutcome::Failed]);
        const DAY: i64 = 86_400_000;
        record.settle(-DAY);
        assert_eq!(record.run_at, -DAY + 600_000);
        // One that nobody has run yet was asked for at its time.
        let mut scheduled = job(9, LostRule::Retry);
        scheduled.run_at = DAY;
        scheduled.settle(0);
        assert_eq!(scheduled.run_at, DAY);
    }
}
