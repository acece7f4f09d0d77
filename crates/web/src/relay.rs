//! Questions and commands, handed on to the session as they are.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use session_api::command::{Answer, Command};
use session_api::{ClientError, RelayedAnswer};

use crate::bundle::BundleParts;
use crate::page::Shared;

/// A question of the session's API. An answer that nobody waits for any more is given up.
pub(crate) async fn question(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let Some(client) = &shared.source.client else { return from_picture(&shared, uri.path()) };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    answer(client.relay(path, None).await)
}

/// A question that the latest picture answers, where there is no session to ask.
fn from_picture(shared: &Shared, path: &str) -> Response {
    let Some(pictures) = (shared.source.pictures)() else {
        return (StatusCode::GONE, "nobody looks any more\n").into_response();
    };
    let picture = pictures.borrow().clone();
    if path == "/v1/snapshot" {
        return axum::Json(&*picture).into_response();
    }
    let service = path.strip_prefix("/v1/hops/");
    match service.and_then(|service| Some((picture.service(service)?, picture.hops.get(service)))) {
        Some((_, hop)) => axum::Json(hop.cloned().unwrap_or_default()).into_response(),
        None => (StatusCode::NOT_FOUND, "a session tells that, and this page shows a cluster\n").into_response(),
    }
}

/// A command. The page does not end the session: who opened it does, on the terminal.
pub(crate) async fn command(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    if matches!(serde_json::from_slice(&body), Ok(Command::Stop)) {
        let message = "the page does not end the session: Ctrl-C does, where it was started".to_owned();
        return axum::Json(Answer::Refused { message, hint: None }).into_response();
    }
    let Some(client) = &shared.source.client else {
        return (StatusCode::FORBIDDEN, "this page may look only\n").into_response();
    };
    answer(client.relay("/v1/commands", Some(body.to_vec())).await)
}

/// What is kept in a file.
#[derive(Deserialize)]
pub(crate) struct Kept {
    values: bool,
    last: usize,
}

/// The session as it is now, in one file.
pub(crate) async fn bundle(State(shared): State<Arc<Shared>>, Query(kept): Query<Kept>) -> Response {
    let Some(client) = &shared.source.client else {
        return (StatusCode::NOT_FOUND, "there is no session to keep\n").into_response();
    };
    let mut parts = match BundleParts::of(client, kept.last).await {
        Ok(parts) => parts,
        Err(error) => return (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    };
    if !kept.values {
        parts.without_values();
    }
    // Away from the threads that answer: there may be megabytes of values.
    match tokio::task::spawn_blocking(move || parts.html()).await {
        Ok(html) => {
            let kind =
                [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_DISPOSITION, "attachment")];
            (kind, html).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn answer(relayed: Result<RelayedAnswer, ClientError>) -> Response {
    let relayed = match relayed {
        Ok(relayed) => relayed,
        Err(error) => return (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    };
    let status = StatusCode::from_u16(relayed.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let kind = HeaderValue::from_str(&relayed.content_type);
    let kind = kind.unwrap_or(HeaderValue::from_static("text/plain; charset=utf-8"));
    let pieces = stream::unfold(relayed, |mut relayed| async move {
        match relayed.next().await {
            Ok(Some(piece)) => Some((Ok(Bytes::from(piece)), relayed)),
            Ok(None) => None,
            Err(error) => Some((Err(std::io::Error::other(error)), relayed)),
        }
    });
    (status, [(header::CONTENT_TYPE, kind)], Body::from_stream(pieces)).into_response()
}
