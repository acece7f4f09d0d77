//! Calls of services on behalf of a face.

use std::time::Instant;

use bytes::Bytes;
use protocol::error_chain;
use protocol::header;
use recordings::send::Outgoing;
use reqwest::{Client, Response};
use serde_json::{Map, Value};
use session_api::command::{Answer, CallTree, Called, CalledHop, Feed, LatencySpread, Timed};
use session_api::grammar;
use session_api::snapshot::{ServiceView, Snapshot};

use crate::telemetry::rank;

/// More calls in one command are a load test, and for that there are better tools.
const MOST_CALLS: u32 = 100_000;

/// Calls once.
pub(crate) async fn invoke(client: &Client, snapshot: &Snapshot, call: &CallTree) -> Answer {
    match request(snapshot, call) {
        Ok(request) => match request.send(client).await {
            Ok(called) => Answer::Called(called),
            Err(message) => refused(message),
        },
        Err(message) => refused(message),
    }
}

/// Calls many times, one after the other.
pub(crate) async fn time(client: &Client, snapshot: &Snapshot, call: &CallTree, count: u32) -> Answer {
    let request = match request(snapshot, call) {
        Ok(request) => request,
        Err(message) => return refused(message),
    };
    if !(1..=MOST_CALLS).contains(&count) {
        return refused(format!("{count} is no number of calls between 1 and {MOST_CALLS}"));
    }
    let (mut all, mut errors, mut first_error) = (Vec::new(), 0, None);
    for _ in 0..count {
        match request.send(client).await {
            Ok(called) if called.status >= 400 => {
                errors += 1;
                first_error.get_or_insert(called);
            }
            Ok(called) => all.push(called),
            Err(message) => return refused(message),
        }
    }
    let mut hops: Vec<(String, Vec<f64>, Vec<f64>)> = Vec::new();
    for hop in all.iter().flat_map(|called| &called.hops) {
        let at = hops.iter().position(|(name, ..)| *name == hop.service).unwrap_or_else(|| {
            hops.push((hop.service.clone(), Vec::new(), Vec::new()));
            hops.len() - 1
        });
        hops[at].1.push(hop.total_ms);
        hops[at].2.push(hop.function_ms);
    }
    Answer::Timed(Timed {
        n: count,
        errors,
        first_error,
        total: spread(all.iter().map(|called| called.ms).collect()),
        hops: hops.into_iter().map(|(name, totals, functions)| (name, spread(totals), spread(functions))).collect(),
    })
}

/// Sends what was recorded once more.
pub(crate) async fn resend(client: &Client, url: &str, outgoing: Outgoing) -> Answer {
    let Outgoing { headers, body, .. } = outgoing;
    let body = body.map(Bytes::from);
    match (Request { url: url.to_owned(), body, headers }).send(client).await {
        Ok(called) => Answer::Called(called),
        Err(message) => refused(message),
    }
}

struct Request {
    url: String,
    body: Option<Bytes>,
    headers: Vec<(String, String)>,
}

/// Values go in the body, where they may be large; what other services feed goes as a route.
fn request(snapshot: &Snapshot, call: &CallTree) -> Result<Request, String> {
    let service = known(snapshot, call)?;
    let url = service.url.clone().ok_or_else(|| format!("{} does not serve yet", call.service))?;
    let (values, route) = parts(snapshot, call)?;
    let mut headers: Vec<(String, String)> = route.into_iter().map(|route| (header::ROUTE.to_owned(), route)).collect();
    let body = (!values.is_empty()).then(|| Bytes::from(Value::Object(values).to_string()));
    if body.is_some() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(Request { url, body, headers })
}

fn known<'s>(snapshot: &'s Snapshot, call: &CallTree) -> Result<&'s ServiceView, String> {
    snapshot.service(&call.service).ok_or_else(|| format!("{} is no service of this app", call.service))
}

/// The inputs of a call that are values, and its route where other services feed it.
pub(crate) fn parts(snapshot: &Snapshot, call: &CallTree) -> Result<(Map<String, Value>, Option<String>), String> {
    let service = known(snapshot, call)?;
    let Some(inputs) = &call.inputs else { return Ok((Map::new(), None)) };
    if inputs.len() != service.inputs.len() {
        return Err(format!("{} takes {} inputs, not {}", call.service, service.inputs.len(), inputs.len()));
    }
    let mut values = Map::new();
    let mut rest = inputs.clone();
    for (field, feed) in service.inputs.iter().zip(&mut rest) {
        if let Feed::Value(value) = feed {
            values.insert(field.name.clone(), std::mem::take(value));
        }
    }
    let is_fed = values.len() < inputs.len();
    let rest = CallTree { service: call.service.clone(), inputs: Some(rest) };
    Ok((values, is_fed.then(|| grammar::route(&rest, snapshot)).flatten()))
}

impl Request {
    async fn send(&self, client: &Client) -> Result<Called, String> {
        let trace = rand::random::<u128>() | 1;
        let mut request = match &self.body {
            Some(body) => client.post(&self.url).body(body.clone()),
            _ => client.get(&self.url),
        };
        // W3C Trace Context: version, trace, parent, sampled.
        request = request.header(header::TRACEPARENT, format!("00-{trace:032x}-{:016x}-01", rand::random::<u64>() | 1));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let begun = Instant::now();
        let answer =
            request.send().await.map_err(|error| format!("cannot call {}: {}", self.url, error_chain(&error)))?;
        let status = answer.status().as_u16();
        let hops = hops(&text(&answer, header::VERSION), &text(&answer, header::SERVER_TIMING));
        let filtered_by = Some(text(&answer, header::FILTERED)).filter(|by| !by.is_empty());
        let body = answer.bytes().await.map_err(|error| format!("the answer breaks off: {}", error_chain(&error)))?;
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        let value = match (status, body.is_empty()) {
            (204, _) | (_, true) => None,
            _ => Some(
                serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into()),
            ),
        };
        Ok(Called { status, value, filtered_by, hops, ms, trace: format!("{trace:032x}") })
    }
}

fn text(answer: &Response, name: &str) -> String {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// The trail of versions, with the times that go with it, the service that was called first.
fn hops(versions: &str, timing: &str) -> Vec<CalledHop> {
    let duration = |wanted: &str| {
        let entry = timing.split(',').map(str::trim).find(|entry| entry.split(';').next() == Some(wanted))?;
        entry.split(';').find_map(|part| part.trim().strip_prefix("dur="))?.parse::<f64>().ok()
    };
    let hop = |version: &str| {
        let service = version.split('@').next().unwrap_or(version).to_owned();
        CalledHop {
            total_ms: duration(&service).unwrap_or_default(),
            function_ms: duration(&format!("{service}.fn")).unwrap_or_default(),
            version: version.to_owned(),
            service,
        }
    };
    let mut hops: Vec<CalledHop> =
        versions.split(',').map(str::trim).filter(|word| !word.is_empty()).map(hop).collect();
    // Whoever waited longest called the others.
    hops.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms));
    hops
}

fn spread(mut values: Vec<f64>) -> LatencySpread {
    values.sort_by(f64::total_cmp);
    let rank = |share| rank::nearest(&values, share);
    LatencySpread { p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), max: rank(1.0) }
}

pub(crate) fn refused(message: String) -> Answer {
    Answer::Refused { message, hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trail_of_an_answer_is_read_with_its_times() {
        let trail = hops(
            "get@1, filter@2, map@3",
            "get;dur=0.1, get.fn;dur=0.05, filter;dur=0.4, filter.fn;dur=0.2, map;dur=0.9, map.fn;dur=0.3",
        );
        let short: Vec<_> = trail.iter().map(|hop| (hop.version.as_str(), hop.total_ms, hop.function_ms)).collect();
        assert_eq!(short, [("map@3", 0.9, 0.3), ("filter@2", 0.4, 0.2), ("get@1", 0.1, 0.05)]);
    }
}
