//! DFaaS' first strategy: limits at the beginning of a period, weights half a period later.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng;

use super::Strategy;
use crate::{Cadence, Decision, LimitIn, LocalLoad, Recipient, ServiceId, Sharing, SharingMode, View};

/// DFaaS looks at the last second.
const WINDOW: Duration = Duration::from_secs(1);
/// Reports are forgotten after so many periods.
const FORGOTTEN: f64 = 1.2;

pub(crate) struct Recalc {
    period: Duration,
    window: Duration,
    is_exact: bool,
    /// What was overloaded when limits were decided.
    overloaded: BTreeSet<ServiceId>,
}

impl Recalc {
    pub(crate) fn new(period: Duration, window: Option<Duration>, is_exact: bool) -> Self {
        Self { period, window: window.unwrap_or(WINDOW), is_exact, overloaded: BTreeSet::new() }
    }

    fn limits_in(&mut self, view: &View) -> Decision {
        self.overloaded = view.services.iter().filter(|load| load.is_overloaded()).map(|load| load.service).collect();
        let limits_in = view.services.iter().flat_map(|load| self.limits_of(view, load)).collect();
        Decision { limits_in: Some(limits_in), ..Decision::default() }
    }

    fn limits_of(&self, view: &View, load: &LocalLoad) -> Vec<LimitIn> {
        let nodes: Vec<_> = view.servers(load.service).filter(|(neighbour, _)| self.is_fresh(neighbour.age)).collect();
        let rate = match load.limit {
            _ if self.overloaded.contains(&load.service) || load.stays => 0.0,
            None => 0.0,
            Some(limit) if self.is_exact => (limit - load.users) / nodes.len() as f64,
            Some(limit) => ((limit.floor() - load.users.floor()) / nodes.len() as f64).floor(),
        };
        let limit_in = |node| LimitIn { service: load.service, node, rate: rate.max(0.0), is_hard: true };
        nodes.iter().map(|(neighbour, _)| limit_in(neighbour.node)).collect()
    }

    fn weights(&self, view: &View) -> Decision {
        let shares = view.services.iter().map(|load| {
            if load.stays || !self.overloaded.contains(&load.service) {
                return Sharing::local(load.service);
            }
            let nodes: Vec<_> =
                view.servers(load.service).filter(|(neighbour, _)| self.is_fresh(neighbour.age)).collect();
            let sum: f64 = nodes.iter().map(|(_, remote)| remote.offer).sum();
            let sum = if sum > 0.0 { sum } else { 1.0 };
            let recipient = |(neighbour, remote): &(&crate::Neighbour, &crate::RemoteLoad)| {
                let weight = 100.0 * remote.offer / sum;
                let weight = if self.is_exact { weight } else { weight.floor() };
                Recipient { node: neighbour.node, weight, pace: None }
            };
            let to = nodes.iter().map(recipient).collect();
            Sharing { service: load.service, mode: SharingMode::Spill, to, tries: 1, beyond: Vec::new() }
        });
        Decision { shares: Some(shares.collect()), ..Decision::default() }
    }

    fn is_fresh(&self, age: Duration) -> bool {
        age <= self.period.mul_f64(FORGOTTEN)
    }
}

impl Strategy for Recalc {
    fn cadence(&self) -> Cadence {
        Cadence::Periodic { period: self.period, halves: true, window: self.window }
    }

    fn decide(&mut self, view: &View, now: Duration, _random: &mut dyn Rng) -> Decision {
        let into = now.as_nanos() % self.period.as_nanos();
        if into < self.period.as_nanos() / 2 { self.limits_in(view) } else { self.weights(view) }
    }
}
