//! `GET /_dyninka/hops?after=CURSOR&in_flight=N`: what was measured since, as OTLP.
//!
//! The session asks, rather than the host sending: an answer finds its way wherever the question did, through a
//! published port of a remote engine or an API server's port-forward, and a host needs no route out and no address to
//! be told. A question is held until there is something to tell, so that an idle service costs next to nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use protocol::{Cursor, Span, otlp};
use tokio::time::Instant;

use crate::admin::refuse;
use crate::request_context::nanos;
use crate::shared::Shared;

/// Between a question and its answer at least: more often than this nobody sees a difference.
const SOONEST: Duration = Duration::from_millis(50);
/// How long a question is held. Shorter than what proxies on the way commonly allow (60 s).
const LONGEST: Duration = Duration::from_secs(20);
/// How often a waiting question looks at what wakes nobody: requests in flight.
const GLANCE: Duration = Duration::from_millis(200);

/// Spans that are written at once: in some tens of microseconds.
const FEW: usize = 32;

pub(crate) async fn hops(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let asked = Instant::now();
    let (after, told) = match question(request.uri().query().unwrap_or_default()) {
        Ok(question) => question,
        Err(words) => return refuse(&shared, "request", StatusCode::BAD_REQUEST, &words),
    };
    // Whoever comes anew has a cursor to get.
    let is_told = |shared: &Shared| after.is_some() && told.is_none_or(|told| told == in_flight(shared));
    let mut open = true;
    while open && asked.elapsed() < LONGEST && is_told(&shared) && !shared.recorder.has_news(after) {
        open = shared.recorder.wait(after, GLANCE).await;
    }
    if open {
        tokio::time::sleep_until(asked + SOONEST).await;
    }
    let read = shared.recorder.read(after);
    let dropped = read.requests.saturating_sub(read.spans.len() as u64);
    let body = encode(read.spans, shared.recorder.epoch).await;
    let now = SystemTime::UNIX_EPOCH.elapsed().map(nanos).unwrap_or(0);
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    for (name, number) in [
        (protocol::header::REQUESTS, read.requests),
        (protocol::header::ERRORS, read.errors),
        (protocol::header::DROPPED, dropped),
        (protocol::header::IN_FLIGHT, in_flight(&shared)),
        (protocol::header::NOW, now),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
    }
    let circuits = &shared.upstreams.circuits;
    headers.insert(protocol::header::RETRIES, HeaderValue::from(circuits.retries()));
    // Services have Rust names, which any header takes.
    if let Ok(open) = HeaderValue::try_from(circuits.open().join(",")) {
        headers.insert(protocol::header::OPEN, open);
    }
    if let Ok(cursor) = HeaderValue::try_from(read.cursor.to_string()) {
        headers.insert(protocol::header::CURSOR, cursor);
    }
    response
}

/// Spans as OTLP. What takes longer than a hop is not done where hops are served.
async fn encode(spans: Vec<Arc<Span>>, epoch: u64) -> Vec<u8> {
    let few = spans.len() <= FEW;
    let encode = move || otlp::encode(spans.iter().map(|span| &**span), &format!("{epoch:016x}"));
    if few {
        return encode();
    }
    // It fails only where the runtime ends, and nobody reads an answer any more.
    tokio::task::spawn_blocking(encode).await.unwrap_or_default()
}

/// Requests being answered. The gauge counts up before it counts down, so it is never below zero.
fn in_flight(shared: &Shared) -> u64 {
    u64::try_from(shared.metrics.in_flight.get()).unwrap_or(0)
}

fn question(query: &str) -> Result<(Option<Cursor>, Option<u64>), String> {
    let (mut after, mut told) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("after", cursor)) => after = Some(cursor.parse().map_err(|error| format!("{error}"))?),
            Some(("in_flight", number)) => {
                told = Some(number.parse().map_err(|_| format!("{number} is no number of requests"))?);
            }
            _ => return Err(format!("{pair} is neither after=CURSOR nor in_flight=N")),
        }
    }
    Ok((after, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_or_is_refused_with_words() {
        let cursor = Cursor { epoch: 10, next: 2, requests: 3, errors: 1 };
        assert_eq!(question(""), Ok((None, None)));
        assert_eq!(question(&format!("after={cursor}&in_flight=4")), Ok((Some(cursor), Some(4))));
        for wrong in ["after=1", "in_flight=-1", "later=1", "after"] {
            assert!(question(wrong).is_err(), "{wrong}");
        }
    }
}
