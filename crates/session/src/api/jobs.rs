//! Durable jobs, asked of the job server beside the session.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::asking::Handler;
use crate::jobs::{self, JobQuery, JobServerEndpoint, NO_JOBS};

pub(super) async fn list(State(handler): State<Arc<Handler>>, Query(query): Query<JobQuery>) -> Response {
    let client = handler.control.client();
    answer(&handler, async |endpoint| jobs::list(client, endpoint, &query).await).await
}

pub(super) async fn one(State(handler): State<Arc<Handler>>, Path(id): Path<String>) -> Response {
    let client = handler.control.client();
    answer(&handler, async |endpoint| jobs::show(client, endpoint, &id).await).await
}

pub(super) async fn bills(State(handler): State<Arc<Handler>>) -> Response {
    let client = handler.control.client();
    answer(&handler, async |endpoint| jobs::bills(client, endpoint).await).await
}

/// What the job server answers, as JSON; its refusals, and that there is none, in words.
async fn answer<T: Serialize>(
    handler: &Handler,
    ask: impl AsyncFnOnce(JobServerEndpoint) -> Result<T, String>,
) -> Response {
    let Some(endpoint) = handler.link.endpoint() else {
        let (message, hint) = NO_JOBS;
        return (StatusCode::NOT_FOUND, format!("{message}: {hint}\n")).into_response();
    };
    match ask(endpoint).await {
        Ok(found) => axum::Json(found).into_response(),
        Err(why) => (StatusCode::BAD_GATEWAY, format!("{why}\n")).into_response(),
    }
}
