//! All four functions in one process, behind the same server: a chain without hops.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::function::answer;
use super::functions::Functions;

pub(super) fn router(functions: Functions) -> Router {
    let functions = Arc::new(functions);
    Router::new().route("/", get(move || async move { answer(functions.all()) }))
}
