//! A service library, loaded: the one place that opens shared objects.

pub(crate) mod copy;

use std::ffi::c_void;
use std::path::Path;

use dyninka::border::{self, CallOutcome, Description, EntryPoint, Kind, Library, Released, Slice};

/// A library that speaks this border's version and is open. Never unmapped: threads it began, and values it made,
/// may outlive its last call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    table: &'static Library,
}

/// A library that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// It is open already, and cannot be copied.
    #[error("the library is open already, and cannot be copied: {0}")]
    Copy(#[from] std::io::Error),
    /// The system's loader refuses.
    #[error("{}", chain(.0))]
    Loader(#[from] libloading::Error),
    /// It was built for another host.
    #[error("the library speaks version {0} of the border, this host {ours}", ours = border::VERSION)]
    Version(u32),
    /// It holds other services.
    #[error("the library does not hold the service {0}")]
    Missing(String),
    /// It says of itself what does not read.
    #[error("the library's description does not read: {0}")]
    Description(serde_json::Error),
    /// Its own start failed.
    #[error("the library does not open: {0}")]
    Open(String),
}

impl Loaded {
    /// Loads a library and opens one of its services; `host` answers what its function's body calls. Blocks: it may run
    /// the app's own start-up code.
    pub(crate) fn load(file: &Path, service: &str, host: border::HostTable) -> Result<(Self, Description), LoadError> {
        // SAFETY: loading runs the initialisers of a library that `dyn` built for this host.
        let library = unsafe {
            libloading::os::unix::Library::open(
                Some(file),
                libloading::os::unix::RTLD_NOW | libloading::os::unix::RTLD_LOCAL,
            )?
        };
        // SAFETY: the symbol, where it is there, is an `EntryPoint`: it is the border's name for it.
        let table = unsafe {
            let entry = library.get::<EntryPoint>(border::SYMBOL.as_bytes())?;
            entry(Slice::of(service.as_bytes())).as_ref()
        };
        std::mem::forget(library);
        let table = table.ok_or_else(|| LoadError::Missing(service.to_owned()))?;
        if table.version != border::VERSION {
            return Err(LoadError::Version(table.version));
        }
        let loaded = Self { table };
        // SAFETY: the border's version was compared above, so the table means what this host thinks.
        let description =
            serde_json::from_slice(&unsafe { (table.describe)(table.context) }).map_err(LoadError::Description)?;
        // SAFETY: as above; `open` is called once, first.
        let opened = unsafe { (table.open)(table.context, &host) };
        match opened.kind {
            Kind::Value => Ok((loaded, description)),
            _ => Err(LoadError::Open(words(&opened.body))),
        }
    }

    /// Begins a call; see `Library::start`.
    ///
    /// # Safety
    /// `done` takes `context` once.
    pub(crate) unsafe fn start(self, request: u64, inputs: &[Slice], done: border::Done, context: *mut c_void) {
        // SAFETY: the table is that of an open library; the rest is the caller's promise.
        unsafe { (self.table.start)(self.table.context, request, inputs.as_ptr(), inputs.len(), done, context) }
    }

    /// Gives a call up; true when its `done` will never be called.
    pub(crate) fn cancel(self, request: u64) -> bool {
        // SAFETY: the table is that of an open library.
        unsafe { (self.table.cancel)(self.table.context, request) }
    }

    pub(crate) fn state(self, name: &str) -> CallOutcome {
        self.state_within(name, usize::MAX)
    }

    /// A placed value of so many bytes at most; no more than these are written before it is given up.
    pub(crate) fn state_within(self, name: &str, most: usize) -> CallOutcome {
        // SAFETY: the table is that of an open library; the name lives as long as the call.
        unsafe { (self.table.state)(self.table.context, Slice::of(name.as_bytes()), most) }
    }

    pub(crate) fn restore(self, name: &str, json: &[u8]) -> CallOutcome {
        // SAFETY: as above.
        unsafe { (self.table.restore)(self.table.context, Slice::of(name.as_bytes()), Slice::of(json)) }
    }

    /// Lets this library use a value of an older one's, in place, unless a call holds it at this moment.
    ///
    /// # Safety
    /// What the two say of the value is not `unlike`.
    pub(crate) unsafe fn adopt_from(self, older: Self, name: &str) -> bool {
        let name = Slice::of(name.as_bytes());
        // SAFETY: the caller's promise: one type, one layout, one behaviour, one allocator.
        unsafe {
            let cell = (older.table.share)(older.table.context, name);
            !cell.is_null() && (self.table.adopt)(self.table.context, name, cell)
        }
    }

    /// Whether a call holds a value at this moment.
    pub(crate) fn is_held(self, name: &str) -> bool {
        // SAFETY: the table is that of an open library.
        unsafe { (self.table.held)(self.table.context, Slice::of(name.as_bytes())) }
    }

    pub(crate) fn retire(self) {
        // SAFETY: called when the last call has ended.
        unsafe { (self.table.retire)(self.table.context) }
    }

    /// Gives back the placed values that nobody uses. Blocks: what is dropped runs code of the app's.
    pub(crate) fn release(self) -> Result<Released, String> {
        // SAFETY: called after `retire`.
        let outcome = unsafe { (self.table.release)(self.table.context) };
        serde_json::from_slice(&outcome.body).map_err(|error| error.to_string())
    }
}

/// The `message` of an outcome's body, or all of it.
pub(crate) fn words(body: &[u8]) -> String {
    let parsed = serde_json::from_slice::<serde_json::Value>(body).ok();
    let message = parsed.as_ref().and_then(|body| body["message"].as_str());
    message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

/// The loader's own words stand in the cause.
fn chain(error: &libloading::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
