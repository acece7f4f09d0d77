//! What a session does. `update` only says it; `actor` does it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use hops::Config;

use crate::event::Edit;
use crate::report::Report;

/// Something to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Read the files.
    Load { edit: Edit },
    /// Choose the ground, clear what a killed session left, and reserve a seat for every service.
    Open { app: Wanted },
    /// Follow these files.
    Watch { files: BTreeSet<PathBuf> },
    /// Tell a running host its configuration anew.
    Reload { config: Box<Config>, host: String, at: SocketAddr },
    /// Have the dependencies built.
    Prepare { edit: Edit, app: Wanted },
    /// Build a service's library.
    Build { edit: Edit, app: Wanted, service: String },
    /// Start a service's host, with its library where that is there already.
    Start { config: Box<Config>, host: String, library: Option<PathBuf> },
    /// Have a running host take a library over.
    Swap { edit: Edit, config: Box<Config>, host: String, library: PathBuf, version: String, at: SocketAddr },
    /// Start a host again, after a pause.
    Restart { service: String, at: SocketAddr, after: Duration },
    /// Tell the world.
    Report(Report),
    /// Stop and remove everything.
    Close,
}

/// An app in an effect: compared by identity, which is what tells one reading of the files from another.
#[derive(Clone, Debug)]
pub(crate) struct Wanted(pub(crate) Arc<App>);

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
