//! Durable jobs: which are listed, and which is chosen.

use session_api::Snapshot;
use session_api::jobs::{JobCondition, JobLine, JobsView, TenantJobs};

use crate::model::{Model, matches};

/// The latest jobs that are listed, the newest first.
pub(crate) fn listed<'a>(model: &Model, snapshot: &'a Snapshot) -> Vec<&'a JobLine> {
    let has = |job: &&JobLine| [&job.tenant, &job.service, &job.id].iter().any(|text| matches(text, &model.filter));
    snapshot.jobs.iter().flat_map(|jobs| &jobs.latest).filter(has).collect()
}

/// Where the chosen one stands in that list; unless the user chose, it is the newest.
pub(crate) fn chosen(model: &Model, listed: &[&JobLine]) -> usize {
    listed.iter().position(|job| Some(&job.id) == model.job.as_ref()).unwrap_or(0)
}

/// The chosen job.
pub(crate) fn chosen_job<'a>(model: &Model, snapshot: &'a Snapshot) -> Option<&'a JobLine> {
    let listed = listed(model, snapshot);
    listed.get(chosen(model, &listed)).copied()
}

/// As many tenants as there is room for: the busiest of them, by name.
pub(crate) fn tenants(jobs: &JobsView, room: usize) -> Vec<&TenantJobs> {
    let mut all: Vec<&TenantJobs> = jobs.tenants.iter().collect();
    all.sort_by_key(|tenant| std::cmp::Reverse((tenant.running > 0, tenant.queued + tenant.running, tenant.done)));
    all.truncate(room);
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// Where the request of the chosen job stands among those that are kept whole.
pub(crate) fn trace(model: &Model, snapshot: &Snapshot) -> Option<usize> {
    let id = chosen_job(model, snapshot)?.id.replace('-', "");
    snapshot.traces.iter().position(|trace| trace.id == id)
}

/// Whether the chosen job can be queued again.
pub(crate) fn can_retry(model: &Model, snapshot: &Snapshot) -> bool {
    chosen_job(model, snapshot).is_some_and(|job| job.state == JobCondition::Failed)
}

/// Whether the chosen job can be cancelled.
pub(crate) fn can_cancel(model: &Model, snapshot: &Snapshot) -> bool {
    chosen_job(model, snapshot).is_some_and(|job| !job.state.is_over())
}
