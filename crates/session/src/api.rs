//! The session's local API: HTTP over a unix socket that only its owner can open.
//!
//! ```text
//! GET  /v1/snapshot                          the session at this moment
//! GET  /v1/requests?q=Q&before=N&limit=N     recorded requests in memory, newest first
//! GET  /v1/events?after=N&follow=true        events as JSON lines, with `seq`
//! GET  /v1/logs?service=S&last=N&follow=true lines of services as JSON lines
//! POST /v1/commands                          a command; its answer
//! ```
//!
//! The version is in the path; the shapes are in `crates/session/schema/v1.json`, which a test holds true.

pub(crate) mod asking;
pub(crate) mod caller;

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
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

/// Binds the socket, closed to everybody else from its first moment.
pub(crate) fn bind(socket: &Path) -> io::Result<UnixListener> {
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
        .route("/v1/requests", get(requests))
        .route("/v1/events", get(events))
        .route("/v1/logs", get(logs))
        .route("/v1/commands", post(command))
        .fallback(|| async {
            (StatusCode::NOT_FOUND, "there are /v1/snapshot, /v1/requests, /v1/events, /v1/logs and /v1/commands\n")
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
}

/// Lines are read when there is room for them on the way, and who takes them too slowly is told how many it lost.
async fn logs(State(handler): State<Arc<Handler>>, Query(asked): Query<Logs>) -> Response {
    let reader = handler.journal.lines(asked.service.as_deref(), asked.last.unwrap_or(usize::MAX));
    body(stream::unfold(reader, move |mut reader| async move {
        let page = if asked.follow { reader.next_lines().await? } else { reader.read_lines() };
        let written = |line: &LogLine| serde_json::to_string(line).map(|json| json + "\n").unwrap_or_default();
        let lines = page.items.iter().map(|line| written(line)).collect();
        Some((told(page.lost, lines)?, reader))
    }))
}

fn body(lines: impl Stream<Item = String> + Send + 'static) -> Response {
    let lines = lines.map(Ok::<_, Infallible>);
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn ended() -> Response {
    (StatusCode::GONE, "the session ends\n").into_response()
}
