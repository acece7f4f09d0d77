//! The border between a host and a service library: C calling convention, bytes in and out, no Rust type across.
//!
//! A shared library holds one service or several. It exports one symbol, [`SYMBOL`], a function that returns a service's
//! [`Library`] table; the host hands a [`HostTable`] of its own to [`Library::open`]. Each table has a context, which
//! comes first in every function of that table: a library may hold many services, and a host run many. Both
//! sides may carry different copies of every Rust crate, the standard library included, so nothing but the
//! `repr(C)` types of this file passes, and memory is freed by the side that made it.

use std::ffi::c_void;

use crate::bucket::{BucketError, BucketErrorKind};

/// The border's version. A library that speaks another one is not taken over.
pub const VERSION: u32 = 7;

/// The one symbol a service library exports: an [`EntryPoint`].
pub const SYMBOL: &str = "dyninka_service";

/// The type of the exported symbol: the table of the service of this name, valid for ever; null where the library does not
/// hold it. No name is that of the only one it holds.
pub type EntryPoint = unsafe extern "C" fn(service: Slice) -> *const Library;

/// Borrowed bytes, valid for the length of the call that passes them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// First byte; may dangle when `len` is 0.
    pub data: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// Owned bytes, freed by the side that made them.
#[repr(C)]
#[derive(Debug)]
pub struct Buffer {
    data: *mut u8,
    len: usize,
    capacity: usize,
    release: unsafe extern "C" fn(*mut u8, usize, usize),
}

/// The way a call ended.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The function returned a value; the body is its JSON.
    Value = 0,
    /// The function returned `None`; the body is empty.
    Filtered = 1,
    /// The function returned an error; the body is `{"message":…}`, with `"retry":"never"` or `"retry_ms":…` where it says so
    /// of another attempt as a job.
    Failed = 2,
    /// An input does not read as its type; the body is `{"input":…,"path":…,"message":…}`.
    Rejected = 3,
    /// The function panicked; the body is `{"message":…,"file":…,"line":…,"column":…}` (place `null` where unknown).
    Panicked = 4,
    /// A service called from the body failed and the function passed that on; the body is its problem document (RFC 9457).
    Upstream = 5,
}

/// The end of a call.
#[repr(C)]
#[derive(Debug)]
pub struct CallOutcome {
    /// The way it ended.
    pub kind: Kind,
    /// With what, see [`Kind`].
    pub body: Buffer,
    /// Time in the user's function, in nanoseconds, awaited calls included; 0 where no function ran.
    pub nanos: u64,
}

/// Called once, from any thread, with the outcome of a call and the context it was started with.
pub type Done = unsafe extern "C" fn(context: *mut c_void, outcome: CallOutcome);

/// What a host does with a service and inputs: JSON values in the order of the service's inputs. `request` is the number the
/// caller was started with (0: unknown). Never blocks; `done` gets `Value`, `Filtered` or `Upstream` (whose body is a problem
/// document).
pub type HostCall = unsafe extern "C" fn(
    context: *const c_void,
    request: u64,
    service: Slice,
    inputs: *const Slice,
    count: usize,
    done: Done,
    done_context: *mut c_void,
);

/// What a host does with a wish about a bucket: the JSON of a [`BucketAsk`](crate::BucketAsk), and the bytes of an object or of a
/// part where it has some. Never blocks; `done` gets `Value` with a [`BucketAnswer`](crate::BucketAnswer) as it writes itself,
/// or `Failed` with the JSON of a [`BucketError`].
pub type HostBucket = unsafe extern "C" fn(
    context: *const c_void,
    request: u64,
    ask: Slice,
    bytes: Slice,
    done: Done,
    done_context: *mut c_void,
);

/// The host's functions for a library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HostTable {
    /// [`VERSION`] of the host.
    pub version: u32,
    /// The host's, for one service: the first argument of each function below. Valid as long as the process is.
    pub context: *const c_void,
    /// Calls another service of the app from a function's body.
    pub call: HostCall,
    /// Asks for a job of another service from a function's body. `Value` is the job's id, once it is accepted.
    pub later: HostCall,
    /// The job that the request of this number runs for, as the JSON of a [`JobRun`](crate::JobRun); empty where it runs for
    /// none, or is over.
    pub about: unsafe extern "C" fn(context: *const c_void, request: u64) -> Buffer,
    /// Reads and writes objects of buckets.
    pub bucket: HostBucket,
}

/// A [`HostTable::about`] of hosts that run no jobs.
///
/// # Safety
/// Safe with any arguments.
pub unsafe extern "C" fn no_job(_: *const c_void, _: u64) -> Buffer {
    Buffer::new(Vec::new())
}

/// A [`HostTable::bucket`] of hosts that have none.
///
/// # Safety
/// The context is `done`'s.
pub unsafe extern "C" fn no_bucket(_: *const c_void, _: u64, _: Slice, _: Slice, done: Done, context: *mut c_void) {
    let error = BucketError::new(BucketErrorKind::Away, "", "", "this host has no buckets");
    let body = serde_json::to_vec(&error).unwrap_or_default();
    // SAFETY: called once, with the context that came with the call.
    unsafe { done(context, CallOutcome::new(Kind::Failed, body)) }
}

// SAFETY: the host says that its context may be used from any thread, as its functions may be called from any.
unsafe impl Send for HostTable {}
// SAFETY: likewise.
unsafe impl Sync for HostTable {}

/// The library's functions for the host.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// [`VERSION`] of the library.
    pub version: u32,
    /// The library's, for one service: the first argument of each function below.
    pub context: *const c_void,
    /// A [`Description`] as JSON.
    pub describe: unsafe extern "C" fn(context: *const c_void) -> Buffer,
    /// Called once before anything else but `describe`. `Value` when the library can serve.
    pub open: unsafe extern "C" fn(context: *const c_void, host: *const HostTable) -> CallOutcome,
    /// Runs the function on `inputs`, JSON values in the order of [`Description::inputs`]. A library without a
    /// Tokio runtime of its own, and any synchronous function, calls `done` before it returns: call it where
    /// blocking is allowed. `request` is told to [`HostTable::call`] and may be cancelled by [`Library::cancel`].
    pub start: unsafe extern "C" fn(
        context: *const c_void,
        request: u64,
        inputs: *const Slice,
        count: usize,
        done: Done,
        done_context: *mut c_void,
    ),
    /// Gives up an asynchronous call that runs under this number; its `done` is then never called, or was already.
    /// Answers whether it will never be called. Synchronous functions cannot be given up: `false`.
    pub cancel: unsafe extern "C" fn(context: *const c_void, request: u64) -> bool,
    /// The JSON of a placed value; `Filtered` when its type does not serialise, `Failed` when serialising failed, or
    /// would have come to more than `most` bytes, `Panicked` when it panicked. Waits for the value's lock, as
    /// [`Library::restore`] does, and holds it no longer than `most` bytes take to write.
    pub state: unsafe extern "C" fn(context: *const c_void, name: Slice, most: usize) -> CallOutcome,
    /// Puts a JSON value in a placed value's place: `Value`, or `Rejected` when it does not read (value untouched).
    pub restore: unsafe extern "C" fn(context: *const c_void, name: Slice, json: Slice) -> CallOutcome,
    /// A counted pointer to the cell of a placed value, for [`Library::adopt`] of a library that may share it
    /// ([`State::unlike`]); null when there is no such value, and while a call holds it.
    pub share: unsafe extern "C" fn(context: *const c_void, name: Slice) -> *const c_void,
    /// Takes the cell that [`Library::share`] of another version gave. Only where the two may share it.
    pub adopt: unsafe extern "C" fn(context: *const c_void, name: Slice, cell: *const c_void) -> bool,
    /// Whether a call holds a placed value at this moment.
    pub held: unsafe extern "C" fn(context: *const c_void, name: Slice) -> bool,
    /// No call will follow: the library's own threads end. Its code stays mapped.
    pub retire: unsafe extern "C" fn(context: *const c_void),
    /// After [`Library::retire`], as often as wanted: gives back the cells of placed values that nobody uses. Values that
    /// no other version has are dropped. `Value` with a [`Released`]. What still runs of this library finds initial
    /// values from then on.
    pub release: unsafe extern "C" fn(context: *const c_void) -> CallOutcome,
}

// SAFETY: the library says that its context may be used from any thread, as its functions may be called from any.
unsafe impl Send for Library {}
// SAFETY: likewise.
unsafe impl Sync for Library {}

/// The result of [`Library::release`].
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Released {
    /// Values that somebody still uses.
    pub used: Vec<String>,
    /// Values whose `drop` panicked, with the words of the panic.
    pub panicked: Vec<(String, String)>,
}

/// A library's description of itself, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Description {
    /// The service's Rust name.
    pub service: String,
    /// `service@hash` of what it is built from.
    pub version: String,
    /// Input names in order.
    pub inputs: Vec<String>,
    /// Whether the function is async and runs on a runtime of the library's own, so that `start` does not block.
    pub detached: bool,
    /// The placed values, each with the fingerprint of its type and of all that decides its layout.
    pub states: Vec<State>,
}

/// A placed value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// Name of the static.
    pub name: String,
    /// Hash of the source of its type, and of everything that this rests on.
    pub fingerprint: String,
    /// The reason why no other version may use its memory, whatever the fingerprint.
    pub apart: Option<String>,
    /// Bytes of a value, without what it points to.
    pub size: usize,
    /// Its alignment.
    pub align: usize,
    /// Its type as the compiler names it. The crate a type is in may have another name in each version.
    #[serde(rename = "type")]
    pub ty: String,
}

impl State {
    /// The reason why the version that says this may not use another version's memory of this value; none where both
    /// mean the same by it.
    pub fn unlike(&self, other: &Self) -> Option<String> {
        if let Some(why) = self.apart.as_ref().or(other.apart.as_ref()) {
            return Some(why.clone());
        }
        if self.fingerprint != other.fingerprint {
            return Some("its type changed, or what that rests on".to_owned());
        }
        if (self.size, self.align) != (other.size, other.align) {
            let (size, before) = (self.size, other.size);
            return Some(format!("its type has {size} bytes at another alignment or size than before ({before})"));
        }
        let (ty, before) = (without_crates(&self.ty), without_crates(&other.ty));
        (ty != before).then(|| format!("its type is {ty}, and was {before}"))
    }
}

/// The name of a type with each path's first name left out where there is more than one.
fn without_crates(ty: &str) -> String {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut text = String::with_capacity(ty.len());
    let mut rest = ty;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (path, after) = rest.split_at(end);
        text.push_str(path.split_once("::").map_or(path, |(_, inside)| inside));
        let next = after.find(is_name).unwrap_or(after.len());
        text.push_str(&after[..next]);
        rest = &after[next..];
    }
    text
}

// A slice is sent with the call it belongs to; whoever passes it to another thread keeps the bytes alive.
// SAFETY: plain borrowed bytes, no interior mutability.
unsafe impl Send for Slice {}
// SAFETY: owned bytes; releasing them from another thread is what the system allocator allows.
unsafe impl Send for Buffer {}

impl Slice {
    /// Borrows bytes for a call.
    pub fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }

    /// The slices of a call's inputs.
    ///
    /// # Safety
    /// `first` must point to `count` slices, all of them still valid: inside the call that passed them.
    pub unsafe fn inputs<'a>(first: *const Self, count: usize) -> &'a [Self] {
        if count == 0 {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(first, count) }
    }

    /// The bytes.
    ///
    /// # Safety
    /// The slice must still be valid: inside the call that passed it.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl Buffer {
    /// Hands bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut bytes = std::mem::ManuallyDrop::new(bytes);
        Self { data: bytes.as_mut_ptr(), len: bytes.len(), capacity: bytes.capacity(), release }
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `data` and `len` come from a live vector of the side that made it.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the three parts the vector was taken apart into, given back once.
        unsafe { (self.release)(self.data, self.len, self.capacity) }
    }
}

unsafe extern "C" fn release(data: *mut u8, len: usize, capacity: usize) {
    // SAFETY: called by `Buffer::drop` alone, with the parts of a vector of this side's.
    drop(unsafe { Vec::from_raw_parts(data, len, capacity) });
}

impl CallOutcome {
    /// An outcome with a body.
    pub fn new(kind: Kind, body: Vec<u8>) -> Self {
        Self { kind, body: Buffer::new(body), nanos: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(fingerprint: &str, size: usize, ty: &str) -> State {
        let ty = ty.to_owned();
        State { name: "S".to_owned(), fingerprint: fingerprint.to_owned(), apart: None, size, align: 8, ty }
    }

    #[test]
    fn a_cell_is_shared_where_fingerprint_layout_and_type_are_equal_and_nothing_speaks_against_it() {
        let old = state("f", 24, "alloc::vec::Vec<app::shapes::Shape>");
        assert_eq!(old.unlike(&old), None);
        assert_eq!(state("f", 24, "alloc::vec::Vec<types_of_app::shapes::Shape>").unlike(&old), None);
        let why = |new: &State| new.unlike(&old).unwrap_or_default();
        assert!(why(&state("g", 24, &old.ty)).contains("changed"));
        assert!(why(&state("f", 32, &old.ty)).contains("32 bytes"));
        assert!(why(&State { align: 16, ..old.clone() }).contains("alignment"));
        assert!(why(&state("f", 24, "alloc::vec::Vec<app::other::Shape>")).contains("other::Shape"));
        let apart = State { apart: Some("a dyn".to_owned()), ..old.clone() };
        assert_eq!(why(&apart), "a dyn");
        assert_eq!(old.unlike(&apart).as_deref(), Some("a dyn"));
    }
}
