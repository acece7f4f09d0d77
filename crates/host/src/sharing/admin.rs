//! What an agent says to a host, and asks of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protocol::HostSharing;
use serde::Deserialize;
use serde_json::json;

use crate::admin::refuse;
use crate::shared::Shared;

/// The longest that an agent waits for news.
const LONGEST: u64 = 20_000;

/// `PUT /_dyninka/sharing`.
pub(crate) async fn share(
    State(shared): State<Arc<Shared>>,
    sharing: Result<Json<HostSharing>, JsonRejection>,
) -> Response {
    let refused = |words: &str| refuse(&shared, "request", StatusCode::UNPROCESSABLE_ENTITY, words);
    let told = match sharing {
        Ok(Json(sharing)) => shared.admission.tell(sharing).map_err(|error| error.to_string()),
        Err(rejection) => Err(rejection.body_text()),
    };
    match told {
        Ok(()) => Json(json!({ "shared": true })).into_response(),
        Err(words) => refused(&words),
    }
}

/// What an agent knows already, and how long it waits for more.
#[derive(Deserialize)]
pub(crate) struct LoadQuery {
    after: Option<u64>,
    #[serde(default)]
    wait: u64,
}

/// `GET /_dyninka/load?after=N&wait=MS`.
pub(crate) async fn load(State(shared): State<Arc<Shared>>, Query(asked): Query<LoadQuery>) -> Response {
    let longest = Duration::from_millis(asked.wait.min(LONGEST));
    Json(shared.admission.load(asked.after, longest).await).into_response()
}
