//! Instances drawn at random, as DFaaS' framework draws them.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

use super::ScenarioError;
use super::instance::{FunctionLoad, GROUPS, GroupLoad, INSTANTS, InstanceNode, SimulatedInstance, most_rate};

/// More is a mistake, or no machine's task.
pub(super) const MOST_NODES: usize = 10_000;
pub(super) const MOST_EDGES: usize = 2_000_000;
/// Types of nodes, and how likely each is.
const TYPES: [(&str, f64); 3] = [("HEAVY", 0.2), ("MID", 0.3), ("LIGHT", 0.5)];
/// What nodes that are not overloaded get, of the load of those that are.
const QUIET: f64 = 0.15;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErdosRenyi {
    pub nodes: usize,
    /// The chance of each edge.
    pub edge: f64,
    /// The part of nodes that are overloaded at most, from 0 to 1.
    pub overloaded: f64,
    pub seed: u64,
}

/// Draws an instance.
pub fn erdos_renyi(settings: ErdosRenyi) -> Result<SimulatedInstance, ScenarioError> {
    check(settings)?;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(settings.seed);
    let most_overloaded = (settings.overloaded * settings.nodes as f64).round() as usize;
    let mut overloaded = 0;
    let mut nodes: Vec<InstanceNode> = (0..settings.nodes)
        .map(|_| {
            let is_overloaded = random.random::<f64>() <= settings.overloaded && overloaded < most_overloaded;
            overloaded += usize::from(is_overloaded);
            node(if is_overloaded { 1.0 } else { QUIET }, &mut random)
        })
        .collect();
    let name = |at: usize| format!("node_{at}");
    for (a, b) in connected(settings.nodes, settings.edge, &mut random) {
        nodes[a].neighbours.push(name(b));
        nodes[b].neighbours.push(name(a));
    }
    let nodes = nodes.into_iter().enumerate().map(|(at, node)| (name(at), node)).collect();
    Ok(SimulatedInstance { nodes, seed: settings.seed })
}

fn check(settings: ErdosRenyi) -> Result<(), ScenarioError> {
    let ErdosRenyi { nodes, edge, overloaded, .. } = settings;
    let wrong = |message: String, hint: &str| Err(ScenarioError::new(message, hint, None));
    if nodes == 0 || nodes > MOST_NODES {
        return wrong(format!("{nodes} nodes cannot be drawn"), "10 to 1000 are usual");
    }
    if !(0.0..=1.0).contains(&edge) {
        return wrong(format!("the chance of an edge is {edge}"), "it has to be 0 to 1");
    }
    if !(0.0..=1.0).contains(&overloaded) {
        return wrong(format!("{} % of nodes are overloaded", overloaded * 100.0), "it has to be 0 to 100");
    }
    if edge * (nodes as f64).powi(2) / 2.0 > MOST_EDGES as f64 {
        return wrong(format!("{nodes} nodes have too many edges at a chance of {edge}"), "give a smaller chance");
    }
    Ok(())
}

/// Edges of a graph in one piece: each node but the last has one to a later node, and each other there is with a chance.
pub(super) fn connected(count: usize, chance: f64, random: &mut dyn Rng) -> Vec<(usize, usize)> {
    let mut edges = BTreeSet::new();
    for a in 0..count.saturating_sub(1) {
        edges.insert((a, random.random_range(a + 1..count)));
        edges.extend((a + 1..count).filter(|_| random.random_bool(chance)).map(|b| (a, b)).collect::<Vec<_>>());
    }
    edges.into_iter().collect()
}

fn node(part: f64, random: &mut dyn Rng) -> InstanceNode {
    let mut drawn: f64 = random.random();
    let kind = TYPES.iter().find(|(_, chance)| {
        drawn -= chance;
        drawn < 0.0
    });
    let kind = kind.map_or("LIGHT", |(kind, _)| *kind);
    let groups: Vec<(&str, Vec<&str>)> = some(&GROUPS, random.random_range(1..=GROUPS.len()), random)
        .into_iter()
        .map(|(group, functions)| {
            let count = random.random_range(1..=functions.len());
            (group, some(functions, count, random))
        })
        .collect();
    let load = (0..INSTANTS).map(|instant| {
        let group = |(group, functions): &(&str, Vec<&str>)| {
            let most = part * most_rate(kind, group).unwrap_or_default();
            ((*group).to_owned(), group_load(functions, total(instant, most, random), random))
        };
        groups.iter().map(group).collect::<BTreeMap<_, _>>()
    });
    let load = load.collect();
    InstanceNode { node_type: kind.to_owned(), neighbours: Vec::new(), load }
}

/// Some of a list, in an order of their own.
fn some<T: Copy>(all: &[T], count: usize, random: &mut dyn Rng) -> Vec<T> {
    let mut left = all.to_vec();
    (0..count.min(all.len())).map(|_| left.remove(random.random_range(0..left.len()))).collect()
}

/// A triangle: it rises to the middle and falls again.
fn total(instant: usize, most: f64, random: &mut dyn Rng) -> u64 {
    let middle = INSTANTS.div_ceil(2);
    let step = if instant < middle { instant } else { INSTANTS - 1 - instant };
    let at = |step: usize| step as f64 * most / middle as f64;
    random.random_range(at(step).floor() as u64..=at(step + 1).ceil() as u64)
}

/// A load in random parts; what rounding leaves goes to the first.
fn group_load(functions: &[&str], total: u64, random: &mut dyn Rng) -> GroupLoad {
    let drawn: Vec<u64> = functions.iter().map(|_| random.random_range(0..=total)).collect();
    let sum: u64 = drawn.iter().sum();
    let mut parts: Vec<u64> = drawn.iter().map(|drawn| (drawn * total).checked_div(sum).unwrap_or(0)).collect();
    if let Some(first) = parts.first_mut() {
        *first += total - drawn.iter().map(|drawn| (drawn * total).checked_div(sum).unwrap_or(0)).sum::<u64>();
    }
    let function = |(name, rate): (&&str, u64)| FunctionLoad { name: (*name).to_owned(), rate: rate as f64 };
    GroupLoad { functions: functions.iter().zip(parts).map(function).collect() }
}
