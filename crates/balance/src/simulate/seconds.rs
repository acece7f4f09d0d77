//! A scenario second by second.

use std::time::Duration;

use super::flow::{Bounds, flow};
use super::indexes::Tally;
use super::world::World;
use super::{Indexes, Policies, Scenario};
use crate::{Cadence, StrategyError, StrategySettings};

/// Runs a scenario once. The load begins this much after the beginning of a period.
pub(super) fn run(
    scenario: &Scenario,
    settings: &StrategySettings,
    phase: Duration,
    seed: u64,
    policies: Policies<'_>,
) -> Result<Indexes, StrategyError> {
    let cadence = World::new(scenario, settings, scenario.step, seed, policies)?.cadence();
    let Some(cadence) = cadence else { return Ok(Indexes::default()) };
    // Decisions fall into steps: two of them never into one.
    let (step, tick, lead) = match cadence {
        Cadence::Periodic { period, halves, .. } => {
            let tick = if halves { period / 2 } else { period };
            (scenario.step.min(tick), Some(tick), period * 2)
        }
        Cadence::Events { .. } => (scenario.step, None, scenario.step * 3),
    };
    let mut world = World::new(scenario, settings, step, seed, policies)?;
    let lead = lead.div_duration_f64(step).ceil() as u64;
    let steps = scenario.length.div_duration_f64(step).ceil() as u64;
    let names: Vec<String> = scenario.nodes.iter().map(|node| node.name.clone()).collect();
    let mut load = LoadOver::new(scenario);
    let mut tally = Tally::default();
    for at in 0..lead + steps {
        let now = phase + mul(step, at);
        match tick {
            // The first step: everybody decides once, to have something to tell.
            Some(tick) if at == 0 || turns(now, tick) != turns(now.saturating_sub(step), tick) => world.decide_all(now),
            Some(_) => {}
            None => world.decide_changed(now),
        }
        let since = at.checked_sub(lead).map(|at| mul(step, at));
        load.set(since);
        let flows = flow(&mut world, &load.users, Bounds::Hold);
        if let Some(since) = since {
            let minute = tally.minute((since.as_secs() / 60) as usize, scenario.services.len());
            let is_over = |(node, users): (&super::SimulatedNode, &Vec<f64>)| {
                node.services.iter().zip(users).any(|((_, limit, _), users)| users > limit)
            };
            let overloaded = scenario.nodes.iter().zip(&load.users).filter(|both| is_over(*both)).count();
            minute.overloaded = minute.overloaded.max(overloaded);
            minute.is_stress |= overloaded > 0;
            tally.add(&world, &flows, step.as_secs_f64());
            for (node, flows) in scenario.nodes.iter().zip(&flows) {
                let power =
                    node.services.iter().zip(flows).map(|((_, _, cost), flow)| cost.power * (flow.local + flow.guests));
                tally.power(power.sum());
            }
        }
        world.measure(&flows);
    }
    Ok(tally.indexes(&world, &scenario.services, &names))
}

fn mul(step: Duration, times: u64) -> Duration {
    Duration::from_nanos_u128(step.as_nanos() * u128::from(times))
}

fn turns(now: Duration, tick: Duration) -> u128 {
    now.as_nanos() / tick.as_nanos().max(1)
}

/// The load of every node and service as time goes on.
pub(super) struct LoadOver<'s> {
    scenario: &'s Scenario,
    pub(super) users: Vec<Vec<f64>>,
    /// Times at which some load begins or ends, in order; what is before now is gone.
    changes: Vec<Duration>,
}

impl<'s> LoadOver<'s> {
    pub(super) fn new(scenario: &'s Scenario) -> Self {
        let mut changes: Vec<Duration> = scenario.loads.iter().flat_map(|load| [load.from, load.to]).collect();
        changes.sort_unstable();
        changes.dedup();
        changes.reverse();
        let users = scenario.nodes.iter().map(|node| vec![0.0; node.services.len()]).collect();
        Self { scenario, users, changes }
    }

    /// The load at a time, which never goes back; nothing before the beginning.
    pub(super) fn set(&mut self, now: Option<Duration>) {
        let Some(now) = now else { return };
        let mut has_changed = false;
        while self.changes.last().is_some_and(|change| *change <= now) {
            self.changes.pop();
            has_changed = true;
        }
        if !has_changed {
            return;
        }
        for users in &mut self.users {
            users.fill(0.0);
        }
        for load in self.scenario.loads.iter().filter(|load| (load.from..load.to).contains(&now)) {
            let services = &self.scenario.nodes[load.node].services;
            if let Ok(at) = services.binary_search_by_key(&load.service, |(service, ..)| *service) {
                self.users[load.node][at] += load.rate;
            }
        }
    }
}
