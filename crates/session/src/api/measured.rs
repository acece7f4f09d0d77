//! What was measured, and the forms of what travels.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use interface::Interface;
use protocol::fold::HistorySpan;
use serde::Deserialize;
use session_api::measured::LatencyHistory;
use session_api::requests::ServiceForm;

use super::asking::Handler;
use super::ended;

pub(super) async fn hop(State(handler): State<Arc<Handler>>, Path(service): Path<String>) -> Response {
    let Some(mut snapshot) = handler.snapshot().await else { return ended() };
    match snapshot.hops.remove(&service) {
        Some(hop) => axum::Json(hop).into_response(),
        None if snapshot.service(&service).is_some() => {
            axum::Json(session_api::measured::MeasuredHop::default()).into_response()
        }
        None => unknown(&service),
    }
}

#[derive(Deserialize)]
pub(super) struct History {
    service: String,
    span: u64,
}

pub(super) async fn history(State(handler): State<Arc<Handler>>, Query(asked): Query<History>) -> Response {
    let spans = [HistorySpan::Minutes, HistorySpan::Hour, HistorySpan::Day];
    let Some(span) = spans.into_iter().find(|span| span.seconds() == asked.span) else {
        let words = format!("{} is no span of a history: there are 300, 3600 and 86400 seconds\n", asked.span);
        return (StatusCode::BAD_REQUEST, words).into_response();
    };
    let narrow = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX);
    if let Some(history) = handler.history(asked.service.clone(), span).await {
        return axum::Json(history).into_response();
    }
    let Some(snapshot) = handler.snapshot().await else { return ended() };
    match snapshot.service(&asked.service) {
        // Nothing of it was measured yet.
        Some(_) => {
            let (step_s, span_s) = (narrow(span.step()), narrow(span.seconds()));
            axum::Json(LatencyHistory { step_s, span_s, points: Vec::new() }).into_response()
        }
        None => unknown(&asked.service),
    }
}

/// Types are looked at away from the threads that answer: there may be many.
pub(super) async fn forms(State(handler): State<Arc<Handler>>) -> Response {
    let Some(app) = handler.app().await else {
        return axum::Json(BTreeMap::<String, ServiceForm>::new()).into_response();
    };
    let made = tokio::task::spawn_blocking(move || {
        let interface = Interface::of(&app);
        let form = |call| ServiceForm { input: interface.input_schema(call), output: interface.output_schema(call) };
        interface.calls.iter().map(|call| (call.service.clone(), form(call))).collect::<BTreeMap<_, _>>()
    });
    match made.await {
        Ok(forms) => axum::Json(forms).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn unknown(service: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("{service} is no service of this app\n")).into_response()
}
