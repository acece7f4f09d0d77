//! Who asks: the bearer of the server's token.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use super::problem::ApiProblem;
use crate::core::Core;

/// The owner of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner;

/// The text of a bearer token.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

pub(crate) fn unauthorized() -> ApiProblem {
    let detail = "a token is needed: Authorization: Bearer dynd_…, from the file that the server names at its start";
    ApiProblem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

impl FromRequestParts<Arc<Core>> for Owner {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, ApiProblem> {
        let token = bearer(&parts.headers).ok_or_else(unauthorized)?;
        if core.token.is(token) { Ok(Self) } else { Err(unauthorized()) }
    }
}

/// Turns pages of browsers away: they have no business here.
pub(crate) async fn no_pages(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", "pages have no business here").into_response();
    }
    next.run(request).await
}
