//! Shares drawn anew each period.

use std::time::Duration;

use rand::{Rng, RngExt};

use super::Strategy;
use crate::{Cadence, Decision, Recipient, Sharing, SharingMode, View};

pub(crate) struct Random {
    pub(crate) cadence: Cadence,
    pub(crate) reject: bool,
}

/// Whole percentages out of random numbers; the last gets what is left of 100.
pub fn weights(drawn: &[f64]) -> Vec<f64> {
    let sum: f64 = drawn.iter().sum();
    let Some(last) = drawn.len().checked_sub(1) else { return Vec::new() };
    let percent = |number: &f64| if sum > 0.0 { (100.0 * number / sum).floor() } else { 0.0 };
    let mut weights: Vec<f64> = drawn[..last].iter().map(percent).collect();
    weights.push(100.0 - weights.iter().sum::<f64>());
    weights
}

impl Strategy for Random {
    fn cadence(&self) -> Cadence {
        self.cadence
    }

    fn decide(&mut self, view: &View, _now: Duration, random: &mut dyn Rng) -> Decision {
        let shares = view.services.iter().map(|load| {
            let nodes: Vec<_> = view.servers(load.service).map(|(neighbour, _)| neighbour.node).collect();
            if load.stays || nodes.is_empty() && !self.reject {
                return Sharing::local(load.service);
            }
            let targets = 1 + nodes.len() + usize::from(self.reject);
            let drawn: Vec<f64> = (0..targets).map(|_| random.random::<f64>()).collect();
            let weights = weights(&drawn);
            let to = nodes.iter().zip(&weights[1..]).map(|(node, weight)| Recipient {
                node: *node,
                weight: *weight,
                pace: None,
            });
            let reject = if self.reject { weights[targets - 1] } else { 0.0 };
            let mode = SharingMode::Split { local: weights[0], reject };
            Sharing { service: load.service, mode, to: to.collect(), tries: 1, beyond: Vec::new() }
        });
        Decision { shares: Some(shares.collect()), ..Decision::default() }
    }
}
