//! The HTTP API.

mod buckets;
mod caller;
mod catalog;
mod notify;
mod objects;
pub(crate) mod problem;
mod reading;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::core::Core;

/// Bytes of settings and events at most; objects have no such bound.
const LARGEST: usize = 4 << 20;

#[derive(OpenApi)]
#[openapi(
    info(title = "Data of Dyninka", description = "Buckets with copies at several stores.", license(name = "MIT OR Apache-2.0")),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

fn documented() -> OpenApiRouter<Arc<Core>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(catalog::view))
        .routes(routes!(catalog::settings))
        .routes(routes!(catalog::plan))
        .routes(routes!(catalog::apply))
        .routes(routes!(catalog::events))
        .routes(routes!(catalog::conflicts))
        .routes(routes!(catalog::probe))
        .routes(routes!(catalog::hook))
        .routes(routes!(buckets::promote))
        .routes(routes!(buckets::release))
        .routes(routes!(buckets::pause))
        .routes(routes!(buckets::resume))
        .routes(routes!(buckets::verify))
        .routes(routes!(buckets::wait))
        .routes(routes!(reading::places))
        .routes(routes!(objects::list))
        .routes(routes!(reading::get, objects::put, objects::remove))
        .routes(routes!(notify::notify))
}

/// The OpenAPI document of the server.
pub(crate) fn document() -> String {
    let (_, document) = documented().split_for_parts();
    // It is made of names and texts alone.
    document.to_pretty_json().unwrap_or_default()
}

/// All routes.
pub(crate) fn router(core: Arc<Core>) -> Router {
    let (routes, document) = documented().split_for_parts();
    routes
        .route("/v1/openapi.json", get(move || async move { axum::Json(document) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(catalog::ready))
        .route("/metrics", get(catalog::metrics))
        .fallback(problem::nothing)
        .method_not_allowed_fallback(problem::not_so)
        .layer(axum::middleware::from_fn(caller::no_pages))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(core)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    #[test]
    fn each_operation_of_the_document_has_a_name_and_its_answers_are_described() {
        let document: Value = serde_json::from_str(&super::document()).expect("JSON");
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().expect("paths");
        let operations: Vec<&Value> =
            paths.values().filter_map(Value::as_object).flat_map(|operations| operations.values()).collect();
        let names: BTreeSet<&str> =
            operations.iter().filter_map(|operation| operation["operationId"].as_str()).collect();
        assert_eq!((names.len(), names.len() >= 20), (operations.len(), true), "{names:?}");
        for operation in operations {
            let answers = operation["responses"].as_object().expect("answers");
            let is_described = |answer: &Value| answer["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(!answers.is_empty() && answers.values().all(is_described), "{operation}");
        }
    }
}
