//! Shares that never change: 60 % here and the rest to all neighbours alike, or everything here.

use std::time::Duration;

use rand::Rng;

use super::Strategy;
use crate::{Cadence, Decision, Recipient, Sharing, SharingMode, View};

pub(crate) struct Static {
    pub(crate) cadence: Cadence,
}

impl Strategy for Static {
    fn cadence(&self) -> Cadence {
        self.cadence
    }

    fn decide(&mut self, view: &View, _now: Duration, _random: &mut dyn Rng) -> Decision {
        let shares = view.services.iter().map(|load| {
            let nodes: Vec<_> = view.servers(load.service).map(|(neighbour, _)| neighbour.node).collect();
            if load.stays || nodes.is_empty() {
                return Sharing::local(load.service);
            }
            let weight = (40.0 / nodes.len() as f64).round();
            let to = nodes.into_iter().map(|node| Recipient { node, weight, pace: None }).collect();
            let mode = SharingMode::Split { local: 60.0, reject: 0.0 };
            Sharing { service: load.service, mode, to, tries: 1, beyond: Vec::new() }
        });
        Decision { shares: Some(shares.collect()), ..Decision::default() }
    }
}

pub(crate) struct AllLocal {
    pub(crate) cadence: Cadence,
}

impl Strategy for AllLocal {
    fn cadence(&self) -> Cadence {
        self.cadence
    }

    fn decide(&mut self, view: &View, _now: Duration, _random: &mut dyn Rng) -> Decision {
        let shares = view.services.iter().map(|load| Sharing::local(load.service)).collect();
        Decision { shares: Some(shares), ..Decision::default() }
    }
}
