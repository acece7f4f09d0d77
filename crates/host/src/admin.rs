//! The admin API: health, readiness, metrics, and what the session asks for.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use dyninka::border::Kind;
use serde_json::json;

use crate::admin_hops;
use crate::answer::is_draining;
use crate::asks;
use crate::control;
use crate::guard::Refusal;
use crate::library::words;
use crate::near;
use crate::outside;
use crate::path::Path as Way;
use crate::problem::Problem;
use crate::records;
use crate::reply::Reply;
use crate::runs;
use crate::shared::Shared;
use crate::sharing;
use crate::takeover::{self, TakeoverError};
use crate::transfer;

/// Every path but `/`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let session = Router::new()
        .route("/open", post(open))
        .route("/close", post(close))
        .route("/transfer", post(transfer))
        .route("/swap", post(swap))
        .route("/reload", post(reload))
        .route("/hops", get(admin_hops::hops))
        .route("/sharing", put(sharing::share))
        .route("/near", put(near::tell))
        .route("/load", get(sharing::load))
        .route("/asks", get(asks::list).post(asks::answer))
        .route("/runs", get(runs::list))
        .route("/runs/forget", post(runs::forget))
        .route("/runs/{run}", delete(runs::give_up))
        .route("/records", get(records::admin::records))
        // A value may be as large as it is: only the session asks, and hosts of its own.
        .route("/state/{name}", get(read_state).put(write_state).post(write_state).layer(DefaultBodyLimit::disable()))
        .layer(middleware::from_fn_with_state(shared.clone(), only_the_session));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(not_so)
        .nest("/_dyninka", session)
        .fallback(nothing)
        .with_state(shared)
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match shared.program.load_full() {
        _ if is_draining(&shared) => refuse(&shared, "not-ready", StatusCode::SERVICE_UNAVAILABLE, "draining"),
        None => {
            refuse(&shared, "not-ready", StatusCode::SERVICE_UNAVAILABLE, "no code yet: the first build is not done")
        }
        Some(program) => {
            let mut response = "ready\n".into_response();
            if let Ok(version) = HeaderValue::from_str(&program.description.version) {
                response.headers_mut().insert(protocol::header::VERSION, version);
            }
            response
        }
    }
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let is_shut = {
        let settings = shared.settings.load();
        settings.config.outside.is_some_and(|outside| !outside.metrics)
            && outside::is_stranger(&settings.config, &headers)
    };
    if is_shut {
        let detail = "metrics are for who knows the app's secret (Authorization: Bearer); [entry] metrics = true in \
                      dyn.toml shows them to callers from outside";
        return refuse(&shared, "forbidden", StatusCode::FORBIDDEN, detail);
    }
    match shared.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => refuse(&shared, "failed", StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// `Allow` is the router's to say.
async fn not_so(State(shared): State<Arc<Shared>>) -> Response {
    refuse(&shared, "unsupported", StatusCode::METHOD_NOT_ALLOWED, "this is read with GET or HEAD alone")
}

async fn nothing(State(shared): State<Arc<Shared>>) -> Response {
    refuse(
        &shared,
        "request",
        StatusCode::NOT_FOUND,
        "a service answers at /; beside it there are /healthz, /readyz and /metrics",
    )
}

/// Lets those in who know the session's secret.
async fn only_the_session(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    // A browser says from where a page asks; whoever starts services is none.
    if request.headers().contains_key(header::ORIGIN) {
        return refuse(&shared, "forbidden", StatusCode::FORBIDDEN, "pages have no business here");
    }
    // Let go of at once: a reload waits until nobody holds the settings it replaced, and it comes by here itself.
    let knows = control::same_secret(given.unwrap_or_default(), &shared.settings.load().config.token);
    if knows {
        next.run(request).await
    } else {
        refuse(&shared, "forbidden", StatusCode::UNAUTHORIZED, "this is for the session that started the service")
    }
}

/// Opens a service beside this one, in the same host.
async fn open(State(shared): State<Arc<Shared>>, body: axum::Json<protocol::OpenService>) -> Response {
    let is_name = |folder: &str| std::path::Path::new(folder).file_name().is_some_and(|name| name == folder);
    // Only folders beside this one: a control call is no way to run what lies elsewhere.
    let folder = shared.folder.parent().filter(|_| is_name(&body.folder)).map(|folder| folder.join(&body.folder));
    let Some(folder) = folder else {
        let detail = format!("{} is no name of a folder", body.folder);
        return refuse(&shared, "request", StatusCode::UNPROCESSABLE_ENTITY, &detail);
    };
    let group = shared.group.clone();
    // Whoever asked may go away: what is half open is opened.
    match tokio::spawn(async move { group.open(&folder).await }).await {
        Ok(Ok(())) => axum::Json(json!({ "opened": true })).into_response(),
        Ok(Err(error)) => refuse(&shared, "request", StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
        Err(error) => refuse(&shared, "failed", StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Closes this service, once it has answered what has begun: this very answer, too.
async fn close(State(shared): State<Arc<Shared>>) -> Response {
    let (group, folder) = (shared.group.clone(), shared.folder.clone());
    tokio::spawn(async move { group.close(&folder).await });
    axum::Json(json!({ "closing": true })).into_response()
}

/// Hands this service over to the host that has it open elsewhere.
async fn transfer(State(shared): State<Arc<Shared>>, body: axum::Json<protocol::Transfer>) -> Response {
    match transfer::transfer(&shared, &body.to, body.reset).await {
        Ok(done) => axum::Json(done).into_response(),
        Err(error) => refuse(&shared, "request", StatusCode::CONFLICT, &error.to_string()),
    }
}

async fn swap(State(shared): State<Arc<Shared>>, body: axum::Json<protocol::Swap>) -> Response {
    match takeover::take_over(&shared, &body.library).await {
        Ok(done) => axum::Json(done).into_response(),
        Err(error) => {
            // The system's loader is held for good: this process starts no thread and loads nothing any more.
            let stuck = matches!(error, TakeoverError::Endless);
            let status = if stuck { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::UNPROCESSABLE_ENTITY };
            refuse(&shared, "request", status, &error.to_string())
        }
    }
}

async fn reload(State(shared): State<Arc<Shared>>) -> Response {
    match control::reload(&shared).await {
        Ok(()) => axum::Json(json!({ "reloaded": true })).into_response(),
        Err(error) => refuse(&shared, "request", StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}

async fn read_state(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Response {
    let Some(program) = shared.program.load_full() else { return ready(State(shared)).await };
    if let Some(to) = shared.entrance.moved() {
        return refuse(&shared, "request", StatusCode::CONFLICT, &format!("the service moved to {to}"));
    }
    let outcome = blocking(move || program.library.state(&name)).await;
    state_response(&shared, outcome)
}

async fn write_state(State(shared): State<Arc<Shared>>, Path(name): Path<String>, json: axum::body::Bytes) -> Response {
    let Some(program) = shared.program.load_full() else { return ready(State(shared)).await };
    if let Some(to) = shared.entrance.moved() {
        return refuse(&shared, "request", StatusCode::CONFLICT, &format!("the service moved to {to}"));
    }
    let outcome = blocking(move || program.library.restore(&name, &json)).await;
    state_response(&shared, outcome)
}

/// User code serialises state, and may hold its lock for long.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, tokio::task::JoinError> {
    tokio::task::spawn_blocking(work).await
}

fn state_response(shared: &Shared, outcome: Result<dyninka::border::CallOutcome, tokio::task::JoinError>) -> Response {
    match outcome {
        Ok(outcome) => match outcome.kind {
            Kind::Value => ([(header::CONTENT_TYPE, "application/json")], outcome.body.to_vec()).into_response(),
            Kind::Filtered => refuse(
                shared,
                "request",
                StatusCode::NOT_IMPLEMENTED,
                "its type does not implement Serialize and Deserialize",
            ),
            Kind::Rejected => refuse(shared, "rejected", StatusCode::UNPROCESSABLE_ENTITY, &words(&outcome.body)),
            _ => refuse(shared, "request", StatusCode::NOT_FOUND, &words(&outcome.body)),
        },
        Err(error) => refuse(shared, "failed", StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Refuses whoever is not let in.
pub(crate) fn turn_away(shared: &Shared, Refusal { kind, status, detail }: Refusal) -> Response {
    shared.metrics.answered(kind);
    refuse(shared, kind, status, detail)
}

pub(crate) fn refuse(shared: &Shared, kind: &'static str, status: StatusCode, detail: &str) -> Response {
    let service = shared.settings.load().config.service.clone();
    Reply::from(Problem::new(kind, status, &service, &Way::of(&service), detail)).into_response().map(Body::new)
}
