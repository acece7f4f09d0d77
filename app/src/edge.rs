//! What travels along the flow: an output into an input.

use std::collections::BTreeSet;

use crate::model::{App, Flow};

/// A step of the flow: what one service returns is what another takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Rust name of the service that returns.
    pub producer: String,
    /// Rust name of the service that takes.
    pub consumer: String,
    /// Which of its inputs, from 0.
    pub input: usize,
}

impl App {
    /// The steps of the flow, each once, however often it stands there. Literals are no step.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        if let Some(flow) = &self.flow {
            collect(flow, &mut edges);
        }
        edges
    }
}

fn collect(flow: &Flow, edges: &mut BTreeSet<Edge>) {
    let Flow::Call { service, inputs } = flow else { return };
    for (number, input) in inputs.iter().enumerate() {
        if let Flow::Call { service: producer, .. } = input {
            edges.insert(Edge { producer: producer.clone(), consumer: service.clone(), input: number });
        }
        collect(input, edges);
    }
}
