//! Objects: listed as they are known, written and deleted at the master.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use data::compare::{MasterFinding, SeenObject};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use storage::{ObjectHeaders, StorageError};
use store::DatabaseError;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::caller::Owner;
use super::problem::ApiProblem;
use crate::clock;
use crate::core::Core;
use crate::work::Job;

/// Objects of an answer at most.
const MOST: usize = 1_000;
/// A write waits so long for a master that moves.
const MOVES: Duration = Duration::from_secs(10);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Window {
    /// Keys that begin with this.
    #[serde(default)]
    prefix: String,
    /// Keys after this one.
    #[serde(default)]
    after: String,
}

/// An object of a bucket.
#[derive(Serialize, ToSchema)]
pub(super) struct ObjectLook {
    key: String,
    size: u64,
    tag: String,
    /// The number of its last change.
    version: u64,
}

/// Lists objects, as they are known of the master.
#[utoipa::path(
    get, operation_id = "list_objects", path = "/v1/objects/{bucket}", params(("bucket" = String, Path), Window),
    responses((status = 200, description = "A thousand at most, by key", body = Vec<ObjectLook>), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn list(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(bucket): Path<String>,
    Query(window): Query<Window>,
) -> Result<Json<Vec<ObjectLook>>, ApiProblem> {
    if core.catalog().master(&bucket).is_none() {
        return Err(ApiProblem::no_bucket(&bucket));
    }
    let Window { prefix, mut after } = window;
    let mut found = Vec::new();
    // Keys with a prefix stand together: it begins with them.
    let is_before = after.as_bytes() < prefix.as_bytes();
    let mut first = is_before.then(|| prefix.clone());
    loop {
        if let Some(known) = first.take() {
            if let Some(known) = core.ledger.object(&bucket, &known).await?.filter(|known| !known.is_gone) {
                found.push(known);
            }
            after = prefix.clone();
        }
        let page = core.ledger.known(&bucket, &after, None, MOST).await?;
        let count = page.len();
        let is_over = count < MOST || page.iter().any(|known| !known.key.starts_with(&prefix));
        if let Some(last) = page.last() {
            after.clone_from(&last.key);
        }
        found.extend(page.into_iter().filter(|known| !known.is_gone && known.key.starts_with(&prefix)));
        if is_over || found.len() >= MOST {
            break;
        }
    }
    found.truncate(MOST);
    let look = |known: data::compare::KnownObject| ObjectLook {
        key: known.key,
        size: known.size,
        tag: known.etag,
        version: known.seq,
    };
    Ok(Json(found.into_iter().map(look).collect()))
}

/// What was written.
#[derive(Serialize, ToSchema)]
pub(super) struct ObjectWritten {
    key: String,
    size: u64,
    tag: String,
    /// The number of the change: copies that are not older have it.
    version: u64,
}

/// Writes an object at the master.
#[utoipa::path(
    put, operation_id = "put_object", path = "/v1/objects/{bucket}/{*key}", params(("bucket" = String, Path), ("key" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Its number", body = ObjectWritten), (status = 409, description = "The bucket is held"),
        (status = 507, description = "Beyond the quota, or the catalog's disk is full"), (status = "4XX", description = "A problem document")
    ),
    security(("token" = []))
)]
pub(super) async fn put(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path((bucket, key)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiProblem> {
    let pulse = core.pulse(&bucket);
    let _open = tokio::time::timeout(MOVES, pulse.gate.read()).await.map_err(|_| moving(&bucket))?;
    room(&core)?;
    let job = writable(&core, &bucket).await?;
    let length = headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    within_quota(&core, &job, length.unwrap_or(0)).await?;
    let kept = travelling(&headers);
    let pieces = body.into_data_stream().map(|piece| piece.map_err(|error| StorageError::Away(error.to_string())));
    let (tag, size) = storage::write(&job.source, job.at_master(), &key, &kept, pieces).await?;
    let finding = MasterFinding::Changed(SeenObject { key: key.clone(), etag: tag.clone(), size });
    let noted = core.ledger.note(&bucket, job.copies(), vec![finding], clock::now()).await?;
    let version = match noted {
        Some(version) => version,
        // The same bytes as before, or an event was faster.
        None => core.ledger.object(&bucket, &key).await?.map_or(0, |known| known.seq),
    };
    pulse.work();
    let said = [("dyninka-data-version", format!("{bucket}={version}"))];
    Ok((said, Json(ObjectWritten { key, size, tag, version })).into_response())
}

/// Deletes an object at the master.
#[utoipa::path(
    delete, operation_id = "delete_object", path = "/v1/objects/{bucket}/{*key}", params(("bucket" = String, Path), ("key" = String, Path)),
    responses((status = 204, description = "It is gone"), (status = 409, description = "The bucket is held"), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn remove(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path((bucket, key)): Path<(String, String)>,
) -> Result<Response, ApiProblem> {
    let pulse = core.pulse(&bucket);
    let _open = tokio::time::timeout(MOVES, pulse.gate.read()).await.map_err(|_| moving(&bucket))?;
    let job = writable(&core, &bucket).await?;
    job.source.delete(job.at_master(), &key).await?;
    // Asked for by name, it is believed.
    core.ledger.note(&bucket, job.copies(), vec![MasterFinding::Gone(key)], clock::now()).await?;
    pulse.work();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Refuses what is new where the catalog's disk is full: the room that is left is for what must still be noted.
pub(super) fn room(core: &Core) -> Result<(), ApiProblem> {
    if core.ledger.has_room() { Ok(()) } else { Err(DatabaseError::Full.into()) }
}

fn moving(bucket: &str) -> ApiProblem {
    let detail = format!("the master of {bucket} is moving");
    ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "moving", detail)
}

/// The bucket, where it may be written. One that is paused is written and not copied. Right after a start, a write waits until
/// the master was asked and its bucket made.
async fn writable(core: &Core, bucket: &str) -> Result<Job, ApiProblem> {
    let until = Instant::now() + MOVES;
    let mut news = core.news();
    loop {
        let catalog = core.catalog();
        let master = catalog.master(bucket).ok_or_else(|| ApiProblem::no_bucket(bucket))?;
        let is_asked = catalog.stores.get(master).is_some_and(|store| store.is_up.is_some());
        let is_seen = catalog.buckets.get(bucket).is_some_and(|record| record.is_seen);
        if is_asked {
            let job = Job::for_writing(core, bucket)?;
            if is_seen {
                return Ok(job);
            }
        }
        let changed = tokio::time::timeout_at(until, news.changed()).await;
        if changed.is_err() {
            let detail = format!("the master of {bucket} is not ready");
            return Err(ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail));
        }
    }
}

async fn within_quota(core: &Core, job: &Job, more: u64) -> Result<(), ApiProblem> {
    let Some(quota) = &job.settings.quota else { return Ok(()) };
    let (objects, bytes) = core.ledger.size(&job.name).await?;
    let is_over_bytes = quota.bytes().is_some_and(|most| bytes.saturating_add(more) > most);
    let is_over_objects = quota.objects.is_some_and(|most| objects >= most);
    if is_over_bytes || is_over_objects {
        let detail = format!("{} has {objects} objects and {bytes} bytes, and its quota is reached", job.name);
        return Err(ApiProblem::new(StatusCode::INSUFFICIENT_STORAGE, "quota", detail));
    }
    Ok(())
}

/// Headers of an object, out of those of a request.
fn travelling(headers: &HeaderMap) -> ObjectHeaders {
    const NAMES: [&str; 6] =
        ["content-type", "cache-control", "content-encoding", "content-disposition", "content-language", "expires"];
    let mine =
        headers.iter().filter(|(name, _)| NAMES.contains(&name.as_str()) || name.as_str().starts_with("x-amz-meta-"));
    mine.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}
