//! Health, metrics, and what the session says.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use jobs::JobState;

use super::caller::{By, ReadMetrics, bearer};
use super::problem::ApiProblem;
use crate::config;
use crate::core::Core;
use crate::dispatch::Nudge;

/// `GET /readyz`: whether the store answers.
pub(crate) async fn ready(State(core): State<Arc<Core>>) -> Result<&'static str, ApiProblem> {
    core.books.answers().await?;
    Ok("ready\n")
}

/// `POST /_dyninka/reload`: reads the configuration anew.
pub(crate) async fn reload(State(core): State<Arc<Core>>, headers: HeaderMap) -> Result<StatusCode, ApiProblem> {
    let given = blake3::hash(bearer(&headers).unwrap_or_default().as_bytes());
    let token = core.config().token.clone();
    // Hashes are compared in the same time whatever they are.
    if token.is_empty() || given != blake3::hash(token.as_bytes()) {
        return Err(ApiProblem::new(StatusCode::UNAUTHORIZED, "unauthorized", "this is for the session"));
    }
    let read = config::read(&core.folder);
    let read = read.map_err(|error| ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", error.to_string()))?;
    // The last word of hosts that may be on their way out: their lines are bills.
    crate::hosts::read_meters(&core).await;
    core.fits.write().renew(&read.targets);
    *core.config.write() = Arc::new(read);
    // Refused only at the end of the server.
    drop(core.nudges.send(Nudge::Limits));
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /metrics`.
pub(crate) async fn metrics(By { core, .. }: By<ReadMetrics>) -> Result<Response, ApiProblem> {
    let counts = core.books.counts().await?;
    let mut text = "# TYPE dyninka_jobs gauge\n# HELP dyninka_jobs Jobs by state.\n".to_owned();
    for state in JobState::ALL {
        let sum: i64 = counts.values().filter_map(|states| states.get(&state)).sum();
        // Writing to a text cannot fail.
        let _written = writeln!(text, "dyninka_jobs{{state=\"{}\"}} {sum}", state.word());
    }
    let busy = core.busy.load(Ordering::Relaxed);
    let _written = write!(
        text,
        "# TYPE dyninka_jobs_workers_busy gauge\n# HELP dyninka_jobs_workers_busy Slots that run a job.\n\
         dyninka_jobs_workers_busy {busy}\n# EOF\n"
    );
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
