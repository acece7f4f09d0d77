//! Health, metrics, and what the session says.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use jobs::JobState;

use super::caller::{By, ReadMetrics, bearer};
use super::problem::ApiProblem;
use crate::books::UnreadInputs;
use crate::config;
use crate::core::Core;
use crate::dispatch::Nudge;
use crate::metrics::head;

/// `GET /readyz`: whether the store answers.
pub(crate) async fn ready(State(core): State<Arc<Core>>) -> Result<&'static str, ApiProblem> {
    core.books.answers().await?;
    Ok("ready\n")
}

/// `POST /_dyninka/reload`: reads the configuration anew.
pub(crate) async fn reload(State(core): State<Arc<Core>>, headers: HeaderMap) -> Result<StatusCode, ApiProblem> {
    must_be_the_session(&core, &headers)?;
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

/// `POST /_dyninka/queued`: the number of jobs that wait or run and name one of these inputs, by service.
pub(crate) async fn queued(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    Json(services): Json<UnreadInputs>,
) -> Result<Json<BTreeMap<String, i64>>, ApiProblem> {
    must_be_the_session(&core, &headers)?;
    Ok(Json(core.books.unread(services).await?))
}

/// `POST /_dyninka/drop`: ends those of them that wait, as failed. How many, by service.
pub(crate) async fn drop_queued(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    Json(services): Json<UnreadInputs>,
) -> Result<Json<BTreeMap<String, usize>>, ApiProblem> {
    must_be_the_session(&core, &headers)?;
    let mut counts = BTreeMap::new();
    for (service, inputs) in services {
        let count: &mut usize = counts.entry(service.clone()).or_default();
        loop {
            let ended = core.books.end_unread(service.clone(), inputs.clone(), core.clock.now()).await?;
            if ended.is_empty() {
                break;
            }
            *count += ended.len();
            core.moved(&ended.iter().map(|(_, moved)| moved.clone()).collect::<Vec<_>>());
            ended.iter().for_each(|(id, _)| core.over(id));
        }
    }
    Ok(Json(counts))
}

/// Refuses everybody but the session.
fn must_be_the_session(core: &Core, headers: &HeaderMap) -> Result<(), ApiProblem> {
    let given = blake3::hash(bearer(headers).unwrap_or_default().as_bytes());
    let token = core.config().token.clone();
    // Hashes are compared in the same time whatever they are.
    if token.is_empty() || given != blake3::hash(token.as_bytes()) {
        return Err(ApiProblem::new(StatusCode::UNAUTHORIZED, "unauthorized", "this is for the session"));
    }
    Ok(())
}

/// `GET /metrics`.
pub(crate) async fn metrics(By { core, caller, .. }: By<ReadMetrics>) -> Result<Response, ApiProblem> {
    let counts = core.books.counts().await?;
    let oldest = core.books.oldest_ready().await?;
    let states = JobState::ALL.map(|state| {
        let sum: i64 = counts.values().filter_map(|states| states.get(&state)).sum();
        (state, sum)
    });
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _written = write(&core, &states, oldest, &mut text);
    if core.config().settings.tenant_metrics {
        let sees = caller.sees();
        let seen = counts.iter().filter(|(tenant, _)| sees.as_ref().is_none_or(|own| own == *tenant));
        let _written = write_tenants(seen, &mut text);
    }
    text.push_str("# EOF\n");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn write(core: &Core, states: &[(JobState, i64)], oldest: Option<i64>, text: &mut String) -> fmt::Result {
    head(text, "dyninka_jobs", "gauge", "Jobs by state.")?;
    for (state, sum) in states {
        writeln!(text, "dyninka_jobs{{state=\"{}\"}} {sum}", state.word())?;
    }
    head(text, "dyninka_jobs_workers_busy", "gauge", "Slots that run a job.")?;
    writeln!(text, "dyninka_jobs_workers_busy {}", core.slots.taken())?;
    let help = "How long the job has waited that has done so longest, of those whose turn is next.";
    head(text, "dyninka_job_oldest_seconds", "gauge", help)?;
    let waited = oldest.map_or(0, |run_at| core.clock.now().saturating_sub(run_at).max(0));
    writeln!(text, "dyninka_job_oldest_seconds {}", waited as f64 / 1e3)?;
    core.metrics.write(text)?;
    core.books.times().write(text)
}

/// Jobs of tenants: as many series as there are tenants, so only where they are asked for.
fn write_tenants<'a>(
    tenants: impl Iterator<Item = (&'a String, &'a BTreeMap<JobState, i64>)>,
    text: &mut String,
) -> fmt::Result {
    head(text, "dyninka_tenant_jobs", "gauge", "Jobs of a tenant by state.")?;
    for (tenant, states) in tenants {
        let tenant = tenant.replace('\\', "\\\\").replace('"', "\\\"");
        for state in JobState::ALL {
            let sum = states.get(&state).copied().unwrap_or(0);
            writeln!(text, "dyninka_tenant_jobs{{tenant=\"{tenant}\",state=\"{}\"}} {sum}", state.word())?;
        }
    }
    Ok(())
}
