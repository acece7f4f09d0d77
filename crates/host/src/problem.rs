//! What goes wrong, as a problem document (RFC 9457) that every service passes on unchanged.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::path::Path;

/// A problem that came about here, or one that another service answered with.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// What it counts as in the metrics.
    pub(crate) kind: &'static str,
}

impl Problem {
    /// A problem of `service`, reached over `path` (first caller first, `service` last).
    pub(crate) fn new(kind: &'static str, status: StatusCode, service: &str, path: &Path, detail: &str) -> Self {
        Self::with(kind, status, service, path, detail, Map::new())
    }

    /// A problem with members of its own.
    pub(crate) fn with(
        kind: &'static str,
        status: StatusCode,
        service: &str,
        path: &Path,
        detail: &str,
        members: Map<String, Value>,
    ) -> Self {
        Self { status, body: document(kind, status, service, path, detail, members), kind }
    }

    /// A problem another service answered with: its words, its status.
    pub(crate) fn passed_on(status: StatusCode, body: Bytes) -> Self {
        Self { status, body, kind: "upstream" }
    }
}

/// A problem document, of a kind that may have come from elsewhere.
pub(crate) fn document(
    kind: &str,
    status: StatusCode,
    service: &str,
    path: &Path,
    detail: &str,
    members: Map<String, Value>,
) -> Bytes {
    let mut document = json!({
        "type": format!("urn:dyninka:problem:{kind}"),
        "title": title(kind),
        "status": status.as_u16(),
        "detail": detail,
        "service": service,
        "path": path.names().collect::<Vec<_>>(),
    });
    if let Value::Object(document) = &mut document {
        document.extend(members);
    }
    Bytes::from(document.to_string())
}

/// The media type of a problem document.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

fn title(kind: &str) -> &'static str {
    match kind {
        "failed" => "The function returned an error",
        "panicked" => "The function panicked",
        "rejected" => "An input does not read",
        "unreachable" => "A service cannot be reached",
        "deadline" => "The deadline passed",
        "route" => "The route cannot be followed",
        "too-large" => "Too large",
        "loop" => "Too many services call each other",
        "not-ready" => "The service is not ready",
        "overloaded" => "The service has too much to do",
        "no-room" => "No room for requests of other nodes",
        "node-lost" => "Another node gave no answer",
        "unsupported" => "The request is of the wrong kind",
        "forbidden" => "Not allowed",
        "misdirected" => "Nothing here has that name",
        _ => "The request is wrong",
    }
}
