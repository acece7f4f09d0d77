//! A scenario by instants: each minute nodes decide until they agree, and what is too much then is refused.

use super::flow::{Bounds, ServiceFlow, flow};
use super::indexes::Tally;
use super::instance::INSTANT;
use super::seconds::LoadOver;
use super::world::World;
use super::{Analysis, Indexes, Policies, Scenario, SimulatedNode};
use crate::{NodeResources, StrategyError, StrategyName, StrategySettings};

/// How often nodes decide and report at each instant.
const ROUNDS: u32 = 4;
/// The part of everything that an overloaded node sheds at a time, and what is added while all of it rounds to nothing.
const SHED: f64 = 0.05;
const SHED_MORE: f64 = 0.01;
/// The part of its threshold that a node's power keeps below where power is saved.
const SAVED: f64 = 0.70;

pub(super) fn run(
    scenario: &Scenario,
    settings: &StrategySettings,
    seed: u64,
    policies: Policies<'_>,
) -> Result<Indexes, StrategyError> {
    let mut world =
        World::new(scenario, &StrategySettings { window: Some(INSTANT), ..settings.clone() }, INSTANT, seed, policies)?;
    let instants = scenario.length.as_secs().div_ceil(INSTANT.as_secs()).max(1) as usize;
    let names: Vec<String> = scenario.nodes.iter().map(|node| node.name.clone()).collect();
    let saves_power = settings.name == StrategyName::PowerSaving;
    let mut load = LoadOver::new(scenario);
    let mut tally = Tally::default();
    for instant in 0..instants {
        load.set(Some(INSTANT * instant as u32));
        world.measure(&arriving(&load.users));
        for round in 0..ROUNDS {
            world.decide_all(settings.period / 2 * (instant as u32 * ROUNDS + round));
        }
        let minute = tally.minute(instant, scenario.services.len());
        minute.is_stress = match scenario.analysis {
            Analysis::Limits => (1..6).contains(&instant),
            Analysis::Thresholds => instant + 1 == instants / 2 || instant == instants / 2,
        };
        match scenario.analysis {
            Analysis::Limits => by_limits(scenario, &mut world, &load.users, &mut tally),
            Analysis::Thresholds => by_thresholds(scenario, &mut world, &load.users, saves_power, &mut tally),
        }
    }
    Ok(tally.indexes(&world, &scenario.services, &names))
}

/// All load where it arrives, before anything is shared.
fn arriving(users: &[Vec<f64>]) -> Vec<Vec<ServiceFlow>> {
    let flow = |users: &f64| ServiceFlow { users: *users, local: *users, ..ServiceFlow::default() };
    users.iter().map(|users| users.iter().map(flow).collect()).collect()
}

fn by_limits(scenario: &Scenario, world: &mut World, users: &[Vec<f64>], tally: &mut Tally) {
    let flows = flow(world, users, Bounds::Hold);
    tally.add(world, &flows, INSTANT.as_secs_f64());
    let is_over = |(node, users): (&SimulatedNode, &Vec<f64>)| {
        node.services.iter().zip(users).any(|((_, limit, _), users)| users > limit)
    };
    let overloaded = scenario.nodes.iter().zip(users).filter(|both| is_over(*both)).count();
    if let Some(minute) = tally.minutes.last_mut() {
        minute.overloaded = overloaded;
    }
    for (node, flows) in scenario.nodes.iter().zip(&flows) {
        let rates: Vec<f64> = flows.iter().map(|flow| flow.local + flow.guests).collect();
        tally.power(used(node, &rates).power);
    }
}

fn by_thresholds(scenario: &Scenario, world: &mut World, users: &[Vec<f64>], saves_power: bool, tally: &mut Tally) {
    let flows = flow(world, users, Bounds::Give);
    tally.add(world, &flows, 1.0);
    let mut overloaded = 0;
    for (node, flows) in scenario.nodes.iter().zip(&flows) {
        let rates: Vec<f64> = flows.iter().map(|flow| flow.local + flow.guests).collect();
        overloaded += usize::from(used(node, &rates).exceeds(node.thresholds));
        let is_over = |rates: &[f64]| {
            let used = used(node, rates);
            used.exceeds(node.thresholds) || saves_power && used.power > SAVED * node.thresholds.power
        };
        let (kept, refused) = shed(rates, is_over);
        if let Some(minute) = tally.minutes.last_mut() {
            for ((service, ..), refused) in node.services.iter().zip(refused) {
                minute.services[service.0 as usize].1 += refused;
            }
        }
        tally.power(used(node, &kept).power);
    }
    if let Some(minute) = tally.minutes.last_mut() {
        minute.overloaded = overloaded;
    }
}

/// What a node uses at these rates of its services.
fn used(node: &SimulatedNode, rates: &[f64]) -> NodeResources {
    let services = node.services.iter().zip(rates);
    services.fold(NodeResources::default(), |used, ((_, _, cost), rate)| used.plus(*cost, *rate))
}

/// Sheds whole requests of every service, a twentieth at a time, until the rest is not too much: what is kept, and what is
/// refused.
pub fn shed(mut rates: Vec<f64>, is_over: impl Fn(&[f64]) -> bool) -> (Vec<f64>, Vec<f64>) {
    let mut refused = vec![0.0; rates.len()];
    let mut part = SHED;
    while is_over(&rates) && rates.iter().any(|rate| *rate > 0.0) {
        let mut pieces: Vec<f64> = rates.iter().map(|rate| (rate * part).round_ties_even()).collect();
        while pieces.iter().all(|piece| *piece == 0.0) && part < 1.0 {
            part += SHED_MORE;
            pieces = rates.iter().map(|rate| (rate * part).round_ties_even()).collect();
        }
        if pieces.iter().all(|piece| *piece == 0.0) {
            // Less than a request a second is left of everything.
            pieces.clone_from(&rates);
        }
        for ((rate, refused), piece) in rates.iter_mut().zip(&mut refused).zip(pieces) {
            let piece = piece.min(*rate);
            *rate -= piece;
            *refused += piece;
        }
    }
    (rates, refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_sheds_a_twentieth_at_a_time_and_more_while_that_rounds_to_nothing() {
        let (kept, refused) = shed(vec![250.0], |rates| rates[0] > 200.0);
        assert_eq!((kept[0], refused[0]), (194.0, 56.0));
        let (kept, refused) = shed(vec![6.0], |rates| rates[0] > 5.5);
        assert_eq!((kept[0], refused[0]), (5.0, 1.0));
        let (kept, refused) = shed(vec![0.4, 0.0], |rates| rates[0] > 0.1);
        assert_eq!((kept[0], refused[0]), (0.0, 0.4));
        assert_eq!(shed(vec![3.0], |_| true).0[0], 0.0);
    }
}
