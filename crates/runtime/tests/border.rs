//! A service driven over the border as a host drives it, in one process.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::c_void;
use std::sync::mpsc::{Receiver, Sender, channel};

use dyninka::border::{self, Buffer, CallOutcome, Description, Done, HostTable, Kind, Library, Slice};
use dyninka::{Error, Placed, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
struct Reading {
    sensor: String,
    value: f64,
}

static COUNT: Placed<u64> = Placed::new(u64::default);
/// Not JSON: the library has it, the host cannot read it.
static SEEN: Placed<Vec<std::time::Instant>> = Placed::new(Vec::new);

dyninka::__remote! { fn lookup(key: String) -> Option<u64> }

async fn probe(mode: String, reading: Reading) -> Result<Option<f64>> {
    COUNT.update(|count| *count += 1);
    SEEN.update(|seen| seen.push(std::time::Instant::now()));
    match mode.as_str() {
        "value" => Ok(Some(reading.value)),
        "filtered" => Ok(None),
        "failed" => Err(Error::new("out of range")),
        "job" => Ok(dyninka::job().map(|job| f64::from(job.attempt))),
        "panic" => panic!("no {}", reading.sensor),
        "lookup" => Ok(lookup(reading.sensor).await?.map(|found| found as f64)),
        "later" => {
            let id = lookup(reading.sensor).later().await?;
            Ok(id.strip_prefix("job of ").and_then(|number| number.parse().ok()))
        }
        #[cfg(feature = "tokio")]
        "forever" => std::future::pending().await,
        other => Err(Error::new(format!("no mode {other}"))),
    }
}

dyninka::__export! {
    service: "probe", version: "probe@00000001", function: probe, call: async,
    inputs: [mode: String, reading: Reading],
    states: [COUNT: "u64 of this build", SEEN: "instants"],
}

unsafe extern "C" fn host_call(
    _: *const c_void,
    request: u64,
    service: Slice,
    inputs: *const Slice,
    count: usize,
    done: Done,
    context: *mut c_void,
) {
    // SAFETY: lent for this call.
    let (service, inputs) = unsafe { (service.bytes(), std::slice::from_raw_parts(inputs, count)) };
    assert_eq!((service, count), (b"lookup".as_slice(), 1));
    // SAFETY: lent for this call.
    let outcome = match unsafe { inputs[0].bytes() } {
        br#""EWR""# => CallOutcome::new(Kind::Value, request.to_string().into_bytes()),
        br#""nowhere""# => CallOutcome::new(Kind::Filtered, Vec::new()),
        _ => CallOutcome::new(Kind::Upstream, br#"{"detail":"no such key","service":"lookup"}"#.to_vec()),
    };
    let context = context as usize;
    // SAFETY: called once, from another thread as a host does.
    std::thread::spawn(move || unsafe { done(context as *mut c_void, outcome) });
}

/// Accepts jobs of one airport, and has none for others.
unsafe extern "C" fn host_later(
    _: *const c_void,
    request: u64,
    service: Slice,
    inputs: *const Slice,
    count: usize,
    done: Done,
    context: *mut c_void,
) {
    // SAFETY: lent for this call.
    let (service, inputs) = unsafe { (service.bytes(), std::slice::from_raw_parts(inputs, count)) };
    assert_eq!((service, count), (b"lookup".as_slice(), 1));
    // SAFETY: lent for this call.
    let outcome = match unsafe { inputs[0].bytes() } {
        br#""EWR""# => CallOutcome::new(Kind::Value, format!("\"job of {request}\"").into_bytes()),
        _ => CallOutcome::new(Kind::Upstream, br#"{"detail":"jobs are off"}"#.to_vec()),
    };
    // SAFETY: called once.
    unsafe { done(context, outcome) }
}

/// Request 7 runs for a job, and no other.
unsafe extern "C" fn about(_: *const c_void, request: u64) -> Buffer {
    let about = if request == 7 { r#"{"id":"j","attempt":3,"tenant":"alice"}"# } else { "" };
    Buffer::new(about.as_bytes().to_vec())
}

fn library() -> &'static Library {
    // SAFETY: the table of this very program.
    let library = unsafe { &*dyninka_service_table(Slice::of(b"probe")) };
    let host = HostTable {
        version: border::VERSION,
        context: std::ptr::null(),
        call: host_call,
        later: host_later,
        about,
        bucket: border::no_bucket,
    };
    // SAFETY: as the border says.
    let opened = unsafe { (library.open)(library.context, &host) };
    assert_eq!(opened.kind, Kind::Value);
    library
}

unsafe extern "C" {
    #[link_name = "dyninka_service"]
    fn dyninka_service_table(service: Slice) -> *const Library;
}

unsafe extern "C" fn send(context: *mut c_void, outcome: CallOutcome) {
    // SAFETY: the box that `begin` gave away, given back once.
    let sender = unsafe { Box::from_raw(context.cast::<Sender<CallOutcome>>()) };
    drop(sender.send(outcome));
}

fn begin(request: u64, inputs: &[&str]) -> Receiver<CallOutcome> {
    let (sender, receiver) = channel();
    let inputs: Vec<_> = inputs.iter().map(|input| Slice::of(input.as_bytes())).collect();
    let context = Box::into_raw(Box::new(sender)).cast();
    // SAFETY: as the border says.
    unsafe { (library().start)(library().context, request, inputs.as_ptr(), inputs.len(), send, context) };
    receiver
}

/// A number for a call, different for every call of these tests.
fn mode_number(sensor: &str, mode: &str) -> u64 {
    sensor.bytes().chain(mode.bytes()).fold(1000, |number, byte| number * 7 + u64::from(byte)) % 1_000_000_007
}

fn call(mode: &str, sensor: &str) -> (Kind, Value) {
    let mode = json!(mode).to_string();
    let reading = json!({ "sensor": sensor, "value": 4.5 }).to_string();
    // A number is one request's alone while it runs.
    let outcome = begin(mode_number(sensor, &mode), &[&mode, &reading]).recv().unwrap();
    (outcome.kind, serde_json::from_slice(&outcome.body).unwrap_or(Value::Null))
}

#[test]
fn a_function_knows_the_job_that_it_runs_for() {
    let run = |request| {
        let outcome = begin(request, &["\"job\"", r#"{"sensor":"a","value":1.0}"#]).recv().unwrap();
        (outcome.kind, String::from_utf8_lossy(&outcome.body).into_owned())
    };
    assert_eq!(run(7), (Kind::Value, "3.0".to_owned()));
    assert_eq!(run(8), (Kind::Filtered, String::new()), "no job's");
    assert_eq!(dyninka::job(), None, "outside of requests");
}

#[test]
fn it_says_what_it_is() {
    // SAFETY: as the border says.
    let description: Description = serde_json::from_slice(&unsafe { (library().describe)(library().context) }).unwrap();
    assert_eq!(description.version, "probe@00000001");
    assert_eq!(description.inputs, ["mode", "reading"]);
    assert_eq!(description.detached, cfg!(feature = "tokio"));
    assert_eq!(description.states.iter().map(|state| state.name.as_str()).collect::<Vec<_>>(), ["COUNT", "SEEN"]);
}

#[test]
fn a_call_ends_in_each_of_the_ways() {
    assert_eq!(call("value", "EWR"), (Kind::Value, json!(4.5)));
    assert_eq!(call("filtered", "EWR"), (Kind::Filtered, Value::Null));
    assert_eq!(call("failed", "EWR"), (Kind::Failed, json!({ "message": "out of range" })));
    let (kind, place) = call("panic", "JFK");
    assert_eq!((kind, &place["message"]), (Kind::Panicked, &json!("no JFK")));
    assert!(place["file"].as_str().unwrap().ends_with("border.rs") && place["line"].is_u64(), "{place}");
}

#[test]
fn what_does_not_read_is_named_by_its_path() {
    let rejected = |reading: &str| {
        let outcome = begin(1, &["\"value\"", reading]).recv().unwrap();
        assert_eq!(outcome.kind, Kind::Rejected);
        serde_json::from_slice::<Value>(&outcome.body).unwrap()["path"].clone()
    };
    assert_eq!(rejected(r#"{"sensor":"EWR","value":"warm"}"#), "reading.value");
    assert_eq!(rejected("3"), "reading");
    assert_eq!(rejected(r#"{"sensor":"EWR","value":1} x"#), "reading");
}

#[test]
fn a_called_service_answers_filters_or_fails_through_the_host() {
    // The host answered with the number the request was started with: it knows on whose behalf it is called.
    let number = mode_number("EWR", "\"lookup\"") as f64;
    assert_eq!(call("lookup", "EWR"), (Kind::Value, json!(number)));
    assert_eq!(call("lookup", "nowhere"), (Kind::Filtered, Value::Null));
    assert_eq!(call("lookup", "LGA"), (Kind::Upstream, json!({ "detail": "no such key", "service": "lookup" })));
}

#[test]
fn a_job_of_a_service_is_asked_for_through_the_host() {
    let number = mode_number("EWR", "\"later\"") as f64;
    assert_eq!(call("later", "EWR"), (Kind::Value, json!(number)));
    assert_eq!(call("later", "LGA"), (Kind::Upstream, json!({ "detail": "jobs are off" })));
}

#[cfg(feature = "tokio")]
#[test]
fn a_cancelled_call_never_answers_and_an_ended_one_cannot_be_cancelled() {
    let waiting = begin(99, &["\"forever\"", r#"{"sensor":"EWR","value":1}"#]);
    // SAFETY: as the border says.
    assert!(unsafe { (library().cancel)(library().context, 99) });
    // Another call on the one worker is over: the one given up would be, too.
    assert_eq!(call("value", "SFO").0, Kind::Value);
    assert!(waiting.try_recv().is_err());
    // SAFETY: as the border says.
    assert!(!unsafe { (library().cancel)(library().context, 99) });
}

#[test]
fn state_is_read_written_and_shared_by_name() {
    let library = library();
    let name = |name: &'static str| Slice::of(name.as_bytes());
    // SAFETY: as the border says, here and below.
    unsafe {
        assert_eq!((library.state)(library.context, name("SEEN"), usize::MAX).kind, Kind::Filtered);
        assert_eq!((library.state)(library.context, name("COUNT"), usize::MAX).kind, Kind::Value);
        assert_eq!((library.state)(library.context, name("COUNT"), 0).kind, Kind::Failed, "it is larger than that");
        assert_eq!((library.state)(library.context, name("NOTHING"), usize::MAX).kind, Kind::Failed);
        assert_eq!((library.restore)(library.context, name("COUNT"), Slice::of(b"\"many\"")).kind, Kind::Rejected);
        assert_eq!((library.restore)(library.context, name("SEEN"), Slice::of(b"[]")).kind, Kind::Rejected);
        let cell = (library.share)(library.context, name("COUNT"));
        assert!(!cell.is_null() && (library.share)(library.context, name("NOTHING")).is_null());
        assert!((library.adopt)(library.context, name("COUNT"), cell));
        assert!(!(library.adopt)(library.context, name("NOTHING"), cell));
    }
}
