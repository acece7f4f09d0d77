//! What is simulated: nodes, who knows whom, and the load.

use std::ops::Range;
use std::time::Duration;

use crate::{NodeResources, ServiceId, StrategyName, StrategySettings};

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    pub name: String,
    pub seed: u64,
    /// How often it is run.
    pub repeat: u32,
    pub length: Duration,
    pub step: Duration,
    pub strategy: Option<StrategySettings>,
    /// Names of services, by id.
    pub services: Vec<String>,
    /// Sorted by name.
    pub nodes: Vec<SimulatedNode>,
    pub edges: Vec<SimulatedEdge>,
    pub loads: Vec<SimulatedLoad>,
    pub analysis: Analysis,
    /// Percentages served that were published of these strategies.
    pub published: Vec<(StrategyName, f64)>,
}

/// How requests are refused that are too many, where a minute is one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Analysis {
    /// By the limits of services.
    Limits,
    /// As DFaaS' framework does: a node sheds a part of everything while it is above a threshold.
    Thresholds,
}

/// A node of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedNode {
    pub name: String,
    /// Sorted by id: limit, and what a request a second costs.
    pub services: Vec<(ServiceId, f64, NodeResources)>,
    pub thresholds: NodeResources,
}

/// Two nodes that know each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedEdge {
    pub a: usize,
    pub b: usize,
    pub rtt: Duration,
}

/// Requests a second of users.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimulatedLoad {
    pub node: usize,
    pub service: ServiceId,
    pub rate: f64,
    pub from: Duration,
    pub to: Duration,
}

/// What is wrong with a scenario, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScenarioError {
    message: String,
    hint: String,
    at: Option<Range<usize>>,
}

impl ScenarioError {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>, at: Option<Range<usize>>) -> Self {
        Self { message: message.into(), hint: hint.into(), at }
    }

    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// Line and column of the place in the text, from 1.
    pub fn place(&self, text: &str) -> Option<(usize, usize)> {
        let before = text.get(..self.at.as_ref()?.start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }
}
