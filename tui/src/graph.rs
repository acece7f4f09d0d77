//! The app's graph as rows: data flows from top to bottom, lines run in a gutter to the left of the names.

use std::collections::{BTreeSet, HashMap};

use session_api::Snapshot;

/// What a place in the gutter shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Empty,
    /// A line from a row above to a row below.
    Pass,
    /// The row's own line begins here.
    Begin,
    /// The row's own line goes through.
    Through,
    /// The row's own line ends here.
    End,
    /// A line joins the row and ends.
    Join,
    /// A line joins the row and goes on to another.
    JoinOn,
    /// The row's way to its name.
    Across,
}

/// A service and its gutter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where the service stands in [`Snapshot::services`].
    pub(crate) service: usize,
    /// One mark a lane.
    pub(crate) marks: Vec<Mark>,
}

/// The services such that each comes after what feeds it, else in the order of the file.
pub(crate) fn order(snapshot: &Snapshot) -> Vec<usize> {
    let count = snapshot.services.len();
    let edges = edges(snapshot);
    let mut waiting = vec![0_usize; count];
    for &(_, to) in &edges {
        waiting[to] += 1;
    }
    let mut free: BTreeSet<usize> = (0..count).filter(|at| waiting[*at] == 0).collect();
    let mut held: BTreeSet<usize> = (0..count).filter(|at| waiting[*at] > 0).collect();
    let mut order = Vec::with_capacity(count);
    // A cycle cannot be built, but a picture may be drawn of anything: its first one goes first.
    while let Some(next) = free.pop_first().or_else(|| held.pop_first()) {
        order.push(next);
        let begin = edges.partition_point(|edge| edge.0 < next);
        for &(_, to) in edges[begin..].iter().take_while(|edge| edge.0 == next) {
            waiting[to] -= 1;
            if waiting[to] == 0 && held.remove(&to) {
                free.insert(to);
            }
        }
    }
    order
}

/// Every service with its gutter.
pub(crate) fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let edges = edges(snapshot);
    let order = order(snapshot);
    let mut place = vec![0; order.len()];
    for (row, &service) in order.iter().enumerate() {
        place[service] = row;
    }
    let mut last = vec![None; order.len()];
    for &(from, to) in &edges {
        last[from] = last[from].max(Some(place[to]));
    }
    // Each lane carries the answers of one service down to the last row that asks for them.
    let mut lanes: Vec<Option<usize>> = Vec::new();
    let mut rows = Vec::with_capacity(order.len());
    for (row, &service) in order.iter().enumerate() {
        let feeds = |from: usize| edges.binary_search(&(from, service)).is_ok() && place[from] < row;
        let goes_on = |from: usize| last[from] > Some(row);
        let fed: Vec<usize> = (0..lanes.len()).filter(|&at| lanes[at].is_some_and(feeds)).collect();
        let ended = fed.iter().copied().find(|&at| lanes[at].is_some_and(|from| !goes_on(from)));
        let has_output = goes_on(service);
        let free = lanes.iter().position(Option::is_none);
        let own = ended.or(has_output.then(|| free.unwrap_or(lanes.len())));
        let width = lanes.len().max(own.map_or(0, |own| own + 1));
        let leftmost = own.into_iter().chain(fed.iter().copied()).min();
        let mut marks = Vec::with_capacity(width);
        for at in 0..width {
            let lane = lanes.get(at).copied().flatten();
            marks.push(match lane {
                _ if own == Some(at) => match (ended, has_output) {
                    (Some(_), true) => Mark::Through,
                    (Some(_), false) => Mark::End,
                    (None, _) => Mark::Begin,
                },
                Some(from) if fed.contains(&at) => {
                    if goes_on(from) {
                        Mark::JoinOn
                    } else {
                        Mark::Join
                    }
                }
                Some(_) => Mark::Pass,
                None if leftmost.is_some_and(|left| left < at) => Mark::Across,
                None => Mark::Empty,
            });
        }
        for &at in &fed {
            if lanes[at].is_some_and(|from| !goes_on(from)) {
                lanes[at] = None;
            }
        }
        if has_output && let Some(own) = own {
            lanes.resize(lanes.len().max(own + 1), None);
            lanes[own] = Some(service);
        }
        while lanes.last().is_some_and(Option::is_none) {
            lanes.pop();
        }
        rows.push(Row { service, marks });
    }
    rows
}

/// The edges by place; one that names a service that is not there is left out.
fn edges(snapshot: &Snapshot) -> Vec<(usize, usize)> {
    let places: HashMap<&str, usize> =
        snapshot.services.iter().enumerate().map(|(at, service)| (service.name.as_str(), at)).collect();
    let at = |name: &str| places.get(name).copied();
    let ends = snapshot.edges.iter().filter_map(|edge| Some((at(&edge.from)?, at(&edge.to)?)));
    let mut edges: Vec<_> = ends.filter(|(from, to)| from != to).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use session_api::snapshot::{FlowEdge, ServiceView};

    use super::*;

    fn drawn(services: &[&str], edges: &[(&str, &str)]) -> Vec<String> {
        let service = |name: &&str| ServiceView { name: (*name).into(), ..ServiceView::default() };
        let edge =
            |(from, to): &(&str, &str)| FlowEdge { from: (*from).into(), to: (*to).into(), input: None, within: false };
        let snapshot = Snapshot {
            services: services.iter().map(service).collect(),
            edges: edges.iter().map(edge).collect(),
            ..Snapshot::default()
        };
        let letter = |mark: &Mark| match mark {
            Mark::Empty => ' ',
            Mark::Pass => '|',
            Mark::Begin => 'b',
            Mark::Through => 't',
            Mark::End => 'e',
            Mark::Join => 'j',
            Mark::JoinOn => 'J',
            Mark::Across => '-',
        };
        let row = |row: &Row| format!("{} {}", row.marks.iter().map(letter).collect::<String>(), services[row.service]);
        rows(&snapshot).iter().map(row).collect()
    }

    #[test]
    fn a_chain_is_one_lane_whatever_the_order_of_the_file() {
        assert_eq!(drawn(&["c", "b", "a"], &[("a", "b"), ("b", "c")]), ["b a", "t b", "e c"]);
    }

    #[test]
    fn two_that_feed_one_join() {
        let rows = drawn(&["a", "b", "join", "end"], &[("a", "join"), ("b", "join"), ("join", "end")]);
        assert_eq!(rows, ["b a", "|b b", "tj join", "e end"]);
    }

    #[test]
    fn one_that_feeds_two_runs_on() {
        let rows = drawn(&["a", "b", "c"], &[("a", "b"), ("a", "c"), ("b", "c")]);
        assert_eq!(rows, ["b a", "Jb b", "ej c"]);
    }

    #[test]
    fn what_cannot_be_is_drawn_all_the_same() {
        assert_eq!(drawn(&["a", "b"], &[("a", "b"), ("b", "a"), ("a", "a"), ("x", "a")]).len(), 2);
        assert_eq!(drawn(&["alone"], &[]), [" alone"]);
    }
}
