//! What several hosts recorded, put together to requests.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use protocol::record::Visit;
use recordings::{RecordedHop, Request};

use super::wire;

/// A host is asked every 50 ms; a part that has not come after this will not.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests that wait for their parts; beyond it the oldest is taken as it is.
const MOST_WAITING: usize = 4096;

/// Parts of requests that are not whole yet.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    waiting: HashMap<String, Parts>,
    /// In the order they came.
    order: VecDeque<(Duration, String)>,
}

#[derive(Debug, Default)]
struct Parts {
    visits: Vec<Visit>,
    /// It is known where it began.
    is_begun: bool,
    /// Calls whose visits came.
    came: HashSet<String>,
    /// Calls that were answered and whose visits have not come.
    awaited: HashSet<String>,
}

impl Assembly {
    /// Adds a part; the request where it is whole now.
    pub(super) fn add(&mut self, now: Duration, visit: Visit) -> Option<Request> {
        let trace = visit.trace.clone();
        let parts = self.waiting.entry(trace.clone()).or_insert_with(|| {
            self.order.push_back((now, trace.clone()));
            Parts::default()
        });
        parts.add(visit);
        if !parts.is_whole() {
            return None;
        }
        self.waiting.remove(&trace)?.request()
    }

    /// Requests that have waited for long enough, or too many: as far as they came.
    pub(super) fn overdue(&mut self, now: Duration) -> Vec<Request> {
        let mut requests = Vec::new();
        while let Some((since, trace)) = self.order.front() {
            let is_waiting = self.waiting.contains_key(trace);
            if is_waiting && now.saturating_sub(*since) < PATIENCE && self.waiting.len() <= MOST_WAITING {
                break;
            }
            let Some((_, trace)) = self.order.pop_front() else { break };
            requests.extend(self.waiting.remove(&trace).and_then(Parts::request));
        }
        requests
    }
}

impl Parts {
    fn add(&mut self, visit: Visit) {
        self.is_begun |= visit.entry.is_some();
        if let Some(call) = &visit.parent {
            self.awaited.remove(call);
            self.came.insert(call.clone());
        }
        self.awaited.extend(visit.asked.iter().filter(|call| !self.came.contains(*call)).cloned());
        self.visits.push(visit);
    }

    /// Whether it is known where it began and every call that was answered has its visit.
    fn is_whole(&self) -> bool {
        self.is_begun && self.awaited.is_empty()
    }

    /// None where no function ran.
    fn request(mut self) -> Option<Request> {
        let begun = self.visits.iter().map(|visit| visit.begun).min()?;
        let entry = self.visits.iter_mut().find_map(|visit| visit.entry.take()).unwrap_or_default();
        let id = self.visits.first()?.trace.clone();
        let mut askers = HashMap::new();
        for visit in &self.visits {
            askers.extend(visit.asked.iter().map(|call| (call.clone(), visit.span.clone())));
        }
        let hops: Vec<RecordedHop> = self
            .ended()
            .into_iter()
            .filter_map(|visit| {
                let parent = visit.parent.as_ref().and_then(|call| askers.get(call)).cloned();
                wire::hop(visit, parent, begun)
            })
            .collect();
        let at = begun / 1_000_000;
        (!hops.is_empty()).then_some(Request { id, at, route: entry.route, headers: entry.headers, hops })
    }

    /// Each after those it asked: hosts may have clocks of their own, so the order is that of the calls.
    fn ended(&self) -> Vec<&Visit> {
        let by_call: HashMap<&str, usize> =
            self.visits.iter().enumerate().filter_map(|(at, visit)| Some((visit.parent.as_deref()?, at))).collect();
        let children: Vec<Vec<usize>> = self
            .visits
            .iter()
            .map(|visit| visit.asked.iter().filter_map(|call| by_call.get(call.as_str()).copied()).collect())
            .collect();
        let asked: HashSet<usize> = children.iter().flatten().copied().collect();
        let mut order = Vec::new();
        // Roots first, the last one on top; a visit is taken when it is seen for the second time, after its own.
        let mut stack: Vec<(usize, bool)> =
            (0..self.visits.len()).filter(|at| !asked.contains(at)).map(|at| (at, false)).rev().collect();
        let mut seen = HashSet::new();
        while let Some((at, is_done)) = stack.pop() {
            if is_done {
                order.push(&self.visits[at]);
            } else if seen.insert(at) {
                stack.push((at, true));
                stack.extend(children[at].iter().rev().map(|child| (*child, false)));
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::{Body, Outcome};
    use protocol::record::{Arrival, Run};

    use super::*;

    fn visit(service: &str, parent: Option<&str>, asked: &[&str]) -> Visit {
        let run = Run {
            version: format!("{service}@1"),
            inputs: Vec::new(),
            end: Outcome::Value(Body::new(b"1")),
            function_ns: 5,
            sequence: 0,
            calls: Vec::new(),
        };
        Visit {
            trace: "t".to_owned(),
            span: format!("span of {service}"),
            parent: parent.map(str::to_owned),
            entry: parent.is_none().then(|| Arrival { route: Some("r".to_owned()), headers: Vec::new() }),
            service: service.to_owned(),
            begun: 7_000_000,
            took: 1,
            asked: asked.iter().map(|&call| call.to_owned()).collect(),
            run: Some(run),
        }
    }

    fn services(request: &Request) -> Vec<&str> {
        request.hops.iter().map(|hop| hop.service.as_str()).collect()
    }

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn a_request_is_whole_when_every_call_has_come_whatever_the_order() {
        let parts =
            [visit("last", None, &["a", "b"]), visit("left", Some("a"), &[]), visit("right", Some("b"), &["c"])];
        let far = visit("far", Some("c"), &[]);
        for turn in 0..3 {
            let mut assembly = Assembly::default();
            for at in 0..3 {
                assert_eq!(assembly.add(NOW, parts[(turn + at) % 3].clone()), None);
            }
            let request = assembly.add(NOW, far.clone()).expect("it is whole");
            assert_eq!(services(&request), ["left", "far", "right", "last"]);
            assert_eq!((&*request.id, request.at, request.route.as_deref()), ("t", 7, Some("r")));
            let parents: Vec<_> = request.hops.iter().map(|hop| hop.parent.as_deref()).collect();
            let last = Some("span of last");
            assert_eq!(parents, [last, Some("span of right"), last, None]);
            assert!(assembly.overdue(PATIENCE).is_empty() && assembly.order.is_empty(), "it is told once");
        }
    }

    #[test]
    fn what_does_not_come_is_waited_for_no_longer_than_patience() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.add(NOW, visit("last", None, &["a"])), None);
        assert!(assembly.overdue(PATIENCE / 2).is_empty());
        let requests = assembly.overdue(PATIENCE);
        assert_eq!(requests.iter().map(services).collect::<Vec<_>>(), [["last"]]);
        // Nothing ran: there is nothing to tell.
        assembly.add(NOW, Visit { run: None, ..visit("last", None, &["a"]) });
        assert!(assembly.overdue(PATIENCE).is_empty() && assembly.waiting.is_empty());
    }

    #[test]
    fn room_is_bounded_and_a_circle_ends() {
        let mut assembly = Assembly::default();
        for number in 0..=MOST_WAITING {
            assembly.add(NOW, Visit { trace: number.to_string(), ..visit("last", None, &["a"]) });
        }
        assert_eq!(assembly.overdue(NOW).len(), 1);
        let mut assembly = Assembly::default();
        assembly.add(NOW, visit("a", Some("1"), &["2"]));
        assembly.add(NOW, visit("b", Some("2"), &["1"]));
        assert!(assembly.overdue(PATIENCE).is_empty(), "nobody began it");
    }
}
