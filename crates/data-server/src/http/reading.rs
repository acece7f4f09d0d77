//! Where an object can be read, and its bytes from there.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use data::watermark;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use storage::StorageError;
use utoipa::{IntoParams, ToSchema};

use super::buckets::look;
use super::caller::Owner;
use super::problem::ApiProblem;
use crate::core::Core;
use crate::work::is_up;

/// A URL that is handed out is good for so long.
const LIVES: Duration = Duration::from_secs(300);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wish {
    /// Not older than this change, as a write answered it.
    #[serde(default)]
    at_least: u64,
    /// Only in this zone.
    zone: Option<String>,
    /// Only at this store.
    store: Option<String>,
    /// Through the server, and not by a URL of the store.
    #[serde(default)]
    through: bool,
}

/// A store where a bucket can be read.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct ReadPlace {
    store: String,
    place: String,
    is_master: bool,
    /// It has every change up to this one.
    through: u64,
    state: String,
}

/// Stores that hold a bucket as it is wished for: first that of the server's own place, then by how new they are.
async fn found(core: &Core, bucket: &str, wish: &Wish) -> Result<Vec<ReadPlace>, ApiProblem> {
    let look = look(core, bucket).await?;
    let catalog = core.catalog();
    let place = |store: &str| catalog.settings.stores.get(store).map(|store| store.place.clone()).unwrap_or_default();
    let master = ReadPlace {
        store: look.master.clone(),
        place: place(&look.master),
        is_master: true,
        // It is what it is: there is nothing newer.
        through: u64::MAX >> 1,
        state: if look.state == "held" { "held".to_owned() } else { "whole".to_owned() },
    };
    let copies = look.replicas.iter().filter(|(_, replica)| replica.state != "leaving" && replica.through > 0);
    let copies = copies.map(|(store, replica)| ReadPlace {
        store: store.clone(),
        place: place(store),
        is_master: false,
        through: replica.through,
        state: replica.state.clone(),
    });
    let fits = |at: &ReadPlace| {
        // A held master may be another disk: only its copies are read.
        is_up(&catalog, &at.store)
            && !(at.is_master && at.state == "held")
            && watermark::is_new_enough(at.through, wish.at_least)
            && wish.zone.as_ref().is_none_or(|zone| catalog.settings.zones_of(&at.store).any(|of| of == zone))
            && wish.store.as_ref().is_none_or(|store| *store == at.store)
    };
    let mut all: Vec<ReadPlace> = std::iter::once(master).chain(copies).filter(fits).collect();
    let own = catalog.settings.server.place.clone().unwrap_or_default();
    all.sort_by_key(|at| (at.place != own, std::cmp::Reverse(at.through)));
    Ok(all)
}

/// Lists stores where a bucket can be read, the best first.
#[utoipa::path(
    get, operation_id = "where", path = "/v1/where/{bucket}", params(("bucket" = String, Path), Wish),
    responses((status = 200, description = "None where no copy does", body = Vec<ReadPlace>), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn places(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(bucket): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Json<Vec<ReadPlace>>, ApiProblem> {
    Ok(Json(found(&core, &bucket, &wish).await?))
}

/// Reads an object at the best store.
#[utoipa::path(
    get, operation_id = "get_object", path = "/v1/objects/{bucket}/{*key}", params(("bucket" = String, Path), ("key" = String, Path), Wish),
    responses(
        (status = 200, description = "Its bytes, of a folder or where `through` is true", content_type = "application/octet-stream"),
        (status = 307, description = "Where its bytes are, of an S3 API"),
        (status = 503, description = "No copy does"), (status = "4XX", description = "A problem document")
    ),
    security(("token" = []))
)]
pub(super) async fn get(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path((bucket, key)): Path<(String, String)>,
    Query(wish): Query<Wish>,
) -> Result<Response, ApiProblem> {
    let places = found(&core, &bucket, &wish).await?;
    let catalog = core.catalog();
    let settings = catalog.settings.buckets.get(&bucket).ok_or_else(|| ApiProblem::no_bucket(&bucket))?;
    let known = core.ledger.object(&bucket, &key).await?;
    for at in &places {
        // A copy has a key where it has the key's last change. Of what is not known the master alone knows.
        let has =
            known.as_ref().is_some_and(|known| watermark::is_new_enough(at.through, known.seq)) && settings.wants(&key);
        if !at.is_master && !has {
            continue;
        }
        let Some(store) = core.store(&at.store) else { continue };
        let name = settings.name_at(&at.store, &bucket);
        let store = store.get()?;
        if let Some(url) = store.url(name, &key, LIVES).filter(|_| !wish.through) {
            let location = HeaderValue::from_str(url.as_str()).map_err(|_| wrong_key(&key))?;
            return Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response());
        }
        let body = store.get(name, &key, None, None).await;
        let body = body.map_err(|error| match error {
            StorageError::NoObject => ApiProblem::new(
                StatusCode::NOT_FOUND,
                "no-such-object",
                format!("there is no object {key} in the bucket {bucket}"),
            ),
            error => error.into(),
        })?;
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        for (name, value) in &body.head.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.length));
        headers.insert("dyninka-place", HeaderValue::from_str(&at.store).map_err(|_| wrong_key(&key))?);
        // What a user wrote is no page of this server.
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
        *response.body_mut() = Body::from_stream(body.bytes);
        return Ok(response);
    }
    if let Some(known) = known.filter(|known| known.is_gone) {
        return Err(ApiProblem::new(StatusCode::NOT_FOUND, "no-such-object", format!("{} is gone", known.key)));
    }
    let detail = format!("no copy of {bucket} that can be read has {key} as it is wished for");
    Err(ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "no-place", detail))
}

fn wrong_key(key: &str) -> ApiProblem {
    ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-supported", format!("no URL can name {key:?}"))
}
