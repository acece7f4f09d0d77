//! What a session does. `update` only says it; `actor` does it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use local_cluster::Environment;
use protocol::Config;
use recordings::replay::Subject;
use session_api::Report;

use crate::environment::Environments;
use crate::event::{Edit, HostEndpoint};

/// Something to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Read the files.
    Load { edit: Edit },
    /// Choose the backend, clear what a killed session left, and reserve an endpoint for every service.
    Open { app: Wanted, environments: Arc<Environments>, hosts: BTreeMap<String, String> },
    /// Follow these files.
    Watch { files: BTreeSet<PathBuf> },
    /// Have the dependencies built.
    Prepare { edit: Edit, app: Wanted },
    /// See whether the services fit together.
    Check { edit: Edit, app: Wanted },
    /// Build a service's library.
    Build { ticket: u64, app: Wanted, service: String },
    /// End the build of a service that nobody wants any more.
    Abandon { service: String },
    /// Reserve an endpoint for a service that came later.
    Reserve { place: Place },
    /// Start a service's host, with its library where that is there already.
    Start { config: Box<Config>, host: String, library: Option<PathBuf> },
    /// Have a running host take a library over.
    Swap(Box<Swap>),
    /// Tell a running host its configuration anew.
    Tell { config: Box<Config>, host: String, at: SocketAddr },
    /// Place services anew, one after the other, so that the public listener leads to another; their state goes along.
    Rehouse { moves: Vec<Move> },
    /// Start services anew, in another environment; their state goes along.
    Renew(Vec<Move>),
    /// Have services that run go on in other hosts.
    Carry { carries: Vec<Carry>, reset: bool },
    /// Have services leave the hosts that they went on from.
    Depart(Vec<Departure>),
    /// What came of a move, for who asked.
    Settled { number: u64, outcome: Result<String, String> },
    /// Have the next start of a service find it in another host.
    Regroup { service: String, group: String },
    /// Stop a service and remove what was made for it.
    Remove { service: String, at: SocketAddr },
    /// End a host at once: its end is told like any other, and it is started again.
    Kill { service: String },
    /// Start a host again, after a pause. Without a library it is there as soon as it runs.
    Restart { config: Box<Config>, host: String, at: SocketAddr, after: Duration },
    /// Run recorded inputs on the code before and the code now.
    Judge(Box<Judge>),
    /// Nobody waits for the answer to that any more.
    Dismiss,
    /// Tell the world.
    Report(Report),
    /// Stop and remove everything.
    Close,
}

/// A service that needs an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) service: String,
    /// DNS name.
    pub(crate) host: String,
    /// The host that runs it, by the DNS name of a service.
    pub(crate) group: String,
    /// The public listener's port leads to it.
    pub(crate) front: Option<u16>,
    pub(crate) environment: Environment,
}

/// A library to be taken over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Swap {
    pub(crate) config: Config,
    pub(crate) host: String,
    pub(crate) library: PathBuf,
    /// What the host comes back with, should it die of the new one.
    pub(crate) before: Option<String>,
    pub(crate) version: String,
    pub(crate) at: SocketAddr,
    /// Placed values that were another service's before this edit.
    pub(crate) bring: Vec<Bring>,
    /// A host that was started anew because it read nothing is waited for, however long it reads nothing.
    pub(crate) patient: bool,
}

/// What an edit changed, to be asked of recorded inputs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judge {
    pub(crate) edit: Edit,
    /// The services it changed.
    pub(crate) services: Vec<String>,
    /// Every service there is now.
    pub(crate) subjects: BTreeMap<String, Subject>,
    pub(crate) libraries: Libraries,
}

/// DNS name of the host and file name of the library, by service and version.
pub(crate) type Libraries = BTreeMap<(String, String), (String, String)>;

/// A placed value that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bring {
    /// Name of the static.
    pub(crate) state: String,
    pub(crate) service: String,
    /// Where that can be asked.
    pub(crate) from: SocketAddr,
}

/// A running service that is seated or started anew.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Move {
    pub(crate) place: Place,
    pub(crate) config: Config,
    pub(crate) at: SocketAddr,
    pub(crate) states: Vec<String>,
}

/// A running service that goes on in another host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Carry {
    /// Its place in the new one.
    pub(crate) going: Move,
    /// The host that it is in.
    pub(crate) from: String,
    /// Where it is there.
    pub(crate) before: HostEndpoint,
    /// The port of the public listener, where the backend leads that to this service.
    pub(crate) front: Option<u16>,
}

/// What a service leaves that went on in another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    pub(crate) service: String,
    pub(crate) at: SocketAddr,
    /// The host.
    pub(crate) from: String,
}

/// An app in an effect: compared by identity, which is what tells one reading of the files from another.
#[derive(Clone, Debug)]
pub(crate) struct Wanted(pub(crate) Arc<App>);

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
