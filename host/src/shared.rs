//! What every request of a host shares.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use arc_swap::{ArcSwap, ArcSwapOption};
use hops::{Config, Route};
use tokio::sync::{RwLock, Semaphore};

use crate::front::Front;
use crate::metrics::Metrics;
use crate::program::Program;
use crate::upstream::Upstreams;

/// Requests let in at a time; more are told to come again (503).
pub(crate) const MOST_REQUESTS: usize = 512;

pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) program: ArcSwapOption<Program>,
    /// Held for writing while state is carried from one version to the next: no call begins meanwhile.
    pub(crate) gate: RwLock<()>,
    /// One takeover at a time.
    pub(crate) takeover: tokio::sync::Mutex<()>,
    pub(crate) upstreams: Upstreams,
    pub(crate) metrics: Metrics,
    pub(crate) permits: Semaphore,
    pub(crate) draining: AtomicBool,
    pub(crate) front: Front,
}

/// The configuration, understood.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// The default route.
    pub(crate) route: Option<Route>,
}

impl Settings {
    /// Checks a configuration: its route reads and leads over its peers.
    pub(crate) fn new(config: Config) -> Result<Self, hops::RouteError> {
        let route = config.route.as_deref().map(Route::parse).transpose()?;
        if let Some(route) = &route {
            route.check(&config.service, &config.peers, config.limits.depth)?;
        }
        Ok(Self { config, route })
    }
}

impl Shared {
    pub(crate) fn new(folder: PathBuf, settings: Settings, front: Front) -> Self {
        Self {
            folder,
            metrics: Metrics::new(&settings.config.service),
            settings: ArcSwap::from_pointee(settings),
            program: ArcSwapOption::empty(),
            gate: RwLock::new(()),
            takeover: tokio::sync::Mutex::new(()),
            upstreams: Upstreams::default(),
            permits: Semaphore::new(MOST_REQUESTS),
            draining: AtomicBool::new(false),
            front,
        }
    }
}
