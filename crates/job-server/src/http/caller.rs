//! Who asks: the bearer of a token, and for which tenant.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use jobs::token::{JobToken, TokenScope};

use super::problem::ApiProblem;
use crate::core::{Core, DEFAULT_TENANT};

/// The bearer of a token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Whose jobs: one tenant's, or all of them where an operator names none.
    tenant: Option<String>,
    scopes: Vec<TokenScope>,
    pub(crate) is_operator: bool,
}

/// For which tenant an operator acts.
const TENANT: &str = "dyninka-tenant";

impl Caller {
    /// Whose jobs are meant where jobs are looked at; none: everybody's.
    pub(crate) fn sees(&self) -> Option<String> {
        self.tenant.clone()
    }

    /// Whose job is meant where one is made.
    pub(crate) fn acts_for(&self) -> String {
        self.tenant.clone().unwrap_or_else(|| DEFAULT_TENANT.to_owned())
    }

    /// Refuses a caller whose token does not say that it may.
    pub(crate) fn may(&self, scope: TokenScope) -> Result<(), ApiProblem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let word = serde_json::to_value(scope).ok();
        let word = word.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        Err(ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", format!("this token is not for {word}")))
    }

    /// Refuses everybody but the operator.
    pub(crate) fn must_operate(&self) -> Result<(), ApiProblem> {
        let detail = "this is for the operator's token, whose file the session names";
        if self.is_operator { Ok(()) } else { Err(ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", detail)) }
    }
}

impl Caller {
    /// A function of the app, which may call every service of it.
    pub(crate) fn of_the_app(tenant: String) -> Self {
        Self { tenant: Some(tenant), scopes: TokenScope::ALL.to_vec(), is_operator: true }
    }
}

/// The text of a bearer token.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl Caller {
    /// The bearer of the token in these headers.
    pub(crate) fn of(core: &Core, headers: &HeaderMap) -> Result<Self, ApiProblem> {
        let wrong = || {
            let detail = "a token is needed: Authorization: Bearer dyn_…";
            ApiProblem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
        };
        let token = bearer(headers).and_then(JobToken::read).ok_or_else(wrong)?;
        let named = match headers.get(TENANT) {
            None => None,
            Some(name) => Some(name.to_str().map_err(|_| wrong())?.to_owned()),
        };
        if token.is(&core.operator) {
            if let Some(name) = named.as_ref().filter(|name| core.limits(name).is_none()) {
                return Err(ApiProblem::new(StatusCode::NOT_FOUND, "not-found", format!("there is no tenant {name}")));
            }
            return Ok(Self { tenant: named, scopes: TokenScope::ALL.to_vec(), is_operator: true });
        }
        let kept = core.tokens.read().get(&token.id).cloned();
        let kept = kept.filter(|kept| token.is(&kept.hash)).ok_or_else(wrong)?;
        if let Some(at) = kept.expires_at.filter(|at| *at <= core.clock.now()) {
            let (at, tenant) = (jobs::view::time(at), &kept.tenant);
            let detail = format!("the token expired at {at}; the operator makes another: dyn jobs token FILE {tenant}");
            return Err(ApiProblem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
        }
        if named.is_some_and(|named| named != kept.tenant) {
            return Err(ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", "the token is another tenant's"));
        }
        Ok(Self { tenant: Some(kept.tenant), scopes: kept.scopes, is_operator: false })
    }
}

/// A request of somebody who may do what it asks for: the head of each handler.
pub(crate) struct By<R> {
    pub(crate) core: Arc<Core>,
    pub(crate) caller: Caller,
    right: PhantomData<fn() -> R>,
}

/// What a caller has to be allowed.
pub(crate) trait Right {
    fn check(caller: &Caller) -> Result<(), ApiProblem>;
}

/// Rights by the scope that a token has to have.
macro_rules! rights {
    ($($right:ident: $scope:ident),*) => {
        $(
            pub(crate) struct $right;

            impl Right for $right {
                fn check(caller: &Caller) -> Result<(), ApiProblem> {
                    caller.may(TokenScope::$scope)
                }
            }
        )*
    };
}

rights! {
    WriteJobs: JobsWrite, ReadJobs: JobsRead, KeepFunctions: Functions, KeepSchedules: Schedules, ReadUsage: Usage,
    ReadMetrics: Metrics
}

/// The operator's alone.
pub(crate) struct Operate;

impl Right for Operate {
    fn check(caller: &Caller) -> Result<(), ApiProblem> {
        caller.must_operate()
    }
}

impl<R: Right> FromRequestParts<Arc<Core>> for By<R> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, ApiProblem> {
        let caller = Caller::of(core, &parts.headers)?;
        R::check(&caller)?;
        Ok(Self { core: core.clone(), caller, right: PhantomData })
    }
}

/// Turns pages of browsers away: they have no business here.
pub(crate) async fn no_pages(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", "pages have no business here").into_response();
    }
    next.run(request).await
}
