//! Whether what another service answered can be a value at all.
//!
//! Nobody looks at an answer on its way into a function: what reads it there finds out. Only where that fails is it
//! looked at here, to tell a caller's mistake from an upstream that talks nonsense.

use bytes::Bytes;
use http::StatusCode;
use serde::de::IgnoredAny;

use crate::problem::Problem;
use crate::request_context::RequestContext;

/// A problem that names the service whose answer is not JSON.
pub(crate) fn check(context: &RequestContext, service: &str, answer: &Bytes) -> Result<(), Problem> {
    let read = std::str::from_utf8(answer)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string()));
    read.map(drop).map_err(|error| {
        let path = context.path.then(service);
        let detail = format!("{service} answered something that is not JSON: {error}");
        Problem::new("unreachable", StatusCode::BAD_GATEWAY, service, &path, &detail)
    })
}

/// What can be said of an answer that does not fit. Not the answer itself: it may hold what is kept out of recordings.
pub(crate) fn remark(service: &str, answer: &Bytes) -> String {
    match &**answer {
        b"null" => format!("{service} answered null, which JSON also makes of NaN and infinity"),
        _ => format!("it is what {service} answered"),
    }
}
