//! One function as one would put it behind axum by hand.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::functions::{Functions, Name};

pub(super) fn router(name: Name, functions: Functions) -> Router {
    let functions = Arc::new(functions);
    // Whatever path a gateway leaves on it.
    Router::new().fallback(move |input: Bytes| {
        let functions = functions.clone();
        async move { answer(functions.call(name, &input)) }
    })
}

/// A value, 204 where there is none, 500 where it failed.
pub(super) fn answer(value: anyhow::Result<Option<impl Into<Bytes>>>) -> Response {
    match value {
        Ok(Some(value)) => {
            let json = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, json)], value.into()).into_response()
        }
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}
