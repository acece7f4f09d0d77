//! Functions of a tenant.

use axum::body::Bytes;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use functions::{FunctionEngine, FunctionError, PoolError};
use http::{HeaderMap, StatusCode, header};
use jobs::{FunctionTerms, duration};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::caller::{By, Caller, KeepFunctions, WriteJobs};
use super::problem::ApiProblem;
use crate::books::{FunctionRow, VERSIONS};
use crate::core::Core;
use crate::functions as runner;

/// A function without its source.
#[derive(Serialize, ToSchema)]
pub(super) struct FunctionView {
    tenant: String,
    name: String,
    /// `NAME@` and a hash of its source and bounds.
    version: String,
    language: &'static str,
    /// Names of its parameters.
    parameters: Vec<String>,
    /// The time of an attempt, where its job says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    /// Bytes of memory of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    /// Attempts, where its job says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
}

impl FunctionView {
    fn of(row: FunctionRow) -> Self {
        let FunctionRow { tenant, name, version, parameters, terms } = row;
        let FunctionTerms { timeout_ms, memory, attempts } = terms;
        let (language, timeout) = (FunctionEngine::JavaScript.language(), timeout_ms.map(duration::write));
        Self { tenant, name, version, language, parameters, timeout, memory, attempts }
    }
}

fn must_be_on(core: &Core) -> Result<(), ApiProblem> {
    let detail = "functions are off; `[jobs]` with `functions = true` in dyn.toml turns them on, from the next start";
    match core.functions.are_on() {
        true => Ok(()),
        false => Err(ApiProblem::new(StatusCode::NOT_IMPLEMENTED, "unsupported", detail)),
    }
}

fn no_function(name: &str) -> ApiProblem {
    ApiProblem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no function {name}"))
}

/// Refuses a job for a function that the caller has not registered; what its author says of its runs.
pub(super) fn must_be_there(core: &Core, caller: &Caller, name: &str) -> Result<FunctionTerms, ApiProblem> {
    must_be_on(core)?;
    if let Some(terms) = core.functions.terms(&caller.acts_for(), name) {
        return Ok(terms);
    }
    let detail = format!("there is no function {name}; PUT /v1/functions/{name} registers it");
    Err(ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", "function"))
}

fn is_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&name.len()) && name.bytes().all(is_fit)
}

fn unread(error: FunctionError) -> ApiProblem {
    let problem = ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", error.to_string()).with("at", "source");
    match error.at {
        Some((line, column)) => problem.with("line", line).with("column", column),
        None => problem,
    }
}

fn unchecked(error: &PoolError) -> ApiProblem {
    let detail = error.hint().map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}"));
    match error {
        PoolError::TooLarge { .. } => ApiProblem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail),
        PoolError::Unread(_) => {
            ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", "source")
        }
        PoolError::NoJail(_) => ApiProblem::new(StatusCode::NOT_IMPLEMENTED, "unsupported", detail),
        PoolError::Start(_) | PoolError::Closed => {
            ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "unreachable", detail).after(1)
        }
    }
}

/// Bounds of a function's runs. None is beyond what the server allows.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FunctionBounds {
    /// The time of an attempt, such as 30s, where its job says none.
    timeout: Option<String>,
    /// The memory of a run, such as 64MiB.
    memory: Option<String>,
    /// Attempts, where its job says none.
    #[param(value_type = Option<u32>)]
    attempts: Option<String>,
}

/// Registers a function, or replaces it. Its queued jobs run the new one, within its memory; their time and attempts are those
/// that they were accepted with.
#[utoipa::path(
    put, operation_id = "put_function", path = "/v1/functions/{name}", params(("name" = String, Path), FunctionBounds),
    request_body(content = String, content_type = "text/javascript", description = "One function"),
    responses((status = 201, description = "Registered", body = FunctionView), (status = 200, description = "Replaced", body = FunctionView),
        (status = 422, description = "The source does not read: at `line` and `column`; or a bound is beyond the server's, `at` names it"),
        (status = "4XX", description = "A problem document"), (status = "5XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn put(
    By { core, caller, .. }: By<KeepFunctions>,
    Path(name): Path<String>,
    Query(bounds): Query<FunctionBounds>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, axum::Json<FunctionView>), ApiProblem> {
    must_be_on(&core)?;
    let wrong =
        |at: &str, detail: String| ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", at);
    if !is_name(&name) {
        return Err(wrong("name", "a name is 1 to 63 of letters, digits, _ and -".to_owned()));
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if FunctionEngine::of_content_type(kind).is_none() {
        let detail = "a function is JavaScript: Content-Type: text/javascript";
        return Err(ApiProblem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", detail));
    }
    let FunctionBounds { timeout, memory, attempts } = &bounds;
    let config = core.config();
    let (limits, most_memory) = (&config.settings.limits, config.settings.pool.memory);
    let texts = [timeout, memory, attempts].map(Option::as_deref);
    let terms = FunctionTerms::read(texts, limits, most_memory)?;
    let source = String::from_utf8(body.to_vec());
    let source = source.map_err(|error| wrong("source", format!("the source is no UTF-8: {error}")))?;
    let tenant = caller.acts_for();
    let signature = core.functions.check(&tenant, &source).await.map_err(|error| unchecked(&error))?;
    let parameters = signature.map_err(unread)?.parameters;
    let version = runner::version(&name, &source, &terms);
    let row = FunctionRow { tenant, name, version, parameters, terms };
    match runner::put(&core, row.clone(), source).await? {
        Some(is_new) => {
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok((status, axum::Json(FunctionView::of(row))))
        }
        None => {
            let detail = format!("a tenant has at most {} functions", runner::MOST);
            Err(ApiProblem::new(StatusCode::TOO_MANY_REQUESTS, "quota", detail).with("quota", "functions"))
        }
    }
}

/// Lists functions.
#[utoipa::path(
    get, operation_id = "list_functions", path = "/v1/functions",
    responses((status = 200, description = "As asked for", body = Vec<FunctionView>),
        (status = "4XX", description = "A problem document"), (status = "5XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn list(
    By { core, caller, .. }: By<KeepFunctions>,
) -> Result<axum::Json<Vec<FunctionView>>, ApiProblem> {
    must_be_on(&core)?;
    Ok(axum::Json(core.books.functions(caller.sees()).await?.into_iter().map(FunctionView::of).collect()))
}

/// Shows a function.
#[utoipa::path(
    get, operation_id = "show_function", path = "/v1/functions/{name}", params(("name" = String, Path)),
    responses((status = 200, description = "As asked for", body = FunctionView),
        (status = "4XX", description = "A problem document"), (status = "5XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn one(
    By { core, caller, .. }: By<KeepFunctions>,
    Path(name): Path<String>,
) -> Result<axum::Json<FunctionView>, ApiProblem> {
    must_be_on(&core)?;
    let found = core.books.function(caller.acts_for(), name.clone()).await?;
    found.map(|(row, _)| axum::Json(FunctionView::of(row))).ok_or_else(|| no_function(&name))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SourceQuery {
    /// One of the latest five, such as add@1f3a9c02. None: the one that runs.
    version: Option<String>,
}

/// Shows the source of a function.
#[utoipa::path(
    get, operation_id = "function_source", path = "/v1/functions/{name}/source",
    params(("name" = String, Path), SourceQuery),
    responses((status = 200, description = "As it was registered", body = String, content_type = "text/javascript"),
        (status = "4XX", description = "A problem document"), (status = "5XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn source(
    By { core, caller, .. }: By<KeepFunctions>,
    Path(name): Path<String>,
    Query(query): Query<SourceQuery>,
) -> Result<Response, ApiProblem> {
    must_be_on(&core)?;
    let found = core.books.function(caller.acts_for(), name.clone()).await?;
    let (row, source) = found.ok_or_else(|| no_function(&name))?;
    let source = match query.version {
        Some(version) if version != row.version => {
            let found = core.books.source((caller.acts_for(), name.clone()), version.clone()).await?;
            let detail = format!("there is no version {version} of {name}: its latest {VERSIONS} are kept");
            found.ok_or_else(|| ApiProblem::new(StatusCode::NOT_FOUND, "not-found", detail))?
        }
        _ => source,
    };
    Ok(([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], source).into_response())
}

/// Removes a function. Its queued jobs end as failed, of kind `gone`; one that runs goes on.
#[utoipa::path(
    delete, operation_id = "remove_function", path = "/v1/functions/{name}", params(("name" = String, Path)),
    responses((status = 204, description = "Removed"),
        (status = "4XX", description = "A problem document"), (status = "5XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn remove(
    By { core, caller, .. }: By<KeepFunctions>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiProblem> {
    must_be_on(&core)?;
    match runner::remove(&core, &caller.acts_for(), &name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_function(&name)),
    }
}

/// Asks for a job of a function; the body is the array of its arguments.
#[utoipa::path(
    post, operation_id = "ask_function", path = "/v1/functions/{name}/jobs", params(("name" = String, Path)),
    request_body = Vec<Object>,
    responses((status = 202, description = "Accepted", body = jobs::view::JobView),
        (status = 200, description = "It ended within the wait, or its key was used before", body = jobs::view::JobView),
        (status = "4XX", description = "A problem document"), (status = "5XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn ask(
    By { core, caller, .. }: By<WriteJobs>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    must_be_on(&core)?;
    let arguments: &RawValue = serde_json::from_slice(&body).map_err(|error| {
        ApiProblem::new(StatusCode::BAD_REQUEST, "request", format!("it is no JSON: {error}")).with("at", "body")
    })?;
    let job = json!({ "function": name, "args": arguments }).to_string();
    super::jobs::accept(&core, &caller, &headers, job.as_bytes()).await
}
