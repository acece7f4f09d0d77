//! The session's local API: HTTP over a unix socket that only its owner can open.
//!
//! ```text
//! GET  /v1/snapshot                          the session at this moment
//! GET  /v1/frames                            the session as it changes: frames as JSON lines
//! GET  /v1/requests?q=Q&before=N&limit=N     recorded requests in memory, newest first
//! GET  /v1/requests/N                        one of them, with its values
//! GET  /v1/requests/N/test                   the same as a Rust test file
//! GET  /v1/hops/SERVICE                      all that was measured of a service
//! GET  /v1/history?service=S&span=SECONDS    its latency over the last 300, 3600 or 86400 seconds
//! GET  /v1/forms                             the forms of inputs and answers, as JSON Schema
//! GET  /v1/jobs?state=S&tenant=T&service=S&after=ID&limit=N   durable jobs, oldest first
//! GET  /v1/jobs/ID                           one of them, with its attempts and its result
//! GET  /v1/bills                             function time of jobs by tenant, service and day
//! GET  /v1/events?after=N&follow=true        events as JSON lines, with `seq`
//! GET  /v1/logs?service=S&last=N&follow=true lines of services as JSON lines; `q=TEXT` and `before=SEQ` choose among those kept
//! POST /v1/commands                          a command; its answer
//! ```
//!
//! The version is in the path; the shapes are in `crates/session-api/schema/v1.json`, which a test holds true.

pub(crate) mod asking;
pub(crate) mod caller;
mod frames;
mod jobs;
mod measured;

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use session_api::LogLine;
use session_api::command::{Answer, Command};
use tokio::net::UnixListener;

use crate::api::asking::Handler;
use crate::recording::request_query::{MOST_LISTED, RequestQuery};
use crate::recording::{detail, recall};

/// Binds the socket, closed to everybody else from its first moment.
pub(crate) fn bind(socket: &std::path::Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The folder is its owner's alone already; the socket's own mode is for who looks at that alone.
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers until the session ends.
pub(crate) async fn serve(listener: UnixListener, handler: Arc<Handler>) -> io::Result<()> {
    axum::serve(listener, router(handler)).await
}

fn router(handler: Arc<Handler>) -> Router {
    Router::new()
        .route("/v1/snapshot", get(snapshot))
        .route("/v1/frames", get(frame_lines))
        .route("/v1/requests", get(requests))
        .route("/v1/requests/{number}", get(request))
        .route("/v1/requests/{number}/test", get(request_test))
        .route("/v1/hops/{service}", get(measured::hop))
        .route("/v1/history", get(measured::history))
        .route("/v1/forms", get(measured::forms))
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/jobs/{id}", get(jobs::one))
        .route("/v1/bills", get(jobs::bills))
        .route("/v1/events", get(events))
        .route("/v1/logs", get(logs))
        .route("/v1/commands", post(command))
        .fallback(|| async {
            let paths = "/v1/snapshot, /v1/frames, /v1/requests, /v1/requests/N, /v1/requests/N/test, /v1/hops/SERVICE, /v1/history, /v1/forms, \
                         /v1/jobs, /v1/jobs/ID, /v1/bills, /v1/events, /v1/logs and /v1/commands";
            (StatusCode::NOT_FOUND, format!("there are {paths}\n"))
        })
        .layer(middleware::from_fn(no_page))
        .with_state(handler)
}

/// No browser gets to a unix socket by itself; where somebody has opened it a way, pages still have no business here.
async fn no_page(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "this is for programs of the session's owner, not for pages\n").into_response();
    }
    next.run(request).await
}

async fn snapshot(State(handler): State<Arc<Handler>>) -> Response {
    match handler.snapshot().await {
        Some(snapshot) => axum::Json(snapshot).into_response(),
        None => ended(),
    }
}

async fn frame_lines(State(handler): State<Arc<Handler>>) -> Response {
    match frames::frames(handler).await {
        Some(lines) => body(lines),
        None => ended(),
    }
}

async fn request(State(handler): State<Arc<Handler>>, Path(number): Path<u64>) -> Response {
    let recorder = handler.recorder.clone();
    match tokio::task::spawn_blocking(move || detail::detail(&recorder, number)).await {
        Ok(Some(detail)) => axum::Json(detail).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, format!("request {number} is not in memory\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn request_test(State(handler): State<Arc<Handler>>, Path(number): Path<u64>) -> Response {
    let Some(present) = handler.present().await else { return ended() };
    let recorder = handler.recorder.clone();
    match tokio::task::spawn_blocking(move || recall::test(&recorder, &present, number)).await {
        Ok(Ok(test)) => axum::Json(test).into_response(),
        Ok(Err(why)) => (StatusCode::NOT_FOUND, format!("{why}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn command(State(handler): State<Arc<Handler>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Command>(&body) {
        Ok(command) => axum::Json(handler.say(command).await).into_response(),
        Err(error) => {
            let answer = Answer::Refused { message: format!("this is no command: {error}"), hint: None };
            (StatusCode::BAD_REQUEST, axum::Json(answer)).into_response()
        }
    }
}

#[derive(Deserialize)]
struct Requests {
    #[serde(default)]
    q: String,
    before: Option<u64>,
    limit: Option<usize>,
}

/// Requests are looked at away from the threads that answer: there may be many megabytes of values to search.
async fn requests(State(handler): State<Arc<Handler>>, Query(asked): Query<Requests>) -> Response {
    let query = match RequestQuery::read(&asked.q) {
        Ok(query) => query,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let recorder = handler.recorder.clone();
    let limit = asked.limit.unwrap_or(MOST_LISTED).clamp(1, MOST_LISTED);
    let listed = tokio::task::spawn_blocking(move || query.list(&recorder.material().requests, asked.before, limit));
    match listed.await {
        Ok(list) => axum::Json(list).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[derive(Deserialize)]
struct Events {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    follow: bool,
}

async fn events(State(handler): State<Arc<Handler>>, Query(asked): Query<Events>) -> Response {
    let reader = handler.journal.events(asked.after);
    body(stream::unfold(reader, move |mut reader| async move {
        let page = if asked.follow { reader.next_events().await? } else { reader.read_events() };
        let lines = page.items.iter().map(|entry| numbered(entry.seq, &entry.json)).collect();
        Some((told(page.lost, lines)?, reader))
    }))
}

/// Lines, after the word of how many are missing before them; none where nothing is left to tell.
fn told(lost: u64, lines: String) -> Option<String> {
    match lost {
        0 => Some(lines).filter(|lines| !lines.is_empty()),
        lost => Some(format!("{{\"event\":\"lost\",\"n\":{lost}}}\n{lines}")),
    }
}

/// The event's own JSON with its number in front.
fn numbered(seq: u64, json: &str) -> String {
    format!("{{\"seq\":{seq},{}\n", json.strip_prefix('{').unwrap_or(json))
}

#[derive(Deserialize)]
struct Logs {
    service: Option<String>,
    last: Option<usize>,
    #[serde(default)]
    follow: bool,
    /// Only lines with this text.
    q: Option<String>,
    /// Only lines before this number.
    before: Option<u64>,
}

/// Lines are read when there is room for them on the way, and who takes them too slowly is told how many it lost.
async fn logs(State(handler): State<Arc<Handler>>, Query(asked): Query<Logs>) -> Response {
    if asked.q.is_some() || asked.before.is_some() {
        return found(&handler, &asked);
    }
    let reader = handler.journal.lines(asked.service.as_deref(), asked.last.unwrap_or(usize::MAX));
    body(stream::unfold(reader, move |mut reader| async move {
        let page = if asked.follow { reader.next_lines().await? } else { reader.read_lines() };
        let written = |line: &LogLine| serde_json::to_string(line).map(|json| json + "\n").unwrap_or_default();
        let lines = page.items.iter().map(|line| written(line)).collect();
        Some((told(page.lost, lines)?, reader))
    }))
}

/// Lines that are kept and fit, oldest first.
fn found(handler: &Handler, asked: &Logs) -> Response {
    if asked.follow {
        let why = "q and before choose among the lines that are kept: follow=true does not go with them\n";
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    let (text, last) = (asked.q.as_deref().unwrap_or_default(), asked.last.unwrap_or(usize::MAX));
    let found = handler.journal.find(asked.service.as_deref(), text, asked.before, last);
    let lines = found.iter().map(|line| serde_json::to_string(&**line).map(|json| json + "\n").unwrap_or_default());
    body(stream::iter([lines.collect::<String>()]))
}

fn body(lines: impl Stream<Item = String> + Send + 'static) -> Response {
    let lines = lines.map(Ok::<_, Infallible>);
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn ended() -> Response {
    (StatusCode::GONE, "the session ends\n").into_response()
}
