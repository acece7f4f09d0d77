//! Questions and commands, handed on to the session as they are.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use session_api::command::{Answer, Command};
use session_api::{ClientError, RelayedAnswer};

use crate::page::Shared;

/// A question of the session's API. An answer that nobody waits for any more is given up.
pub(crate) async fn question(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    answer(shared.source.client.relay(path, None).await)
}

/// A command. The page does not end the session: who opened it does, on the terminal.
pub(crate) async fn command(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    if matches!(serde_json::from_slice(&body), Ok(Command::Stop)) {
        let message = "the page does not end the session: Ctrl-C does, where it was started".to_owned();
        return axum::Json(Answer::Refused { message, hint: None }).into_response();
    }
    answer(shared.source.client.relay("/v1/commands", Some(body.to_vec())).await)
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
