//! A function run again.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use dyninka::border::{CallOutcome, Slice};
use protocol::body::{Body, Outcome, RecordedCall};
use protocol::replay::RunResult;

use super::call;
use super::slot::Slot;
use crate::ending;
use crate::request_context::nanos;

/// The kind of end of a function that did not end.
pub(super) const DEADLINE: &str = "deadline";

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Runs a function, for so long at most.
pub(super) fn run(
    slot: &Slot,
    inputs: &[Body],
    stand_ins: Vec<RecordedCall>,
    longest: Duration,
) -> Result<RunResult, String> {
    let given = inputs.iter().map(|input| input.bytes().map(|bytes| bytes.into_owned())).collect::<Option<Vec<_>>>();
    let given = given.ok_or("an input was too large to be kept, or is no base64")?;
    let request = NEXT.fetch_add(1, Ordering::Relaxed);
    let (sender, receiver) = mpsc::sync_channel(1);
    let waiter = Waiter(Box::into_raw(Box::new(sender)));
    let library = slot.library;
    call::begin(request, stand_ins);
    let begun = Instant::now();
    // A thread like the one it runs on when it serves: the same room on its stack, and it may be left behind.
    let thread = std::thread::Builder::new().name("dyninka-replay".to_owned()).spawn(move || {
        let waiter = waiter;
        let slices: Vec<Slice> = given.iter().map(|input| Slice::of(input)).collect();
        // SAFETY: `done` takes the waiter once.
        unsafe { library.start(request, &slices, done, waiter.0.cast()) }
    });
    thread.map_err(|error| format!("start a thread: {error}"))?;
    let outcome = receiver.recv_timeout(longest);
    let heard = call::end();
    let (end, function_ns) = match outcome {
        Ok(outcome) => (ending::read(outcome.kind, &outcome.body), outcome.nanos),
        Err(RecvTimeoutError::Timeout) => {
            let message = format!("it did not end within {} ms", longest.as_millis());
            (Outcome::Failed { kind: DEADLINE.to_owned(), message }, nanos(begun.elapsed()))
        }
        Err(RecvTimeoutError::Disconnected) => return Err("the function's library gave no answer".to_owned()),
    };
    // What a function makes of a question without an answer says nothing of it.
    let end = match (end, heard.unanswered) {
        (Outcome::Failed { kind, message }, _) if kind == DEADLINE => Outcome::Failed { kind, message },
        (_, Some(message)) => Outcome::Failed { kind: call::NOT_RECORDED.to_owned(), message },
        (end, None) => end,
    };
    Ok(RunResult { end, function_ns, calls: heard.calls })
}

/// Who waits for the outcome, on its way through the library.
struct Waiter(*mut SyncSender<CallOutcome>);

// SAFETY: the sender is Send; the pointer is the only one to it.
unsafe impl Send for Waiter {}

unsafe extern "C" fn done(context: *mut c_void, outcome: CallOutcome) {
    // SAFETY: the box that `run` gave away, given back once.
    let sender = unsafe { Box::from_raw(context.cast::<SyncSender<CallOutcome>>()) };
    // Whoever asked may have given up by now.
    drop(sender.send(outcome));
}
