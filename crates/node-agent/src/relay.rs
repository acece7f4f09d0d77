//! Requests between nodes: those of this node's users that did not fit, and those of neighbours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use nodes::{AwayOutcomeSeen, FleetRole};
use protocol::header;
use serde_json::json;

use crate::agent::{Agent, NodeCounts};
use crate::http::{AskError, HttpTarget, LARGEST, handed_back, onward, problem, request, whole};
use crate::mind::AwayChoice;
use crate::served::ServedApp;
use crate::tls::PeerIdentity;

/// What a request has where it does not say how long it may take.
const DEADLINE: Duration = Duration::from_secs(30);

type Answer = Response<Full<Bytes>>;

/// App and service of a path.
fn named<'p>(path: &'p str, prefix: &str) -> Option<(&'p str, &'p str)> {
    path.strip_prefix(prefix)?.split_once('/').filter(|(app, service)| !app.is_empty() && !service.is_empty())
}

/// Milliseconds that a request has left.
fn budget(headers: &http::HeaderMap) -> Duration {
    let said = headers.get(header::DEADLINE).and_then(|value| value.to_str().ok()?.parse().ok());
    said.map_or(DEADLINE, Duration::from_millis).min(Duration::from_hours(1))
}

/// A request that a host of this node has no room for: `/away/APP/SERVICE`.
pub(crate) async fn away(agent: Arc<Agent>, asked: Request<Incoming>) -> Answer {
    let (head, body) = asked.into_parts();
    let Some((app, service)) = named(head.uri.path(), "/away/") else {
        return problem("not-here", StatusCode::NOT_FOUND, "", "a path is /away/APP/SERVICE");
    };
    let Some(running) = agent.apps.serving(app) else {
        return problem("not-here", StatusCode::NOT_FOUND, service, "no such app runs here");
    };
    let key = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if key.is_none_or(|key| blake3::hash(key.as_bytes()) != blake3::hash(running.token.as_bytes())) {
        return problem("forbidden", StatusCode::UNAUTHORIZED, service, "this is for the hosts of this node");
    }
    // Whoever was sent here is sent nowhere else.
    if head.headers.contains_key(header::NODE) {
        return problem("no-room", StatusCode::TOO_MANY_REQUESTS, service, "a request goes to one other node at most");
    }
    let until = Instant::now() + budget(&head.headers);
    let body = match whole(body, LARGEST).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let sent = AwayRequest { app, service, method: head.method, headers: onward(&head.headers), body, until };
    send(&agent, &running, &sent).await
}

struct AwayRequest<'a> {
    app: &'a str,
    service: &'a str,
    method: Method,
    headers: http::HeaderMap,
    body: Bytes,
    until: Instant,
}

/// Asks one neighbour after the other, as long as none has seen the request.
async fn send(agent: &Arc<Agent>, running: &ServedApp, sent: &AwayRequest<'_>) -> Answer {
    let (app, service) = (sent.app, sent.service);
    let is_idempotent = running.bundle.services.get(service).is_some_and(|service| service.idempotent);
    let mut tried = Vec::new();
    loop {
        let choice = agent.mind.lock().away(app, service, &tried, agent.now());
        let Some(choice) = choice else {
            NodeCounts::add(&agent.counts.away_nobody, 1);
            return problem("no-room", StatusCode::TOO_MANY_REQUESTS, service, "no other node has room");
        };
        let begun = Instant::now();
        let asked = ask(agent, &choice, sent).await;
        let note = |outcome| agent.mind.lock().note(app, service, choice.node, outcome, agent.now());
        match asked {
            Ok(answer) if matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::NOT_FOUND) => {
                note(AwayOutcomeSeen::Refused);
            }
            Ok(answer) => {
                note(AwayOutcomeSeen::Answered { took: begun.elapsed(), said: choice.said });
                NodeCounts::add(&agent.counts.away_answered, 1);
                return handed_back(answer, Some(&choice.name));
            }
            Err(AskError::Unsent(_)) => note(AwayOutcomeSeen::Lost),
            Err(AskError::Lost(why)) => {
                note(AwayOutcomeSeen::Lost);
                if !is_idempotent || Instant::now() >= sent.until {
                    NodeCounts::add(&agent.counts.away_lost, 1);
                    let detail = format!("the node {} had the request and gave no answer: {why}", choice.name);
                    return problem("node-lost", StatusCode::GATEWAY_TIMEOUT, service, &detail);
                }
            }
        }
        tried.push(choice.id);
    }
}

async fn ask(
    agent: &Arc<Agent>,
    choice: &AwayChoice,
    sent: &AwayRequest<'_>,
) -> Result<crate::http::HttpAnswer, AskError> {
    let Some(link) = agent.link_of(choice.id) else { return Err(AskError::Unsent("its link is down".to_owned())) };
    let left = sent.until.saturating_duration_since(Instant::now());
    let mut headers = sent.headers.clone();
    headers.insert(header::DEADLINE, HeaderValue::from(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)));
    let path = format!("/guest/{}/{}", sent.app, sent.service);
    let target = HttpTarget::Node { id: choice.id, address: link.address, tls: agent.tls.configs().http };
    let asking = agent.pool.ask(&target, request(&sent.method, &path, headers, sent.body.clone()));
    tokio::select! {
        asked = asking => asked,
        // What was sent may have run.
        () = link.lost() => Err(AskError::Lost("its link is down".to_owned())),
        () = tokio::time::sleep(left) => Err(AskError::Lost("the deadline passed".to_owned())),
    }
}

/// A request of a neighbour's user: `/guest/APP/SERVICE`. Who sends it is who the certificate says.
pub(crate) async fn guest(agent: Arc<Agent>, peer: PeerIdentity, asked: Request<Incoming>) -> Answer {
    let (head, body) = asked.into_parts();
    let Some((app, service)) = named(head.uri.path(), "/guest/") else {
        return problem("not-here", StatusCode::NOT_FOUND, "", "a path is /guest/APP/SERVICE");
    };
    let refused = |kind, status, detail: &str| {
        NodeCounts::add(&agent.counts.guests_refused, 1);
        problem(kind, status, service, detail)
    };
    if peer.role != FleetRole::Node {
        return refused("forbidden", StatusCode::FORBIDDEN, "an operator shares no load");
    }
    let turn = NodeCounts::of(&agent.counts.guests) as usize;
    let chosen = agent.apps.serving(app).and_then(|app| {
        let hosts = app.hosts.get(service)?;
        // One after the other.
        let host = *hosts.get(turn.checked_rem(hosts.len())?)?;
        Some((app, host))
    });
    let Some((running, host)) = chosen else {
        return refused("not-here", StatusCode::NOT_FOUND, "this node has no such service");
    };
    let needs = head.headers.get(header::SERVICES).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if needs.split(',').any(|need| !need.is_empty() && !running.bundle.services.contains_key(need)) {
        return refused("not-here", StatusCode::NOT_FOUND, "this node lacks a service of the route");
    }
    match agent.mind.lock().takes(app, service, peer.id, agent.now()) {
        Some(true) => {}
        Some(false) => {
            return refused("no-room", StatusCode::TOO_MANY_REQUESTS, "more than this node takes of yours");
        }
        None => return refused("not-here", StatusCode::NOT_FOUND, "the service stays where it is called"),
    }
    let left = budget(&head.headers);
    let body = match whole(body, LARGEST).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let mut headers = onward(&head.headers);
    headers.remove(header::SERVICES);
    headers.extend(running.headers().remove(AUTHORIZATION).map(|key| (AUTHORIZATION, key)));
    // The certificate's name, whatever the request said.
    match HeaderValue::from_str(&peer.name) {
        Ok(name) => drop(headers.insert(header::NODE, name)),
        Err(_) => return refused("forbidden", StatusCode::FORBIDDEN, "the certificate has no name of a node"),
    }
    NodeCounts::add(&agent.counts.guests, 1);
    let target = HttpTarget::Host(host);
    let asking = agent.apps.pool().ask(&target, request(&head.method, "/", headers, body));
    match tokio::time::timeout(left, asking).await {
        Ok(Ok(answer)) => handed_back(answer, None),
        // Nothing of it ran: the sender may ask somebody else.
        Ok(Err(AskError::Unsent(why))) => refused("no-room", StatusCode::TOO_MANY_REQUESTS, &why),
        Ok(Err(AskError::Lost(why))) => problem("node-lost", StatusCode::BAD_GATEWAY, service, &why),
        Err(_) => problem("deadline", StatusCode::GATEWAY_TIMEOUT, service, "no answer before the deadline"),
    }
}

/// Tells of overload that begins or ends.
pub(crate) fn tell_sharing(agent: &Agent, app: &str, service: &str, is_shared: bool, data: serde_json::Value) {
    let kind = if is_shared { "service.shared" } else { "service.unshared" };
    agent.events.tell(kind, &format!("{app}/{service}"), json!({ "load": data }));
}
