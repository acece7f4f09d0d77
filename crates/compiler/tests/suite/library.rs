//! A built library, opened and called as a host does.

use std::ffi::c_void;
use std::path::Path;

use dyninka::border::{
    Buffer, CallOutcome, EntryPoint, HostTable, Kind, Library, SYMBOL, Slice, VERSION, no_bucket, no_job,
};

pub(crate) struct Loaded {
    table: &'static Library,
}

unsafe extern "C" fn call(
    _: *const c_void,
    _: u64,
    service: Slice,
    inputs: *const Slice,
    count: usize,
    done: dyninka::border::Done,
    context: *mut c_void,
) {
    // Answers `{"called": service, "with": [inputs]}` at once.
    // SAFETY: the library passes what is valid for this call.
    let (service, inputs) = unsafe { (service.bytes(), std::slice::from_raw_parts(inputs, count)) };
    // SAFETY: likewise.
    let inputs: Vec<_> =
        inputs.iter().map(|input| String::from_utf8_lossy(unsafe { input.bytes() }).into_owned()).collect();
    let body = format!("{}({})", String::from_utf8_lossy(service), inputs.join(", "));
    let outcome = CallOutcome::new(Kind::Value, serde_json::to_vec(&body).unwrap());
    // SAFETY: called once with the context given.
    unsafe { done(context, outcome) }
}

static HOST: HostTable =
    HostTable { version: VERSION, context: std::ptr::null(), call, later: call, about: no_job, bucket: no_bucket };

unsafe extern "C" fn done(context: *mut c_void, outcome: CallOutcome) {
    // SAFETY: the context is the sender given to `start`, taken back once.
    let sender = unsafe { Box::from_raw(context.cast::<std::sync::mpsc::Sender<CallOutcome>>()) };
    sender.send(outcome).unwrap();
}

impl Loaded {
    /// Opens the only service of a library.
    pub(crate) fn open(path: &Path) -> Self {
        Self::open_of(path, "").expect("there is one service in the library")
    }

    /// Opens a library's service of this name; none where it does not hold it.
    pub(crate) fn open_of(path: &Path, service: &str) -> Option<Self> {
        // SAFETY: a library built from a test's own text; it is never unloaded.
        let table = unsafe {
            let library = Box::leak(Box::new(libloading::Library::new(path).unwrap()));
            let entry = library.get::<EntryPoint>(SYMBOL.as_bytes()).unwrap();
            entry(Slice::of(service.as_bytes())).as_ref()?
        };
        assert_eq!(table.version, VERSION);
        // SAFETY: the first call, with a table that lives for ever.
        let opened = unsafe { (table.open)(table.context, &HOST) };
        assert_eq!(opened.kind, Kind::Value);
        Some(Self { table })
    }

    pub(crate) fn describe(&self) -> dyninka::border::Description {
        // SAFETY: an opened library.
        let buffer: Buffer = unsafe { (self.table.describe)(self.table.context) };
        serde_json::from_slice(&buffer).unwrap()
    }

    /// Runs the function on inputs written as JSON.
    pub(crate) fn run(&self, inputs: &[&str]) -> (Kind, serde_json::Value) {
        let inputs: Vec<Slice> = inputs.iter().map(|input| Slice::of(input.as_bytes())).collect();
        let (sender, receiver) = std::sync::mpsc::channel::<CallOutcome>();
        let context = Box::into_raw(Box::new(sender)).cast();
        // SAFETY: the inputs live until the outcome is there.
        unsafe { (self.table.start)(self.table.context, 1, inputs.as_ptr(), inputs.len(), done, context) };
        let outcome = receiver.recv().unwrap();
        let body = if outcome.body.is_empty() {
            serde_json::Value::Null
        } else {
            serde_json::from_slice(&outcome.body).unwrap()
        };
        (outcome.kind, body)
    }
}
