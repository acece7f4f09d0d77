//! A service called from the body of a function that runs again: answered by what it answered then.

use std::ffi::c_void;

use dyninka::border::{self, CallOutcome, Done, HostTable, Kind, Slice};
use dyninka::{BucketAct, BucketAsk, BucketErrorKind};
use http::StatusCode;
use parking_lot::{Mutex, MutexGuard};
use protocol::body::{Body, Outcome, RecordedCall};
use serde_json::Map;

use crate::body_call::later_of;
use crate::path::Path;
use crate::problem;

/// The run there is: one at a time.
static RUN: Mutex<Option<Scene>> = Mutex::new(None);

/// A run's calls.
struct Scene {
    request: u64,
    /// What answers, and whether it has.
    stand_ins: Vec<(RecordedCall, bool)>,
    calls: Vec<RecordedCall>,
    unanswered: Option<String>,
}

/// What a run called.
pub(super) struct Heard {
    pub(super) calls: Vec<RecordedCall>,
    /// What was called that nothing answers.
    pub(super) unanswered: Option<String>,
}

fn scene() -> MutexGuard<'static, Option<Scene>> {
    RUN.lock()
}

/// A run begins.
pub(super) fn begin(request: u64, stand_ins: Vec<RecordedCall>) {
    let stand_ins = stand_ins.into_iter().map(|called| (called, false)).collect();
    *scene() = Some(Scene { request, stand_ins, calls: Vec::new(), unanswered: None });
}

/// It is over: what is called from now on belongs to no run.
pub(super) fn end() -> Heard {
    let scene = scene().take();
    scene.map_or(Heard { calls: Vec::new(), unanswered: None }, |scene| Heard {
        calls: scene.calls,
        unanswered: scene.unanswered,
    })
}

impl Scene {
    fn answer(&mut self, service: &str, inputs: Vec<Body>) -> Outcome {
        let fits = |called: &RecordedCall| {
            called.service == service
                && called.inputs.len() == inputs.len()
                && called.inputs.iter().zip(&inputs).all(|(then, now)| then.means(now))
        };
        // In their order. New code that asks once more for the same gets what the last one got.
        let unused = self.stand_ins.iter().position(|(called, used)| !used && fits(called));
        let found = unused.or_else(|| self.stand_ins.iter().rposition(|(called, _)| fits(called)));
        let end = match found {
            Some(at) => {
                let (called, used) = &mut self.stand_ins[at];
                *used = true;
                called.end.clone()
            }
            None => self.nothing(format!("a call of {service} with inputs that it was not called with when recorded")),
        };
        let end = match end {
            Outcome::Value(Body::Left { bytes, .. } | Body::Stored { bytes, .. }) => {
                self.nothing(format!("a call of {service}, whose answer of {bytes} bytes was too large to be kept"))
            }
            end => end,
        };
        self.calls.push(RecordedCall { service: service.to_owned(), inputs, end: end.clone() });
        end
    }

    fn nothing(&mut self, message: String) -> Outcome {
        self.unanswered.get_or_insert_with(|| message.clone());
        Outcome::Failed { kind: NOT_RECORDED.to_owned(), message }
    }
}

/// The kind of end of a run whose body made a call that nothing answers.
pub(super) const NOT_RECORDED: &str = "not-recorded";

/// What a library is handed. One run goes on at a time, so no context tells them apart.
pub(super) const TABLE: HostTable =
    HostTable { version: border::VERSION, context: std::ptr::null(), call, later, about: border::no_job, bucket };

unsafe extern "C" fn call(
    _: *const c_void,
    request: u64,
    service: Slice,
    inputs: *const Slice,
    count: usize,
    done: Done,
    context: *mut c_void,
) {
    // SAFETY: lent for this call; copied here.
    let (service, inputs) = unsafe { (String::from_utf8_lossy(service.bytes()).into_owned(), bodies(inputs, count)) };
    // SAFETY: called once, with the context that came with the call.
    unsafe { done(context, answered(request, &service, inputs)) }
}

/// Nothing is asked for: the answer is the id that was told then.
unsafe extern "C" fn later(
    _: *const c_void,
    request: u64,
    service: Slice,
    inputs: *const Slice,
    count: usize,
    done: Done,
    context: *mut c_void,
) {
    // SAFETY: lent for this call; copied here.
    let (service, inputs) = unsafe { (later_of(&String::from_utf8_lossy(service.bytes())), bodies(inputs, count)) };
    // SAFETY: called once, with the context that came with the call.
    unsafe { done(context, answered(request, &service, inputs)) }
}

/// Nothing is read and nothing is written: objects are not recorded.
unsafe extern "C" fn bucket(_: *const c_void, request: u64, ask: Slice, _: Slice, done: Done, context: *mut c_void) {
    // SAFETY: lent for this call.
    let ask = serde_json::from_slice::<BucketAsk>(unsafe { ask.bytes() }).ok();
    let ask = ask.unwrap_or_else(|| BucketAsk { bucket: String::new(), key: String::new(), act: BucketAct::Head });
    let words = "objects are not recorded";
    if let Some(scene) = scene().as_mut().filter(|scene| request == 0 || request == scene.request) {
        scene.nothing(format!("the object {}/{}: {words}", ask.bucket, ask.key.escape_debug()));
    }
    let error = serde_json::to_vec(&ask.error(BucketErrorKind::NotSupported, words)).unwrap_or_default();
    // SAFETY: called once, with the context that came with the call.
    unsafe { done(context, CallOutcome::new(Kind::Failed, error)) }
}

/// # Safety
/// The slices are valid.
unsafe fn bodies(inputs: *const Slice, count: usize) -> Vec<Body> {
    // SAFETY: the caller's promise.
    unsafe { Slice::inputs(inputs, count).iter().map(|input| Body::new(input.bytes())).collect() }
}

fn answered(request: u64, service: &str, inputs: Vec<Body>) -> CallOutcome {
    // A call from a thread of the app's own bears no number; there is one run it can belong to.
    let end = match scene().as_mut().filter(|scene| request == 0 || request == scene.request) {
        Some(scene) => scene.answer(service, inputs),
        None => Outcome::Failed { kind: "unreachable".to_owned(), message: "the run it belongs to is over".to_owned() },
    };
    match end {
        Outcome::Value(value) => CallOutcome::new(Kind::Value, value.bytes().unwrap_or_default().into_owned()),
        Outcome::Filtered => CallOutcome::new(Kind::Filtered, Vec::new()),
        Outcome::Failed { kind, message } => CallOutcome::new(Kind::Upstream, document(service, &kind, &message)),
    }
}

/// The problem document a service is recorded to have answered with, as far as its record goes.
fn document(service: &str, kind: &str, message: &str) -> Vec<u8> {
    let path = Path::of(service);
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    // Its detail, not the service in front of it again.
    let detail = message.strip_prefix(service).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message);
    problem::document(kind, status, service, &path, detail, Map::new()).to_vec()
}
