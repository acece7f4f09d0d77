//! What travels with a request: who called, how long there is, which trace it belongs to, who took part.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hops::{Config, header};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use crate::problem::Problem;

/// Taken off the deadline that is passed on, at most: a service further away then gives up first and is the one
/// that is named.
const HANDICAP: Duration = Duration::from_millis(20);

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) deadline: Instant,
    /// Services that called, this one last.
    pub(crate) path: Vec<String>,
    trace: Trace,
    trail: Mutex<Trail>,
}

/// What the services further away said of themselves.
#[derive(Debug, Default)]
struct Trail {
    timing: String,
    versions: String,
}

/// W3C Trace Context, version 00.
#[derive(Clone, Debug)]
struct Trace {
    id: String,
    parent: u64,
    flags: String,
}

impl Journey {
    /// Reads what came with a request to a service.
    pub(crate) fn begin(headers: &HeaderMap, config: &Config) -> Result<Self, Problem> {
        let own = [config.service.clone()];
        let wrong = |words: String| Problem::new("request", StatusCode::BAD_REQUEST, &config.service, &own, &words);
        for name in [header::ROUTE, header::DEADLINE, header::PATH] {
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(wrong(format!("the header {name} is there twice")));
            }
        }
        let default = Duration::from_millis(config.limits.deadline_ms);
        let budget = match text(headers, header::DEADLINE) {
            None => default,
            Some(text) => {
                let given = text
                    .parse()
                    .map_err(|_| wrong(format!("the header {} is no number of milliseconds", header::DEADLINE)));
                Duration::from_millis(given?).min(LONGEST)
            }
        };
        let mut path: Vec<String> = text(headers, header::PATH)
            .into_iter()
            .flat_map(|path| path.split(','))
            .map(|name| name.trim().to_owned())
            .collect();
        if path.iter().any(|name| !config.peers.contains_key(name)) {
            return Err(wrong(format!("the header {} names what is no service of this app", header::PATH)));
        }
        path.push(config.service.clone());
        if path.len() > config.limits.depth {
            let detail = format!("{} services called each other in a row", path.len());
            return Err(Problem::new("loop", StatusCode::LOOP_DETECTED, &config.service, &path, &detail));
        }
        Ok(Self { deadline: Instant::now() + budget, path, trace: Trace::read(headers), trail: Mutex::default() })
    }

    /// The time left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// What a call to another service carries.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        let left = self.left();
        let budget = left.saturating_sub(HANDICAP.min(left / 20));
        let mut set = |name, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        set(header::DEADLINE, budget.as_millis().to_string());
        set(header::PATH, self.path.join(","));
        set(header::TRACEPARENT, self.trace.child());
    }

    /// Notes what an answer says of the services that took part in it.
    pub(crate) fn note(&self, headers: &HeaderMap) {
        let mut trail = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
        append(&mut trail.timing, text(headers, header::SERVER_TIMING));
        append(&mut trail.versions, text(headers, header::VERSION));
    }

    /// Adds this service to what its answer says, times in nanoseconds.
    pub(crate) fn finish(
        &self,
        service: &str,
        version: Option<&str>,
        function: u64,
        all: u64,
        headers: &mut HeaderMap,
    ) {
        let mut trail = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
        let own = format!("{service};dur={:.3}, {service}.fn;dur={:.3}", all as f64 / 1e6, function as f64 / 1e6);
        append(&mut trail.timing, Some(&own));
        append(&mut trail.versions, version);
        for (name, value) in [(header::SERVER_TIMING, &trail.timing), (header::VERSION, &trail.versions)] {
            if let Ok(value) = HeaderValue::try_from(value.as_str())
                && !value.is_empty()
            {
                headers.insert(name, value);
            }
        }
    }
}

/// Nobody waits longer than a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Headers must stay headers: beyond this, hops are no longer listed.
const LONGEST_TRAIL: usize = 16 << 10;

fn append(list: &mut String, more: Option<&str>) {
    let Some(more) = more.filter(|more| !more.is_empty() && list.len() + more.len() < LONGEST_TRAIL) else { return };
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push_str(more);
}

/// A header's value, if it is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

impl Trace {
    /// The caller's trace, or a new one where there is none that reads (W3C Trace Context, 3.2).
    fn read(headers: &HeaderMap) -> Self {
        let fresh =
            || Self { id: format!("{:032x}", rand::random::<u128>().max(1)), parent: 0, flags: "01".to_owned() };
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let Some(text) = text(headers, header::TRACEPARENT) else { return fresh() };
        match text.split('-').collect::<Vec<_>>()[..] {
            [version, id, parent, flags, ..]
                if hex(version, 2)
                    && version != "ff"
                    && hex(id, 32)
                    && hex(parent, 16)
                    && hex(flags, 2)
                    && id.bytes().any(|byte| byte != b'0') =>
            {
                Self {
                    id: id.to_owned(),
                    parent: u64::from_str_radix(parent, 16).unwrap_or(0),
                    flags: flags.to_owned(),
                }
            }
            _ => fresh(),
        }
    }

    /// The same trace with a new span.
    fn child(&self) -> String {
        let mut span = rand::random::<u64>();
        while span == 0 || span == self.parent {
            span = rand::random();
        }
        format!("00-{}-{span:016x}-{}", self.id, self.flags)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_and_what_does_not_read_begins_anew() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let headers =
            |value: &str| HeaderMap::from_iter([(header::TRACEPARENT.parse().unwrap(), value.parse().unwrap())]);
        let trace = Trace::read(&headers(&format!("00-{id}-00f067aa0ba902b7-01")));
        assert!(trace.child().starts_with(&format!("00-{id}-")) && !trace.child().contains("00f067aa0ba902b7"));
        for wrong in ["", "00", "ff-x-y-z", &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))] {
            assert_ne!(Trace::read(&headers(wrong)).id, "0".repeat(32));
        }
    }
}
