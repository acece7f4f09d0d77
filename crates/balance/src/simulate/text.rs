//! Scenarios as TOML.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use serde::Deserialize;
use toml::{Spanned, Value};

use super::erdos_renyi::{MOST_EDGES, MOST_NODES, connected};
use super::{Analysis, Scenario, ScenarioError, SimulatedEdge, SimulatedLoad, SimulatedNode};
use crate::{NodeResources, ServiceId, StrategyName, StrategySettings, duration};

/// More is a mistake, or no machine's task.
const MOST_RATE: f64 = 1e9;
const LONGEST: Duration = Duration::from_secs(30 * 86400);
const MOST_RUNS: u32 = 10_000;
const SHORTEST_STEP: Duration = Duration::from_millis(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    seed: u64,
    repeat: Option<Spanned<u32>>,
    #[serde(rename = "for")]
    length: Spanned<String>,
    step: Option<Spanned<String>>,
    strategy: Option<Spanned<Value>>,
    topology: Option<Topology>,
    nodes: Spanned<BTreeMap<String, BTreeMap<String, Spanned<f64>>>>,
    #[serde(default)]
    load: Vec<LoadText>,
}

/// Two nodes, and the round trip where it is another than the topology's.
type EdgeText = Spanned<Vec<Spanned<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topology {
    kind: Spanned<String>,
    rtt: Option<Spanned<String>>,
    edge: Option<Spanned<f64>>,
    edges: Option<Spanned<Vec<EdgeText>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadText {
    at: Spanned<String>,
    service: Spanned<String>,
    rate: Spanned<f64>,
    from: Option<Spanned<String>>,
    #[serde(rename = "for")]
    length: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrategyText {
    name: String,
    period: Option<String>,
    window: Option<String>,
    exact: Option<bool>,
    threshold: Option<String>,
    reject: Option<bool>,
    noise: Option<bool>,
    model: Option<String>,
    explore: Option<bool>,
}

/// Reads a scenario.
pub fn scenario(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let read: Text = toml::from_str(text).map_err(|error| malformed(&error))?;
    let length = period(&read.length)?;
    if length.is_zero() || length > LONGEST {
        return Err(wrong(&read.length, "for has to be longer than 0 and at most 30 days", "write it as \"15m\""));
    }
    let step = read.step.as_ref().map(period).transpose()?.unwrap_or(Duration::from_secs(1));
    if step < SHORTEST_STEP || step > length {
        let at = read.step.as_ref().map_or_else(|| read.length.span(), Spanned::span);
        return Err(ScenarioError::new("step has to be 1 ms at least, and at most all of the time", STEP, Some(at)));
    }
    let repeat = read.repeat.as_ref().map_or(1, |repeat| *repeat.get_ref());
    if repeat == 0 || repeat > MOST_RUNS {
        let at = read.repeat.as_ref().map(Spanned::span);
        return Err(ScenarioError::new(format!("repeat has to be 1 to {MOST_RUNS}"), "write it as 12", at));
    }
    let strategy = read.strategy.as_ref().map(strategy).transpose()?;
    let (services, nodes) = nodes(&read.nodes)?;
    let edges = edges(read.topology.as_ref(), read.seed, &nodes)?;
    let loads = read.load.iter().map(|load| self::load(load, length, &services, &nodes)).collect::<Result<_, _>>()?;
    Ok(Scenario {
        name: name.to_owned(),
        seed: read.seed,
        repeat,
        length,
        step,
        strategy,
        services,
        nodes,
        edges,
        loads,
        analysis: Analysis::Limits,
        published: Vec::new(),
    })
}

const STEP: &str = "a step is a second as a rule: \"1s\"";

fn malformed(error: &toml::de::Error) -> ScenarioError {
    let message = error.message();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (message, hint) = match quoted.split_first() {
        Some((wrong, known)) if message.starts_with("unknown field") => {
            (format!("unknown key {wrong}"), app::suggest(wrong, known.iter().copied(), "keys"))
        }
        Some((missing, _)) if message.starts_with("missing field") => {
            (format!("{missing} is missing"), "`dyn simulate --help` has an example".to_owned())
        }
        _ => (message.lines().next().unwrap_or_default().to_owned(), "write it as TOML".to_owned()),
    };
    ScenarioError::new(message, hint, error.span())
}

fn wrong<T>(at: &Spanned<T>, message: impl Into<String>, hint: impl Into<String>) -> ScenarioError {
    ScenarioError::new(message, hint, Some(at.span()))
}

fn period(text: &Spanned<String>) -> Result<Duration, ScenarioError> {
    let said = text.get_ref();
    duration(said).map_err(|hint| wrong(text, format!("{said:?} is no duration"), hint))
}

fn rate(of: &Spanned<f64>, least: f64, what: &str) -> Result<f64, ScenarioError> {
    let rate = *of.get_ref();
    if rate.is_finite() && rate >= least && rate <= MOST_RATE {
        return Ok(rate);
    }
    let hint = "give the requests a second as a number, 200";
    Err(wrong(of, format!("{what} is {rate}: it has to be {least} to {MOST_RATE}"), hint))
}

/// A name or a table.
fn strategy(value: &Spanned<Value>) -> Result<StrategySettings, ScenarioError> {
    let refused = |error: crate::StrategyError| wrong(value, error.to_string(), error.hint());
    let text = match value.get_ref() {
        Value::String(name) => return Ok(StrategySettings::new(StrategyName::parse(name).map_err(refused)?)),
        table => table.clone().try_into::<StrategyText>(),
    };
    let text = text.map_err(|error| {
        let malformed = malformed(&error);
        wrong(value, malformed.to_string(), malformed.hint())
    })?;
    let mut settings = StrategySettings::new(StrategyName::parse(&text.name).map_err(refused)?);
    let period = |said: &String| duration(said).map_err(|hint| wrong(value, format!("{said:?} is no duration"), hint));
    if let Some(said) = &text.period {
        settings.period = period(said)?;
    }
    if settings.period < SHORTEST_STEP || settings.period > LONGEST {
        return Err(wrong(value, "the period has to be 1 ms to 30 days", "write it as \"60s\""));
    }
    settings.window = text.window.as_ref().map(period).transpose()?;
    if let Some(said) = &text.threshold {
        settings.threshold = period(said)?;
    }
    settings.exact = text.exact.unwrap_or(settings.exact);
    settings.reject = text.reject.unwrap_or(settings.reject);
    settings.noise = text.noise.unwrap_or(settings.noise);
    settings.model = text.model;
    settings.explore = text.explore.unwrap_or(settings.explore);
    Ok(settings)
}

type NodesText = BTreeMap<String, BTreeMap<String, Spanned<f64>>>;

/// Every service at its limit uses all of a node's CPU and power.
fn nodes(text: &Spanned<NodesText>) -> Result<(Vec<String>, Vec<SimulatedNode>), ScenarioError> {
    let known = text.get_ref();
    if known.is_empty() || known.len() > MOST_NODES {
        let message = format!("nodes has {} entries: it takes 1 to {MOST_NODES}", known.len());
        return Err(wrong(text, message, "name each with its services' limits: light = { figlet = 200 }"));
    }
    let services: BTreeSet<&String> = known.values().flat_map(BTreeMap::keys).collect();
    let services: Vec<String> = services.into_iter().cloned().collect();
    let node = |(name, limits): (&String, &BTreeMap<String, Spanned<f64>>)| {
        let mut own = Vec::new();
        for (service, limit) in limits {
            let limit = rate(limit, 1.0, &format!("the limit of {service}"))?;
            let id = services.binary_search(service).unwrap_or_default();
            own.push((
                ServiceId(id as u32),
                limit,
                NodeResources { cpu: 100.0 / limit, memory: 0.0, power: 100.0 / limit },
            ));
        }
        let thresholds = NodeResources { cpu: 100.0, memory: f64::INFINITY, power: 100.0 };
        Ok(SimulatedNode { name: name.clone(), services: own, thresholds })
    };
    let nodes = known.iter().map(node).collect::<Result<_, _>>()?;
    Ok((services, nodes))
}

fn edges(topology: Option<&Topology>, seed: u64, nodes: &[SimulatedNode]) -> Result<Vec<SimulatedEdge>, ScenarioError> {
    let rtt = topology.and_then(|topology| topology.rtt.as_ref()).map(period).transpose()?;
    let rtt = rtt.unwrap_or(Duration::from_millis(1));
    let kind = topology.map_or("mesh", |topology| topology.kind.get_ref());
    let count = nodes.len();
    let most = |edges: f64| {
        let hint = format!("a topology has at most {MOST_EDGES} edges");
        let at = topology.map(|topology| topology.kind.span());
        (edges <= MOST_EDGES as f64)
            .then_some(())
            .ok_or_else(|| ScenarioError::new(format!("{count} nodes are too many for {kind}"), hint, at))
    };
    let pairs: Vec<(usize, usize)> = match kind {
        "mesh" => {
            most(count as f64 * (count as f64 - 1.0) / 2.0)?;
            (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect()
        }
        "ring" => (0..count).map(|a| (a, (a + 1) % count)).filter(|(a, b)| a != b).collect(),
        "erdos-renyi" => {
            let edge = topology.and_then(|topology| topology.edge.as_ref());
            let chance = edge.map_or(0.1, |edge| *edge.get_ref());
            if !(0.0..=1.0).contains(&chance) {
                let at = edge.map(Spanned::span);
                return Err(ScenarioError::new(
                    format!("edge is {chance}: it has to be 0 to 1"),
                    "write it as 0.1",
                    at,
                ));
            }
            most(chance * count as f64 * count as f64 / 2.0)?;
            connected(count, chance, &mut Xoshiro256PlusPlus::seed_from_u64(seed))
        }
        "edges" => return named(topology, rtt, nodes),
        other => {
            let at: Option<Range<usize>> = topology.map(|topology| topology.kind.span());
            let hint = app::suggest(other, ["mesh", "ring", "erdos-renyi", "edges"], "kinds");
            return Err(ScenarioError::new(format!("unknown topology {other}"), hint, at));
        }
    };
    Ok(pairs.into_iter().map(|(a, b)| SimulatedEdge { a, b, rtt }).collect())
}

/// Edges by the names of nodes, each with its round trip or without.
fn named(
    topology: Option<&Topology>,
    rtt: Duration,
    nodes: &[SimulatedNode],
) -> Result<Vec<SimulatedEdge>, ScenarioError> {
    let form = "write it as edges = [[\"light\", \"mid\", \"5ms\"]]";
    let listed = topology.and_then(|topology| topology.edges.as_ref());
    let Some(listed) = listed else {
        let at = topology.map(|topology| topology.kind.span());
        return Err(ScenarioError::new("edges are missing", form, at));
    };
    let edge = |edge: &EdgeText| match edge.get_ref().as_slice() {
        [a, b, rest @ ..] if rest.len() <= 1 => {
            let (a, b) = (find(a, nodes)?, find(b, nodes)?);
            if a == b {
                return Err(wrong(edge, "an edge joins two nodes", form));
            }
            let rtt = rest.first().map(period).transpose()?.unwrap_or(rtt);
            Ok(SimulatedEdge { a: a.min(b), b: a.max(b), rtt })
        }
        _ => Err(wrong(edge, "an edge has two nodes and may have a round trip", form)),
    };
    listed.get_ref().iter().map(edge).collect()
}

fn find(name: &Spanned<String>, nodes: &[SimulatedNode]) -> Result<usize, ScenarioError> {
    let at = nodes.binary_search_by(|node| node.name.as_str().cmp(name.get_ref()));
    at.map_err(|_| {
        let hint = app::suggest(name.get_ref(), nodes.iter().take(20).map(|node| node.name.as_str()), "nodes");
        wrong(name, format!("no node is called {}", name.get_ref()), hint)
    })
}

fn load(
    text: &LoadText,
    length: Duration,
    services: &[String],
    nodes: &[SimulatedNode],
) -> Result<SimulatedLoad, ScenarioError> {
    let node = find(&text.at, nodes)?;
    let name = text.service.get_ref();
    let id = services.binary_search(name).ok().map(|id| ServiceId(id as u32));
    let own = nodes[node].services.iter().map(|(id, ..)| *id);
    let Some(service) = id.filter(|id| own.clone().any(|own| own == *id)) else {
        let known = own.map(|id| services[id.0 as usize].as_str());
        let message = format!("{} does not serve {name}", text.at.get_ref());
        return Err(wrong(&text.service, message, app::suggest(name, known, "services")));
    };
    let rate = rate(&text.rate, 0.0, "the rate")?;
    let from = text.from.as_ref().map(period).transpose()?.unwrap_or_default();
    let lasts = text.length.as_ref().map(period).transpose()?;
    Ok(SimulatedLoad { node, service, rate, from, to: lasts.map_or(length, |lasts| from.saturating_add(lasts)) })
}
