//! The table a library hands to its host.

use std::ffi::c_void;
use std::sync::OnceLock;
use std::time::Instant;

use super::answer;
#[cfg(feature = "tokio")]
use super::executor;
use super::guard::{End, Guarded};
use super::{Inputs, LibraryService, Request, RunningCall, nanos, panics, with_request};
use crate::border::{self, Buffer, CallOutcome, Description, Done, Kind, Library, Released, Slice};

/// A service with all that its library keeps of it.
pub struct ServedService {
    service: &'static LibraryService,
    table: OnceLock<Library>,
    host: OnceLock<border::HostTable>,
    #[cfg(feature = "tokio")]
    executor: executor::Executor,
}

impl ServedService {
    /// A service that is not open.
    pub const fn new(service: &'static LibraryService) -> Self {
        Self {
            service,
            table: OnceLock::new(),
            host: OnceLock::new(),
            #[cfg(feature = "tokio")]
            executor: executor::Executor::new(),
        }
    }

    /// The host that opened it.
    pub(crate) fn host(&self) -> Option<border::HostTable> {
        self.host.get().copied()
    }

    fn table(&'static self) -> &'static Library {
        self.table.get_or_init(|| Library {
            version: border::VERSION,
            context: std::ptr::from_ref(self).cast(),
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
        })
    }

    /// A table's context as what it is.
    ///
    /// # Safety
    /// It comes from [`ServedService::table`].
    unsafe fn of(context: *const c_void) -> &'static Self {
        // SAFETY: the caller's promise; what has a table is a static.
        unsafe { &*context.cast::<Self>() }
    }

    fn state(&self, name: &[u8]) -> Option<&'static super::State> {
        self.service.states.iter().find(|state| state.name.as_bytes() == name)
    }
}

/// The table of one of a library's services; null where it has none of this name.
///
/// # Safety
/// The name is valid during this call.
pub unsafe fn find(all: &[&'static ServedService], service: Slice) -> *const Library {
    // SAFETY: the caller's promise.
    let name = unsafe { service.bytes() };
    let found = match all {
        [only] if name.is_empty() => Some(only),
        all => all.iter().find(|served| served.service.name.as_bytes() == name),
    };
    found.map_or(std::ptr::null(), |served| served.table())
}

unsafe extern "C" fn describe(context: *const c_void) -> Buffer {
    // SAFETY: this table's own.
    let service = unsafe { ServedService::of(context) }.service;
    let description = Description {
        service: service.name.to_owned(),
        version: service.version.to_owned(),
        inputs: service.inputs.iter().map(|&name| name.to_owned()).collect(),
        detached: service.is_async && cfg!(feature = "tokio"),
        states: service.states.iter().map(describe_state).collect(),
    };
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

unsafe extern "C" fn open(context: *const c_void, host: *const border::HostTable) -> CallOutcome {
    panics::watch();
    // SAFETY: the host lends its table for the length of this call. Its version comes first in all versions.
    let version = unsafe { (*host).version };
    if version != border::VERSION {
        let words = format!("the host speaks version {version} of the border, the library {}", border::VERSION);
        return failed(&words);
    }
    // SAFETY: likewise, and of this version; it is copied.
    let host = unsafe { *host };
    // SAFETY: this table's own.
    let served = unsafe { ServedService::of(context) };
    served.host.get_or_init(|| host);
    crate::remote::attach(host);
    #[cfg(feature = "tokio")]
    if let Err(error) = served.executor.open() {
        return failed(&format!("no Tokio runtime: {error}"));
    }
    CallOutcome::new(Kind::Value, b"null".to_vec())
}

unsafe extern "C" fn start(
    context: *const c_void,
    request: u64,
    inputs: *const Slice,
    count: usize,
    done: Done,
    done_context: *mut c_void,
) {
    // SAFETY: the host lends the inputs for the length of this call.
    let values = unsafe { Slice::inputs(inputs, count) };
    let end = End { done, context: done_context };
    // SAFETY: this table's own.
    let served = unsafe { ServedService::of(context) };
    let inputs = Inputs { names: served.service.inputs, values, next: 0 };
    #[cfg(feature = "tokio")]
    let _entered = served.executor.enter();
    let begun = Instant::now();
    let request = Request { number: request, served: Some(served) };
    match with_request(request, || panics::catch(|| (served.service.call)(inputs))) {
        Err(panicked) => end.with(panicked.took(nanos(begun))),
        Ok(Err(answer)) | Ok(Ok(RunningCall::Done(answer))) => end.with(answer),
        Ok(Ok(RunningCall::Future(future))) => {
            let future = Guarded::new(request, future);
            #[cfg(feature = "tokio")]
            served.executor.spawn(request.number, future, end);
            #[cfg(not(feature = "tokio"))]
            end.with(crate::call::park_until(future));
        }
    }
}

unsafe extern "C" fn cancel(context: *const c_void, request: u64) -> bool {
    #[cfg(feature = "tokio")]
    // SAFETY: this table's own.
    return unsafe { ServedService::of(context) }.executor.cancel(request);
    #[cfg(not(feature = "tokio"))]
    {
        let _ = (context, request);
        false
    }
}

unsafe extern "C" fn state(context: *const c_void, name: Slice, most: usize) -> CallOutcome {
    // SAFETY: this table's own; the name is lent for this call.
    let found = unsafe { ServedService::of(context).state(name.bytes()) };
    match found.map(|state| panics::catch(|| (state.read)(most))) {
        Some(Ok(answer) | Err(answer)) => answer.into(),
        None => failed("there is no such state"),
    }
}

unsafe extern "C" fn restore(context: *const c_void, name: Slice, json: Slice) -> CallOutcome {
    // SAFETY: both lent for this call.
    let (found, json) = unsafe { (ServedService::of(context).state(name.bytes()), json.bytes()) };
    match found.map(|state| panics::catch(|| (state.write)(json))) {
        Some(Ok(answer) | Err(answer)) => answer.into(),
        None => failed("there is no such state"),
    }
}

unsafe extern "C" fn share(context: *const c_void, name: Slice) -> *const c_void {
    // SAFETY: this table's own; the name is lent for this call.
    let found = unsafe { ServedService::of(context).state(name.bytes()) };
    let shared = found.map(|state| panics::catch(state.share));
    shared.and_then(Result::ok).unwrap_or(std::ptr::null())
}

unsafe extern "C" fn adopt(context: *const c_void, name: Slice, cell: *const c_void) -> bool {
    // SAFETY: the name is lent for this call; the cell is the caller's promise.
    unsafe {
        match ServedService::of(context).state(name.bytes()) {
            // The value that was there before is dropped: code of the user's.
            Some(state) if !cell.is_null() => {
                drop(panics::catch(|| (state.adopt)(cell)));
                true
            }
            _ => false,
        }
    }
}

unsafe extern "C" fn held(context: *const c_void, name: Slice) -> bool {
    // SAFETY: this table's own; the name is lent for this call.
    let found = unsafe { ServedService::of(context).state(name.bytes()) };
    found.is_some_and(|state| panics::catch(state.held).unwrap_or_default())
}

unsafe extern "C" fn release(context: *const c_void) -> CallOutcome {
    // SAFETY: this table's own.
    let served = unsafe { ServedService::of(context) };
    #[cfg(feature = "tokio")]
    let _entered = served.executor.enter();
    let mut released = Released::default();
    for state in served.service.states {
        match panics::catch(state.release) {
            Ok(true) => {}
            Ok(false) => released.used.push(state.name.to_owned()),
            Err(panicked) => released.panicked.push((state.name.to_owned(), panicked.message())),
        }
    }
    CallOutcome::new(Kind::Value, serde_json::to_vec(&released).unwrap_or_default())
}

unsafe extern "C" fn retire(context: *const c_void) {
    #[cfg(feature = "tokio")]
    // SAFETY: this table's own.
    unsafe { ServedService::of(context) }.executor.retire();
    #[cfg(not(feature = "tokio"))]
    let _ = context;
}

fn failed(words: &str) -> CallOutcome {
    answer::failed(words.to_owned()).into()
}
