//! SimulatedInstance files of DFaaS' framework: nodes of three types, their neighbours, and the load of each group at each instant.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use super::{Analysis, Scenario, ScenarioError, SimulatedEdge, SimulatedLoad, SimulatedNode};
use crate::{NodeResources, ServiceId};

/// Groups of functions of like cost, with the functions of each.
pub(super) const GROUPS: [(&str, &[&str]); 3] =
    [("HIGH_USAGE", &["eat-memory", "nmap"]), ("LOW_USAGE", &["env", "figlet", "shasum"]), ("MEDIUM_USAGE", &["curl"])];
pub(super) const INSTANTS: usize = 7;
/// How long an instant is.
pub(super) const INSTANT: Duration = Duration::from_secs(60);
const TYPES: [&str; 3] = ["HEAVY", "MID", "LIGHT"];
const RTT: Duration = Duration::from_millis(1);

/// An instance.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedInstance {
    pub(super) nodes: BTreeMap<String, InstanceNode>,
    pub(super) seed: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct InstanceNode {
    pub(super) node_type: String,
    pub(super) neighbours: Vec<String>,
    /// By instant and group.
    pub(super) load: Vec<BTreeMap<String, GroupLoad>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct GroupLoad {
    pub(super) functions: Vec<FunctionLoad>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct FunctionLoad {
    #[serde(rename = "function_name")]
    pub(super) name: String,
    #[serde(rename = "function_rate")]
    pub(super) rate: f64,
}

/// The most that a group of an overloaded node gets.
pub(super) fn most_rate(kind: &str, group: &str) -> Option<f64> {
    Some(match (kind, group) {
        ("HEAVY", "LOW_USAGE") => 400.0,
        ("HEAVY", "HIGH_USAGE") => 90.0,
        ("HEAVY", "MEDIUM_USAGE") | ("MID", "MEDIUM_USAGE") => 200.0,
        ("MID", "LOW_USAGE") => 570.0,
        ("MID", "HIGH_USAGE") => 80.0,
        ("LIGHT", "LOW_USAGE") => 330.0,
        ("LIGHT", "HIGH_USAGE") => 40.0,
        ("LIGHT", "MEDIUM_USAGE") => 180.0,
        _ => return None,
    })
}

/// What a node may use.
fn thresholds(kind: &str) -> NodeResources {
    match kind {
        "HEAVY" => NodeResources { cpu: 460.0, memory: 6.0e9, power: 3.5e6 },
        "MID" => NodeResources { cpu: 290.0, memory: 5.5e9, power: 2.2e6 },
        _ => NodeResources { cpu: 150.0, memory: 4.1e9, power: 0.7e6 },
    }
}

/// Reads an instance file as DFaaS' generator writes it.
pub fn instance(text: &str) -> Result<SimulatedInstance, ScenarioError> {
    let form = "an instance is what instance_generator.py of DFaaS' framework writes";
    let refused =
        |error: &serde_json::Error| ScenarioError::new(format!("cannot read an instance: {error}"), form, None);
    let values: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).map_err(|error| refused(&error))?;
    let seed = values.get("seed").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let nodes = values.into_iter().filter(|(name, _)| name.starts_with("node_"));
    let nodes: Result<BTreeMap<String, InstanceNode>, _> =
        nodes.map(|(name, value)| Ok((name, serde_json::from_value(value)?))).collect();
    let instance = SimulatedInstance { nodes: nodes.map_err(|error| refused(&error))?, seed };
    check(&instance)?;
    Ok(instance)
}

fn check(instance: &SimulatedInstance) -> Result<(), ScenarioError> {
    let wrong = |message: String, hint: String| Err(ScenarioError::new(message, hint, None));
    let Some(instants) = instance.nodes.values().next().map(|node| node.load.len()) else {
        return wrong("there are no nodes".to_owned(), "each is a key such as node_0".to_owned());
    };
    for (name, node) in &instance.nodes {
        if !TYPES.contains(&node.node_type.as_str()) {
            let hint = app::suggest(&node.node_type, TYPES, "types");
            return wrong(format!("{name} is of an unknown type {}", node.node_type), hint);
        }
        if let Some(other) = node.neighbours.iter().find(|other| !instance.nodes.contains_key(*other)) {
            let known = instance.nodes.keys().take(20).map(String::as_str);
            return wrong(
                format!("{name} has a neighbour {other} that is not there"),
                app::suggest(other, known, "nodes"),
            );
        }
        if node.load.len() != instants || instants == 0 {
            let hint = "every node has a load at every instant".to_owned();
            return wrong(format!("{name} has {} instants, others {instants}", node.load.len()), hint);
        }
        let served = served(node);
        for (group, load) in node.load.iter().flatten() {
            if let Some(function) = load.functions.iter().find(|function| !served.contains_key(&function.name)) {
                let hint = "a node serves the functions of its first instant".to_owned();
                return wrong(format!("{name} does not serve {}", function.name), hint);
            }
            if most_rate(&node.node_type, group).is_none() {
                let hint = app::suggest(group, GROUPS.map(|(group, _)| group), "groups");
                return wrong(format!("{name} has an unknown group {group}"), hint);
            }
            let is_rate = |rate: f64| rate.is_finite() && (0.0..=1e9).contains(&rate);
            if let Some(function) = load.functions.iter().find(|function| !is_rate(function.rate)) {
                let hint = "a rate is a number of requests a second".to_owned();
                return wrong(format!("{name}: the rate of {} is {}", function.name, function.rate), hint);
            }
        }
    }
    Ok(())
}

impl SimulatedInstance {
    /// The scenario. DFaaS predicts what a node uses by models that were trained on its machines. Here use grows with the
    /// rate: a group alone at its highest rate uses all of a node's CPU, memory and power.
    pub fn scenario(&self, name: &str) -> Scenario {
        let known: BTreeSet<&String> = self.nodes.values().flat_map(|node| served(node).into_keys()).collect();
        let services: Vec<String> = known.into_iter().cloned().collect();
        let id = |name: &String| ServiceId(services.binary_search(name).unwrap_or_default() as u32);
        let nodes = self.nodes.iter().map(|(name, node)| {
            let thresholds = thresholds(&node.node_type);
            let served = served(node);
            let groups: BTreeSet<&str> = served.values().copied().collect();
            let own = served.iter().map(|(service, group)| {
                let most = most_rate(&node.node_type, group).unwrap_or(1.0);
                let functions = served.values().filter(|other| *other == group).count();
                let limit = most / (functions * groups.len()) as f64;
                (id(service), limit, NodeResources::default().plus(thresholds, 1.0 / most))
            });
            let own = own.collect();
            SimulatedNode { name: name.clone(), services: own, thresholds }
        });
        let names: Vec<&String> = self.nodes.keys().collect();
        let at = |name: &String| names.binary_search(&name).unwrap_or_default();
        let mut pairs = BTreeSet::new();
        for (a, node) in self.nodes.values().enumerate() {
            let others = node.neighbours.iter().map(at).filter(|b| *b != a);
            pairs.extend(others.map(|b| (a.min(b), a.max(b))));
        }
        let mut loads = Vec::new();
        for (node, of) in self.nodes.values().enumerate() {
            for (instant, groups) in of.load.iter().enumerate() {
                for function in groups.values().flat_map(|group| &group.functions) {
                    let from = INSTANT * instant as u32;
                    let service = id(&function.name);
                    loads.push(SimulatedLoad { node, service, rate: function.rate, from, to: from + INSTANT });
                }
            }
        }
        let instants = self.nodes.values().next().map_or(0, |node| node.load.len());
        Scenario {
            name: name.to_owned(),
            seed: self.seed,
            repeat: 1,
            length: INSTANT * instants as u32,
            step: Duration::from_secs(1),
            strategy: None,
            nodes: nodes.collect(),
            services,
            edges: pairs.into_iter().map(|(a, b)| SimulatedEdge { a, b, rtt: RTT }).collect(),
            loads,
            analysis: Analysis::Thresholds,
            published: Vec::new(),
        }
    }
}

/// Functions that a node serves, those of the first instant, each with its group.
fn served(node: &InstanceNode) -> BTreeMap<&String, &str> {
    let first = node.load.first().into_iter().flatten();
    first
        .flat_map(|(group, load)| load.functions.iter().map(move |function| (&function.name, group.as_str())))
        .collect()
}
