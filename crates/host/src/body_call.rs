//! A service called from the body of a function: on whose behalf, within which deadline.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use dyninka::border::{self, Buffer, CallOutcome, Done, HostTable, Kind, Slice};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use protocol::Config;
use protocol::asks::{AskEnd, JobAsk};
use serde_json::{Map, Value};

use crate::answer::status_of;
use crate::asks::JobsAreOff;
use crate::buckets;
use crate::path::Path;
use crate::problem::{Problem, document};
use crate::records::{BodyCall, Ended, Held};
use crate::request_context::RequestContext;
use crate::sense;
use crate::shared::Shared;
use crate::upstream::{Ask, Fetched};

/// A request and the host it is at.
pub(crate) type Traveller = (Arc<Shared>, Arc<RequestContext>);

/// Requests by number: a number is all that crosses the border.
static REQUESTS: Mutex<Option<HashMap<u64, Traveller>>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What a library is handed. Its context stays for good, as the library does.
pub(crate) fn table(shared: &Arc<Shared>) -> HostTable {
    let context: &'static Weak<Shared> = Box::leak(Box::new(Arc::downgrade(shared)));
    HostTable {
        version: border::VERSION,
        context: std::ptr::from_ref(context).cast(),
        call,
        later,
        about,
        bucket: buckets::bucket,
    }
}

/// A number for a request, until it is dropped.
pub(crate) struct Number(pub(crate) u64);

pub(crate) fn register(shared: &Arc<Shared>, request_context: &Arc<RequestContext>) -> Number {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut requests = REQUESTS.lock();
    requests.get_or_insert_default().insert(number, (shared.clone(), request_context.clone()));
    Number(number)
}

impl Drop for Number {
    fn drop(&mut self) {
        if let Some(requests) = REQUESTS.lock().as_mut() {
            requests.remove(&self.0);
        }
    }
}

/// `Host::call` of the border.
unsafe extern "C" fn call(
    context: *const c_void,
    request: u64,
    service: Slice,
    inputs: *const Slice,
    count: usize,
    done: Done,
    done_context: *mut c_void,
) {
    // SAFETY: the border's promise, passed on.
    unsafe { begin(Wish::Answer, context, request, service, (inputs, count), End { done, context: done_context }) }
}

/// `Host::later` of the border.
unsafe extern "C" fn later(
    context: *const c_void,
    request: u64,
    service: Slice,
    inputs: *const Slice,
    count: usize,
    done: Done,
    done_context: *mut c_void,
) {
    // SAFETY: the border's promise, passed on.
    unsafe { begin(Wish::Job, context, request, service, (inputs, count), End { done, context: done_context }) }
}

/// What a body wants of a service.
enum Wish {
    Answer,
    /// A job, whose id is the answer.
    Job,
}

/// Begins what a body asks for.
///
/// # Safety
/// The context is that of `table`, and the slices are lent for this call.
unsafe fn begin(
    wish: Wish,
    context: *const c_void,
    request: u64,
    service: Slice,
    (inputs, count): (*const Slice, usize),
    end: End,
) {
    // SAFETY: the caller's promise; copied here.
    let (host, service, inputs) = unsafe {
        let inputs = Slice::inputs(inputs, count).iter().map(|input| Bytes::copy_from_slice(input.bytes()));
        let service = String::from_utf8_lossy(service.bytes()).into_owned();
        (&*context.cast::<Weak<Shared>>(), service, inputs.collect::<Vec<_>>())
    };
    let Some((shared, request_context)) = traveller(host, request) else { return end.with(nobody(&service)) };
    let runtime = shared.runtime.clone();
    let left = shared.group.inline.ask();
    runtime.spawn(async move {
        end.with(match wish {
            Wish::Answer => ask(&shared, &request_context, &service, &inputs).await,
            Wish::Job => ask_for_job(&shared, &request_context, &service, &inputs).await,
        });
    });
    if left {
        // This worker is going to wait, and the task that was spawned last waits with it: tokio lets no other have it.
        runtime.spawn(async {});
    }
}

/// `Host::about` of the border.
unsafe extern "C" fn about(_: *const c_void, request: u64) -> Buffer {
    let requests = REQUESTS.lock();
    let job = requests.as_ref().and_then(|requests| requests.get(&request)?.1.job.clone());
    Buffer::new(job.map(|job| job.as_bytes().to_vec()).unwrap_or_default())
}

/// Whom a call is made for. Without a request, from a thread or task the app began by itself, it is the host's own.
pub(crate) fn traveller(host: &Weak<Shared>, request: u64) -> Option<Traveller> {
    let known = REQUESTS.lock().as_ref().and_then(|requests| requests.get(&request).cloned());
    known.or_else(|| {
        let shared = host.upgrade()?;
        let request_context = RequestContext::begin(&HeaderMap::new(), &shared.settings.load().config, |_| {
            shared.recorder.wants(true, shared.settings.load().config.limits.detail)
        })
        .ok()?;
        Some((shared, Arc::new(request_context)))
    })
}

async fn ask(shared: &Shared, request_context: &RequestContext, service: &str, inputs: &[Bytes]) -> CallOutcome {
    let settings = shared.settings.load_full();
    let config = &settings.config;
    let Some(peer) = config.peers.get(service) else { return unknown(config, request_context, service) };
    let body = object(&peer.inputs, inputs);
    let recorded = request_context.recorded.then(|| inputs.iter().map(Held::of).collect());
    // Without inputs there is no body to send: an empty route says that none is to be fetched either.
    let (route, body) = if inputs.is_empty() { (Some(""), None) } else { (None, Some(body)) };
    let wait = request_context.account.as_ref().map(|(_, waits)| waits.begin());
    let answered = shared.upstreams.ask(&settings, request_context, Ask { service, peer, route, body }).await;
    drop(wait);
    // Here it is the library that reads it, and it would tell of the function's own failure.
    let answered = match answered {
        Ok(Fetched::Value(value)) => sense::check(request_context, service, &value).map(|()| Fetched::Value(value)),
        other => other,
    };
    if let (Some(inputs), Some(place)) = (recorded, settings.places.get(service)) {
        let ended = match &answered {
            Ok(Fetched::Value(value)) => Ended::Outcome(Kind::Value, Held::of(value)),
            Ok(Fetched::Filtered(_)) => Ended::Outcome(Kind::Filtered, Held::of(&Bytes::new())),
            Err(problem) => Ended::Problem(problem.body.clone()),
        };
        request_context.called_by_body(BodyCall { service: place.service.clone(), inputs, ended });
    }
    match answered {
        Ok(Fetched::Value(value)) => CallOutcome::new(Kind::Value, value.to_vec()),
        Ok(Fetched::Filtered(_)) => CallOutcome::new(Kind::Filtered, Vec::new()),
        Err(wrong) => problem(wrong),
    }
}

/// Asks for a job: the answer is its id.
async fn ask_for_job(
    shared: &Shared,
    request_context: &RequestContext,
    service: &str,
    inputs: &[Bytes],
) -> CallOutcome {
    let settings = shared.settings.load_full();
    let config = &settings.config;
    let Some(peer) = config.peers.get(service) else { return unknown(config, request_context, service) };
    let ask = JobAsk {
        number: 0,
        key: request_context.key_of(service, inputs),
        account: request_context.account.as_ref().map(|(account, _)| account.to_string()),
        service: service.to_owned(),
        inputs: String::from_utf8_lossy(&object(&peer.inputs, inputs)).into_owned(),
        trace: request_context.trace.id.to_string(),
    };
    let wait = request_context.account.as_ref().map(|(_, waits)| waits.begin());
    let answered = tokio::time::timeout_at(request_context.deadline, shared.asks.ask(ask)).await;
    drop(wait);
    let refused =
        |kind, status, detail: &str| Problem::new(kind, status, &config.service, &request_context.path, detail);
    let end = match answered {
        Ok(Ok(AskEnd::Accepted(id))) => Ok(Bytes::from(Value::from(id).to_string())),
        Ok(Ok(AskEnd::Refused(told))) => {
            let kind = told["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or("failed");
            let status = status_of(told.as_object().unwrap_or(&Map::new()));
            let detail = format!("no job of {service}: {}", told["detail"].as_str().unwrap_or("it is refused"));
            let own = (&config.service, &request_context.path);
            Err(Problem::passed_on(status, document(kind, status, own.0, own.1, &detail, Map::new())))
        }
        Ok(Err(JobsAreOff)) => {
            let detail = format!(
                "no job of {service}: jobs are off; dyn dev --jobs or [jobs] in dyn.toml turns them on, beside a session alone"
            );
            Err(refused("unsupported", StatusCode::NOT_IMPLEMENTED, &detail))
        }
        Err(_) => {
            let detail = format!("no job of {service} before the deadline: the job server does not answer");
            Err(refused("deadline", StatusCode::GATEWAY_TIMEOUT, &detail))
        }
    };
    if request_context.recorded {
        let ended = match &end {
            Ok(id) => Ended::Outcome(Kind::Value, Held::of(id)),
            Err(problem) => Ended::Problem(problem.body.clone()),
        };
        let service = later_of(service).into();
        request_context.called_by_body(BodyCall { service, inputs: inputs.iter().map(Held::of).collect(), ended });
    }
    match end {
        Ok(id) => CallOutcome::new(Kind::Value, id.to_vec()),
        Err(wrong) => problem(wrong),
    }
}

/// How a job that was asked for is recorded among the calls of a body.
pub(crate) fn later_of(service: &str) -> String {
    format!("{service}.later()")
}

fn unknown(config: &Config, request_context: &RequestContext, service: &str) -> CallOutcome {
    let detail = protocol::RouteError::Unknown(service.to_owned()).to_string();
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    problem(Problem::new("route", status, &config.service, &request_context.path, &detail))
}

/// `{"name":value,…}` of values that are JSON already.
fn object(names: &[String], values: &[Bytes]) -> Bytes {
    let mut body = vec![b'{'];
    for (at, (name, value)) in names.iter().zip(values).enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(serde_json::Value::from(name.as_str()).to_string().as_bytes());
        body.push(b':');
        body.extend_from_slice(value);
    }
    body.push(b'}');
    Bytes::from(body)
}

fn problem(problem: Problem) -> CallOutcome {
    CallOutcome::new(Kind::Upstream, problem.body.to_vec())
}

fn nobody(service: &str) -> CallOutcome {
    let path = Path::of(service);
    problem(Problem::new(
        "unreachable",
        StatusCode::BAD_GATEWAY,
        service,
        &path,
        "the host of the calling function has ended",
    ))
}

/// Who waits in the library.
pub(crate) struct End {
    pub(crate) done: Done,
    pub(crate) context: *mut c_void,
}

// SAFETY: the border says that `done` may be called from any thread.
unsafe impl Send for End {}

impl End {
    pub(crate) fn with(self, outcome: CallOutcome) {
        // SAFETY: called once, with the context that came with the call.
        unsafe { (self.done)(self.context, outcome) }
    }
}
