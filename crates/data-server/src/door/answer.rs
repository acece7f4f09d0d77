//! A request on its way to an endpoint.

use std::net::SocketAddr;
use std::time::Instant;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use data::door::{self, DoorAsk, DoorRefusal, DoorRoute, DoorTable};
use data::route::{EndpointSettings, RouteAsk, target};
use data::rule::DoorRequest;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, request};
use hyper::body::Incoming;
use protocol::near::{PickAsk, PickCandidate, PlaceBounds};
use protocol::{RequestData, error_chain, header};
use serde_json::json;

use super::body::{HeldBody, LentBody};
use super::{Door, headers};
use crate::http::problem::ApiProblem;

/// Why an endpoint gave no answer.
enum Unanswered {
    /// Nothing was sent to it.
    Unsent(String),
    /// Something may have been: it is not said again.
    Sent(String),
    /// It cannot be sent to any endpoint.
    Never(&'static str),
}

impl Door {
    pub(super) async fn answer(&self, request: Request<Incoming>, caller: SocketAddr) -> Response {
        self.pass(request, caller).await.unwrap_or_else(ApiProblem::into_response)
    }

    async fn pass(&self, request: Request<Incoming>, caller: SocketAddr) -> Result<Response, ApiProblem> {
        let (head, body) = request.into_parts();
        let (table, age_ms) = self.table();
        let data = read(&head.headers, &table)?;
        let bounds = bounds(&head.headers)?;
        let value = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let request = DoorRequest { method: head.method.as_str(), header: &value };
        let route = table.route(&DoorAsk { data: &data, bounds: &bounds, request, age_ms });
        let route = route.map_err(|refusal| refused(refusal, &table))?;
        let order = self.order(&table, &route, &data, &head, caller);
        let body = LentBody::new(body);
        let onward = headers::onward(head.headers.clone(), caller.ip(), &self.name).ok_or_else(|| {
            let detail = "the request was here before: an endpoint sends it to the door again";
            ApiProblem::new(StatusCode::LOOP_DETECTED, "circle", detail)
        })?;
        let (mut tried, bucket) = (serde_json::Map::new(), data.needs.first().map(|need| need.bucket.as_str()));
        for at in order {
            let Some((name, endpoint)) = table.endpoints.get(at) else { continue };
            let why = match self.ask(name, endpoint, &head, &onward, &body).await {
                Ok(answer) => return Ok(answer),
                Err(Unanswered::Never(why)) => {
                    return Err(ApiProblem::new(
                        StatusCode::BAD_REQUEST,
                        "request",
                        format!("the request is not passed on: {why}"),
                    ));
                }
                Err(Unanswered::Sent(why)) => {
                    self.core.figures.failed(name, &why);
                    let detail = format!("the endpoint {name} did not answer: {why}");
                    return Err(ApiProblem::new(StatusCode::BAD_GATEWAY, "endpoint-failed", detail));
                }
                Err(Unanswered::Unsent(why)) => why,
            };
            self.core.figures.failed(name, &why);
            tried.insert(name.clone(), json!(why));
        }
        let detail = match bucket {
            Some(bucket) => format!("no endpoint for {bucket} can be connected to"),
            None => "no endpoint for the request can be connected to".to_owned(),
        };
        Err(ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "no-endpoint", detail).with("tried", tried))
    }

    /// The endpoints that may serve a request, in the order in which they are asked: the one that the policy picks, the
    /// others, and then those that could not be connected to a moment ago.
    fn order(
        &self,
        table: &DoorTable,
        route: &DoorRoute,
        data: &RequestData,
        head: &request::Parts,
        caller: SocketAddr,
    ) -> Vec<usize> {
        let figures = &self.core.figures;
        let seen: Vec<_> = route.may.iter().map(|at| (*at, figures.seen(&table.endpoints[*at].0))).collect();
        let (away, up): (Vec<_>, Vec<_>) = seen.into_iter().partition(|(_, seen)| seen.is_away);
        let (first, last) = if up.is_empty() { (away, up) } else { (up, away) };
        let candidates = first.iter().map(|(at, seen)| {
            let (name, endpoint) = &table.endpoints[*at];
            PickCandidate { id: name, place: &endpoint.place, open: seen.open, latency: seen.latency }
        });
        let candidates: Vec<PickCandidate<'_>> = candidates.collect();
        let bucket = data.needs.first().map(|need| need.bucket.as_str()).unwrap_or_default();
        let ask = PickAsk {
            place: table.place.as_deref().unwrap_or_default(),
            turn: figures.turn(bucket),
            random: rand::random(),
            data: &data.text,
        };
        let address = caller.ip().to_canonical().to_string();
        let uri = head.uri.path_and_query().map(|uri| uri.as_str()).unwrap_or_default();
        let picked = route.policy.pick(&candidates, &RouteAsk { ask, address: &address, uri });
        let mut order: Vec<usize> =
            picked.and_then(|picked| first.get(picked)).map(|(at, _)| *at).into_iter().collect();
        for (at, _) in first.iter().chain(&last) {
            if !order.contains(at) {
                order.push(*at);
            }
        }
        order
    }

    async fn ask(
        &self,
        name: &str,
        endpoint: &EndpointSettings,
        head: &request::Parts,
        headers: &HeaderMap,
        body: &LentBody,
    ) -> Result<Response, Unanswered> {
        let asked = head.uri.path_and_query().map(|uri| uri.as_str()).unwrap_or_default();
        let target = target(endpoint.path.as_deref(), asked).map_err(Unanswered::Never)?;
        let request = Request::builder().method(head.method.clone()).uri(format!("{}{target}", endpoint.url));
        let mut request = request.body(body.clone()).map_err(|_| Unanswered::Never("its path is none of a URL"))?;
        headers.clone_into(request.headers_mut());
        let client = self.clients.of(endpoint.ca.as_deref()).map_err(Unanswered::Unsent)?;
        let (held, begun) = (self.core.figures.open(name), Instant::now());
        let answer = client.request(request).await.map_err(|error| {
            if let Some(ca) = endpoint.ca.as_deref().filter(|_| error.is_connect()) {
                self.clients.forget(ca);
            }
            // Of a request that changes nothing and has no body it does not matter whether it came.
            let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&head.method) && body.is_whole();
            let why = error_chain(&error);
            if error.is_connect() || is_safe { Unanswered::Unsent(why) } else { Unanswered::Sent(why) }
        })?;
        self.core.figures.answered(name, begun.elapsed());
        let (mut parts, body) = answer.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Unanswered::Sent("it wants another protocol, which nobody asked it for".to_owned()));
        }
        parts.version = Version::HTTP_11;
        headers::drop_hop(&mut parts.headers);
        // In place of what an endpoint says: it may say anything.
        if let Ok(place) = HeaderValue::from_str(&format!("{name}@{}", endpoint.place)) {
            parts.headers.insert(header::PLACE, place);
        }
        Ok(Response::from_parts(parts, Body::new(HeldBody { body, _held: held })))
    }
}

/// What a request works on.
fn read(headers: &HeaderMap, table: &DoorTable) -> Result<RequestData, ApiProblem> {
    let wrong = |why: String| ApiProblem::new(StatusCode::BAD_REQUEST, "request", why);
    let one = |name: &str| headers::one(headers, name).map_err(wrong);
    let beside = table.header.as_deref().map(one).transpose()?.flatten();
    door::asked(one(header::DATA)?, beside, one(header::DATA_VERSION)?).map_err(|error| wrong(error.to_string()))
}

/// The places that may serve a request.
fn bounds(headers: &HeaderMap) -> Result<PlaceBounds, ApiProblem> {
    let wrong = |why: String| ApiProblem::new(StatusCode::BAD_REQUEST, "request", why);
    let one = |name: &str| headers::one(headers, name).map_err(wrong);
    PlaceBounds::read(one(header::ZONE)?, one(header::NEEDS)?).map_err(|error| wrong(error.to_string()))
}

fn refused(refusal: DoorRefusal, table: &DoorTable) -> ApiProblem {
    match refusal {
        DoorRefusal::Unnamed => {
            let beside = table.header.as_ref().map(|header| format!(" or {header}")).unwrap_or_default();
            let detail = format!("the request names no bucket: Dyninka-Data{beside} does");
            ApiProblem::new(StatusCode::NOT_FOUND, "no-bucket-named", detail)
        }
        DoorRefusal::NoBucket(bucket) => ApiProblem::no_bucket(&bucket),
        DoorRefusal::NoPlace(why) => {
            let detail = "no endpoint is where the request may be served";
            ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "no-place", detail).with("endpoints", json!(why))
        }
    }
}
