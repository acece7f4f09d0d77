//! Events of stores.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::{bearer, unauthorized};
use super::problem::ApiProblem;
use crate::core::Core;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Hook {
    /// The store's token, where it cannot send a header.
    token: Option<String>,
}

/// Takes an event of a store: AWS, MinIO, Ceph, or the filer of SeaweedFS.
#[utoipa::path(
    post, operation_id = "notify", path = "/v1/notify/{store}", params(("store" = String, Path), Hook), request_body = Object,
    responses((status = 204, description = "Keys it names are looked at"), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn notify(
    State(core): State<Arc<Core>>,
    Path(store): Path<String>,
    Query(hook): Query<Hook>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiProblem> {
    let token = bearer(&headers).map(str::to_owned).or(hook.token).ok_or_else(unauthorized)?;
    if !core.token.of_store(&store).is(&token) {
        return Err(unauthorized());
    }
    let hints = storage::events::read(&body);
    let hints = hints.map_err(|error| ApiProblem::new(StatusCode::BAD_REQUEST, "event", error.to_string()))?;
    let catalog = core.catalog();
    for hint in hints {
        // What a copy says of itself is our own doing, as a rule; the comparison of listings sees the rest.
        let of = catalog
            .settings
            .buckets
            .iter()
            .find(|(name, bucket)| bucket.master == store && bucket.name_at(&store, name) == hint.bucket);
        if let Some((bucket, _)) = of {
            core.pulse(bucket).hint([hint.key]);
        }
    }
    Ok(StatusCode::NO_CONTENT)
}
