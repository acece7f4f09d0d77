//! The table a library hands to its host.

use std::ffi::c_void;
use std::sync::OnceLock;
use std::time::Instant;

use super::answer;
#[cfg(feature = "tokio")]
use super::executor;
use super::guard::{End, Guarded};
use super::{Inputs, LibraryService, RunningCall, nanos, panics, with_request};
use crate::border::{self, Buffer, CallOutcome, Description, Done, Kind, Library, Released, Slice};

static SERVICE: OnceLock<&'static LibraryService> = OnceLock::new();

static TABLE: Library = Library {
    version: border::VERSION,
    describe,
    open,
    start,
    cancel,
    state,
    restore,
    share,
    adopt,
    held,
    retire,
    release,
};

/// The table of a library with this service.
pub fn register(service: &'static LibraryService) -> *const Library {
    SERVICE.get_or_init(|| service);
    &TABLE
}

unsafe extern "C" fn describe() -> Buffer {
    let description = SERVICE.get().map(|service| Description {
        service: service.name.to_owned(),
        version: service.version.to_owned(),
        inputs: service.inputs.iter().map(|&name| name.to_owned()).collect(),
        detached: service.is_async && cfg!(feature = "tokio"),
        states: service.states.iter().map(describe_state).collect(),
    });
    Buffer::new(serde_json::to_vec(&description).unwrap_or_default())
}

fn describe_state(state: &super::State) -> border::State {
    let (size, align, ty) = (state.layout)();
    border::State {
        name: state.name.to_owned(),
        fingerprint: state.fingerprint.to_owned(),
        apart: state.apart.map(str::to_owned),
        size,
        align,
        ty: ty.to_owned(),
    }
}

unsafe extern "C" fn open(host: *const border::HostTable) -> CallOutcome {
    panics::watch();
    // SAFETY: the host lends its table for the length of this call; it is copied.
    let host = unsafe { *host };
    if host.version != border::VERSION {
        return failed(&format!(
            "the host speaks version {} of the border, the library {}",
            host.version,
            border::VERSION
        ));
    }
    crate::remote::attach(host);
    #[cfg(feature = "tokio")]
    if let Err(error) = executor::open() {
        return failed(&format!("no Tokio runtime: {error}"));
    }
    CallOutcome::new(Kind::Value, b"null".to_vec())
}

unsafe extern "C" fn start(request: u64, inputs: *const Slice, count: usize, done: Done, context: *mut c_void) {
    // SAFETY: the host lends the inputs for the length of this call.
    let values = unsafe { Slice::inputs(inputs, count) };
    let end = End { done, context };
    let Some(service) = SERVICE.get() else { return end.with(answer::failed("no service is registered")) };
    let inputs = Inputs { names: service.inputs, values, next: 0 };
    #[cfg(feature = "tokio")]
    let _entered = executor::enter();
    let begun = Instant::now();
    match with_request(request, || panics::catch(|| (service.call)(inputs))) {
        Err(panicked) => end.with(panicked.took(nanos(begun))),
        Ok(Err(answer)) | Ok(Ok(RunningCall::Done(answer))) => end.with(answer),
        Ok(Ok(RunningCall::Future(future))) => {
            let future = Guarded::new(request, future);
            #[cfg(feature = "tokio")]
            executor::spawn(request, future, end);
            #[cfg(not(feature = "tokio"))]
            end.with(crate::call::park_until(future));
        }
    }
}

unsafe extern "C" fn cancel(request: u64) -> bool {
    #[cfg(feature = "tokio")]
    return executor::cancel(request);
    #[cfg(not(feature = "tokio"))]
    {
        let _ = request;
        false
    }
}

unsafe extern "C" fn state(name: Slice, most: usize) -> CallOutcome {
    // SAFETY: lent for this call.
    let found = find(unsafe { name.bytes() });
    match found.map(|state| panics::catch(|| (state.read)(most))) {
        Some(Ok(answer) | Err(answer)) => answer.into(),
        None => failed("there is no such state"),
    }
}

unsafe extern "C" fn restore(name: Slice, json: Slice) -> CallOutcome {
    // SAFETY: both lent for this call.
    let (found, json) = unsafe { (find(name.bytes()), json.bytes()) };
    match found.map(|state| panics::catch(|| (state.write)(json))) {
        Some(Ok(answer) | Err(answer)) => answer.into(),
        None => failed("there is no such state"),
    }
}

unsafe extern "C" fn share(name: Slice) -> *const c_void {
    // SAFETY: lent for this call.
    let found = find(unsafe { name.bytes() });
    let shared = found.map(|state| panics::catch(state.share));
    shared.and_then(Result::ok).unwrap_or(std::ptr::null())
}

unsafe extern "C" fn adopt(name: Slice, cell: *const c_void) -> bool {
    // SAFETY: the name is lent for this call; the cell is the caller's promise.
    unsafe {
        match find(name.bytes()) {
            // The value that was there before is dropped: code of the user's.
            Some(state) if !cell.is_null() => {
                drop(panics::catch(|| (state.adopt)(cell)));
                true
            }
            _ => false,
        }
    }
}

unsafe extern "C" fn held(name: Slice) -> bool {
    // SAFETY: lent for this call.
    let found = find(unsafe { name.bytes() });
    found.is_some_and(|state| panics::catch(state.held).unwrap_or_default())
}

unsafe extern "C" fn release() -> CallOutcome {
    #[cfg(feature = "tokio")]
    let _entered = executor::enter();
    let mut released = Released::default();
    for state in SERVICE.get().into_iter().flat_map(|service| service.states) {
        match panics::catch(state.release) {
            Ok(true) => {}
            Ok(false) => released.used.push(state.name.to_owned()),
            Err(panicked) => released.panicked.push((state.name.to_owned(), panicked.message())),
        }
    }
    CallOutcome::new(Kind::Value, serde_json::to_vec(&released).unwrap_or_default())
}

unsafe extern "C" fn retire() {
    #[cfg(feature = "tokio")]
    executor::retire();
}

fn find(name: &[u8]) -> Option<&'static super::State> {
    SERVICE.get()?.states.iter().find(|state| state.name.as_bytes() == name)
}

fn failed(words: &str) -> CallOutcome {
    answer::failed(words.to_owned()).into()
}
