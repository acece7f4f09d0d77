//! One job.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use jobs::view::{AttemptView, JobView};
use jobs::{JobRecord, JobRefusal, JobState};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::{By, ReadJobs, WriteJobs};
use super::jobs::LONGEST_WAIT;
use super::problem::ApiProblem;
use crate::books::{Changed, ResultKept};
use crate::core::Core;

/// A job that the caller may see, with its attempts.
pub(super) async fn find(
    core: &Core,
    tenant: Option<String>,
    id: &str,
) -> Result<(JobRecord, Vec<AttemptView>), ApiProblem> {
    let found = core.books.job(tenant, id.to_owned()).await?;
    found.ok_or_else(|| ApiProblem::no_job(id))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// Seconds to wait for its end, 60 at most.
    wait: Option<u64>,
}

/// Fetches a job.
#[utoipa::path(
    get, operation_id = "show_job", path = "/v1/jobs/{id}", params(("id" = String, Path), Wait),
    responses((status = 200, description = "As asked for", body = JobView), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn job(
    By { core, caller, .. }: By<ReadJobs>,
    Path(id): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<axum::Json<JobView>, ApiProblem> {
    // Heard from before it is looked at: an end in between is not missed.
    let waiter = wait.wait.map(|seconds| (core.wait(&id), Duration::from_secs(seconds.min(LONGEST_WAIT))));
    let mut found = find(&core, caller.sees(), &id).await?;
    if let Some((waiter, wait)) = waiter.filter(|_| !found.0.state.is_over()) {
        // Both ends of the wait are answered by looking again.
        drop(tokio::time::timeout(wait, waiter).await);
        found = find(&core, caller.sees(), &id).await?;
    }
    Ok(axum::Json(JobView::of(&found.0, found.1)))
}

/// Fetches the result of a job: the value as the service answered it.
#[utoipa::path(
    get, operation_id = "job_result", path = "/v1/jobs/{id}/result", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The value", body = Object), (status = 204, description = "A service filtered it"),
        (status = 202, description = "Not ended yet", body = JobView),
        (status = 409, description = "It ended without a value"), (status = 410, description = "Kept no longer"),
        (status = "4XX", description = "A problem document")
    ),
    security(("token" = []))
)]
pub(super) async fn result(
    By { core, caller, .. }: By<ReadJobs>,
    Path(id): Path<String>,
) -> Result<Response, ApiProblem> {
    let found = core.books.result(caller.sees(), id.clone()).await?;
    let (record, kept) = found.ok_or_else(|| ApiProblem::no_job(&id))?;
    let failed = |kind, detail: &str| {
        let problem = ApiProblem::new(StatusCode::CONFLICT, kind, format!("the job {id} {detail}"));
        problem.with("cause", record.problem.clone().unwrap_or_default())
    };
    match record.state {
        JobState::Queued | JobState::Running => {
            let view = axum::Json(JobView::of(&record, Vec::new()));
            Ok((StatusCode::ACCEPTED, [(header::RETRY_AFTER, "1")], view).into_response())
        }
        JobState::Failed => Err(failed("job-failed", "failed")),
        JobState::Cancelled => Err(failed("job-cancelled", "was cancelled")),
        JobState::Expired => Err(failed("job-expired", "did not begin within its time to live")),
        JobState::Done => match (record.filtered.as_deref(), kept) {
            (Some(by), _) => {
                let mut response = StatusCode::NO_CONTENT.into_response();
                if let Ok(by) = HeaderValue::from_str(by) {
                    response.headers_mut().insert(protocol::header::FILTERED, by);
                }
                Ok(response)
            }
            (None, ResultKept::Value(body)) => {
                Ok(([(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response())
            }
            (None, ResultKept::Expired) => {
                let detail = format!("the result of the job {id} is kept no longer");
                Err(ApiProblem::new(StatusCode::GONE, "result-expired", detail))
            }
        },
    }
}

/// Cancels a job.
#[utoipa::path(
    post, operation_id = "cancel_job", path = "/v1/jobs/{id}/cancel", params(("id" = String, Path)),
    responses((status = 200, description = "As asked for", body = JobView), (status = 409, description = "It has ended"),
        (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn cancel(
    By { core, caller, .. }: By<WriteJobs>,
    Path(id): Path<String>,
) -> Result<axum::Json<JobView>, ApiProblem> {
    let (changed, fence) = core.books.cancel(caller.sees(), id.clone(), core.clock.now()).await?;
    let mut record = taken(&core, &id, changed)?;
    let config = core.config();
    if let Some(fence) = fence.as_ref().filter(|_| record.function().is_some()) {
        core.functions.stop(&format!("{}.{}", fence.id, fence.attempt));
    }
    if let Some((fence, target)) = fence.zip(config.targets.get(&record.service)) {
        let ended = core.hosts.give_up(target, &format!("{}.{}", fence.id, fence.attempt)).await;
        // A synchronous function cannot be ended; it goes on for nobody.
        if ended == Some(false) {
            record.still_runs = true;
            core.books.still_runs(id).await?;
        }
    }
    Ok(axum::Json(JobView::of(&record, Vec::new())))
}

/// Queues a failed job again, with all its attempts.
#[utoipa::path(
    post, operation_id = "retry_job", path = "/v1/jobs/{id}/retry", params(("id" = String, Path)),
    responses((status = 200, description = "As asked for", body = JobView), (status = 409, description = "It has not failed"),
        (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn retry(
    By { core, caller, .. }: By<WriteJobs>,
    Path(id): Path<String>,
) -> Result<axum::Json<JobView>, ApiProblem> {
    let changed = core.books.retry(caller.sees(), id.clone(), core.clock.now()).await?;
    let record = taken(&core, &id, changed)?;
    Ok(axum::Json(JobView::of(&record, Vec::new())))
}

/// Removes a job that does not run, with its input and result. Its bill stays.
#[utoipa::path(
    delete, operation_id = "remove_job", path = "/v1/jobs/{id}", params(("id" = String, Path)),
    responses((status = 204, description = "Removed"), (status = 409, description = "It runs"),
        (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn remove(
    By { core, caller, .. }: By<WriteJobs>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiProblem> {
    let changed = core.books.remove(caller.sees(), id.clone()).await?;
    taken(&core, &id, changed)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What became of a change, for everybody who waits for it.
fn taken(core: &Core, id: &str, changed: Changed) -> Result<JobRecord, ApiProblem> {
    match changed {
        None => Err(ApiProblem::no_job(id)),
        Some(Ok((record, moved))) => {
            core.moved(&[moved]);
            core.ended(&record);
            Ok(record)
        }
        Some(Err(refusal)) => {
            let state = match refusal {
                JobRefusal::State { state } => state.word(),
                JobRefusal::Fenced => JobState::Running.word(),
            };
            Err(ApiProblem::new(StatusCode::CONFLICT, "state", refusal.to_string()).with("state", state))
        }
    }
}
