//! The smart building as one would write it by hand: what its four servers share.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a sensor said, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reading {
    pub sensor: String,
    pub variable: String,
    pub units: String,
    pub timestamp: String,
    pub value: f64,
}

/// What upstream answers; nothing where it filtered.
pub async fn fetch<T: DeserializeOwned>() -> Result<Option<T>, Failure> {
    static CLIENT: std::sync::LazyLock<reqwest::Client> = std::sync::LazyLock::new(reqwest::Client::new);
    let upstream = std::env::var("UPSTREAM").map_err(|error| Failure(format!("UPSTREAM: {error}")))?;
    let answer = CLIENT.get(upstream).send().await?.error_for_status()?;
    if answer.status() == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    Ok(Some(answer.json().await?))
}

/// A value, or 204 where there is none.
pub fn answer<T: Serialize>(value: Option<T>) -> Response {
    value.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |value| Json(value).into_response())
}

/// What went wrong on the way, answered as 502.
#[derive(Debug)]
pub struct Failure(pub String);

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self(error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::BAD_GATEWAY, self.0).into_response()
    }
}

/// Serves until the process is killed.
pub async fn serve(router: Router) {
    let address = std::env::var("LISTEN").expect("LISTEN is set");
    let listener = tokio::net::TcpListener::bind(&address).await.expect("the address is free");
    axum::serve(listener, router).await.expect("a server");
}
