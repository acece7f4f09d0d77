//! `GET /_dyninka/records?after=CURSOR`: what was recorded since, a line of JSON each ([`protocol::record::RecordLine`]), as it
//! came: it may hold secrets, and is for the session alone. Asked for in the manner of `/_dyninka/hops`, and for its
//! reasons.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use protocol::Cursor;
use tokio::time::Instant;

use super::Records;
use super::ring::Read;
use crate::admin::refuse;
use crate::shared::Shared;

/// Between a question and its answer at least, so that requests under load do not each make an answer.
const SOONEST: Duration = Duration::from_millis(50);
/// How long a question is held. Shorter than what proxies on the way commonly allow (60 s).
const LONGEST: Duration = Duration::from_secs(20);

pub(crate) async fn records(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let asked = Instant::now();
    let after = match question(request.uri().query().unwrap_or_default()) {
        Ok(after) => after,
        Err(words) => return refuse(&shared, "request", StatusCode::BAD_REQUEST, &words),
    };
    if hold(&shared.records, after, asked).await {
        tokio::time::sleep_until(asked + SOONEST).await;
    }
    let read = shared.records.read(after);
    let (cursor, dropped) = (read.cursor, read.dropped);
    // Megabytes may have to be written: not where requests are answered.
    let lines = match tokio::task::spawn_blocking(move || write(&read)).await {
        Ok(Ok(lines)) => lines,
        Ok(Err(error)) => return refuse(&shared, "failed", StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(error) => return refuse(&shared, "failed", StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let mut response = lines.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(HeaderName::from_static(protocol::header::DROPPED), HeaderValue::from(dropped));
    if let Ok(cursor) = HeaderValue::try_from(cursor.to_string()) {
        headers.insert(protocol::header::CURSOR, cursor);
    }
    response
}

/// Holds a question until there is something to tell. Whoever comes anew has a cursor to get. False: the host ends.
async fn hold(records: &Records, after: Option<Cursor>, asked: Instant) -> bool {
    let mut open = true;
    while open && after.is_some() && asked.elapsed() < LONGEST && !records.has_news(after) {
        open = records.wait(after, LONGEST.saturating_sub(asked.elapsed())).await;
    }
    open
}

fn write(read: &Read) -> serde_json::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for kept in &read.kept {
        serde_json::to_writer(&mut lines, &kept.line())?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn question(query: &str) -> Result<Option<Cursor>, String> {
    let mut after = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("after", cursor)) => after = Some(cursor.parse().map_err(|error| format!("{error}"))?),
            _ => return Err(format!("{pair} is not after=CURSOR")),
        }
    }
    Ok(after)
}
