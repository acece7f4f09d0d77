//! Bills, and how it stands.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use jobs::JobState;
use jobs::view::JobView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{By, ReadJobs, ReadUsage};
use super::problem::ApiProblem;
use crate::books::{DeadGroup, UsageBy, UsageRow};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// First day, such as 2026-12-01.
    from: Option<String>,
    /// Last day.
    to: Option<String>,
    /// What lines are told apart by beside the tenant, joined by commas: service, version, day.
    by: Option<String>,
}

/// A bill.
#[derive(Serialize, ToSchema)]
pub(super) struct Usage {
    rows: Vec<UsageRow>,
    total_calls: i64,
    total_function_ns: i64,
}

/// Bills the time that functions took, as the hosts measured it; as CSV where `Accept` says so.
#[utoipa::path(
    get, operation_id = "usage", path = "/v1/usage", params(UsageQuery),
    responses((status = 200, description = "As asked for", body = Usage), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn usage(
    By { core, caller, .. }: By<ReadUsage>,
    Query(query): Query<UsageQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let wrong =
        |at: &str, detail: String| ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", at);
    let mut by = UsageBy::default();
    for word in query.by.as_deref().unwrap_or("service,day").split(',').filter(|word| !word.is_empty()) {
        match word {
            "tenant" => {}
            "service" => by.service = true,
            "version" => by.version = true,
            "day" => by.day = true,
            other => return Err(wrong("by", format!("{other} is none of tenant, service, version, day"))),
        }
    }
    for (at, day) in [("from", &query.from), ("to", &query.to)] {
        if day.as_ref().is_some_and(|day| day.parse::<jiff::civil::Date>().is_err()) {
            return Err(wrong(at, "it is no day, such as 2026-12-01".to_owned()));
        }
    }
    // Up to this moment.
    crate::hosts::read_meters(&core).await;
    let rows = core.books.usage(caller.sees(), (query.from, query.to), by).await?;
    if headers.get(header::ACCEPT).is_some_and(|accept| accept.to_str().is_ok_and(|text| text.contains("text/csv"))) {
        return Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&rows)).into_response());
    }
    let sum = |of: fn(&UsageRow) -> i64| rows.iter().map(of).sum();
    let (total_calls, total_function_ns) = (sum(|row| row.calls), sum(|row| row.function_ns));
    Ok(axum::Json(Usage { rows, total_calls, total_function_ns }).into_response())
}

/// Lines of CSV (RFC 4180).
fn csv(rows: &[UsageRow]) -> String {
    let mut text = "tenant,service,version,day,calls,function_ns\r\n".to_owned();
    for UsageRow { tenant, service, version, day, calls, function_ns } in rows {
        let [service, version, day] = [service, version, day].map(|of| cell(of.as_deref().unwrap_or_default()));
        let tenant = cell(tenant);
        // Writing to a text cannot fail.
        let _written = write!(text, "{tenant},{service},{version},{day},{calls},{function_ns}\r\n");
    }
    text
}

/// A cell: between quotes where it has to be. Users of the NodeJS FaaS and their functions have any names.
fn cell(text: &str) -> Cow<'_, str> {
    match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}

/// How it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Summary {
    workers: usize,
    busy: usize,
    /// Jobs by state, by tenant.
    tenants: BTreeMap<String, BTreeMap<JobState, i64>>,
    /// Failed jobs that nobody has looked after.
    dead: i64,
    /// These, by tenant, service and kind.
    letters: Vec<DeadGroup>,
    /// Shares of function time, by tenant.
    weights: BTreeMap<String, f64>,
    /// Nanoseconds of function time on the bills, by tenant, up to the last second or so.
    function_ns: BTreeMap<String, i64>,
    /// The median and the 99th percentile of the latest waits for a begin, in milliseconds, by tenant.
    #[schema(value_type = BTreeMap<String, Vec<u64>>)]
    waits: BTreeMap<String, (u64, u64)>,
    latest: Vec<JobView>,
}

/// Shows how it stands: slots, jobs by tenant and state, the latest jobs.
#[utoipa::path(
    get, operation_id = "summary", path = "/v1/summary",
    responses((status = 200, description = "As asked for", body = Summary), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn summary(By { core, caller, .. }: By<ReadJobs>) -> Result<axum::Json<Summary>, ApiProblem> {
    let mut tenants = core.books.counts().await?;
    let mut waits = core.waits.spreads();
    if let Some(own) = caller.sees() {
        tenants.retain(|tenant, _| *tenant == own);
        waits.retain(|tenant, _| *tenant == own);
    }
    let letters = core.books.dead(caller.sees()).await?;
    let dead = letters.iter().map(|group| group.jobs).sum();
    let bill = core.books.usage(caller.sees(), (None, None), UsageBy::default()).await?;
    let function_ns: BTreeMap<String, i64> = bill.into_iter().map(|row| (row.tenant, row.function_ns)).collect();
    let named = tenants.keys().chain(function_ns.keys());
    let weights = named.map(|name| (name.clone(), core.limits(name).map_or(1.0, |limits| limits.weight))).collect();
    let latest = core.books.latest(caller.sees(), 50).await?;
    let latest = latest.iter().map(|record| JobView::of(record, Vec::new())).collect();
    let (workers, busy) = (core.config().settings.workers, core.slots.taken());
    Ok(axum::Json(Summary { workers, busy, tenants, dead, letters, weights, function_ns, waits, latest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_any_name() {
        assert_eq!(cell("map"), "map");
        assert_eq!(cell("kumori/a,\"b\""), "\"kumori/a,\"\"b\"\"\"");
    }
}
