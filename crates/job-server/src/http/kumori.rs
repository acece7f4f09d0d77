//! The NodeJS FaaS's API under `/u` and `/j`: for everybody on this machine, or for those who have a token.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use functions::kumori::{self, FaasAccess, FaasRequest};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use jobs::token::TokenScope;

use super::caller::Caller;
use super::problem::ApiProblem;
use crate::config::KumoriAccess;
use crate::core::Core;
use crate::faas::{self, KeptFaas};

/// Answers a request. Without tokens only this machine reaches it, by its own names: a page of elsewhere that has a name of
/// its own point here is turned away.
pub(super) async fn answer(
    State(core): State<Arc<Core>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_open = core.config().settings.kumori == KumoriAccess::Open;
    if is_open && !is_here(&headers) {
        let detail = "this answers under localhost and 127.0.0.1 alone";
        return ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response();
    }
    let caller = if is_open { None } else { Caller::of(&core, &headers).ok() };
    let scope = if method == Method::GET { TokenScope::JobsRead } else { TokenScope::JobsWrite };
    let caller = caller.filter(|caller| caller.may(scope).is_ok());
    // The tenant of a user.
    let tenant = caller.as_ref().and_then(Caller::sees).unwrap_or_default();
    let access = match &caller {
        _ if is_open => FaasAccess::Open,
        Some(caller) if caller.is_operator => FaasAccess::Operator,
        Some(_) => faas::user(&tenant).map_or(FaasAccess::Nobody, FaasAccess::User),
        None => FaasAccess::Nobody,
    };
    let request = FaasRequest { method: method.as_str(), path: uri.path(), body: &body, access };
    let answer = kumori::answer(&KeptFaas(core), request).await;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response()
}

fn is_here(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ["localhost", "127.0.0.1"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let of = |host: &str| is_here(&HeaderMap::from_iter([(header::HOST, host.parse().expect("a value"))]));
        assert!(of("localhost:8081") && of("127.0.0.1:1") && of("localhost"));
        assert!(!of("evil.example:8081") && !of("127.0.0.1.evil.example") && !of(""));
        assert!(!is_here(&HeaderMap::new()));
    }
}
