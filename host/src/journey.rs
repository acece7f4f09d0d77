//! What travels with a request: who called, how long there is, which trace it belongs to, who took part.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hops::{Call, Config, SpanId, header};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use crate::path::Path;
use crate::problem::Problem;
use crate::records::BodyCall;
use crate::trace::Trace;
use crate::wire::{Question, Said};

/// Taken off the deadline that is passed on, at most: a service further away then gives up first and is the one
/// that is named.
const HANDICAP: Duration = Duration::from_millis(20);

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Journey {
    pub(crate) deadline: Instant,
    /// Services that called, this one last.
    pub(crate) path: Path,
    pub(crate) trace: Trace,
    /// When it came.
    pub(crate) begun: Instant,
    /// The same, in nanoseconds since 1970.
    pub(crate) start: u64,
    /// Whether it is recorded in detail.
    pub(crate) detail: bool,
    /// Whether its values are recorded.
    pub(crate) recorded: bool,
    /// Bytes of its body.
    pub(crate) received: AtomicU64,
    trail: Mutex<Trail>,
}

/// What the services further away said of themselves.
#[derive(Debug, Default)]
struct Trail {
    timing: String,
    versions: String,
    /// Calls to them. One that is not over yet has taken [`OPEN`].
    calls: Vec<Call>,
    /// Calls from the function's body that ended, with their values.
    body_calls: Vec<BodyCall>,
}

/// For ever, so far.
const OPEN: u64 = u64::MAX;

impl Journey {
    /// Reads what came with a request to a service. Whether one that comes from outside the app is recorded in detail
    /// is asked of `wants`; others follow the service that called.
    pub(crate) fn begin(headers: &HeaderMap, config: &Config, wants: impl FnOnce() -> bool) -> Result<Self, Problem> {
        let begun = Instant::now();
        let wrong = |words: String| {
            let own = Path::of(&config.service);
            Problem::new("request", StatusCode::BAD_REQUEST, &config.service, &own, &words)
        };
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
        let Some(path) = Path::read(text(headers, header::PATH), &config.service) else {
            return Err(wrong(format!("the header {} names what can be no service", header::PATH)));
        };
        if path.len() > config.limits.depth {
            let detail = format!("{} services called each other in a row", path.len());
            return Err(Problem::new("loop", StatusCode::LOOP_DETECTED, &config.service, &path, &detail));
        }
        let enters = path.len() == 1;
        let followed = || config.limits.detail > 0 && text(headers, header::DETAIL) != Some("0");
        let detail = if enters { wants() } else { followed() };
        Ok(Self {
            deadline: begun + budget,
            path,
            trace: Trace::read(headers),
            begun,
            start: SystemTime::UNIX_EPOCH.elapsed().map(nanos).unwrap_or(0),
            recorded: detail && config.record,
            detail,
            received: AtomicU64::new(0),
            trail: Mutex::default(),
        })
    }

    /// The time left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// What a call to another service carries. `call` is its span.
    pub(crate) fn headers(&self, question: &mut Question, call: SpanId) {
        let left = self.left();
        let budget = left.saturating_sub(HANDICAP.min(left / 20));
        question.number(header::DEADLINE, budget.as_millis());
        question.header(header::PATH, self.path.text());
        question.header(header::TRACEPARENT, &self.trace.header(call));
        if let Some(state) = self.trace.state() {
            question.header(header::TRACESTATE, state);
        }
        if !self.detail {
            question.header(header::DETAIL, "0");
        }
    }

    /// Notes what an answer says of the services that took part in it.
    pub(crate) fn note(&self, said: &Said) {
        let mut trail = self.trail();
        append(&mut trail.timing, said.timing.as_deref());
        append(&mut trail.versions, said.versions.as_deref());
    }

    /// Notes that a call began; `took` is not known yet. What is returned is for [`Journey::ended`].
    pub(crate) fn called(&self, call: Call) -> usize {
        let mut trail = self.trail();
        trail.calls.push(Call { begun: nanos(self.begun.elapsed()), took: OPEN, ..call });
        trail.calls.len() - 1
    }

    /// Notes how a call ended.
    pub(crate) fn ended(&self, at: usize, note: impl FnOnce(&mut Call)) {
        let now = nanos(self.begun.elapsed());
        // Gone where the request was over before the call.
        if let Some(call) = self.trail().calls.get_mut(at) {
            call.took = now.saturating_sub(call.begun);
            note(call);
        }
    }

    /// The calls, at the end of a request that took `total` nanoseconds.
    pub(crate) fn take_calls(&self, total: u64) -> Vec<Call> {
        let mut calls = std::mem::take(&mut self.trail().calls);
        for call in calls.iter_mut().filter(|call| call.took == OPEN) {
            call.took = total.saturating_sub(call.begun);
            call.error = Some("given-up".into());
        }
        calls
    }

    /// Notes a call from the function's body that ended.
    pub(crate) fn called_by_body(&self, call: BodyCall) {
        self.trail().body_calls.push(call);
    }

    /// The calls from the function's body so far.
    pub(crate) fn take_body_calls(&self) -> Vec<BodyCall> {
        std::mem::take(&mut self.trail().body_calls)
    }

    /// Notes the length of the body.
    pub(crate) fn receive(&self, bytes: usize) {
        self.received.store(bytes as u64, Ordering::Relaxed);
    }

    fn trail(&self) -> MutexGuard<'_, Trail> {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut trail = self.trail();
        let own = format!("{service};dur={}, {service}.fn;dur={}", Millis(all), Millis(function));
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

/// Nanoseconds, written as milliseconds to the microsecond; without a float, which takes longer to write than all else
/// in this header.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.saturating_add(500) / 1_000;
        write!(f, "{}.{:03}", micros / 1_000, micros % 1_000)
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

/// What an answer says of the time its service took, in nanoseconds.
pub(crate) fn total_of(timing: &str, service: &str) -> Option<u64> {
    // A service writes itself last.
    let own = timing.rsplit(", ").find_map(|entry| {
        let (name, took) = entry.split_once(";dur=")?;
        (name == service).then_some(took)
    });
    let millis: f64 = own?.parse().ok()?;
    // A cast of a float saturates.
    (millis >= 0.0).then_some((millis * 1e6) as u64)
}

/// Whole nanoseconds; what does not fit is 584 years.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A header's value, if it is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_the_microsecond() {
        let texts = [0, 499, 500, 1_234_567, 10_999_999, u64::MAX].map(|nanos| Millis(nanos).to_string());
        assert_eq!(texts, ["0.000", "0.000", "0.001", "1.235", "11.000", "18446744073709.551"]);
    }

    #[test]
    fn an_answer_says_how_long_its_service_took() {
        let total = |timing: &str| total_of(timing, "map");
        assert_eq!(total("get;dur=1.000, get.fn;dur=0.500, map;dur=2.345, map.fn;dur=0.100"), Some(2_345_000));
        assert_eq!(total("map;dur=9.000, map.fn;dur=0, map;dur=2, map.fn;dur=0"), Some(2_000_000), "the last one");
        for wrong in ["", "map", "map;dur=x", "map;dur=-1", "map;dur=NaN", "get;dur=1", "map.fn;dur=1"] {
            assert_eq!(total(wrong), None, "{wrong}");
        }
    }
}
