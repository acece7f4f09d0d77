//! The places of many services in a drawing, worked out as a page's session does.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::ensure;
use session_api::snapshot::FlowEdge;
use web::GraphLayout;

use crate::report::{Row, Target};
use crate::sample::Sample;
use crate::session::millis;

const SERVICES: usize = 200;
const EDGES: usize = 260;
const TIMES: usize = 20;

pub(super) fn measure() -> anyhow::Result<Vec<Row>> {
    let services: Vec<String> = (0..SERVICES).map(|at| format!("service_{at}")).collect();
    let edges = edges(&services);
    ensure!(edges.len() == EDGES, "{} edges in place of {EDGES}", edges.len());
    let (first, mut taken) = (GraphLayout::of(&services, &edges), Sample::default());
    ensure!(first.nodes.len() == SERVICES && first.edges.len() == EDGES, "all are drawn");
    for _ in 0..TIMES {
        let begun = Instant::now();
        let layout = GraphLayout::of(&services, &edges);
        taken.push(millis(begun, Instant::now()));
        ensure!(layout == first, "a drawing is the same each time");
    }
    let name = format!("layout of {SERVICES} services and {EDGES} edges");
    Ok(vec![Row::spread(&name, "", &taken, Some(Target::P50(30.0)))])
}

/// A tree in which every service feeds a later one, and edges across it.
fn edges(services: &[String]) -> Vec<FlowEdge> {
    let mut pairs: BTreeSet<(usize, usize)> =
        (0..SERVICES - 1).map(|from| (from, (from + 1 + from * 31 % 5).min(SERVICES - 1))).collect();
    let mut across = (0..SERVICES).map(|from| (from, from + 7 + from * 17 % 11)).filter(|(_, to)| *to < SERVICES);
    while pairs.len() < EDGES
        && let Some(pair) = across.next()
    {
        pairs.insert(pair);
    }
    let edge = |(from, to): (usize, usize)| FlowEdge {
        from: services[from].clone(),
        to: services[to].clone(),
        input: Some("value".to_owned()),
        within: false,
    };
    pairs.into_iter().map(edge).collect()
}
