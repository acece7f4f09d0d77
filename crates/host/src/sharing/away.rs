//! A request on its way to the node's agent, which has another node serve it.

use bytes::Bytes;
use http::StatusCode;
use protocol::{Method as Asked, Route, UpstreamCall, header};

use crate::answer::Ended;
use crate::problem::{self, Problem};
use crate::request_context::RequestContext;
use crate::shared::{Settings, Shared};
use crate::trace::random_span;
use crate::upstream::Trouble;
use crate::wire::{Answer, Question, WireError};

/// What came of a request that was sent away.
pub(super) enum Taken {
    Answered(Result<Ended, Problem>),
    /// No node has seen it, or each that did refused it.
    ByNobody,
}

/// What goes to another node of a request.
pub(super) struct Onward {
    pub(super) route: Option<String>,
    /// Of a `POST`.
    pub(super) body: Option<Bytes>,
}

/// Asks the agent. What it was asked may run once elsewhere, so that it is not asked again.
pub(super) async fn send(
    shared: &Shared,
    settings: &Settings,
    context: &RequestContext,
    address: &str,
    onward: &Onward,
) -> Taken {
    let (config, id) = (&settings.config, random_span());
    let problem = |kind, status, detail: &str| {
        Taken::Answered(Err(Problem::new(kind, status, &config.service, &context.path, detail)))
    };
    let posts = onward.body.is_some();
    let mut question = Question::at(posts, &format!("/away/{}/{}", config.app, config.service), address);
    question.header(header::AUTHORIZATION, &format!("Bearer {}", config.token));
    let route = onward.route.as_deref();
    if let Some(route) = route {
        question.header(header::ROUTE, route);
    }
    // Callers as they were: the other host adds itself.
    if let Some((callers, _)) = context.path.text().rsplit_once(',') {
        question.header(header::PATH, callers);
    }
    question.header(header::SERVICES, &needs(route.or(config.route.as_deref())));
    context.onward(&mut question, id, &config.token);
    let question = question.end(onward.body.as_deref());
    let at = settings.places.get(&config.service).filter(|_| context.detail).map(|place| {
        context.called(UpstreamCall {
            id,
            service: place.service.clone(),
            address: address.into(),
            method: if posts { Asked::Post } else { Asked::Get },
            within: false,
            begun: 0,
            took: 0,
            server: None,
            status: None,
            error: None,
            sent: onward.body.as_ref().map_or(0, Bytes::len) as u64,
            received: 0,
        })
    });
    let asked = shared.upstreams.send(config, context, ("the node's agent", address), &question);
    let asked = tokio::time::timeout_at(context.deadline, asked).await;
    if let Some(at) = at {
        context.ended(at, |call| match &asked {
            Ok(Ok(answer)) => {
                (call.status, call.received) = (Some(answer.status.as_u16()), answer.body.len() as u64);
            }
            Ok(Err(_)) => call.error = Some("unreachable".into()),
            Err(_) => call.error = Some("deadline".into()),
        });
    }
    let (taken, outcome) = match asked {
        Ok(Ok(answer)) if is_refusal(answer.status) => (Taken::ByNobody, "nobody"),
        Ok(Ok(answer)) => (Taken::Answered(ended(answer, config, context)), "answered"),
        Ok(Err(Trouble::Connect(_) | Trouble::Wire(WireError::Unsent(_)))) => (Taken::ByNobody, "no-agent"),
        Ok(Err(Trouble::Wire(WireError::TooLarge))) => {
            let detail = format!("the answer of another node is larger than {} bytes", config.limits.body);
            (problem("too-large", StatusCode::BAD_GATEWAY, &detail), "lost")
        }
        Ok(Err(trouble)) => {
            let detail = format!("the node's agent had the request and gave no answer: {trouble}");
            (problem("node-lost", StatusCode::GATEWAY_TIMEOUT, &detail), "lost")
        }
        Err(_) => {
            let detail = "no other node answered before the deadline";
            (problem("deadline", StatusCode::GATEWAY_TIMEOUT, detail), "lost")
        }
    };
    shared.admission.went_away(outcome);
    taken
}

/// An agent that found no node says 429; one that knows nothing of the service 404.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::NOT_FOUND)
}

/// Another node's answer, as it is.
fn ended(answer: Answer, config: &protocol::Config, context: &RequestContext) -> Result<Ended, Problem> {
    let Answer { status, said, body } = answer;
    context.note(&said);
    match status {
        StatusCode::OK => Ok(Ended::Value(body)),
        StatusCode::NO_CONTENT => Ok(Ended::Filtered(said.filtered.unwrap_or_else(|| config.service.clone()))),
        _ if said.content_type.as_deref() == Some(problem::CONTENT_TYPE) => Err(Problem::passed_on(status, body)),
        _ => {
            let detail = format!("another node answered {status}, which is no answer of a service");
            Err(Problem::new("node-lost", StatusCode::BAD_GATEWAY, &config.service, &context.path, &detail))
        }
    }
}

/// The services below this one in a route, by their Rust names.
pub(super) fn needs(route: Option<&str>) -> String {
    let Some(Ok(route)) = route.map(Route::parse) else { return String::new() };
    let mut names: Vec<&str> = route.services().collect();
    names.sort_unstable();
    names.dedup();
    names.join(",")
}
