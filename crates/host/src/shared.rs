//! What every request of a host shares.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use arc_swap::{ArcSwap, ArcSwapOption};
use protocol::Config;
use tokio::runtime::Handle;
use tokio::sync::{RwLock, Semaphore};

use crate::asks::Asks;
use crate::circuit::Circuits;
use crate::group::Group;
use crate::guard::Names;
use crate::meter::Meter;
use crate::metrics::Metrics;
use crate::program::Program;
use crate::public_listener::PublicListener;
use crate::recorder::Recorder;
use crate::records::Records;
use crate::retired::Retired;
use crate::routes::Routes;
use crate::runs::Runs;
use crate::sharing::Admission;
use crate::transfer::Entrance;
use crate::upstream::Upstreams;

/// Requests let in at a time; more are told to come again (503).
pub(crate) const MOST_REQUESTS: usize = 512;
/// Calls of a synchronous function hold a thread each: as many as requests are let in, and a few that their callers no
/// longer wait for.
pub(crate) const MOST_THREADS: usize = MOST_REQUESTS + 8;

pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    /// The service, as what it writes is marked.
    pub(crate) name: &'static str,
    /// For what threads of a library ask of the host.
    pub(crate) runtime: Handle,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) program: ArcSwapOption<Program>,
    /// The services of its host.
    pub(crate) group: Arc<Group>,
    /// Where its requests come in.
    pub(crate) entrance: Entrance,
    /// Threads for calls of its function: what one service of a host holds up holds up no other.
    pub(crate) threads: Arc<Semaphore>,
    /// Synchronous functions that go on for nobody. For a moment less than none.
    pub(crate) left: Arc<AtomicI64>,
    /// Held for writing while state is carried from one version to the next: no call begins meanwhile.
    pub(crate) gate: RwLock<()>,
    /// One takeover at a time.
    pub(crate) takeover: tokio::sync::Mutex<()>,
    /// Versions that serve no more and still hold values.
    pub(crate) retired: Retired,
    pub(crate) upstreams: Upstreams,
    pub(crate) metrics: Metrics,
    /// Whether requests are served here or by other nodes.
    pub(crate) admission: Admission,
    /// What functions took, by account.
    pub(crate) meter: Meter,
    /// Runs of jobs.
    pub(crate) runs: Runs,
    /// Jobs that its function asks for.
    pub(crate) asks: Asks,
    pub(crate) recorder: Recorder,
    pub(crate) records: Records,
    pub(crate) permits: Semaphore,
    pub(crate) draining: AtomicBool,
    pub(crate) front: PublicListener,
}

/// The configuration, understood.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// What callers may call this host.
    pub(crate) names: Names,
    pub(crate) routes: Routes,
    pub(crate) app: Arc<str>,
    /// The services by their Rust names, as spans tell of them.
    pub(crate) places: BTreeMap<String, Place>,
}

/// A service in a span: shared, so that a span copies no text.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its Rust name.
    pub(crate) service: Arc<str>,
    /// `host:port`.
    pub(crate) address: Arc<str>,
}

impl Settings {
    /// Checks a configuration: its route reads and leads over its peers.
    pub(crate) fn new(config: Config) -> Result<Self, protocol::RouteError> {
        let routes = Routes::new(&config)?;
        let place = |(service, peer): (&String, &protocol::Peer)| {
            (service.clone(), Place { service: service.as_str().into(), address: peer.address.as_str().into() })
        };
        let mut places: BTreeMap<_, _> = config.peers.iter().map(place).collect();
        // A service without peers is a place too, and each instance is one of its own.
        let listens = || config.listen.to_string();
        let address = config.own_address().map_or_else(listens, str::to_owned);
        let own = Place { service: config.service.as_str().into(), address: address.into() };
        places.insert(config.service.clone(), own);
        Ok(Self { app: config.app.as_str().into(), names: Names::new(&config), places, config, routes })
    }
}

impl Shared {
    /// Inside a runtime.
    pub(crate) fn new(
        group: &Arc<Group>,
        folder: PathBuf,
        settings: Settings,
        recorder: Recorder,
        records: Records,
        front: PublicListener,
    ) -> Self {
        let mut metrics = Metrics::new(&settings.config.service);
        let admission = Admission::new(metrics.registry());
        Self {
            recorder,
            records,
            folder,
            // As long as the process: who writes may do so at any time.
            name: Box::leak(settings.config.instance_name().into_boxed_str()),
            runtime: Handle::current(),
            settings: ArcSwap::from_pointee(settings),
            program: ArcSwapOption::empty(),
            group: group.clone(),
            entrance: Entrance::default(),
            threads: Arc::new(Semaphore::new(MOST_THREADS)),
            left: Arc::default(),
            gate: RwLock::new(()),
            takeover: tokio::sync::Mutex::new(()),
            retired: Retired::default(),
            upstreams: Upstreams::new(group.clone(), Circuits::new(metrics.retries.clone())),
            metrics,
            admission,
            meter: Meter::default(),
            runs: Runs::default(),
            asks: Asks::default(),
            permits: Semaphore::new(MOST_REQUESTS),
            draining: AtomicBool::new(false),
            front,
        }
    }
}
