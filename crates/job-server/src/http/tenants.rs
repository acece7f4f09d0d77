//! Tenants and their tokens: the operator's affair.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use http::StatusCode;
use jobs::duration;
use jobs::quota::TenantLimits;
use jobs::token::TokenScope;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::caller::{By, Operate};
use super::problem::ApiProblem;
use crate::books::TokenRow;
use crate::core::{Core, DEFAULT_TENANT, new_token};
use crate::dispatch::Nudge;

/// Tenants at most.
const MOST: usize = 10_000;

/// A tenant to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTenant {
    /// A DNS label: small letters, digits and hyphens.
    name: String,
    #[serde(default)]
    #[schema(value_type = Option<TenantLimits>)]
    limits: Option<Value>,
}

fn read<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, ApiProblem> {
    let wrong = |error: serde_json::Error| ApiProblem::new(StatusCode::BAD_REQUEST, "request", error.to_string());
    serde_json::from_slice(body).map_err(wrong)
}

/// Limits with some of them changed.
fn changed(before: &TenantLimits, by: &Value) -> Result<TenantLimits, ApiProblem> {
    let wrong =
        |detail: String| ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", "limits");
    let mut all = serde_json::to_value(before).map_err(|error| wrong(error.to_string()))?;
    match (&mut all, by) {
        (Value::Object(all), Value::Object(by)) => all.extend(by.clone()),
        (_, Value::Null) => {}
        _ => return Err(wrong("limits are an object".to_owned())),
    }
    let limits: TenantLimits = serde_json::from_value(all).map_err(|error| wrong(error.to_string()))?;
    limits.mistake().map_or(Ok(limits), |mistake| Err(wrong(mistake)))
}

pub(super) fn is_label(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(is_fit) && !name.starts_with('-') && !name.ends_with('-')
}

/// Lists tenants with their limits.
#[utoipa::path(
    get, operation_id = "list_tenants", path = "/v1/tenants",
    responses((status = 200, description = "As asked for", body = BTreeMap<String, TenantLimits>), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn list(
    By { core, .. }: By<Operate>,
) -> Result<axum::Json<BTreeMap<String, TenantLimits>>, ApiProblem> {
    let mut all = core.tenants.read().clone();
    all.entry(DEFAULT_TENANT.to_owned()).or_insert_with(|| core.config().settings.tenant.clone());
    Ok(axum::Json(all))
}

/// Adds a tenant.
#[utoipa::path(
    post, operation_id = "add_tenant", path = "/v1/tenants", request_body = NewTenant,
    responses((status = 201, description = "Made", body = TenantLimits), (status = 409, description = "It is there already"),
        (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn add(
    By { core, .. }: By<Operate>,
    body: Bytes,
) -> Result<(StatusCode, axum::Json<TenantLimits>), ApiProblem> {
    let NewTenant { name, limits } = read(&body)?;
    let wrong = |status, detail: String| ApiProblem::new(status, "request", detail).with("at", "name");
    if !is_label(&name) {
        return Err(wrong(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a name is 1 to 63 of a to z, 0 to 9 and hyphens inside".to_owned(),
        ));
    }
    if core.limits(&name).is_some() {
        return Err(wrong(StatusCode::CONFLICT, format!("{name} is a tenant already")));
    }
    if core.tenants.read().len() >= MOST {
        return Err(wrong(StatusCode::CONFLICT, format!("there are {MOST} tenants already")));
    }
    let limits = changed(&core.config().settings.tenant, &limits.unwrap_or_default())?;
    put(&core, name, limits.clone()).await?;
    Ok((StatusCode::CREATED, axum::Json(limits)))
}

async fn put(core: &Core, name: String, limits: TenantLimits) -> Result<(), ApiProblem> {
    core.books.put_tenant(name.clone(), limits.clone(), core.clock.now()).await?;
    core.tenants.write().insert(name, limits);
    // Refused only at the end of the server.
    drop(core.nudges.send(Nudge::Limits));
    Ok(())
}

/// Changes some limits of a tenant.
#[utoipa::path(
    patch, operation_id = "change_tenant", path = "/v1/tenants/{name}", params(("name" = String, Path)), request_body = TenantLimits,
    responses((status = 200, description = "As asked for", body = TenantLimits), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn change(
    By { core, .. }: By<Operate>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<axum::Json<TenantLimits>, ApiProblem> {
    let before = core.limits(&name).ok_or_else(|| no_tenant(&name))?;
    let limits = changed(&before, &read(&body)?)?;
    put(&core, name, limits.clone()).await?;
    Ok(axum::Json(limits))
}

fn no_tenant(name: &str) -> ApiProblem {
    ApiProblem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no tenant {name}"))
}

/// Removes a tenant that has no jobs waiting or running. Its bills stay.
#[utoipa::path(
    delete, operation_id = "remove_tenant", path = "/v1/tenants/{name}", params(("name" = String, Path)),
    responses((status = 204, description = "Removed"), (status = 409, description = "It has jobs"),
        (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn remove(By { core, .. }: By<Operate>, Path(name): Path<String>) -> Result<StatusCode, ApiProblem> {
    match core.books.remove_tenant(name.clone()).await? {
        Some(true) => {
            core.tenants.write().remove(&name);
            core.tokens.write().retain(|_, token| token.tenant != name);
            Ok(StatusCode::NO_CONTENT)
        }
        Some(false) => Err(no_tenant(&name)),
        None => Err(ApiProblem::new(StatusCode::CONFLICT, "state", format!("{name} has jobs waiting or running"))),
    }
}

/// What a new token is for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NewToken {
    /// None: all that a tenant may do.
    scopes: Vec<TokenScope>,
    /// The time after which it is refused, such as `90d`.
    expires: Option<String>,
}

/// A token, shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownToken {
    id: String,
    token: String,
    scopes: Vec<TokenScope>,
}

/// Makes a token. Only here it is shown.
#[utoipa::path(
    post, operation_id = "add_token", path = "/v1/tenants/{name}/tokens", params(("name" = String, Path)), request_body = NewToken,
    responses((status = 201, description = "Made", body = ShownToken), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn add_token(
    By { core, .. }: By<Operate>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, axum::Json<ShownToken>), ApiProblem> {
    if core.limits(&name).is_none() {
        return Err(no_tenant(&name));
    }
    let NewToken { mut scopes, expires } = if body.is_empty() { NewToken::default() } else { read(&body)? };
    if scopes.is_empty() {
        scopes = TokenScope::TENANT.to_vec();
    }
    let wrong =
        |detail: String| ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "request", detail).with("at", "expires");
    let expires_at = match expires {
        None => None,
        Some(text) => Some(core.clock.now().saturating_add_unsigned(duration::read(&text).map_err(wrong)?)),
    };
    let token = new_token();
    let row = TokenRow { id: token.id.clone(), tenant: name, hash: token.hash(), scopes: scopes.clone(), expires_at };
    core.books.put_token(row.clone(), core.clock.now()).await?;
    core.tokens.write().insert(token.id.clone(), row);
    Ok((StatusCode::CREATED, axum::Json(ShownToken { id: token.id.clone(), token: token.text(), scopes })))
}

/// Revokes a token, at once.
#[utoipa::path(
    delete, operation_id = "revoke_token", path = "/v1/tenants/{name}/tokens/{id}", params(("name" = String, Path), ("id" = String, Path)),
    responses((status = 204, description = "Revoked"), (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn revoke(
    By { core, .. }: By<Operate>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiProblem> {
    if !core.books.remove_token(name, id.clone()).await? {
        return Err(ApiProblem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no token {id}")));
    }
    core.tokens.write().remove(&id);
    Ok(StatusCode::NO_CONTENT)
}
