//! The margins of nodes: each says what part of its resources it leaves to its neighbours, and load moves in small pieces
//! while the neighbour's margin covers it. By all resources (`node-margin`), or to keep power low (`power-saving`).

use std::time::Duration;

use rand::Rng;

use super::Strategy;
use crate::{Cadence, Decision, Forecast, Neighbour, NodeResources, Recipient, ServiceId, Sharing, SharingMode, View};

/// A piece of load, as a part of what is left.
const PIECE: f64 = 0.01;
/// The part of the limit of power that `power-saving` uses.
const POWER: f64 = 0.70;
/// Below this rate nothing is left to move.
const NOTHING: f64 = 1e-3;

pub(crate) struct Margin {
    cadence: Cadence,
    forecast: Box<dyn Forecast>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Node,
    Power,
}

impl Kind {
    /// The percentage that counts.
    fn percent(self, used: NodeResources, thresholds: NodeResources) -> f64 {
        match self {
            Self::Node => used.percent_of(thresholds),
            Self::Power => 100.0 * used.power / (POWER * thresholds.power),
        }
    }

    fn is_overloaded(self, used: NodeResources, thresholds: NodeResources) -> bool {
        used.exceeds(thresholds) || self == Self::Power && used.power > POWER * thresholds.power
    }

    /// What is left to each of so many neighbours.
    fn margin(self, used: NodeResources, thresholds: NodeResources, neighbours: usize) -> f64 {
        let is_full = used.exceeds(thresholds) || self == Self::Power && used.power >= POWER * thresholds.power;
        if is_full || neighbours == 0 {
            return 0.0;
        }
        let left = ((100.0 - self.percent(used, thresholds)) / neighbours as f64).max(0.0);
        if self == Self::Power { (left * 1e4).round() / 1e4 } else { left }
    }

    /// A piece of what is left of a rate.
    fn piece(self, left: f64) -> f64 {
        match self {
            Self::Node => PIECE * left,
            Self::Power => (PIECE * left).ceil().min(left),
        }
    }

    /// Whether a margin covers what a piece would add.
    fn covers(self, margin: f64, increase: f64) -> bool {
        match self {
            Self::Node => margin > increase,
            Self::Power => margin >= increase,
        }
    }
}

impl Margin {
    pub(crate) fn of_node(cadence: Cadence, forecast: Box<dyn Forecast>) -> Self {
        Self { cadence, forecast, kind: Kind::Node }
    }

    pub(crate) fn of_power(cadence: Cadence, forecast: Box<dyn Forecast>) -> Self {
        Self { cadence, forecast, kind: Kind::Power }
    }

    /// Moves load to neighbours until the rest fits, or none takes any more: what is kept of each service, and what
    /// each neighbour gets of it.
    fn moved(&self, view: &View) -> (Vec<f64>, Vec<(usize, Vec<f64>)>) {
        let mut kept: Vec<f64> = view.services.iter().map(|load| load.users).collect();
        let mut given: Vec<(usize, Vec<f64>)> = Vec::new();
        let mut open: Vec<Giving> = Vec::new();
        for (at, neighbour) in view.neighbours.iter().enumerate().filter(|(_, neighbour)| neighbour.margin > 0.0) {
            let can_go = |service: &usize| {
                let load = &view.services[*service];
                !load.stays && load.users > 0.0 && neighbour.serves(load.service).is_some()
            };
            let services: Vec<usize> = (0..view.services.len()).filter(can_go).collect();
            if !services.is_empty() {
                let before = self.percent_there(view, neighbour, &vec![0.0; kept.len()]);
                open.push(Giving { entry: given.len(), services, next: 0, before });
                given.push((at, vec![0.0; kept.len()]));
            }
        }
        let mut turn = 0;
        while !open.is_empty() && self.is_overloaded(view, &kept) {
            turn %= open.len();
            let giving = &mut open[turn];
            giving.next %= giving.services.len();
            let service = giving.services[giving.next];
            let (at, there) = &mut given[giving.entry];
            let neighbour = &view.neighbours[*at];
            let piece = self.kind.piece(kept[service]);
            there[service] += piece;
            let increase = self.percent_there(view, neighbour, there) - giving.before;
            if kept[service] > NOTHING && self.kind.covers(neighbour.margin, increase) {
                kept[service] -= piece;
                giving.next += 1;
            } else {
                there[service] -= piece;
                giving.services.remove(giving.next);
            }
            if giving.services.is_empty() {
                open.remove(turn);
            } else {
                turn += 1;
            }
        }
        (kept, given)
    }

    fn is_overloaded(&self, view: &View, kept: &[f64]) -> bool {
        let rates: Vec<_> = view.services.iter().zip(kept).map(|(load, rate)| (load.service, *rate)).collect();
        self.kind.is_overloaded(self.forecast.predict(view, view.me, &rates), view.thresholds)
    }

    /// What a neighbour would use of its thresholds with some of this node's load.
    fn percent_there(&self, view: &View, neighbour: &Neighbour, more: &[f64]) -> f64 {
        let there = neighbour.services.iter().map(|load| (load.service, load.users + added(view, load.service, more)));
        let rates: Vec<_> = there.collect();
        self.kind.percent(self.forecast.predict(view, neighbour.node, &rates), neighbour.thresholds)
    }
}

fn added(view: &View, service: ServiceId, more: &[f64]) -> f64 {
    let at = view.services.iter().position(|load| load.service == service);
    at.map_or(0.0, |at| more[at])
}

/// A neighbour that still takes load.
struct Giving {
    /// Its place among those that get something.
    entry: usize,
    services: Vec<usize>,
    next: usize,
    /// What it uses of its thresholds without this node's load.
    before: f64,
}

impl Strategy for Margin {
    fn cadence(&self) -> Cadence {
        self.cadence
    }

    fn decide(&mut self, view: &View, _now: Duration, _random: &mut dyn Rng) -> Decision {
        let own: Vec<_> = view.services.iter().map(|load| (load.service, load.users)).collect();
        let used = self.forecast.predict(view, view.me, &own);
        let margin = self.kind.margin(used, view.thresholds, view.common().count());
        let (kept, given) = self.moved(view);
        let shares = view.services.iter().enumerate().map(|(at, load)| {
            let percent = |rate: f64| (100.0 * rate / load.users).round();
            if load.users <= 0.0 {
                return Sharing::local(load.service);
            }
            let to = given.iter().filter(|(_, rates)| rates[at] > 0.0).map(|(neighbour, rates)| Recipient {
                node: view.neighbours[*neighbour].node,
                weight: percent(rates[at]),
                pace: None,
            });
            let mode = SharingMode::Split { local: percent(kept[at]), reject: 0.0 };
            Sharing { service: load.service, mode, to: to.collect(), tries: 1, beyond: Vec::new() }
        });
        Decision { shares: Some(shares.collect()), margin, ..Decision::default() }
    }
}
