//! Problem documents (RFC 9457).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jobs::RequestMistake;
use jobs::quota::RateLimitFields;
use serde_json::{Map, Value, json};
use store::DatabaseError;

use crate::core::OverQuota;

/// A problem, with members of its own.
#[derive(Clone, Debug)]
pub(crate) struct ApiProblem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    /// Seconds after which it may be tried again.
    after: Option<u64>,
    members: Map<String, Value>,
    /// What a tenant may still ask for.
    fields: Option<Box<RateLimitFields>>,
}

impl ApiProblem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), after: None, members: Map::new(), fields: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.after = Some(seconds);
        self
    }

    /// No such job, or one of another tenant: nobody is told which.
    pub(crate) fn no_job(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no job {id}"))
    }

    /// The document, as an item of a batch has it.
    pub(crate) fn value(&self) -> Value {
        let mut document = json!({
            "type": format!("urn:dyninka:problem:{}", self.kind),
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Value::Object(document) = &mut document {
            document.extend(self.members.clone());
        }
        document
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.value().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(fields) = &self.fields {
            say(fields, headers);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<DatabaseError> for ApiProblem {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Full => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage-full", error.to_string()).after(30)
            }
            // What the store says may name files: it is for the log.
            error => {
                eprintln!("dyninka: the store does not answer: {error}");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-unavailable", "the store does not answer").after(1)
            }
        }
    }
}

impl From<RequestMistake> for ApiProblem {
    fn from(mistake: RequestMistake) -> Self {
        let status = if mistake.at == "body" { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
        Self::new(status, "request", mistake.message).with("at", mistake.at)
    }
}

impl From<OverQuota> for ApiProblem {
    fn from(over: OverQuota) -> Self {
        let kind = if over.quota == "rate" { "rate" } else { "quota" };
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, kind, over.detail);
        Self { fields: Some(Box::new(over.fields)), ..problem.with("quota", over.quota).after(over.after) }
    }
}

/// Says what a tenant may still ask for.
pub(crate) fn say(fields: &RateLimitFields, headers: &mut HeaderMap) {
    for (name, value) in [("ratelimit-policy", &fields.policy), ("ratelimit", &fields.limit)] {
        // Names, numbers and quotes are a header's value as they are.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
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
