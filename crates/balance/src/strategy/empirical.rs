//! Overflow by eight figures of each neighbour: the more replicas and room, and the less load, time, memory and CPU, the more.

use std::time::Duration;

use rand::{Rng, RngExt};

use super::Strategy;
use crate::{Cadence, Decision, Recipient, Sharing, SharingMode, View};

/// How likely weights are disturbed, and by how much at most.
const LIKELY: f64 = 0.6;
const NOISE: f64 = 0.4;

/// What counts of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmpiricalCandidate {
    pub replicas: f64,
    pub rate: f64,
    pub limit: f64,
    /// The mean time of the function, in seconds.
    pub time: f64,
    /// The rate that still fits.
    pub margin: f64,
    /// The node's memory and CPU, and the function's, as parts of the node's.
    pub memory: f64,
    pub cpu: f64,
    pub own_memory: f64,
    pub own_cpu: f64,
}

/// Weights that add up to 1.
pub fn weights(candidates: &[EmpiricalCandidate]) -> Vec<f64> {
    let or = |value: f64, instead: f64| if value > 0.0 { value } else { instead };
    let direct = |of: &dyn Fn(&EmpiricalCandidate) -> f64| {
        let values: Vec<f64> = candidates.iter().map(of).collect();
        normal(values)
    };
    let inverse = |of: &dyn Fn(&EmpiricalCandidate) -> f64| {
        let values: Vec<f64> = candidates.iter().map(|candidate| 1.0 / of(candidate)).collect();
        normal(values)
    };
    let factors = [
        direct(&|c| c.replicas),
        direct(&|c| c.margin),
        inverse(&|c| or(c.rate, 1.0) / c.limit.max(1.0)),
        inverse(&|c| or(c.time, 0.001)),
        inverse(&|c| or(c.memory, 0.01)),
        inverse(&|c| or(c.cpu, 0.01)),
        inverse(&|c| or(c.own_memory, 0.01)),
        inverse(&|c| or(c.own_cpu, 0.01)),
    ];
    normal((0..candidates.len()).map(|at| factors.iter().map(|factor| factor[at]).sum()).collect())
}

/// Values as parts of their sum.
fn normal(values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    let part = |value: f64| if sum > 0.0 { value / sum } else { 0.0 };
    values.into_iter().map(part).collect()
}

pub(crate) struct Empirical {
    pub(crate) cadence: Cadence,
    pub(crate) noise: bool,
}

impl Empirical {
    fn weights(&self, view: &View, load: &crate::LocalLoad, random: &mut dyn Rng) -> Vec<Recipient> {
        let open: Vec<_> = view.servers(load.service).filter(|(_, remote)| remote.spare() > 0.0).collect();
        let part = |used: f64, of: f64| if of.is_finite() && of > 0.0 { used / of } else { 0.0 };
        let candidate = |(neighbour, remote): &(&crate::Neighbour, &crate::RemoteLoad)| {
            let (used, all, cost) = (neighbour.resources, neighbour.thresholds, remote.cost.unwrap_or_default());
            EmpiricalCandidate {
                replicas: f64::from(remote.replicas),
                rate: remote.users,
                limit: remote.limit.unwrap_or_default(),
                time: remote.p50.as_secs_f64(),
                margin: remote.spare(),
                memory: part(used.memory, all.memory),
                cpu: part(used.cpu, all.cpu),
                own_memory: part(cost.memory * remote.users, all.memory),
                own_cpu: part(cost.cpu * remote.users, all.cpu),
            }
        };
        let mut weights = weights(&open.iter().map(candidate).collect::<Vec<_>>());
        if self.noise && random.random_bool(LIKELY) {
            for weight in &mut weights {
                *weight *= 1.0 + random.random_range(-NOISE..NOISE);
            }
            weights = normal(weights);
        }
        let recipient = |((neighbour, _), weight): (&(&crate::Neighbour, _), f64)| Recipient {
            node: neighbour.node,
            weight: 100.0 * weight,
            pace: None,
        };
        open.iter().zip(weights).map(recipient).collect()
    }
}

impl Strategy for Empirical {
    fn cadence(&self) -> Cadence {
        self.cadence
    }

    fn decide(&mut self, view: &View, _now: Duration, random: &mut dyn Rng) -> Decision {
        let shares = view.services.iter().map(|load| {
            if load.stays || !load.is_overloaded() {
                return Sharing::local(load.service);
            }
            let to = self.weights(view, load, random);
            Sharing { service: load.service, mode: SharingMode::Spill, to, tries: 1, beyond: Vec::new() }
        });
        Decision { shares: Some(shares.collect()), ..Decision::default() }
    }
}
