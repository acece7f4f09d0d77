//! What can happen to a session. Closed: `update` answers every one of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use app::{App, Diagnostic};

use crate::report::Fate;

/// Counts edits; 0 is the start.
pub(crate) type Edit = u64;

/// Something happened. Whatever belongs to an edit carries its number, so that a late one can be told.
#[derive(Debug)]
pub(crate) enum Event {
    /// Files of the app were written.
    Saved,
    /// The files were read.
    Loaded { edit: Edit, app: Arc<App>, diagnostics: Vec<Diagnostic> },
    /// The ground is open, with a seat for every service.
    Opened { ground: &'static str, front: SocketAddr, seats: BTreeMap<String, Seat> },
    /// Dependencies are built; libraries can be.
    Prepared { edit: Edit },
    /// A library is there.
    Built { edit: Edit, service: String, artifact: Artifact },
    /// Something of an edit could not be built.
    Broken { edit: Edit, service: Option<String>, diagnostics: Vec<Diagnostic> },
    /// A service's host runs; it may have no library yet.
    Started { service: String },
    /// A host answers with a new version.
    Live { edit: Edit, service: String, version: String, states: BTreeMap<String, Fate> },
    /// A host that came back answers again.
    Back { service: String, version: String },
    /// A host ended, was killed or paused.
    Down { service: String, why: String },
    /// A service could not be started or did not take a library over.
    Refused { service: String, why: String },
    /// A service wrote a line.
    Log { service: String, stream: &'static str, line: String },
    /// Words for the user.
    Notice { message: String },
    /// Nothing works without what failed.
    Failed { message: String, hint: Option<String> },
    /// Somebody wants the session to end.
    Interrupted,
    /// Everything is removed.
    Closed,
}

/// Where a service listens, known before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    /// What its host binds.
    pub(crate) listen: SocketAddr,
    /// `host:port` for its peers.
    pub(crate) peer: String,
    /// A second address its host binds: the front door, where the ground maps no ports.
    pub(crate) front: Option<SocketAddr>,
    /// Where it can be called from this machine.
    pub(crate) here: SocketAddr,
}

/// A built library.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Artifact {
    pub(crate) version: String,
    pub(crate) file: PathBuf,
    pub(crate) compiled: bool,
    pub(crate) ms: f64,
}
