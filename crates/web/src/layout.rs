//! The places of services in a drawing of their flow: values run from left to right. Pure.
//!
//! Ranks are ours: a service stands right of all that feed it, and one that nothing feeds stands beside the first that
//! needs it. Every rank that a long edge crosses has a vertex of it, so that the edge has a lane of its own. The order
//! within ranks, and the heights, are rust-sugiyama's.

use std::collections::{BTreeMap, HashMap};

use rust_sugiyama::configure::Config;
use rust_sugiyama::from_vertices_and_edges;
use serde::Serialize;
use session_api::snapshot::FlowEdge;

/// Services above which nodes are names alone.
const MANY: usize = 40;
/// Vertices, and edges beyond those of a tree, above which crossings are left as they come: looking for fewer takes
/// seconds there.
const MOST_VERTICES: usize = 600;
const MOST_BEYOND_TREE: usize = 400;

/// The drawing of a flow. Lengths are pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GraphLayout {
    /// Of all of it.
    pub width: f64,
    /// Of all of it.
    pub height: f64,
    /// Width and height of each node.
    pub node: (f64, f64),
    /// The middle of each service, by its name.
    pub nodes: BTreeMap<String, (f64, f64)>,
    /// Those between services that are there.
    pub edges: Vec<DrawnEdge>,
}

/// An edge with its way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DrawnEdge {
    /// The service whose answer travels.
    pub from: String,
    /// The service that takes it.
    pub to: String,
    /// A call in the body, which no input of the flow stands for.
    pub is_call: bool,
    /// The middles of the ranks that it crosses, left to right.
    pub lane: Vec<(f64, f64)>,
}

/// What nodes take, and what is between them.
struct Measures {
    node: (f64, f64),
    between: (f64, f64),
    lane: f64,
}

const LARGE: Measures = Measures { node: (124.0, 44.0), between: (64.0, 18.0), lane: 14.0 };
const SMALL: Measures = Measures { node: (116.0, 20.0), between: (44.0, 8.0), lane: 8.0 };
const MARGIN: f64 = 12.0;

impl GraphLayout {
    /// Places services, which edges name.
    pub fn of(services: &[String], edges: &[FlowEdge]) -> Self {
        let measures = if services.len() > MANY { &SMALL } else { &LARGE };
        let number: HashMap<&str, usize> = services.iter().map(String::as_str).zip(0..).collect();
        let mut pairs: Vec<(usize, usize, bool)> = Vec::new();
        for edge in edges {
            let (Some(from), Some(to)) = (number.get(edge.from.as_str()), number.get(edge.to.as_str())) else {
                continue;
            };
            if from != to && !pairs.iter().any(|(a, b, _)| (a, b) == (from, to)) {
                pairs.push((*from, *to, edge.input.is_none()));
            }
        }
        let forward = forward(services.len(), &pairs);
        let ranks = ranks(services.len(), &forward);
        let is_alone = |at: usize| !pairs.iter().any(|(from, to, _)| *from == at || *to == at);
        let (alone, joined): (Vec<usize>, Vec<usize>) = (0..services.len()).partition(|at| is_alone(*at));

        // A vertex for every service, and for every rank that an edge crosses.
        let mut vertices: Vec<(usize, bool)> = joined.iter().map(|at| (ranks[*at], true)).collect();
        let place: HashMap<usize, usize> = joined.iter().copied().zip(0..).collect();
        let (mut lines, mut lanes) = (Vec::new(), Vec::new());
        for (from, to) in &forward {
            let (mut last, mut lane) = (place[from], Vec::new());
            for rank in ranks[*from] + 1..ranks[*to] {
                vertices.push((rank, false));
                lines.push((last, vertices.len() - 1));
                last = vertices.len() - 1;
                lane.push(last);
            }
            lines.push((last, place[to]));
            lanes.push(lane);
        }
        let heights = heights(&vertices, &lines, measures);
        let column =
            |rank: usize| MARGIN + measures.node.0 / 2.0 + rank as f64 * (measures.node.0 + measures.between.0);
        let row = |height: f64| MARGIN + measures.node.1 / 2.0 + height;
        let at = |vertex: usize| (column(vertices[vertex].0), row(heights[vertex]));
        let mut nodes: BTreeMap<String, (f64, f64)> =
            joined.iter().map(|service| (services[*service].clone(), at(place[service]))).collect();
        let mut bottom = heights.iter().copied().fold(0.0, f64::max);
        if !joined.is_empty() {
            bottom += measures.node.1 + measures.between.1;
        }
        // Services without an edge stand in rows below.
        let columns = vertices.iter().map(|(rank, _)| rank + 1).max().unwrap_or(0).max(6);
        for (at, service) in alone.iter().enumerate() {
            let height = bottom + (at / columns) as f64 * (measures.node.1 + measures.between.1);
            nodes.insert(services[*service].clone(), (column(at % columns), row(height)));
        }
        let lane_of: HashMap<(usize, usize), &Vec<usize>> = forward.iter().copied().zip(&lanes).collect();
        let drawn = pairs.iter().map(|(from, to, is_call)| DrawnEdge {
            from: services[*from].clone(),
            to: services[*to].clone(),
            is_call: *is_call,
            lane: lane_of
                .get(&(*from, *to))
                .into_iter()
                .flat_map(|lane| lane.iter().map(|vertex| at(*vertex)))
                .collect(),
        });
        let drawn: Vec<DrawnEdge> = drawn.collect();
        let far =
            |part: fn(&(f64, f64)) -> f64, half: f64| nodes.values().map(part).fold(0.0, f64::max) + half + MARGIN;
        let (width, height) = (far(|at| at.0, measures.node.0 / 2.0), far(|at| at.1, measures.node.1 / 2.0));
        Self { width, height, node: measures.node, nodes, edges: drawn }
    }
}

/// The edges without those that would close a circle, which calls in bodies can.
fn forward(services: usize, pairs: &[(usize, usize, bool)]) -> Vec<(usize, usize)> {
    let mut kept: Vec<(usize, usize)> = Vec::new();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); services];
    // Inputs first: of a circle the call is the one that is drawn backwards.
    let calls = pairs.iter().filter(|(.., is_call)| *is_call);
    for (from, to, _) in pairs.iter().filter(|(.., is_call)| !is_call).chain(calls) {
        let (mut open, mut seen) = (vec![*to], vec![false; services]);
        let mut is_circle = false;
        while let Some(at) = open.pop() {
            if at == *from {
                is_circle = true;
                break;
            }
            if !std::mem::replace(&mut seen[at], true) {
                open.extend(&after[at]);
            }
        }
        if !is_circle {
            after[*from].push(*to);
            kept.push((*from, *to));
        }
    }
    kept
}

/// The rank of each service: one more than the largest of those that feed it, and of one that nothing feeds one less than
/// the least of those that it feeds.
fn ranks(services: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks: Vec<usize> = vec![0; services];
    // As often as the longest way is long; there is no circle.
    for _ in 0..services {
        let mut is_changed = false;
        for (from, to) in edges {
            if ranks[*to] < ranks[*from] + 1 {
                ranks[*to] = ranks[*from] + 1;
                is_changed = true;
            }
        }
        if !is_changed {
            break;
        }
    }
    for at in 0..services {
        if !edges.iter().any(|(_, to)| *to == at) {
            let next = edges.iter().filter(|(from, _)| *from == at).map(|(_, to)| ranks[*to]).min();
            ranks[at] = next.map_or(0, |next| next.saturating_sub(1));
        }
    }
    ranks
}

/// The height of each vertex's middle, from 0.
fn heights(vertices: &[(usize, bool)], edges: &[(usize, usize)], measures: &Measures) -> Vec<f64> {
    let is_large = vertices.len() > MOST_VERTICES || edges.len() > vertices.len() + MOST_BEYOND_TREE;
    let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let size = |is_node: bool| if is_node { measures.node.1 } else { measures.lane };
    let mut ordered: Vec<f64> = (0..vertices.len()).map(|at| at as f64).collect();
    if !is_large && !vertices.is_empty() {
        let sized: Vec<(u32, (f64, f64))> =
            vertices.iter().enumerate().map(|(at, (_, is_node))| (narrow(at), (size(*is_node), 1.0))).collect();
        let lines: Vec<(u32, u32)> = edges.iter().map(|(from, to)| (narrow(*from), narrow(*to))).collect();
        let config = Config { vertex_spacing: measures.between.1, dummy_vertices: false, ..Config::default() };
        let mut top = 0.0;
        for (places, ..) in from_vertices_and_edges(&sized, &lines, &config) {
            let least = places.iter().map(|(_, (x, _))| *x).fold(f64::INFINITY, f64::min);
            let mut bottom: f64 = top;
            for (at, (x, _)) in places {
                ordered[at] = top + x - least;
                bottom = bottom.max(ordered[at]);
            }
            top = bottom + measures.node.1 + 2.0 * measures.between.1;
        }
    }
    apart(vertices, ordered, measures, is_large)
}

/// Keeps the order within each rank, and moves down what would overlap.
fn apart(vertices: &[(usize, bool)], mut ordered: Vec<f64>, measures: &Measures, is_packed: bool) -> Vec<f64> {
    let size = |at: usize| if vertices[at].1 { measures.node.1 } else { measures.lane };
    let mut ranks: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, (rank, _)) in vertices.iter().enumerate() {
        ranks.entry(*rank).or_default().push(at);
    }
    for members in ranks.values_mut() {
        members.sort_by(|a, b| ordered[*a].total_cmp(&ordered[*b]).then(a.cmp(b)));
        let mut before: Option<usize> = None;
        for at in members.iter().copied() {
            let least = before.map(|before| ordered[before] + (size(before) + size(at)) / 2.0 + measures.between.1);
            ordered[at] = match least {
                Some(least) if is_packed || ordered[at] < least => least,
                None if is_packed => 0.0,
                _ => ordered[at],
            };
            before = Some(at);
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn edge(from: &str, to: &str) -> FlowEdge {
        FlowEdge { from: from.to_owned(), to: to.to_owned(), input: Some("value".to_owned()), within: false }
    }

    fn call(from: &str, to: &str) -> FlowEdge {
        FlowEdge { input: None, ..edge(from, to) }
    }

    /// Nothing overlaps, edges of the flow run to the right, and no lane crosses a node.
    fn check(layout: &GraphLayout) {
        let (width, height) = layout.node;
        let all: Vec<_> = layout.nodes.iter().collect();
        for (at, (name, (x, y))) in all.iter().enumerate() {
            assert!(*x - width / 2.0 >= 0.0 && *y - height / 2.0 >= 0.0, "{name} is outside");
            assert!(*x + width / 2.0 <= layout.width && *y + height / 2.0 <= layout.height, "{name} is outside");
            for (other, (a, b)) in &all[at + 1..] {
                assert!((x - a).abs() >= width || (y - b).abs() >= height, "{name} and {other} overlap");
            }
        }
        for edge in layout.edges.iter().filter(|edge| !edge.is_call) {
            let mut last = layout.nodes[&edge.from];
            for next in edge.lane.iter().chain([&layout.nodes[&edge.to]]) {
                assert!(next.0 > last.0, "{} to {} runs back", edge.from, edge.to);
                last = *next;
            }
            for (name, (x, y)) in &layout.nodes {
                let crosses = |lane: &&(f64, f64)| lane.0 == *x && (lane.1 - y).abs() < height / 2.0;
                assert!(!edge.lane.iter().any(|lane| crosses(&lane)), "{} to {} crosses {name}", edge.from, edge.to);
            }
        }
    }

    #[test]
    fn a_chain_is_a_straight_line() {
        let chain = names(&["get", "filter", "map", "sum"]);
        let edges = [edge("get", "filter"), edge("filter", "map"), edge("map", "sum")];
        let layout = GraphLayout::of(&chain, &edges);
        check(&layout);
        let heights: Vec<f64> = chain.iter().map(|name| layout.nodes[name].1).collect();
        assert!(heights.iter().all(|height| *height == heights[0]), "{heights:?}");
        assert!(layout.nodes["get"].0 < layout.nodes["sum"].0);
        assert_eq!(layout, GraphLayout::of(&chain, &edges), "the same again");
    }

    #[test]
    fn a_long_edge_has_a_lane_and_a_source_stands_beside_who_needs_it() {
        let services = names(&["a", "b", "c", "d", "late", "alone"]);
        let edges = [edge("a", "b"), edge("b", "c"), edge("c", "d"), edge("a", "d"), edge("late", "d"), call("d", "b")];
        let layout = GraphLayout::of(&services, &edges);
        check(&layout);
        assert_eq!(layout.edges[3].lane.len(), 2);
        assert_eq!(layout.nodes["late"].0, layout.nodes["c"].0);
        assert!(layout.nodes["alone"].1 > layout.nodes["a"].1, "below");
        assert!(layout.edges[5].is_call && layout.edges[5].lane.is_empty(), "a circle's call is drawn back");
        assert_eq!(GraphLayout::of(&[], &[]).nodes.len(), 0);
    }

    #[test]
    fn two_hundred_services_are_placed() {
        let services: Vec<String> = (0..200).map(|n| format!("step_{n}")).collect();
        let edges: Vec<FlowEdge> = (1..200)
            .flat_map(|n: usize| [n / 2, n.saturating_sub(7)].map(|m| edge(&services[m], &services[n])))
            .filter(|edge| edge.from != edge.to)
            .collect();
        check(&GraphLayout::of(&services, &edges));
    }

    proptest! {
        #[test]
        fn whatever_the_flow_nothing_overlaps(
            services in 1_usize..30,
            pairs in prop::collection::vec((0_usize..30, 0_usize..30, any::<bool>()), 0..60),
        ) {
            let names: Vec<String> = (0..services).map(|n| format!("s{n:02}")).collect();
            let edges = pairs.iter().filter(|(a, b, _)| *a < services && *b < services);
            // Inputs run on, calls as they like.
            let edges = edges.map(|(a, b, is_call)| match is_call {
                true => call(&names[*a], &names[*b]),
                false => edge(&names[*a.min(b)], &names[*a.max(b)]),
            });
            check(&GraphLayout::of(&names, &edges.collect::<Vec<_>>()));
        }
    }
}
