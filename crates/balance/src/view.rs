//! One node and its neighbours, as a strategy sees them.

use std::sync::Arc;
use std::time::Duration;

/// A node. Ids follow the order of names, so that whatever goes through neighbours does so in one order everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A service of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u32);

/// CPU in percent of one core, memory in bytes, power in µW.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeResources {
    pub cpu: f64,
    pub memory: f64,
    pub power: f64,
}

impl NodeResources {
    /// Thresholds that nothing exceeds.
    pub const UNLIMITED: Self = Self { cpu: f64::INFINITY, memory: f64::INFINITY, power: f64::INFINITY };

    /// These resources and `times` those of another.
    #[must_use]
    pub fn plus(self, other: Self, times: f64) -> Self {
        let sum = |own: f64, other: f64| other.mul_add(times, own);
        Self {
            cpu: sum(self.cpu, other.cpu),
            memory: sum(self.memory, other.memory),
            power: sum(self.power, other.power),
        }
    }

    /// Whether any of them is above its threshold.
    pub fn exceeds(self, thresholds: Self) -> bool {
        self.parts(thresholds).any(|(used, threshold)| used > threshold)
    }

    /// The mean of the percentages of thresholds; a threshold that nothing exceeds does not count.
    pub fn percent_of(self, thresholds: Self) -> f64 {
        let watched: Vec<f64> = self
            .parts(thresholds)
            .filter(|(_, threshold)| threshold.is_finite() && *threshold > 0.0)
            .map(|(used, threshold)| 100.0 * used / threshold)
            .collect();
        if watched.is_empty() { 0.0 } else { watched.iter().sum::<f64>() / watched.len() as f64 }
    }

    fn parts(self, thresholds: Self) -> impl Iterator<Item = (f64, f64)> {
        [(self.cpu, thresholds.cpu), (self.memory, thresholds.memory), (self.power, thresholds.power)].into_iter()
    }
}

/// A service of this node. Rates are requests a second, as means over the window that the strategy asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalLoad {
    pub service: ServiceId,
    /// The rate that this node may serve, where one is set.
    pub limit: Option<f64>,
    pub users: f64,
    /// Requests of users and of neighbours that were served here.
    pub served: f64,
    /// Requests of users that nobody answered.
    pub refused: f64,
    /// What a request a second costs, once it was measured.
    pub cost: Option<NodeResources>,
    pub p50: Duration,
    pub replicas: u32,
    /// Never served elsewhere.
    pub stays: bool,
    /// The most that a round trip and the other node's median may take.
    pub latency: Option<Duration>,
}

impl LocalLoad {
    /// The rate that does not fit.
    pub fn need(&self) -> f64 {
        self.limit.map_or(0.0, |limit| (self.users - limit).max(0.0))
    }

    pub fn is_overloaded(&self) -> bool {
        self.limit.is_some_and(|limit| self.users >= limit)
    }
}

/// A neighbour's service, as its last report says.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteLoad {
    pub service: ServiceId,
    /// Its schema is that of this node, and it has the services that a request of it needs.
    pub fits: bool,
    pub limit: Option<f64>,
    pub users: f64,
    pub served: f64,
    /// The rate that it takes from this node.
    pub offer: f64,
    /// The rate that does not fit there.
    pub need: f64,
    /// What a request a second costs there, once it was measured.
    pub cost: Option<NodeResources>,
    pub p50: Duration,
    pub replicas: u32,
    /// Requests a second that this node sent there, and that it refused.
    pub sent: f64,
    pub refused: f64,
}

impl RemoteLoad {
    /// What the neighbour could take in all.
    pub fn spare(&self) -> f64 {
        self.limit.map_or(0.0, |limit| (limit - self.users).max(0.0))
    }
}

/// A node that may be asked for help.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    pub node: NodeId,
    pub name: Arc<str>,
    pub is_up: bool,
    /// The round trip, once it was measured.
    pub rtt: Option<Duration>,
    /// How old its report is.
    pub age: Duration,
    /// Sorted by id.
    pub services: Vec<RemoteLoad>,
    /// The percentage of its thresholds that it leaves to each of its neighbours.
    pub margin: f64,
    pub resources: NodeResources,
    pub thresholds: NodeResources,
}

impl Neighbour {
    /// A service that this neighbour could serve for this node now.
    pub fn serves(&self, service: ServiceId) -> Option<&RemoteLoad> {
        if !self.is_up {
            return None;
        }
        let at = self.services.binary_search_by_key(&service, |load| load.service).ok()?;
        Some(&self.services[at]).filter(|load| load.fits)
    }
}

/// What a strategy decides on.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub me: NodeId,
    /// Sorted by id.
    pub services: Vec<LocalLoad>,
    /// Sorted by name.
    pub neighbours: Vec<Neighbour>,
    pub resources: NodeResources,
    pub thresholds: NodeResources,
    /// CPU that services may use in all, in percent of one core.
    pub capacity: f64,
}

impl View {
    /// Neighbours that could serve a service now.
    pub fn servers(&self, service: ServiceId) -> impl Iterator<Item = (&Neighbour, &RemoteLoad)> {
        self.neighbours.iter().filter_map(move |neighbour| neighbour.serves(service).map(|load| (neighbour, load)))
    }

    /// Neighbours that could serve any of this node's services.
    pub fn common(&self) -> impl Iterator<Item = &Neighbour> {
        let serves = |neighbour: &&Neighbour| self.services.iter().any(|s| neighbour.serves(s.service).is_some());
        self.neighbours.iter().filter(serves)
    }
}

/// Whether a figure has changed by enough to be reported: by a tenth, or from or to nothing.
pub fn is_news(old: f64, new: f64) -> bool {
    if (old > 0.0) != (new > 0.0) {
        return true;
    }
    (new - old).abs() >= 0.1 * old.abs() && new != old
}
