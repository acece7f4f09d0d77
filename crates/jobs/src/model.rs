//! Jobs in memory: what a store of jobs must do, in the fewest words. Tests drive a store and this side by side.

#[cfg(feature = "strategies")]
mod acts;

use std::collections::BTreeMap;

#[cfg(feature = "strategies")]
pub use acts::{JobAct, job_act};

use crate::outcome::{AttemptReport, JobNext};
use crate::record::{Fence, Instance, JobRecord, JobRefusal};
use crate::state::JobState;

/// Jobs by their order of acceptance.
#[derive(Clone, Debug, Default)]
pub struct JobModel {
    jobs: BTreeMap<u64, JobRecord>,
    next: u64,
}

impl JobModel {
    /// Keeps a new job, or answers the one that was kept under its key.
    pub fn accept(&mut self, record: JobRecord) -> JobRecord {
        let twin = record.key.as_ref().and_then(|key| {
            self.jobs.values().find(|job| job.tenant == record.tenant && job.key.as_ref() == Some(key))
        });
        if let Some(twin) = twin {
            return twin.clone();
        }
        self.next += 1;
        self.jobs.insert(self.next, record.clone());
        record
    }

    /// Begins the next job of a tenant.
    pub fn claim(&mut self, tenant: &str, now: i64, holder: &str, epoch: Option<&str>) -> Option<JobRecord> {
        let is_blocked = |seq: u64, job: &JobRecord| {
            let before = self.jobs.range(..seq).map(|(_, before)| before);
            let mut twins = before.filter(|before| before.tenant == job.tenant && before.serial == job.serial);
            job.serial.is_some() && twins.any(|before| !before.state.is_over())
        };
        let runs_beside = |seq: u64, job: &JobRecord| {
            let mut others = self.jobs.iter().filter(|(other, _)| **other != seq).map(|(_, other)| other);
            job.serial.is_some()
                && others.any(|other| {
                    other.tenant == job.tenant && other.serial == job.serial && other.state == JobState::Running
                })
        };
        let ready = self.jobs.iter().filter(|(seq, job)| {
            job.tenant == tenant
                && job.state == JobState::Queued
                && job.run_at <= now
                && !is_blocked(**seq, job)
                && !runs_beside(**seq, job)
        });
        let (seq, _) = ready.min_by_key(|(seq, job)| (job.rank(), **seq))?;
        let seq = *seq;
        let job = self.jobs.get_mut(&seq)?;
        job.begin(now, holder, epoch).ok()?;
        Some(job.clone())
    }

    /// A job by its id.
    pub fn get(&self, id: &str) -> Option<&JobRecord> {
        self.jobs.values().find(|job| job.id == id)
    }

    fn get_mut(&mut self, id: &str) -> Option<&mut JobRecord> {
        self.jobs.values_mut().find(|job| job.id == id)
    }

    /// Ends an attempt.
    pub fn end(&mut self, fence: &Fence, report: &AttemptReport, at: Instance) -> Result<JobNext, JobRefusal> {
        self.get_mut(&fence.id).ok_or(JobRefusal::Fenced)?.end(fence, report, at)
    }

    /// Cancels a job.
    pub fn cancel(&mut self, id: &str, now: i64) -> Option<Result<(), JobRefusal>> {
        self.get_mut(id).map(|job| job.cancel(now))
    }

    /// Queues a failed job again.
    pub fn retry(&mut self, id: &str, now: i64) -> Option<Result<(), JobRefusal>> {
        self.get_mut(id).map(|job| job.retry(now))
    }

    /// Expires all whose time to live passed; how many.
    pub fn expire(&mut self, now: i64) -> usize {
        self.jobs.values_mut().filter_map(|job| job.expire(now).ok()).count()
    }

    /// Takes all running jobs over, as a server does that starts.
    pub fn adopt(&mut self, holder: &str) -> usize {
        self.jobs.values_mut().filter_map(|job| job.adopt(holder).ok()).count()
    }

    /// All jobs, in their order.
    pub fn all(&self) -> impl Iterator<Item = &JobRecord> {
        self.jobs.values()
    }
}
