//! Schedules and callbacks of a tenant.

use axum::body::Bytes;
use axum::extract::{Path, Query};
use http::StatusCode;
use jobs::timetable::Timetable;
use jobs::view::time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{By, KeepSchedules, ReadJobs, WriteJobs};
use super::problem::ApiProblem;
use crate::books::{DeliveryRow, ScheduleBody, ScheduleRow};
use crate::schedule;

/// Schedules of a tenant.
const MOST: i64 = 100;
/// Times that are shown.
const SHOWN: usize = 5;

/// A schedule.
#[derive(Serialize, ToSchema)]
pub(super) struct ScheduleView {
    tenant: String,
    name: String,
    #[serde(flatten)]
    body: ScheduleBody,
    /// The next times.
    next: Vec<String>,
}

impl ScheduleView {
    fn of(row: ScheduleRow) -> Self {
        let table = Timetable::read(&row.body.cron, &row.body.zone).ok().filter(|_| !row.body.paused);
        let times = std::iter::successors(row.next_at, |at| table.as_ref()?.after(*at));
        let next = times.take(SHOWN).map(time).collect();
        Self { tenant: row.tenant, name: row.name, body: row.body, next }
    }
}

fn no_schedule(name: &str) -> ApiProblem {
    ApiProblem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no schedule {name}"))
}

/// Makes a schedule, or changes it.
#[utoipa::path(
    put, operation_id = "put_schedule", path = "/v1/schedules/{name}", params(("name" = String, Path)), request_body = ScheduleBody,
    responses((status = 201, description = "Made", body = ScheduleView), (status = 200, description = "Changed", body = ScheduleView),
        (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn put(
    By { core, caller, .. }: By<KeepSchedules>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, axum::Json<ScheduleView>), ApiProblem> {
    let wrong =
        |at: &str, detail: String| ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", at);
    if !super::tenants::is_label(&name) {
        return Err(wrong("name", "a name is 1 to 63 of a to z, 0 to 9 and hyphens inside".to_owned()));
    }
    let body: ScheduleBody = serde_json::from_slice(&body)
        .map_err(|error| ApiProblem::new(StatusCode::BAD_REQUEST, "request", format!("it is no schedule: {error}")))?;
    let at = |message: &str| if message.contains("time zone") { "zone" } else { "cron" };
    let table = Timetable::read(&body.cron, &body.zone).map_err(|message| wrong(at(&message), message))?;
    let now = core.clock.now();
    let next_at = table.after(now);
    if next_at.is_none() {
        return Err(wrong("cron", "this time never comes".to_owned()));
    }
    // As it will be asked for: what is wrong is said now, and not at its time.
    super::jobs::prepare(&core, &caller, body.job.to_string().as_bytes(), None)?;
    let next_at = next_at.filter(|_| !body.paused);
    let row = ScheduleRow { tenant: caller.acts_for(), name, body, last_at: now, next_at };
    match core.books.put_schedule(row.clone(), MOST).await? {
        Some(is_new) => {
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok((status, axum::Json(ScheduleView::of(row))))
        }
        None => {
            let detail = format!("a tenant has at most {MOST} schedules");
            Err(ApiProblem::new(StatusCode::TOO_MANY_REQUESTS, "quota", detail).with("quota", "schedules"))
        }
    }
}

/// Lists schedules.
#[utoipa::path(
    get, operation_id = "list_schedules", path = "/v1/schedules",
    responses((status = 200, description = "As asked for", body = Vec<ScheduleView>), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn list(
    By { core, caller, .. }: By<KeepSchedules>,
) -> Result<axum::Json<Vec<ScheduleView>>, ApiProblem> {
    Ok(axum::Json(core.books.schedules(caller.sees()).await?.into_iter().map(ScheduleView::of).collect()))
}

/// Shows a schedule with its next times.
#[utoipa::path(
    get, operation_id = "show_schedule", path = "/v1/schedules/{name}", params(("name" = String, Path)),
    responses((status = 200, description = "As asked for", body = ScheduleView), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn one(
    By { core, caller, .. }: By<KeepSchedules>,
    Path(name): Path<String>,
) -> Result<axum::Json<ScheduleView>, ApiProblem> {
    let found = core.books.schedule(caller.acts_for(), name.clone()).await?;
    found.map(|row| axum::Json(ScheduleView::of(row))).ok_or_else(|| no_schedule(&name))
}

/// Removes a schedule. Its jobs stay.
#[utoipa::path(
    delete, operation_id = "remove_schedule", path = "/v1/schedules/{name}", params(("name" = String, Path)),
    responses((status = 204, description = "Removed"), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn remove(
    By { core, caller, .. }: By<KeepSchedules>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiProblem> {
    match core.books.remove_schedule(caller.acts_for(), name.clone()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_schedule(&name)),
    }
}

/// Asks for the job of a schedule now, once.
#[utoipa::path(
    post, operation_id = "run_schedule", path = "/v1/schedules/{name}/run", params(("name" = String, Path)),
    responses((status = 202, description = "Its id", body = Object), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn run(
    By { core, caller, .. }: By<KeepSchedules>,
    Path(name): Path<String>,
) -> Result<(StatusCode, axum::Json<serde_json::Value>), ApiProblem> {
    let row = core.books.schedule(caller.acts_for(), name.clone()).await?.ok_or_else(|| no_schedule(&name))?;
    let wrong = |detail| ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", "job");
    let mut job = schedule::job(&core, &row, 0).map_err(wrong)?;
    job.record.key = None;
    let (id, tenant) = (job.record.id.clone(), row.tenant);
    core.admit(&tenant, 1)?;
    crate::dispatch::keep(&core, &tenant, vec![job]).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(serde_json::json!({ "id": id }))))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveryQuery {
    /// `waiting`, `sending`, `delivered` or `given-up`.
    state: Option<String>,
}

/// Lists callbacks, the latest first.
#[utoipa::path(
    get, operation_id = "list_deliveries", path = "/v1/deliveries", params(DeliveryQuery),
    responses((status = 200, description = "As asked for", body = Vec<DeliveryRow>), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn deliveries(
    By { core, caller, .. }: By<ReadJobs>,
    Query(query): Query<DeliveryQuery>,
) -> Result<axum::Json<Vec<DeliveryRow>>, ApiProblem> {
    Ok(axum::Json(core.books.deliveries(caller.sees(), query.state).await?))
}

/// Sends a callback again that was given up.
#[utoipa::path(
    post, operation_id = "retry_delivery", path = "/v1/deliveries/{id}/retry", params(("id" = i64, Path)),
    responses((status = 204, description = "It is sent again"), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn retry_delivery(
    By { core, caller, .. }: By<WriteJobs>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiProblem> {
    let none = || ApiProblem::new(StatusCode::NOT_FOUND, "not-found", format!("no callback {id} was given up"));
    let number = id.parse().map_err(|_| none())?;
    match core.books.retry_delivery(caller.sees(), number, core.clock.now()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(none()),
    }
}

/// A secret that callbacks are signed with.
#[derive(Serialize, ToSchema)]
pub(super) struct CallbackSecret {
    /// `whsec_…`, as Standard Webhooks has it.
    secret: String,
}

/// Shows the secret that a tenant's callbacks are signed with.
#[utoipa::path(
    get, operation_id = "callback_secret", path = "/v1/callbacks/secret",
    responses((status = 200, description = "As asked for", body = CallbackSecret), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn secret(By { core, caller, .. }: By<WriteJobs>) -> Result<axum::Json<CallbackSecret>, ApiProblem> {
    Ok(axum::Json(CallbackSecret { secret: crate::deliver::secret(&core.callback_key, &caller.acts_for()) }))
}
