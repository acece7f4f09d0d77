//! What travels with a request: who called, how long there is, which trace it belongs to, who took part.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::{Mutex, MutexGuard};
use protocol::asks::key_within;
use protocol::near::HostNear;
use protocol::runs::{charged, job_of};
use protocol::{Config, SpanId, UpstreamCall, header};
use tokio::time::Instant;

use crate::meter::Waits;
use crate::near::RequestNear;
use crate::path::{Path, PathError};
use crate::problem::Problem;
use crate::records::BodyCall;
use crate::reply::Reply;
use crate::trace::Trace;
use crate::wire::{Question, Said};

/// Taken off the deadline that is passed on, at most: a service further away then gives up first and is the one
/// that is named.
const HANDICAP: Duration = Duration::from_millis(20);

/// A request on its way.
#[derive(Debug)]
pub(crate) struct RequestContext {
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
    /// The node that sent it here, where another one did.
    pub(crate) node: Option<String>,
    /// Who is charged for its functions, and what its function waits for.
    pub(crate) account: Option<(Arc<str>, Arc<Waits>)>,
    /// The job that it is part of, as JSON.
    pub(crate) job: Option<Arc<str>>,
    /// What it needs of data; none where no instance has a place.
    pub(crate) near: Option<Box<RequestNear>>,
    trail: Mutex<Trail>,
}

/// What the services further away said of themselves.
#[derive(Debug, Default)]
struct Trail {
    timing: String,
    versions: String,
    /// Other nodes that took part.
    nodes: String,
    /// Where services ran and copies were used.
    places: String,
    /// Nanoseconds in functions by service, where somebody is charged for them.
    usage: BTreeMap<String, u64>,
    /// Calls to them. One that is not over yet has taken [`OPEN`].
    calls: Vec<UpstreamCall>,
    /// Calls from the function's body that ended, with their values.
    body_calls: Vec<BodyCall>,
    /// Keys of jobs that the function asked for.
    asked: Vec<String>,
}

/// For ever, so far.
const OPEN: u64 = u64::MAX;

impl RequestContext {
    /// Reads what came with a request to a service. Whether it is recorded in detail is asked of `wants`, which is told
    /// whether it comes from outside the app; others follow the service that called.
    pub(crate) fn begin(
        headers: &HeaderMap,
        config: &Config,
        wants: impl FnOnce(bool) -> bool,
    ) -> Result<Self, Problem> {
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
        let budget = match headers.get(header::DEADLINE) {
            None => config.limits.deadline_ms,
            // A caller may have less time than the app gives, and not more: it holds a place meanwhile.
            Some(given) => {
                let given = number(given);
                given.ok_or_else(|| wrong(format!("the header {} is no number of milliseconds", header::DEADLINE)))?
            }
        };
        let path = match Path::read(headers.get(header::PATH), &config.service, config.limits.depth) {
            Ok(path) => path,
            Err(PathError::Names) => {
                return Err(wrong(format!("the header {} names what can be no service", header::PATH)));
            }
            Err(PathError::Deep { services, path }) => return Err(too_deep(&config.service, services, &path)),
        };
        let enters = path.len() == 1;
        // A path is anybody's to write: who follows is held down as well.
        let detail = (enters || text(headers, header::DETAIL) != Some("0")) && wants(enters);
        let account = text(headers, header::ACCOUNT).and_then(|text| charged(text, &config.token)).map(Into::into);
        let job = text(headers, header::JOB).and_then(|text| job_of(text, &config.token)).map(Into::into);
        let node = text(headers, header::NODE).map(str::to_owned);
        let read = |near: &HostNear| RequestNear::read(headers, near.place.as_deref()).map(Box::new);
        let near = config.near.as_ref().map(read).transpose().map_err(wrong)?;
        Ok(Self { near, node, job, ..Self::new(begun, budget, path, Trace::read(headers), detail, config, account) })
    }

    /// A call from a service of the same host, on behalf of its request. It begins as it would with the headers that
    /// [`RequestContext::headers`] writes for a call to another host; `call` is its span.
    pub(crate) fn within(
        caller: &Self,
        call: SpanId,
        config: &Config,
        wants: impl FnOnce(bool) -> bool,
    ) -> Result<Self, Problem> {
        let begun = Instant::now();
        let path = match caller.path.called(&config.service, config.limits.depth) {
            Ok(path) => path,
            Err(services) => return Err(too_deep(&config.service, services, &caller.path.then(&config.service))),
        };
        let detail = caller.detail && wants(false);
        let account = caller.account.as_ref().map(|(account, _)| account.clone());
        let trace = caller.trace.called(call);
        // Who serves a guest asks for guests.
        let (node, job) = (caller.node.clone(), caller.job.clone());
        let place = config.near.as_ref().and_then(|near| near.place.as_deref());
        let near = caller.near.as_ref().map(|near| Box::new(near.within(place)));
        Ok(Self { near, node, job, ..Self::new(begun, caller.budget(), path, trace, detail, config, account) })
    }

    fn new(
        begun: Instant,
        budget: u64,
        path: Path,
        trace: Trace,
        detail: bool,
        config: &Config,
        account: Option<Arc<str>>,
    ) -> Self {
        Self {
            deadline: begun + Duration::from_millis(budget.min(config.limits.deadline_ms).min(LONGEST_MS)),
            path,
            trace,
            begun,
            start: SystemTime::UNIX_EPOCH.elapsed().map(nanos).unwrap_or(0),
            recorded: detail && config.record,
            detail,
            received: AtomicU64::new(0),
            node: None,
            account: account.map(|account| (account, Arc::default())),
            job: None,
            near: None,
            trail: Mutex::default(),
        }
    }

    /// The time left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Milliseconds that a call to another service has.
    fn budget(&self) -> u64 {
        let left = self.left();
        let budget = left.saturating_sub(HANDICAP.min(left / 20));
        u64::try_from(budget.as_millis()).unwrap_or(u64::MAX)
    }

    /// What a call to another service carries. `call` is its span, `secret` the app's.
    pub(crate) fn headers(&self, question: &mut Question, call: SpanId, secret: &str) {
        question.header(header::PATH, self.path.text());
        self.onward(question, call, secret);
    }

    /// The same without those who called: for a request that is sent on as it came.
    pub(crate) fn onward(&self, question: &mut Question, call: SpanId, secret: &str) {
        question.number(header::DEADLINE, self.budget().into());
        question.header(header::TRACEPARENT, &self.trace.header(call));
        if let Some(state) = self.trace.state() {
            question.header(header::TRACESTATE, state);
        }
        if let Some((account, _)) = &self.account {
            question.header(header::ACCOUNT, &protocol::runs::account(account, secret));
        }
        if let Some(job) = &self.job {
            question.header(header::JOB, &protocol::runs::job(job, secret));
        }
        if !self.detail {
            question.header(header::DETAIL, "0");
        }
        // Who serves a guest asks for guests, and sends nobody on.
        if let Some(node) = &self.node {
            question.header(header::NODE, node);
        }
        if let Some(near) = &self.near {
            near.headers(question);
        }
    }

    /// Notes what an answer says of the services that took part in it.
    pub(crate) fn note(&self, said: &Said) {
        if let (Some(near), Some(versions)) = (&self.near, &said.data_versions) {
            near.note(versions);
        }
        let mut trail = self.trail();
        append(&mut trail.timing, said.timing.as_deref());
        append(&mut trail.versions, said.versions.as_deref());
        append(&mut trail.nodes, said.nodes.as_deref());
        if self.near.is_some() {
            append(&mut trail.places, said.places.as_deref());
        }
        if let (Some(_), Some(usage)) = (&self.account, &said.usage) {
            protocol::runs::add_usage(&mut trail.usage, usage);
        }
    }

    /// Notes that a copy of a bucket was used, once for each place.
    pub(crate) fn used(&self, bucket: &str, place: &str) {
        let (used, mut trail) = (format!("bucket:{bucket}@{place}"), self.trail());
        if !trail.places.split(", ").any(|known| known == used) {
            append(&mut trail.places, Some(&used));
        }
    }

    /// Notes that a call began; `took` is not known yet. What is returned is for [`RequestContext::ended`].
    pub(crate) fn called(&self, call: UpstreamCall) -> usize {
        let mut trail = self.trail();
        trail.calls.push(UpstreamCall { begun: nanos(self.begun.elapsed()), took: OPEN, ..call });
        trail.calls.len() - 1
    }

    pub(crate) fn ended(&self, at: usize, note: impl FnOnce(&mut UpstreamCall)) {
        let now = nanos(self.begun.elapsed());
        // Gone where the request was over before the call.
        if let Some(call) = self.trail().calls.get_mut(at) {
            call.took = now.saturating_sub(call.begun);
            note(call);
        }
    }

    /// The calls, at the end of a request that took `total` nanoseconds.
    pub(crate) fn take_calls(&self, total: u64) -> Vec<UpstreamCall> {
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

    /// The key of a job that the function asks for. Where it runs for a job, the same in each attempt of that.
    pub(crate) fn key_of(&self, service: &str, inputs: &[Bytes]) -> String {
        let about: Option<serde_json::Value> = self.job.as_deref().and_then(|job| serde_json::from_str(job).ok());
        let Some(job) = about.as_ref().and_then(|about| about["id"].as_str()) else {
            return format!("once-{:032x}", rand::random::<u128>());
        };
        let first = key_within(job, self.path.text(), service, inputs, 0);
        let asked = &mut self.trail().asked;
        let nth = asked.iter().filter(|key| **key == first).count();
        asked.push(first);
        key_within(job, self.path.text(), service, inputs, nth)
    }

    /// Notes the length of the body.
    pub(crate) fn receive(&self, bytes: usize) {
        self.received.store(bytes as u64, Ordering::Relaxed);
    }

    fn trail(&self) -> MutexGuard<'_, Trail> {
        self.trail.lock()
    }

    /// Adds this service to what its answer says, times in nanoseconds. Nothing more can be noted afterwards.
    pub(crate) fn finish(&self, service: &str, version: Option<&str>, function: u64, all: u64, reply: &mut Reply) {
        let mut trail = self.trail();
        let own = format!("{service};dur={}, {service}.fn;dur={}", Millis(all), Millis(function));
        append(&mut trail.timing, Some(&own));
        append(&mut trail.versions, version);
        (reply.timing, reply.versions) = (std::mem::take(&mut trail.timing), std::mem::take(&mut trail.versions));
        reply.nodes = std::mem::take(&mut trail.nodes);
        if let Some(near) = &self.near {
            reply.data_versions = near.said();
            append(&mut trail.places, near.at(service).as_deref());
            reply.places = std::mem::take(&mut trail.places);
        }
        if let Some((_, waits)) = &self.account {
            // As the meter counts it: what the function waited for is not its own time.
            let own = function.saturating_sub(nanos(waits.total()));
            let mut usage = std::mem::take(&mut trail.usage);
            if own > 0 {
                *usage.entry(service.to_owned()).or_default() += own;
            }
            append(&mut reply.usage, Some(&protocol::runs::usage(&usage)));
        }
    }
}

fn too_deep(service: &str, services: usize, path: &Path) -> Problem {
    let detail = format!("{services} services called each other in a row");
    Problem::new("loop", StatusCode::LOOP_DETECTED, service, path, &detail)
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

/// Nobody waits longer than a day, whatever the app gives.
const LONGEST_MS: u64 = 86_400_000;

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

/// A header's value where that is a number in decimal digits, and nothing else.
fn number(value: &HeaderValue) -> Option<u64> {
    let is_number = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    value.to_str().ok().filter(|_| is_number)?.parse().ok()
}

/// A header's value, if it is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
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

    fn begin(
        deadline_ms: u64,
        pairs: &[(&str, &str)],
        wants: &dyn Fn(bool) -> bool,
    ) -> Result<RequestContext, Problem> {
        let text = r#"{ "app": "a", "service": "map", "listen": "0.0.0.0:1", "peers": {} }"#;
        let config: Config = serde_json::from_str(text).unwrap();
        let config = Config { limits: protocol::Limits { deadline_ms, ..config.limits }, ..config };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        RequestContext::begin(&headers, &config, wants)
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_may_shorten_the_deadline_and_not_lengthen_it() {
        let left = |most, text: &str| begin(most, &[(header::DEADLINE, text)], &|_| true).map(|begun| begun.left());
        for (text, millis) in [
            ("0", 0),
            ("1", 1),
            ("007", 7),
            ("30000", 30_000),
            ("30001", 30_000),
            ("86400000", 30_000),
            (&u64::MAX.to_string(), 30_000),
        ] {
            assert_eq!(left(30_000, text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        assert_eq!(begin(30_000, &[], &|_| true).unwrap().left(), Duration::from_secs(30));
        assert_eq!(begin(u64::MAX, &[], &|_| true).unwrap().left(), Duration::from_secs(86_400), "the app's own");
        let beyond = "9".repeat(400);
        for wrong in ["-1", "+1", "1.5", "1e9", "", "0x10", "1 2", "1,2", "inf", "NaN", "\u{661}", &beyond] {
            let problem = left(30_000, wrong).unwrap_err();
            assert_eq!(problem.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        let twice = [(header::DEADLINE, "1"), (header::DEADLINE, "86400000")];
        assert_eq!(begin(30_000, &twice, &|_| true).unwrap_err().status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_job_that_a_job_asks_for_has_the_same_key_in_each_attempt() {
        let within = |attempt: u32| {
            let begun = begin(1_000, &[], &|_| true).unwrap();
            let job = format!(r#"{{"id":"j","attempt":{attempt},"tenant":"a"}}"#);
            RequestContext { job: Some(job.into()), ..begun }
        };
        let (first, again, none) = (within(1), within(2), begin(1_000, &[], &|_| true).unwrap());
        let of = |context: &RequestContext, input: &'static str| context.key_of("map", &[Bytes::from(input)]);
        let keys = [of(&first, "1"), of(&first, "2"), of(&first, "1")];
        assert!(keys[0] != keys[1] && keys[0] != keys[2], "what is asked for twice is two jobs: {keys:?}");
        assert_eq!([of(&again, "1"), of(&again, "2"), of(&again, "1")], keys);
        assert_ne!(of(&none, "1"), of(&none, "1"), "other requests do not run again");
    }

    #[tokio::test]
    async fn who_says_to_be_a_service_is_counted_as_one() {
        let detail = |pairs: &[(&str, &str)], entered, followed| {
            let begun = begin(1, pairs, &|enters| if enters { entered } else { followed });
            begun.unwrap().detail
        };
        assert!(detail(&[], true, false));
        assert!(detail(&[(header::DETAIL, "0")], true, false), "that is not a caller's to say");
        assert!(detail(&[(header::PATH, "get")], false, true));
        assert!(!detail(&[(header::PATH, "get")], true, false));
        assert!(!detail(&[(header::PATH, "get"), (header::DETAIL, "0")], true, true));
    }
}
