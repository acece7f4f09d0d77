//! Asking for jobs, and looking at many of them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use jobs::batch::JobBatch;
use jobs::quota::RateLimitFields;
use jobs::record::FUNCTION;
use jobs::request::JobTarget;
use jobs::view::JobView;
use jobs::{JobRecord, JobRequest, JobState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::caller::{By, Caller, ReadJobs, WriteJobs};
use super::one;
use super::problem::{self, ApiProblem};
use crate::books::{Accepted, DeadGroup, Filter, NewJob};
use crate::core::Core;
use crate::dispatch;
use crate::redrive::{self, RedriveState, RedriveView, Wanted};

/// Jobs of one list.
const LISTED: u32 = 500;
/// The longest wait for an end, in seconds.
pub(super) const LONGEST_WAIT: u64 = 60;

/// Reads a request, and makes what is kept of it.
pub(super) fn prepare(core: &Core, caller: &Caller, body: &[u8], key: Option<String>) -> Result<NewJob, ApiProblem> {
    let config = core.config();
    let limits = &config.settings.limits;
    if body.len() > limits.payload {
        let detail = format!("the job is larger than {} bytes", limits.payload);
        return Err(ApiProblem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
    }
    let request = JobRequest::read(body)?;
    let unknown = |name: &str| {
        let known: Vec<&str> = config.targets.keys().map(String::as_str).collect();
        let detail = format!("there is no service {name}; services: {}", known.join(", "));
        ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", "service")
    };
    let function = request.function.as_ref().map(|name| format!("{FUNCTION}{name}"));
    let target = match (&request.function, &function) {
        (Some(name), Some(service)) => {
            let terms = super::functions::must_be_there(core, caller, name)?;
            JobTarget { service, inputs: &[], terms: terms.of_jobs() }
        }
        _ => {
            let name = request.service.as_ref().or(config.last.as_ref()).ok_or_else(|| unknown(""))?;
            let is_open =
                config.last.as_ref() == Some(name) || config.settings.open.contains(name) || caller.is_operator;
            let target = config.targets.get(name).filter(|_| is_open).ok_or_else(|| unknown(name))?;
            JobTarget { service: name, inputs: &target.inputs, terms: target.terms }
        }
    };
    if let Some(callback) = &request.callback {
        crate::deliver::check(&callback.url, &config.settings.callbacks).map_err(|detail| {
            ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", "callback.url")
        })?;
    }
    let id = uuid::Uuid::now_v7().to_string();
    let mut record = request.record((id, &caller.acts_for()), &target, limits, core.clock.now())?;
    record.key = key;
    let input = Bytes::from(request.input());
    if request.function.is_none() {
        core.fits.read().check(&record.service, &input, request.route.is_some())?;
    }
    let hash = blake3::hash(&serde_json::to_vec(&request).unwrap_or_default()).to_hex().to_string();
    Ok(NewJob { record, input, hash })
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiProblem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=255).contains(&key.len())).map(str::to_owned);
    let detail = "the header Idempotency-Key is no text of 1 to 255 characters";
    key.map(Some).ok_or_else(|| ApiProblem::new(StatusCode::BAD_REQUEST, "request", detail))
}

/// The seconds of `Prefer: wait=N`.
fn prefers(headers: &HeaderMap) -> Option<Duration> {
    let all = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let words = all.flat_map(|value| value.split([',', ';'])).find_map(|word| word.trim().strip_prefix("wait="));
    words?.trim().parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

fn room(core: &Core) -> Result<(), ApiProblem> {
    if core.books.has_room() { Ok(()) } else { Err(store::DatabaseError::Full.into()) }
}

/// Asks for a job.
#[utoipa::path(
    post, operation_id = "ask_job", path = "/v1/jobs", request_body = JobRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body answer with the same job"),
        ("Prefer" = Option<String>, Header, description = "wait=SECONDS: answer when it has ended, 60 at most"),
        ("Dyninka-Tenant" = Option<String>, Header, description = "For the operator: the tenant that is meant")
    ),
    responses(
        (status = 202, description = "Accepted: it survives a power cut from here on", body = JobView,
            headers(("RateLimit" = String, description = "What may still be asked for"), ("RateLimit-Policy" = String, description = "Its bounds"))),
        (status = 200, description = "It ended within the wait, or its key was used before", body = JobView,
            headers(("RateLimit" = String, description = "What may still be asked for"), ("RateLimit-Policy" = String, description = "Its bounds"))),
        (status = 429, description = "Beyond a quota or rate: a problem document",
            headers(("RateLimit" = String, description = "What may still be asked for"), ("RateLimit-Policy" = String, description = "Its bounds"))),
        (status = "4XX", description = "A problem document"), (status = "5XX", description = "A problem document")
    ),
    security(("token" = []))
)]
pub(super) async fn ask(
    By { core, caller, .. }: By<WriteJobs>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    accept(&core, &caller, &headers, &body).await
}

/// Keeps a job that is asked for, and answers.
pub(super) async fn accept(
    core: &Arc<Core>,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, ApiProblem> {
    let job = prepare(core, caller, body, key(headers)?)?;
    let record = job.record.clone();
    let waiter = prefers(headers).map(|wait| (core.wait(&record.id), wait));
    let (replayed, fields) = keep(core, job).await?;
    let mut response = if let Some(record) = replayed {
        let mut response = axum::Json(JobView::of(&record, Vec::new())).into_response();
        response.headers_mut().insert("idempotency-replayed", http::HeaderValue::from_static("true"));
        response
    } else if let Some((waiter, wait)) = waiter {
        // Both ends of the wait are answered by looking at the job.
        drop(tokio::time::timeout(wait, waiter).await);
        let (record, history) = one::find(core, caller.sees(), &record.id).await?;
        let status = if record.state.is_over() { StatusCode::OK } else { StatusCode::ACCEPTED };
        (status, axum::Json(JobView::of(&record, history))).into_response()
    } else {
        let place = format!("/v1/jobs/{}", record.id);
        let view = axum::Json(JobView::of(&record, Vec::new()));
        (StatusCode::ACCEPTED, [(header::LOCATION, place)], view).into_response()
    };
    problem::say(&fields, response.headers_mut());
    Ok(response)
}

/// Keeps a job within its tenant's quotas; the one that was accepted under the same key, where there is one.
async fn keep(core: &Arc<Core>, job: NewJob) -> Result<(Option<Box<JobRecord>>, RateLimitFields), ApiProblem> {
    room(core)?;
    let tenant = job.record.tenant.clone();
    let fields = core.admit(&tenant, 1)?;
    match dispatch::keep(core, &tenant, vec![job]).await?.pop() {
        Some(Accepted::New(_)) => return Ok((None, fields)),
        Some(Accepted::Replayed(record)) => return Ok((Some(record), fields)),
        Some(Accepted::Conflict) | None => {}
    }
    let detail = "another job was asked for with this Idempotency-Key";
    Err(ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency", detail))
}

/// Keeps a job that a function of the app asks for; its id. `trace` is that of the request that asks.
pub(crate) async fn ask_for(
    core: &Arc<Core>,
    tenant: String,
    body: &[u8],
    key: String,
    trace: String,
) -> Result<String, ApiProblem> {
    if core.limits(&tenant).is_none() {
        return Err(ApiProblem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no tenant {tenant}")));
    }
    let mut job = prepare(core, &Caller::of_the_app(tenant), body, Some(key))?;
    job.record.asked_by = Some(trace);
    let id = job.record.id.clone();
    Ok(keep(core, job).await?.0.map_or(id, |known| known.id))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BatchQuery {
    /// All of them, or none where one is wrong.
    #[serde(default)]
    atomic: bool,
}

/// Asks for many jobs in one commit.
#[utoipa::path(
    post, operation_id = "ask_jobs", path = "/v1/jobs/batch", params(BatchQuery), request_body = JobBatch,
    responses((status = 200, description = "An item each, in order: id or problem", body = Vec<Object>,
            headers(("RateLimit" = String, description = "What may still be asked for"), ("RateLimit-Policy" = String, description = "Its bounds"))),
        (status = 429, description = "Beyond a quota or rate: a problem document",
            headers(("RateLimit" = String, description = "What may still be asked for"), ("RateLimit-Policy" = String, description = "Its bounds"))),
        (status = "4XX", description = "A problem document"), (status = "5XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn batch(
    By { core, caller, .. }: By<WriteJobs>,
    Query(query): Query<BatchQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let is_lines = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/x-ndjson");
    // Before anything is read: what is refused costs little, however often it is asked for.
    core.must_have_room_for(&caller.acts_for(), 1)?;
    // It is never closed.
    let turn = core.batches.acquire().await;
    let (reader, reads) = (caller.clone(), core.clone());
    // A thousand jobs take a while to read. The threads that answer are for all, and so are the processors.
    let read = tokio::task::spawn_blocking(move || {
        let texts = jobs::batch::read(&body, is_lines)?;
        reads.must_have_room_for(&reader.acts_for(), texts.len() as u64)?;
        Ok(texts.iter().map(|text| prepare(&reads, &reader, text, None)).collect())
    });
    let read: Result<Vec<Result<NewJob, ApiProblem>>, ApiProblem> = read.await.map_err(|error| {
        let detail = format!("the batch could not be read: {error}");
        ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail)
    })?;
    drop(turn);
    let mut items = read?;
    if query.atomic && items.iter().any(Result::is_err) {
        // One that is wrong refuses all of them; which, is said.
        for item in items.iter_mut().filter(|item| item.is_ok()) {
            *item = Err(ApiProblem::new(StatusCode::CONFLICT, "batch", "another job of the batch is wrong"));
        }
    }
    room(&core)?;
    let new: Vec<NewJob> = items.iter().filter_map(|item| item.as_ref().ok().cloned()).collect();
    let (tenant, count) = (caller.acts_for(), new.len() as u64);
    let fields = match count {
        0 => core.rate_fields(&tenant),
        _ => core.admit(&tenant, count)?,
    };
    if count > 0 {
        dispatch::keep(&core, &tenant, new).await?;
    }
    let told = |item: Result<NewJob, ApiProblem>| match item {
        Ok(job) => json!({ "id": job.record.id }),
        Err(problem) => json!({ "problem": problem.value() }),
    };
    let mut response = axum::Json(items.into_iter().map(told).collect::<Vec<_>>()).into_response();
    problem::say(&fields, response.headers_mut());
    Ok(response)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    state: Option<JobState>,
    service: Option<String>,
    tag: Option<String>,
    /// Only jobs after the one of this id.
    after: Option<String>,
    #[param(maximum = 500)]
    limit: Option<u32>,
}

/// Some jobs, the oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct JobList {
    jobs: Vec<JobView>,
    /// The id to go on after; none: these were all.
    next: Option<String>,
}

/// Lists jobs.
#[utoipa::path(
    get, operation_id = "list_jobs", path = "/v1/jobs", params(ListQuery),
    responses((status = 200, description = "As asked for", body = JobList), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn list(
    By { core, caller, .. }: By<ReadJobs>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<JobList>, ApiProblem> {
    let limit = query.limit.unwrap_or(50).clamp(1, LISTED);
    let ListQuery { state, service, tag, after, .. } = query;
    let filter = Filter { tenant: caller.sees(), state, service, tag, after, limit };
    let found = core.books.list(filter).await?;
    let next = (found.len() == limit as usize).then(|| found.last().map(|job| job.id.clone())).flatten();
    let jobs = found.iter().map(|record| JobView::of(record, Vec::new())).collect();
    Ok(axum::Json(JobList { jobs, next }))
}

/// Lists dead letters by service and kind: failed jobs that nobody has looked after.
#[utoipa::path(
    get, operation_id = "list_dead", path = "/v1/dead",
    responses((status = 200, description = "As asked for", body = Vec<DeadGroup>), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn dead(By { core, caller, .. }: By<ReadJobs>) -> Result<axum::Json<Vec<DeadGroup>>, ApiProblem> {
    Ok(axum::Json(core.books.dead(caller.sees()).await?))
}

/// Which dead letters are queued again.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Redrive {
    service: Option<String>,
    kind: Option<String>,
    /// At most so many; none: all.
    limit: Option<u64>,
}

/// Queues dead letters again: 1,000 before the answer, the rest behind it. `GET` tells how far it is.
#[utoipa::path(
    post, operation_id = "retry_dead", path = "/v1/dead/retry", request_body = Redrive,
    responses((status = 200, description = "All are queued", body = RedriveView),
        (status = 202, description = "More follow", body = RedriveView), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn redrive(
    By { core, caller, .. }: By<WriteJobs>,
    body: Bytes,
) -> Result<(StatusCode, axum::Json<RedriveView>), ApiProblem> {
    let wrong = |error: serde_json::Error| ApiProblem::new(StatusCode::BAD_REQUEST, "request", error.to_string());
    let Redrive { service, kind, limit } =
        if body.is_empty() { Redrive::default() } else { serde_json::from_slice(&body).map_err(wrong)? };
    let wanted = Wanted { tenant: caller.sees(), service, kind, limit: limit.unwrap_or(u64::MAX) };
    let begun = redrive::begin(&core, wanted).await?;
    let is_over = begun.state != RedriveState::Running;
    Ok((if is_over { StatusCode::OK } else { StatusCode::ACCEPTED }, axum::Json(begun)))
}

/// Lists how far dead letters are that are queued again.
#[utoipa::path(
    get, operation_id = "list_redrives", path = "/v1/dead/retry",
    responses((status = 200, description = "As asked for", body = Vec<RedriveView>), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn redrives(
    By { core, caller, .. }: By<ReadJobs>,
) -> Result<axum::Json<Vec<RedriveView>>, ApiProblem> {
    Ok(axum::Json(core.redrives.list(caller.sees().as_deref())))
}

/// Stops queueing dead letters again. Those that are queued stay so.
#[utoipa::path(
    delete, operation_id = "cancel_redrive", path = "/v1/dead/retry/{id}", params(("id" = u64, Path)),
    responses((status = 200, description = "As it is left", body = RedriveView), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn cancel_redrive(
    By { core, caller, .. }: By<WriteJobs>,
    Path(id): Path<u64>,
) -> Result<axum::Json<RedriveView>, ApiProblem> {
    let left = core.redrives.cancel(caller.sees().as_deref(), id);
    let detail = format!("nothing is queued again under {id}");
    left.map(axum::Json).ok_or_else(|| ApiProblem::new(StatusCode::NOT_FOUND, "not-found", detail))
}

/// Takes dead letters out of the list. Each can still be fetched by its id.
#[utoipa::path(
    delete, operation_id = "put_dead_away", path = "/v1/dead",
    responses((status = 200, description = "How many", body = Object), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn put_away(By { core, caller, .. }: By<WriteJobs>) -> Result<axum::Json<Value>, ApiProblem> {
    let count = core.books.put_away(caller.sees()).await?;
    Ok(axum::Json(json!({ "put_away": count })))
}
