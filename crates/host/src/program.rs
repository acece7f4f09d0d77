//! A version of the function, and a call of it.
//!
//! A synchronous function may run for ever, so it runs on a thread of the blocking pool, where it stops neither health
//! checks nor takeovers nor other calls; once it has been quick for a while, inline, where it costs no thread's
//! waking. An asynchronous one runs on its library's runtime.

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use bytes::Bytes;
use dyninka::border::{CallOutcome, Description, Slice};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::library::Loaded;
use crate::pace::Pace;
use crate::shared::Shared;
use crate::threads::Thread;
use crate::voice;

/// A version of the function.
pub(crate) struct Program {
    pub(crate) library: Loaded,
    pub(crate) description: Description,
    /// The description's, shared with the spans that tell of it.
    pub(crate) version: Arc<str>,
    /// The library's file name.
    pub(crate) file: String,
    pace: Pace,
    in_flight: AtomicUsize,
    idle: Notify,
    retired: AtomicBool,
    /// Threads it began, as far as they are known: those that run when it is replaced.
    threads: Mutex<BTreeSet<Thread>>,
}

/// A call that has been let in: the version it runs on cannot be retired until this is gone.
pub(crate) struct Flight(Arc<Program>);

impl Program {
    pub(crate) fn new(library: Loaded, description: Description, file: String) -> Arc<Self> {
        Arc::new(Self {
            library,
            version: description.version.as_str().into(),
            description,
            file,
            pace: Pace::new(),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            retired: AtomicBool::new(false),
            threads: Mutex::default(),
        })
    }

    /// Notes the threads that it began.
    pub(crate) fn began(&self, threads: BTreeSet<Thread>) {
        *self.threads.lock() = threads;
    }

    /// The threads that it began.
    pub(crate) fn threads(&self) -> BTreeSet<Thread> {
        self.threads.lock().clone()
    }

    /// Lets a call in.
    pub(crate) fn enter(self: Arc<Self>) -> Flight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        Flight(self)
    }

    /// Waits until no call runs on this version.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.in_flight.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Ends the library's threads once the last call is over.
    pub(crate) async fn retire(self: Arc<Self>) {
        self.idle().await;
        if !self.retired.swap(true, Ordering::AcqRel) {
            self.library.retire();
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Flight {
    pub(crate) fn program(&self) -> &Program {
        &self.0
    }

    /// Runs the function. Dropping the future gives an asynchronous call up; a synchronous one goes on in its thread,
    /// and its answer is for nobody. None when the library broke its promise to answer.
    pub(crate) async fn run(self, request: u64, inputs: Vec<Bytes>, shared: &Shared) -> Option<CallOutcome> {
        let program = self.0.clone();
        let library = program.library;
        let (sender, receiver) = oneshot::channel();
        let left = shared.left.clone();
        let waiter = Waiter(Box::into_raw(Box::new(Waiting { sender, flight: self, left: left.clone() })));
        if program.description.detached {
            let mut given_up = GiveUp { library, request, waiter: Some(waiter) };
            start(library, shared.name, request, &inputs, waiter);
            let outcome = receiver.await.ok();
            given_up.waiter = None;
            return outcome;
        }
        let (inline, threads) = (&shared.group.inline, shared.threads.clone());
        let takes = inline.takes(&program.pace, &inputs);
        let name = shared.name;
        let call = move || start(library, name, request, &inputs, waiter);
        if takes {
            let inline = inline.clone();
            // A task of its own: who waits can still be told that the deadline passed.
            tokio::spawn(async move {
                if let Err(call) = inline.run(&program.pace, call) {
                    call_elsewhere(program, threads, call);
                }
            });
        } else {
            call_elsewhere(program, threads, call);
        }
        let mut waits = Waits { receiver: Some(receiver), left };
        let outcome = match &mut waits.receiver {
            Some(receiver) => receiver.await.ok(),
            None => None,
        };
        waits.receiver = None;
        outcome
    }
}

/// Waits for a synchronous function. Dropped before its outcome came, the function goes on for nobody, and is counted.
struct Waits {
    /// None: the outcome came.
    receiver: Option<oneshot::Receiver<CallOutcome>>,
    left: Arc<AtomicI64>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        let Some(mut receiver) = self.receiver.take() else { return };
        // From here on its end finds nobody, and takes it off the count.
        receiver.close();
        if receiver.try_recv().is_err() {
            self.left.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Runs a call on a thread of the blocking pool, as soon as its service has one left.
fn call_elsewhere(program: Arc<Program>, threads: Arc<Semaphore>, call: impl FnOnce() + Send + 'static) {
    let run = move |thread: OwnedSemaphorePermit| {
        tokio::task::spawn_blocking(move || {
            program.pace.measure(call);
            drop(thread);
        });
    };
    if let Ok(thread) = threads.clone().try_acquire_owned() {
        return run(thread);
    }
    tokio::spawn(async move {
        // It is never closed.
        if let Ok(thread) = threads.acquire_owned().await {
            run(thread);
        }
    });
}

fn start(library: Loaded, name: &'static str, request: u64, inputs: &[Bytes], waiter: Waiter) {
    let slices: Vec<Slice> = inputs.iter().map(|input| Slice::of(input)).collect();
    // SAFETY: `done` takes the waiter once.
    voice::of(name, || unsafe { library.start(request, &slices, done, waiter.0.cast()) });
}

/// Who waits for an outcome, on its way through the library.
#[derive(Clone, Copy)]
struct Waiter(*mut Waiting);

// SAFETY: all parts of it are Send; the pointer is the only one to it.
unsafe impl Send for Waiter {}

struct Waiting {
    sender: oneshot::Sender<CallOutcome>,
    flight: Flight,
    /// Functions that go on for nobody.
    left: Arc<AtomicI64>,
}

unsafe extern "C" fn done(context: *mut c_void, outcome: CallOutcome) {
    // SAFETY: the box that `run` gave away, given back once.
    let waiter = unsafe { Box::from_raw(context.cast::<Waiting>()) };
    let Waiting { sender, flight, left } = *waiter;
    let is_synchronous = !flight.program().description.detached;
    drop(flight);
    // Whoever asked may have gone; the function's work is done all the same.
    if sender.send(outcome).is_err() && is_synchronous {
        left.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Gives a call up when it is dropped before its outcome came.
struct GiveUp {
    library: Loaded,
    request: u64,
    waiter: Option<Waiter>,
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take()
            && self.library.cancel(self.request)
        {
            // SAFETY: `done` will never take it now.
            drop(unsafe { Box::from_raw(waiter.0) });
        }
    }
}
