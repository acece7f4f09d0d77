//! The catalog, its settings, and what happened.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use data::DataSettings;
use data::door::DoorTable;
use data::planning::ConfigPlan;
use data::view::DataView;
use http::{StatusCode, header};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::caller::Owner;
use super::objects;
use super::problem::ApiProblem;
use crate::core::{Core, Unapplied};
use crate::ledger::{KeptConflict, KeptEvent};

/// Events of an answer.
const EVENTS: usize = 1_000;

/// `GET /readyz`: whether the catalog answers.
pub(crate) async fn ready(State(core): State<Arc<Core>>) -> Result<&'static str, ApiProblem> {
    core.ledger.counts().await?;
    Ok("ready\n")
}

async fn shown(core: &Core) -> Result<DataView, ApiProblem> {
    let counts = core.ledger.counts().await?;
    let catalog = core.catalog();
    let mut view = data::view::view(&catalog, &counts);
    if !view.endpoints.is_empty() {
        let mut served = DoorTable::new(&catalog, &counts).served();
        for (name, look) in &mut view.endpoints {
            core.figures.show(name, look);
            look.buckets = served.remove(name).unwrap_or_default();
        }
    }
    Ok(view)
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(core): State<Arc<Core>>, _: Owner) -> Result<Response, ApiProblem> {
    let view = shown(&core).await?;
    let mut text =
        String::from("# TYPE dyninka_data_pending gauge\n# HELP dyninka_data_pending Objects that a copy lacks.\n");
    for (bucket, look) in &view.buckets {
        for (store, replica) in &look.replicas {
            // Writing to a text cannot fail.
            let _written =
                writeln!(text, "dyninka_data_pending{{bucket=\"{bucket}\",store=\"{store}\"}} {}", replica.pending);
        }
    }
    text.push_str("# TYPE dyninka_data_bytes gauge\n# HELP dyninka_data_bytes Bytes of a bucket at its master.\n");
    for (bucket, look) in &view.buckets {
        let _written = writeln!(text, "dyninka_data_bytes{{bucket=\"{bucket}\"}} {}", look.bytes);
    }
    text.push_str("# TYPE dyninka_data_held gauge\n# HELP dyninka_data_held Whether copying of a bucket is stopped.\n");
    for (bucket, look) in &view.buckets {
        let _written = writeln!(text, "dyninka_data_held{{bucket=\"{bucket}\"}} {}", u8::from(look.state == "held"));
    }
    text.push_str("# EOF\n");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Shows stores, buckets and copies.
#[utoipa::path(
    get, operation_id = "catalog", path = "/v1/catalog",
    responses((status = 200, description = "All but objects", body = DataView), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn view(State(core): State<Arc<Core>>, _: Owner) -> Result<Json<DataView>, ApiProblem> {
    Ok(Json(shown(&core).await?))
}

/// Settings with their revision.
#[derive(Serialize, ToSchema)]
pub(super) struct Settings {
    revision: u64,
    settings: DataSettings,
}

/// Shows the settings.
#[utoipa::path(
    get, operation_id = "settings", path = "/v1/settings",
    responses((status = 200, description = "As they are now", body = Settings), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn settings(State(core): State<Arc<Core>>, _: Owner) -> Json<Settings> {
    let catalog = core.catalog();
    Json(Settings { revision: catalog.revision, settings: catalog.settings.clone() })
}

/// New settings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSettings {
    #[serde(deserialize_with = "named")]
    settings: DataSettings,
    /// Masters outside the zones of their buckets move inside.
    #[serde(default)]
    move_master: bool,
    /// The revision that the plan was made for.
    #[serde(default)]
    revision: Option<u64>,
}

/// Settings whose members have names. Serde reads a list as members in their order, and an empty one as all that is not given:
/// what forgets every bucket has to be meant.
fn named<'de, D: Deserializer<'de>>(from: D) -> Result<DataSettings, D::Error> {
    let given = Value::deserialize(from)?;
    let settings = DataSettings::deserialize(&given).map_err(D::Error::custom)?;
    match misplaced(&given, &json!(settings)) {
        Some(at) => Err(D::Error::custom(format!("settings{at} is a list, and its members need names"))),
        None => Ok(settings),
    }
}

/// Where a list was given for what has names.
fn misplaced(given: &Value, read: &Value) -> Option<String> {
    match (given, read) {
        (Value::Array(_), Value::Object(_)) => Some(String::new()),
        (Value::Object(given), Value::Object(read)) => {
            given.iter().find_map(|(name, given)| Some(format!(".{name}{}", misplaced(given, read.get(name)?)?)))
        }
        _ => None,
    }
}

/// Shows what new settings lead to.
#[utoipa::path(
    post, operation_id = "plan_settings", path = "/v1/plan", request_body = NewSettings,
    responses((status = 200, description = "Steps, or why it is refused", body = ConfigPlan), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn plan(State(core): State<Arc<Core>>, _: Owner, Json(new): Json<NewSettings>) -> Json<ConfigPlan> {
    Json(data::planning::plan(&core.catalog(), &new.settings, new.move_master))
}

/// Takes new settings.
#[utoipa::path(
    post, operation_id = "apply_settings", path = "/v1/apply", request_body = NewSettings,
    responses(
        (status = 200, description = "The plan that is carried out", body = ConfigPlan),
        (status = 409, description = "The settings changed since they were planned for"),
        (status = 422, description = "Refused, with the plan that says why"), (status = 507, description = "The catalog's disk is full"),
        (status = "4XX", description = "A problem document")
    ),
    security(("token" = []))
)]
pub(super) async fn apply(
    State(core): State<Arc<Core>>,
    _: Owner,
    Json(new): Json<NewSettings>,
) -> Result<Json<ConfigPlan>, ApiProblem> {
    objects::room(&core)?;
    match core.apply(new.settings, new.move_master, new.revision).await {
        Ok(plan) => Ok(Json(plan)),
        Err(Unapplied::Refused(plan)) => {
            let detail = plan.refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            Err(ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", detail).with("plan", json!(plan)))
        }
        Err(Unapplied::Outdated { revision }) => {
            let detail = format!("the settings have changed since revision {revision}: plan again");
            Err(ApiProblem::new(StatusCode::CONFLICT, "outdated", detail))
        }
        Err(Unapplied::Store(error)) => Err(error.into()),
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// Only events after this one.
    #[serde(default)]
    after: i64,
}

/// Lists events, the oldest first.
#[utoipa::path(
    get, operation_id = "events", path = "/v1/events", params(After),
    responses((status = 200, description = "A thousand at most", body = Vec<KeptEvent>), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn events(
    State(core): State<Arc<Core>>,
    _: Owner,
    Query(after): Query<After>,
) -> Result<Json<Vec<KeptEvent>>, ApiProblem> {
    Ok(Json(core.ledger.events(after.after, EVENTS).await?))
}

/// Lists objects that somebody wrote into a copy, the latest first.
#[utoipa::path(
    get, operation_id = "conflicts", path = "/v1/conflicts",
    responses((status = 200, description = "Where each is kept now", body = Vec<KeptConflict>), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn conflicts(State(core): State<Arc<Core>>, _: Owner) -> Result<Json<Vec<KeptConflict>>, ApiProblem> {
    Ok(Json(core.ledger.conflicts().await?))
}

/// Tries out what a store really does.
#[utoipa::path(
    post, operation_id = "probe_store", path = "/v1/stores/{store}/probe", params(("store" = String, Path)),
    responses((status = 200, description = "What it was seen to do", body = Object), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn probe(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(store): Path<String>,
) -> Result<Response, ApiProblem> {
    let handle = core.store(&store).ok_or_else(|| ApiProblem::no_store(&store))?;
    let found = storage::probe::probe(&handle.get()?).await?;
    Ok(Json(found).into_response())
}

/// Where a store sends its events to, and the token that it sends along.
#[derive(Serialize, ToSchema)]
pub(super) struct Hook {
    path: String,
    token: String,
}

/// Shows where a store sends its events to.
#[utoipa::path(
    get, operation_id = "event_hook", path = "/v1/stores/{store}/hook", params(("store" = String, Path)),
    responses((status = 200, description = "Path and token", body = Hook), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn hook(
    State(core): State<Arc<Core>>,
    _: Owner,
    Path(store): Path<String>,
) -> Result<Json<Hook>, ApiProblem> {
    if core.store(&store).is_none() {
        return Err(ApiProblem::no_store(&store));
    }
    let token = core.token.of_store(&store).text().to_owned();
    Ok(Json(Hook { path: format!("/v1/notify/{store}"), token }))
}
