//! What a person does with a bucket.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use data::CatalogChange;
use data::view::BucketLook;
use http::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::caller::Owner;
use super::problem::ApiProblem;
use crate::core::Core;
use crate::work::verify::{Verified, verify as compare};

/// A request waits no longer.
const LONGEST: u64 = 60;

pub(super) async fn look(core: &Core, bucket: &str) -> Result<BucketLook, ApiProblem> {
    let counts = core.ledger.counts().await?;
    let mut view = data::view::view(&core.catalog(), &counts);
    view.buckets.remove(bucket).ok_or_else(|| ApiProblem::no_bucket(bucket))
}

/// Who becomes the master.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Promotion {
    store: String,
    /// Changes that may be lost, which the copy lacks.
    #[serde(default)]
    lose: u64,
}

/// Makes a copy the master.
#[utoipa::path(
    post, operation_id = "promote", path = "/v1/buckets/{bucket}/promote", params(("bucket" = String, Path)), request_body = Promotion,
    responses((status = 200, description = "The bucket", body = BucketLook), (status = 409, description = "Changes would be lost"), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn promote(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(bucket): Path<String>,
    Json(promotion): Json<Promotion>,
) -> Result<Json<BucketLook>, ApiProblem> {
    let store = promotion.store;
    // Nothing is written through us meanwhile.
    let pulse = core.pulse(&bucket);
    let closed = pulse.gate.write().await;
    let look_before = look(&core, &bucket).await?;
    let refused = |detail: String| ApiProblem::new(StatusCode::CONFLICT, "would-lose", detail);
    let Some(replica) = look_before.replicas.get(&store) else {
        return Err(refused(format!("{store} holds no copy of {bucket}")));
    };
    let record =
        core.catalog().buckets.get(&bucket).and_then(|record| record.replicas.get(&store).cloned()).unwrap_or_default();
    if record.is_leaving || !record.is_ours {
        return Err(refused(format!("the copy at {store} is {}", replica.state)));
    }
    let settings = core.catalog().settings.buckets.get(&bucket).cloned().unwrap_or_default();
    if !core.catalog().settings.is_inside(&store, &settings.zones) {
        return Err(refused(format!("{store} is outside the zones of {bucket}")));
    }
    let lost = replica.pending.max(u64::from(record.checked.is_none()));
    if lost > promotion.lose {
        let mend = format!("wait until it is whole, or say how many may be lost: at least {lost}");
        return Err(refused(format!("the copy at {store} may lack {lost} changes; {mend}")).with("lost", lost));
    }
    core.change(CatalogChange::Promoted { bucket: bucket.clone(), store }).await?;
    drop(closed);
    pulse.want_audit();
    Ok(Json(look(&core, &bucket).await?))
}

/// Believes the master of a held bucket.
#[utoipa::path(
    post, operation_id = "release", path = "/v1/buckets/{bucket}/release", params(("bucket" = String, Path)),
    responses((status = 200, description = "The bucket", body = BucketLook), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn release(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(bucket): Path<String>,
) -> Result<Json<BucketLook>, ApiProblem> {
    if look(&core, &bucket).await?.state != "held" {
        return Err(ApiProblem::new(StatusCode::CONFLICT, "not-held", format!("{bucket} is not held")));
    }
    core.change(CatalogChange::Released { bucket: bucket.clone() }).await?;
    core.pulse(&bucket).want_audit();
    Ok(Json(look(&core, &bucket).await?))
}

async fn paused(core: &Arc<Core>, bucket: String, is_paused: bool) -> Result<Json<BucketLook>, ApiProblem> {
    look(core, &bucket).await?;
    core.change(CatalogChange::Paused { bucket: bucket.clone(), is_paused }).await?;
    if !is_paused {
        let stores =
            core.catalog().buckets.get(&bucket).map(|record| record.replicas.keys().cloned().collect::<Vec<_>>());
        for store in stores.unwrap_or_default() {
            core.ledger.retry(&bucket, &store).await?;
        }
        core.pulse(&bucket).work();
    }
    core.pulse(&bucket).want_audit();
    Ok(Json(look(core, &bucket).await?))
}

/// Stops copying.
#[utoipa::path(
    post, operation_id = "pause", path = "/v1/buckets/{bucket}/pause", params(("bucket" = String, Path)),
    responses((status = 200, description = "The bucket", body = BucketLook), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn pause(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(bucket): Path<String>,
) -> Result<Json<BucketLook>, ApiProblem> {
    paused(&core, bucket, true).await
}

/// Goes on with copying, and tries again what was given up.
#[utoipa::path(
    post, operation_id = "resume", path = "/v1/buckets/{bucket}/resume", params(("bucket" = String, Path)),
    responses((status = 200, description = "The bucket", body = BucketLook), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn resume(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(bucket): Path<String>,
) -> Result<Json<BucketLook>, ApiProblem> {
    paused(&core, bucket, false).await
}

/// Reads all copies and compares their bytes.
#[utoipa::path(
    post, operation_id = "verify", path = "/v1/buckets/{bucket}/verify", params(("bucket" = String, Path)),
    responses((status = 200, description = "What was found; what is wrong is copied again", body = Verified), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn verify(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(bucket): Path<String>,
) -> Result<Json<Verified>, ApiProblem> {
    look(&core, &bucket).await?;
    Ok(Json(compare(&core, &bucket).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Within {
    /// Seconds to wait, 60 at most.
    #[serde(default)]
    within: u64,
}

/// Compares listings, and waits until every copy is whole.
#[utoipa::path(
    get, operation_id = "wait", path = "/v1/buckets/{bucket}/wait", params(("bucket" = String, Path), Within),
    responses((status = 200, description = "The bucket; its copies may not be whole", body = BucketLook), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn wait(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(bucket): Path<String>,
    Query(within): Query<Within>,
) -> Result<Json<BucketLook>, ApiProblem> {
    look(&core, &bucket).await?;
    let until = Instant::now() + Duration::from_secs(within.within.min(LONGEST));
    let pulse = core.pulse(&bucket);
    // What went past the server is seen by a comparison that began after the question.
    let (asked, mut audits) = (pulse.begun(), pulse.audits.subscribe());
    loop {
        let mut news = core.news();
        let is_compared = *audits.borrow_and_update() > asked;
        let now = look(&core, &bucket).await?;
        let is_whole = now.state == "following" && now.replicas.values().all(|replica| replica.state == "whole");
        if is_whole && is_compared || Instant::now() >= until || now.state == "held" || now.state == "paused" {
            return Ok(Json(now));
        }
        if now.replicas.values().all(|replica| replica.pending == replica.failed) {
            pulse.want_audit();
            drop(tokio::time::timeout_at(until, audits.changed()).await);
            if !is_whole {
                drop(tokio::time::timeout(Duration::from_millis(100), news.changed()).await);
            }
            continue;
        }
        drop(tokio::time::timeout_at(until.min(Instant::now() + Duration::from_millis(200)), news.changed()).await);
    }
}
