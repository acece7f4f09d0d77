//! What can happen to a session. Closed: `update` answers every one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::{App, Diagnostic};
use local_cluster::Doer;
use protocol::Config;
#[cfg(feature = "cluster")]
use session_api::push::{PushAct, Roll, Stage};
use session_api::verdict::Verdict;
use session_api::{Fate, MoveTimes};

use crate::environment::Environments;
use crate::placement::{Figures, Regrouping};

/// Counts edits; 0 is the start.
pub(crate) type Edit = u64;

/// Something happened. Whatever belongs to an edit carries its number, so that a late one can be told.
#[derive(Debug)]
pub(crate) enum Event {
    /// Files of the app were written, and rested after this long.
    Saved {
        settled: Duration,
        files: BTreeSet<PathBuf>,
    },
    /// The files were read.
    Loaded {
        edit: Edit,
        app: Arc<App>,
        diagnostics: Vec<Diagnostic>,
        environments: Arc<Environments>,
    },
    /// The backend is open, with an endpoint for every service.
    Opened(Opened),
    /// A service that came later has an endpoint.
    Reserved {
        service: String,
        endpoint: HostEndpoint,
    },
    /// Dependencies are built; libraries can be.
    Prepared {
        edit: Edit,
        recipe: Recipe,
    },
    /// The services of an edit fit together.
    Checked {
        edit: Edit,
    },
    Mismatched {
        edit: Edit,
        diagnostics: Vec<Diagnostic>,
    },
    /// A library is there.
    Built {
        ticket: u64,
        service: String,
        artifact: Box<Artifact>,
    },
    /// A service could not be built; without one, what all of them are built with.
    Broken {
        ticket: u64,
        service: Option<String>,
        diagnostics: Vec<Diagnostic>,
    },
    /// A service's host runs; it may have no library yet.
    Started {
        service: String,
    },
    /// A host answers with a new version, this long after it switched to it.
    Live {
        service: String,
        version: String,
        states: BTreeMap<String, Fate>,
        answered: Duration,
    },
    /// A host goes by a new configuration, or why it goes by the one before.
    Told {
        service: String,
        config: Box<Config>,
        trouble: Option<String>,
    },
    /// The public listener leads to another service; these were seated anew for it.
    Rehoused {
        services: Vec<(String, HostEndpoint)>,
        ms: f64,
    },
    /// A service was started anew, in another environment, and answers with this version and these values after so long;
    /// or why not.
    Renewed {
        service: String,
        came: Result<(String, BTreeMap<String, Fate>), String>,
        answered: Duration,
    },
    /// Somebody wants services that run in other hosts.
    Asked(Regroup),
    /// What services did in the last minute, by Rust name: told now and then where the session places them by it.
    Measured(BTreeMap<String, Figures>),
    /// Services go on in other hosts, and perhaps one does not, with the reason. Those after it stay as well.
    Carried {
        carried: Vec<Carried>,
        stayed: Option<(String, String)>,
    },
    /// Services left the hosts they went on from, or why something of them may be there.
    Departed {
        trouble: Option<String>,
    },
    /// What was made for a service is gone, or why it may not be.
    Removed {
        service: String,
        trouble: Option<String>,
    },
    /// A host that came back answers again; `anew` where it is another process.
    Back {
        service: String,
        version: String,
        anew: bool,
    },
    /// A host ended, was killed or paused.
    Down {
        service: String,
        why: String,
        by: Doer,
    },
    /// A service could not be seated or started, or did not take a version over; `silent` when its host says nothing.
    Refused {
        service: String,
        version: Option<String>,
        why: String,
        silent: bool,
    },
    /// A host listens and reads nothing: it was asked to take a version over, or to go by a new configuration.
    Deaf {
        service: String,
        version: Option<String>,
        why: String,
    },
    /// What an edit changed, or in words why nobody can tell.
    Judged {
        edit: Edit,
        verdicts: Result<Vec<Verdict>, String>,
    },
    /// A push or rollback goes on.
    #[cfg(feature = "cluster")]
    Push {
        push: u64,
        news: Box<News>,
    },
    /// A service wrote a line.
    Log {
        service: String,
        stream: &'static str,
        line: String,
    },
    /// A job ran at a host of this service that ended.
    RunLost {
        service: String,
    },
    /// Words for the user.
    Notice {
        message: String,
    },
    /// Services call each other by TCP, and why.
    HopsByTcp {
        why: String,
    },
    /// Nothing works without what failed.
    Failed {
        message: String,
        hint: Option<String>,
    },
    /// Somebody wants the session to end.
    Interrupted,
    /// Everything is removed.
    Closed,
}

/// What a push or rollback tells of itself.
#[cfg(feature = "cluster")]
#[derive(Debug)]
pub(crate) enum News {
    /// What would be done is known, and what comes next.
    Prepared {
        act: PushAct,
        services: Vec<Roll>,
        layers: usize,
        bytes: u64,
        unfinished: bool,
        notes: Vec<String>,
        next: Stage,
    },
    /// Somebody wants it to stop.
    Stopping,
    /// It goes on.
    Progress(kubernetes::push::PushEvent),
    /// It is over.
    Ended(Stage),
}

/// An open backend.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) backend: &'static str,
    pub(crate) hosts_bind_front: bool,
    /// Whether the backend leads the public listener from one service to another without making either anew.
    pub(crate) leads_front: bool,
    /// Whether a host that runs takes another service in.
    pub(crate) takes_in: bool,
    /// Whether a service goes on in another host while it runs.
    pub(crate) moves: bool,
    pub(crate) front: SocketAddr,
    /// The service that the backend leads the public listener to.
    pub(crate) front_at: Option<String>,
    pub(crate) endpoints: BTreeMap<String, HostEndpoint>,
}

/// Services that are wanted in other hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Regroup {
    /// Of who waits for the outcome.
    pub(crate) number: u64,
    pub(crate) wanted: Regrouping,
    pub(crate) services: Vec<String>,
    /// A value that does not serialise keeps no service where it is.
    pub(crate) reset: bool,
    /// In words.
    pub(crate) why: String,
}

/// A service that went on in another host.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    pub(crate) service: String,
    pub(crate) endpoint: HostEndpoint,
    /// The host.
    pub(crate) to: String,
    /// What it goes by there.
    pub(crate) config: Config,
    pub(crate) states: BTreeMap<String, Fate>,
    pub(crate) ms: MoveTimes,
    /// Why callers from outside are not led to it, where they should be.
    pub(crate) trouble: Option<String>,
}

/// Where a service listens, known before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostEndpoint {
    /// What its host binds.
    pub(crate) listen: SocketAddr,
    /// `host:port` for its peers.
    pub(crate) peer: String,
    /// Where it can be called from this machine.
    pub(crate) here: SocketAddr,
}

/// A built library.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Artifact {
    pub(crate) version: String,
    pub(crate) file: PathBuf,
    pub(crate) compiled: bool,
    /// How many services that one call of rustc compiled.
    pub(crate) with: usize,
    pub(crate) ms: f64,
    /// Files that it rests on beside the app's own and those of its dependencies.
    pub(crate) rests_on: BTreeSet<PathBuf>,
    /// What those, and the variables it rests on, come to.
    pub(crate) outside: String,
}

/// What services are compiled with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// Another key, another library from the same source.
    pub(crate) key: String,
    /// Files beside the app that it rests on.
    pub(crate) consulted: BTreeSet<PathBuf>,
    /// What a service's library rests on beside the app's own files comes to, by service.
    pub(crate) outside: BTreeMap<String, String>,
}
