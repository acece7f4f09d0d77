//! The session's local API: HTTP over a unix socket that only its owner can open.
//!
//! ```text
//! GET  /v1/snapshot                          the session at this moment
//! GET  /v1/events?after=N&follow=true        events as JSON lines, with `seq`
//! GET  /v1/logs?service=S&last=N&follow=true lines of services as JSON lines
//! POST /v1/commands                          a command; its answer
//! ```
//!
//! The version is in the path; the shapes are in `session/schema/v1.json`, which a test holds true.

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
use tokio::net::UnixListener;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::asking::Desk;
use crate::command::{Answer, Command};
use crate::journal::{Journal, News};

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
pub(crate) async fn serve(listener: UnixListener, desk: Arc<Desk>) -> io::Result<()> {
    axum::serve(listener, router(desk)).await
}

fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/snapshot", get(snapshot))
        .route("/v1/events", get(events))
        .route("/v1/logs", get(logs))
        .route("/v1/commands", post(command))
        .fallback(|| async {
            (StatusCode::NOT_FOUND, "there are /v1/snapshot, /v1/events, /v1/logs and /v1/commands\n")
        })
        .layer(middleware::from_fn(no_page))
        .with_state(desk)
}

/// No browser gets to a unix socket by itself; where somebody has opened it a way, pages still have no business here.
async fn no_page(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, "this is for programs of the session's owner, not for pages\n").into_response();
    }
    next.run(request).await
}

async fn snapshot(State(desk): State<Arc<Desk>>) -> Response {
    match desk.snapshot().await {
        Some(snapshot) => axum::Json(snapshot).into_response(),
        None => ended(),
    }
}

async fn command(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Command>(&body) {
        Ok(command) => axum::Json(desk.say(command).await).into_response(),
        Err(error) => {
            let answer = Answer::Refused { message: format!("this is no command: {error}"), hint: None };
            (StatusCode::BAD_REQUEST, axum::Json(answer)).into_response()
        }
    }
}

#[derive(Deserialize)]
struct Events {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    follow: bool,
}

async fn events(State(desk): State<Arc<Desk>>, Query(asked): Query<Events>) -> Response {
    let (kept, news) = desk.journal.events(asked.after);
    let last = kept.last().map_or(asked.after, |entry| entry.seq);
    let kept = kept.into_iter().map(|entry| numbered(entry.seq, &entry.json)).collect();
    lines(kept, asked.follow.then_some(news), move |news| match news {
        News::Event(entry) if entry.seq > last => Some(numbered(entry.seq, &entry.json)),
        _ => None,
    })
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

async fn logs(State(desk): State<Arc<Desk>>, Query(asked): Query<Logs>) -> Response {
    let journal: &Journal = &desk.journal;
    let (kept, news) = journal.lines(asked.service.as_deref(), asked.last.unwrap_or(usize::MAX));
    let last = kept.last().map_or(0, |line| line.seq);
    let written =
        |line: &crate::journal::LogLine| serde_json::to_string(line).map(|json| json + "\n").unwrap_or_default();
    let kept = kept.iter().map(|line| written(line)).collect();
    lines(kept, asked.follow.then_some(news), move |news| match news {
        News::Line(line)
            if line.seq > last && asked.service.as_ref().is_none_or(|service| *service == line.service) =>
        {
            Some(written(&line))
        }
        _ => None,
    })
}

/// JSON lines: what is kept, then what comes. Who reads too slowly is told how much it lost.
fn lines(
    kept: Vec<String>,
    news: Option<broadcast::Receiver<News>>,
    pick: impl Fn(News) -> Option<String> + Send + 'static,
) -> Response {
    let kept = stream::iter(kept);
    let live = stream::unfold((news, pick), |(news, pick)| async move {
        let mut news = news?;
        loop {
            let line = match news.recv().await {
                Ok(one) => pick(one),
                Err(RecvError::Lagged(lost)) => Some(format!("{{\"event\":\"lost\",\"n\":{lost}}}\n")),
                Err(RecvError::Closed) => return None,
            };
            if let Some(line) = line {
                return Some((line, (Some(news), pick)));
            }
        }
    });
    body(kept.chain(live))
}

fn body(lines: impl Stream<Item = String> + Send + 'static) -> Response {
    let lines = lines.map(Ok::<_, Infallible>);
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn ended() -> Response {
    (StatusCode::GONE, "the session ends\n").into_response()
}
