//! The HTTP API.

mod admin;
mod caller;
mod events;
mod functions;
mod jobs;
mod kumori;
mod one;
mod problem;
mod schedules;
mod tenants;
mod usage;

pub(crate) use jobs::ask_for;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::KumoriAccess;
use crate::core::Core;

/// Bytes of a batch at most; that of one job is in the settings.
const LARGEST_BATCH: usize = 64 << 20;

#[derive(OpenApi)]
#[openapi(
    info(title = "Jobs of Dyninka", description = "Ask now, fetch the result later.", license(name = "MIT OR Apache-2.0")),
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
        .routes(routes!(jobs::ask, jobs::list))
        .routes(routes!(jobs::batch))
        .routes(routes!(one::job, one::remove))
        .routes(routes!(one::result))
        .routes(routes!(one::cancel))
        .routes(routes!(one::retry))
        .routes(routes!(jobs::dead, jobs::put_away))
        .routes(routes!(jobs::redrive, jobs::redrives))
        .routes(routes!(jobs::cancel_redrive))
        .routes(routes!(events::of_all))
        .routes(routes!(events::of_job))
        .routes(routes!(usage::usage))
        .routes(routes!(usage::summary))
        .routes(routes!(functions::list))
        .routes(routes!(functions::put, functions::one, functions::remove))
        .routes(routes!(functions::source))
        .routes(routes!(functions::ask))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::put, schedules::one, schedules::remove))
        .routes(routes!(schedules::run))
        .routes(routes!(schedules::deliveries))
        .routes(routes!(schedules::retry_delivery))
        .routes(routes!(schedules::secret))
        .routes(routes!(tenants::list, tenants::add))
        .routes(routes!(tenants::change, tenants::remove))
        .routes(routes!(tenants::add_token))
        .routes(routes!(tenants::revoke))
}

/// The OpenAPI document of the server.
pub(crate) fn document() -> String {
    let (_, document) = documented().split_for_parts();
    // It is made of names and texts alone.
    document.to_pretty_json().unwrap_or_default()
}

/// All routes.
pub(crate) fn router(core: Arc<Core>) -> Router {
    let (mut routes, document) = documented().split_for_parts();
    if core.config().settings.kumori != KumoriAccess::Off {
        routes = routes
            .route("/u/{*rest}", axum::routing::any(kumori::answer))
            .route("/j/{*rest}", axum::routing::any(kumori::answer));
    }
    routes
        .route("/v1/openapi.json", get(move || async move { axum::Json(document) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(admin::ready))
        .route("/metrics", get(admin::metrics))
        .route("/_dyninka/reload", axum::routing::post(admin::reload))
        .route("/_dyninka/queued", axum::routing::post(admin::queued))
        .route("/_dyninka/drop", axum::routing::post(admin::drop_queued))
        .fallback(problem::nothing)
        .method_not_allowed_fallback(problem::not_so)
        .layer(axum::middleware::from_fn(caller::no_pages))
        .layer(DefaultBodyLimit::max(LARGEST_BATCH))
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
        assert_eq!(names.len(), operations.len(), "{names:?}");
        assert!(names.contains("ask_job") && operations.len() > 25, "{names:?}");
        for operation in operations {
            let answers = operation["responses"].as_object().expect("answers");
            let is_described = |answer: &Value| answer["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(!answers.is_empty() && answers.values().all(is_described), "{operation}");
        }
    }
}
