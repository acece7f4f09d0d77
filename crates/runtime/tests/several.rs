//! Two services in one library, each opened by a host of its own.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::c_void;
use std::sync::mpsc::{Receiver, Sender, channel};

use dyninka::border::{self, CallOutcome, Description, Done, HostTable, Kind, Library, Slice};
use dyninka::{Placed, Result};

static COUNT: Placed<u64> = Placed::new(u64::default);

dyninka::__remote! { fn whose() -> String }

async fn asking() -> Result<String> {
    whose().await
}

fn counting(by: u64) -> u64 {
    COUNT.update(|count| {
        *count += by;
        *count
    })
}

dyninka::__export! {
    { service: "asking", version: "asking@00000001", function: asking, call: async, inputs: [], states: [], }
    { service: "counting", version: "counting@00000002", function: counting, call: sync, inputs: [by: u64],
      states: [COUNT: "u64"], }
}

unsafe extern "C" {
    #[link_name = "dyninka_service"]
    fn entry(service: Slice) -> *const Library;
}

/// Answers with what its context says.
unsafe extern "C" fn answer(
    context: *const c_void,
    _: u64,
    _: Slice,
    _: *const Slice,
    _: usize,
    done: Done,
    done_context: *mut c_void,
) {
    // SAFETY: the context that each host of this test hands over; `done` is called once.
    unsafe {
        let name = *context.cast::<&str>();
        done(done_context, CallOutcome::new(Kind::Value, format!("{name:?}").into_bytes()));
    }
}

fn open(name: &str, host: &'static &'static str) -> &'static Library {
    let table = HostTable {
        version: border::VERSION,
        context: std::ptr::from_ref(host).cast(),
        call: answer,
        later: answer,
        about: border::no_job,
        bucket: border::no_bucket,
    };
    // SAFETY: the table of this very program, opened as the border says.
    unsafe {
        let library = entry(Slice::of(name.as_bytes())).as_ref().unwrap();
        assert_eq!((library.open)(library.context, &table).kind, Kind::Value);
        library
    }
}

unsafe extern "C" fn send(context: *mut c_void, outcome: CallOutcome) {
    // SAFETY: the box that `run` gave away, given back once.
    drop(unsafe { Box::from_raw(context.cast::<Sender<CallOutcome>>()) }.send(outcome));
}

fn run(library: &Library, inputs: &[&str]) -> String {
    let (sender, receiver): (_, Receiver<CallOutcome>) = channel();
    let inputs: Vec<_> = inputs.iter().map(|input| Slice::of(input.as_bytes())).collect();
    let context = Box::into_raw(Box::new(sender)).cast();
    // SAFETY: as the border says; both services may have a call of one number.
    unsafe { (library.start)(library.context, 1, inputs.as_ptr(), inputs.len(), send, context) };
    String::from_utf8_lossy(&receiver.recv().unwrap().body).into_owned()
}

#[test]
fn each_service_of_a_library_has_its_table_its_state_and_its_host() {
    // Whoever opens first is asked for calls without a request, and for no others.
    let counting = open("counting", &"the host of counting");
    let asking = open("asking", &"the host of asking");
    assert_eq!(run(asking, &[]), "\"the host of asking\"");
    assert_eq!((run(counting, &["2"]), run(counting, &["3"])), ("2".to_owned(), "5".to_owned()));
    let describe = |library: &Library| {
        // SAFETY: an open library.
        serde_json::from_slice::<Description>(&unsafe { (library.describe)(library.context) }).unwrap()
    };
    assert_eq!(describe(asking).version, "asking@00000001");
    assert_eq!(describe(asking).states, []);
    assert_eq!((describe(counting).version.as_str(), describe(counting).states.len()), ("counting@00000002", 1));
    // SAFETY: open libraries; one that is retired leaves the other as it is.
    unsafe {
        assert_eq!((counting.state)(counting.context, Slice::of(b"COUNT"), 9).kind, Kind::Value);
        assert_eq!((asking.state)(asking.context, Slice::of(b"COUNT"), 9).kind, Kind::Failed);
        (asking.retire)(asking.context);
    }
    assert_eq!(run(counting, &["1"]), "6");
}

#[test]
fn a_name_that_a_library_does_not_hold_has_no_table() {
    for name in [&b"other"[..], b"", b"askin"] {
        // SAFETY: the entry of this very program.
        assert!(unsafe { entry(Slice::of(name)) }.is_null());
    }
}
