//! Figures of a run, by the names that DFaaS has for them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::flow::ServiceFlow;
use super::world::World;

/// Figures of one run. Success is a percentage; medians and means are over every service at every minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Indexes {
    /// Requests of users, and how many of them nobody served.
    pub requests: f64,
    pub refused: f64,
    /// Of all requests.
    pub success: f64,
    pub mean: f64,
    pub median: f64,
    /// The same while there is the most load; absent where there is no such time.
    pub stress_mean: Option<f64>,
    pub stress_median: Option<f64>,
    /// Power of a node, where the scenario says what requests cost.
    pub power_mean: f64,
    pub power_max: f64,
    /// Overloaded nodes at each minute.
    pub overloaded: Vec<usize>,
    /// What strategies had people know, and how often.
    pub notices: BTreeMap<String, u64>,
    /// By node and service.
    pub nodes: BTreeMap<String, BTreeMap<String, SimulatedFlow>>,
}

/// What became of a service's requests on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SimulatedFlow {
    pub users: f64,
    pub away: f64,
    pub refused: f64,
    /// Requests of other nodes that were served here.
    pub guests: f64,
}

/// A figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub mean: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.collect();
        let (first, count) = (*values.first()?, values.len() as f64);
        Some(Self {
            mean: values.iter().sum::<f64>() / count,
            least: values.iter().copied().fold(first, f64::min),
            most: values.iter().copied().fold(first, f64::max),
        })
    }
}

/// Counts of a run, by minute.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) minutes: Vec<Minute>,
    flows: Vec<Vec<SimulatedFlow>>,
}

/// Counts of a minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Minute {
    /// By service: requests, and how many of them were refused.
    pub(super) services: Vec<(f64, f64)>,
    pub(super) overloaded: usize,
    pub(super) is_stress: bool,
    /// Sum over nodes and steps, how many they were, and the most of one.
    power: (f64, f64, f64),
}

impl Tally {
    pub(super) fn minute(&mut self, at: usize, services: usize) -> &mut Minute {
        if self.minutes.len() <= at {
            self.minutes.resize(at + 1, Minute { services: vec![(0.0, 0.0); services], ..Minute::default() });
        }
        &mut self.minutes[at]
    }

    /// Adds what came in a step of so many seconds.
    pub(super) fn add(&mut self, world: &World, flows: &[Vec<ServiceFlow>], seconds: f64) {
        if self.flows.is_empty() {
            self.flows = flows.iter().map(|flows| vec![SimulatedFlow::default(); flows.len()]).collect();
        }
        let Some(minute) = self.minutes.last_mut() else { return };
        for ((node, flows), sums) in world.nodes.iter().zip(flows).zip(&mut self.flows) {
            for ((load, flow), sum) in node.view.services.iter().zip(flows).zip(sums) {
                let (requests, refused) = &mut minute.services[load.service.0 as usize];
                *requests += flow.users * seconds;
                *refused += flow.lost * seconds;
                sum.users += flow.users * seconds;
                sum.away += flow.away * seconds;
                sum.refused += flow.lost * seconds;
                sum.guests += flow.guests * seconds;
            }
        }
    }

    /// Adds what a node draws.
    pub(super) fn power(&mut self, power: f64) {
        if let Some(minute) = self.minutes.last_mut() {
            let (sum, count, most) = minute.power;
            minute.power = (sum + power, count + 1.0, most.max(power));
        }
    }

    pub(super) fn indexes(&self, world: &World, services: &[String], names: &[String]) -> Indexes {
        let success = |(requests, refused): &(f64, f64)| {
            if *requests > 0.0 { 100.0 * (requests - refused) / requests } else { 100.0 }
        };
        let of = |minutes: &mut dyn Iterator<Item = &Minute>| -> Vec<f64> {
            minutes.flat_map(|minute| minute.services.iter().map(success).collect::<Vec<_>>()).collect()
        };
        let all = of(&mut self.minutes.iter());
        let stress = of(&mut self.minutes.iter().filter(|minute| minute.is_stress));
        let total = self.minutes.iter().flat_map(|minute| &minute.services);
        let total = total.fold((0.0, 0.0), |sum, (requests, refused)| (sum.0 + requests, sum.1 + refused));
        let power = self.minutes.iter().map(|minute| minute.power);
        let power =
            power.fold((0.0, 0.0, 0.0), |sum: (f64, f64, f64), of| (sum.0 + of.0, sum.1 + of.1, sum.2.max(of.2)));
        let nodes = names.iter().zip(&world.nodes).zip(&self.flows).map(|((name, node), flows)| {
            let of =
                |(load, flow): (&crate::LocalLoad, &SimulatedFlow)| (services[load.service.0 as usize].clone(), *flow);
            (name.clone(), node.view.services.iter().zip(flows).map(of).collect())
        });
        Indexes {
            requests: total.0,
            refused: total.1,
            success: success(&total),
            mean: mean(&all).unwrap_or(100.0),
            median: median(all).unwrap_or(100.0),
            stress_mean: mean(&stress),
            stress_median: median(stress),
            power_mean: if power.1 > 0.0 { power.0 / power.1 } else { 0.0 },
            power_max: power.2,
            overloaded: self.minutes.iter().map(|minute| minute.overloaded).collect(),
            notices: world.notices.clone(),
            nodes: nodes.collect(),
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}
