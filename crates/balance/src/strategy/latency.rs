//! Requests in equal parts to this node and all neighbours that are near.

use std::time::Duration;

use rand::Rng;

use super::Strategy;
use crate::{Cadence, Decision, Recipient, Sharing, SharingMode, View};

pub(crate) struct Latency {
    pub(crate) cadence: Cadence,
    pub(crate) threshold: Duration,
}

/// 100 in so many parts, whole and as equal as can be.
fn parts(count: usize) -> impl Iterator<Item = f64> {
    let (each, rest) = (100 / count, 100 % count);
    (0..count).map(move |at| (each + usize::from(at < rest)) as f64)
}

impl Strategy for Latency {
    fn cadence(&self) -> Cadence {
        self.cadence
    }

    fn decide(&mut self, view: &View, _now: Duration, _random: &mut dyn Rng) -> Decision {
        let is_near = |rtt: Option<Duration>| !self.threshold.is_zero() && rtt.is_some_and(|rtt| rtt <= self.threshold);
        let shares = view.services.iter().map(|load| {
            let near = view.servers(load.service).filter(|(neighbour, _)| is_near(neighbour.rtt));
            let nodes: Vec<_> = near.map(|(neighbour, _)| neighbour.node).collect();
            if load.stays || nodes.is_empty() {
                return Sharing::local(load.service);
            }
            let mut parts = parts(nodes.len() + 1);
            let local = parts.next().unwrap_or(100.0);
            let to = nodes.into_iter().zip(parts).map(|(node, weight)| Recipient { node, weight, pace: None });
            let mode = SharingMode::Split { local, reject: 0.0 };
            Sharing { service: load.service, mode, to: to.collect(), tries: 1, beyond: Vec::new() }
        });
        Decision { shares: Some(shares.collect()), ..Decision::default() }
    }
}
