//! Problem documents (RFC 9457).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use storage::StorageError;
use store::DatabaseError;

use crate::work::Stopped;

/// A problem, with members of its own.
#[derive(Clone, Debug)]
pub(crate) struct ApiProblem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    members: Map<String, Value>,
}

impl ApiProblem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), members: Map::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn no_bucket(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-bucket", format!("there is no bucket {name}"))
    }

    pub(crate) fn no_store(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-store", format!("there is no store {name}"))
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut document = json!({
            "type": format!("urn:dyninka:problem:{}", self.kind),
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Value::Object(document) = &mut document {
            document.extend(self.members);
        }
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<DatabaseError> for ApiProblem {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Full => Self::new(StatusCode::INSUFFICIENT_STORAGE, "catalog-full", error.to_string()),
            // What the database says may name files: it is for the log.
            error => {
                eprintln!("dyninka: the catalog does not answer: {error}");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "catalog-unavailable", "the catalog does not answer")
            }
        }
    }
}

impl From<StorageError> for ApiProblem {
    fn from(error: StorageError) -> Self {
        let (status, kind) = match &error {
            StorageError::NoObject => (StatusCode::NOT_FOUND, "no-such-object"),
            StorageError::Changed => (StatusCode::PRECONDITION_FAILED, "changed"),
            StorageError::Never(_) => (StatusCode::UNPROCESSABLE_ENTITY, "not-supported"),
            StorageError::Away(_) | StorageError::Busy | StorageError::NoUpload => {
                (StatusCode::SERVICE_UNAVAILABLE, "away")
            }
            _ => (StatusCode::BAD_GATEWAY, "store-failed"),
        };
        let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        Self::new(status, kind, format!("{error}{hint}"))
    }
}

impl From<Stopped> for ApiProblem {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Store(error) => error.into(),
            Stopped::Ledger(error) => error.into(),
            Stopped::Wait(why) => Self::new(StatusCode::CONFLICT, "not-now", why),
        }
    }
}

pub(crate) async fn nothing() -> ApiProblem {
    ApiProblem::new(StatusCode::NOT_FOUND, "request", "nothing is here; /v1/openapi.json lists all there is")
}

pub(crate) async fn not_so() -> ApiProblem {
    let detail = "nothing here answers this method; /v1/openapi.json lists those that are";
    ApiProblem::new(StatusCode::METHOD_NOT_ALLOWED, "unsupported", detail)
}
