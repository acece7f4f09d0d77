//! The library's side of the border: what `dyn` generates a few lines of for each service, and all the rest.
//!
//! Machinery is not generic: the compiler sees it once, when the runtime is built, and not at every save.

mod answer;
#[cfg(feature = "tokio")]
mod executor;
mod export;
mod guard;
mod panics;
mod place;
mod returned;
mod state;
mod table;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use serde::de::DeserializeOwned;

pub use answer::{CallAnswer, value};
pub use returned::{Fallible, IsFailing, IsFailingOrFiltering, IsFiltering, IsPlain, Returned};
pub use state::{Json, Opaque, Probe, State};
pub use table::{Served, find};

/// A service as its library knows it.
pub struct LibraryService {
    /// Rust name.
    pub name: &'static str,
    /// `service@hash`.
    pub version: &'static str,
    /// Input names in order.
    pub inputs: &'static [&'static str],
    /// `async fn`.
    pub is_async: bool,
    /// Reads the inputs and runs the function, or makes the future that does.
    pub call: fn(Inputs<'_>) -> Result<RunningCall, CallAnswer>,
    /// Its placed state.
    pub states: &'static [State],
}

/// A name as requests know it: a keyword without what makes a name of it.
pub const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', plain @ ..] => match std::str::from_utf8(plain) {
            Ok(plain) => plain,
            Err(_) => name,
        },
        _ => name,
    }
}

/// A call that was begun.
pub enum RunningCall {
    /// A call that is over.
    Done(CallAnswer),
    /// A call that goes on.
    Future(Pin<Box<dyn Future<Output = CallAnswer> + Send>>),
}

/// The inputs of a call, as JSON, taken in order.
pub struct Inputs<'a> {
    pub(crate) names: &'static [&'static str],
    pub(crate) values: &'a [crate::border::Slice],
    pub(crate) next: usize,
}

impl<'a> Inputs<'a> {
    /// Reads the next input as its type.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T, CallAnswer> {
        let (name, json) = self.advance()?;
        let read = |json: &[u8]| serde_json::from_slice::<T>(json).err();
        serde_json::from_slice(json).map_err(|error| answer::rejected(name, &place::path(json, &error, read), &error))
    }

    fn advance(&mut self) -> Result<(&'static str, &'a [u8]), CallAnswer> {
        let name = self.names.get(self.next).copied().unwrap_or_default();
        let slice = self.values.get(self.next).ok_or_else(|| answer::missing(name))?;
        self.next += 1;
        // SAFETY: `start` reads its inputs within the call that lent them.
        Ok((name, unsafe { slice.bytes() }))
    }
}

/// Runs a function and measures it.
pub fn timed<T>(function: impl FnOnce() -> T) -> (T, u64) {
    let begun = Instant::now();
    let output = function();
    (output, nanos(begun))
}

/// Awaits a function and measures it, the calls it awaits included.
pub async fn timed_async<T>(function: impl Future<Output = T>) -> (T, u64) {
    let begun = Instant::now();
    let output = function.await;
    (output, nanos(begun))
}

fn nanos(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// What a thread works for.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// As the host has numbered it; 0 when none is known.
    pub(crate) number: u64,
    /// The service that it is at.
    pub(crate) served: Option<&'static Served>,
}

thread_local! {
    static REQUEST: Cell<Request> = const { Cell::new(Request { number: 0, served: None }) };
}

/// The request this thread works for.
pub(crate) fn request() -> Request {
    REQUEST.get()
}

/// Works for a request while `work` runs.
pub(crate) fn with_request<T>(request: Request, work: impl FnOnce() -> T) -> T {
    struct Restore(Request);
    impl Drop for Restore {
        fn drop(&mut self) {
            REQUEST.set(self.0);
        }
    }
    let _restore = Restore(REQUEST.replace(request));
    work()
}
