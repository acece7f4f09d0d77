//! What a strategy decides.

use std::time::Duration;

use super::{NodeId, ServiceId};

/// When a strategy decides, and over which time rates are means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// At every period of the wall clock, or at every half of one.
    Periodic { period: Duration, halves: bool, window: Duration },
    /// When something changed, once it was quiet for a while; at least so often.
    Events { debounce: Duration, at_least: Duration },
}

/// Parts that are absent stay as they were decided before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// For every service of this node.
    pub shares: Option<Vec<Sharing>>,
    /// Everything that is taken from neighbours; nothing is taken from those that are not in it.
    pub limits_in: Option<Vec<LimitIn>>,
    /// Limits of services for which none is set.
    pub limits: Vec<(ServiceId, f64)>,
    /// The percentage of this node's thresholds that each neighbour may use.
    pub margin: f64,
    /// Something that people have to know.
    pub notice: Option<String>,
}

/// Where requests of a service go.
#[derive(Clone, Debug, PartialEq)]
pub struct Sharing {
    pub service: ServiceId,
    pub mode: SharingMode,
    pub to: Vec<Recipient>,
    /// How many neighbours one request is sent to at most.
    pub tries: u8,
    /// Neighbours that are asked beyond their offers, in this order, where all offers are used up.
    pub beyond: Vec<NodeId>,
}

impl Sharing {
    /// Every request is served here.
    pub fn local(service: ServiceId) -> Self {
        Self { service, mode: SharingMode::Spill, to: Vec::new(), tries: 1, beyond: Vec::new() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SharingMode {
    /// Requests that do not fit here go away.
    Spill,
    /// Requests are split by weights, these two and those of recipients.
    Split { local: f64, reject: f64 },
}

/// A neighbour that requests are sent to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipient {
    pub node: NodeId,
    pub weight: f64,
    /// Requests a second that are sent there at most.
    pub pace: Option<f64>,
}

/// Requests a second of a service that are taken from a neighbour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitIn {
    pub service: ServiceId,
    pub node: NodeId,
    pub rate: f64,
    /// Nothing above it is taken, even where there is room.
    pub is_hard: bool,
}
