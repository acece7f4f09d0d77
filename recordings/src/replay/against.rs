//! Another recording in the place of the code before.

use std::collections::{HashMap, VecDeque};

use crate::request::{RecordedHop, Request};
use protocol::body::Outcome;

/// Puts the ends of another recording in the place of a recording's own, wherever the same function was given the same
/// there; calls without a like there go. Answers how many went. Requests are in their order, oldest first: of a
/// function that returns now this, now that for the same, the first call has the first for its like, and so on.
///
/// The version goes too: what was recorded elsewhere is no witness of what this code does.
pub fn stand_in(requests: &mut [Request], other: &[Request]) -> usize {
    let mut ends: HashMap<_, Ends<'_>> = HashMap::new();
    for hop in other.iter().flat_map(|request| &request.hops) {
        if let Some(print) = print(hop) {
            ends.entry(print).or_default().add(&hop.end);
        }
    }
    let mut gone = 0;
    for hops in requests.iter_mut().map(|request| &mut request.hops) {
        let before = hops.len();
        hops.retain_mut(|hop| {
            let end = print(hop).and_then(|print| ends.get_mut(&print)?.next());
            if let Some(end) = end {
                hop.end = end.clone();
                hop.version.clear();
            }
            end.is_some()
        });
        gone += before - hops.len();
    }
    gone
}

/// How calls that were given the same ended.
#[derive(Default)]
struct Ends<'a> {
    left: VecDeque<&'a Outcome>,
    /// Where all of them ended alike: so may any number more.
    every: Option<&'a Outcome>,
}

impl<'a> Ends<'a> {
    fn add(&mut self, end: &'a Outcome) {
        self.every = Some(end).filter(|end| self.left.iter().all(|other| other == end));
        self.left.push_back(end);
    }

    fn next(&mut self) -> Option<&'a Outcome> {
        self.left.pop_front().or(self.every)
    }
}

fn print(hop: &RecordedHop) -> Option<blake3::Hash> {
    // What is written is what is compared: equal bytes are equal values.
    let text = serde_json::to_vec(&(&hop.service, &hop.inputs, &hop.calls)).ok()?;
    Some(blake3::hash(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;
    use crate::tests::{hop, request};

    #[test]
    fn a_like_call_s_end_stands_in() {
        let hops = vec![hop("map", "1", "10"), hop("map", "2", "20"), hop("last", "1", "1"), hop("last", "1", "1")];
        let mut own = vec![request(1, hops)];
        let other = [
            request(7, vec![hop("map", "1", "11"), hop("last", "1", "2"), hop("map", "1", "12")]),
            request(8, vec![hop("last", "1", "2")]),
        ];
        assert_eq!(stand_in(&mut own, &other), 1);
        let ends: Vec<_> = own[0].hops.iter().map(|hop| (hop.service.as_str(), hop.end.clone())).collect();
        let value = |text: &str| Outcome::Value(Body::new(text.as_bytes()));
        assert_eq!(ends, [("map", value("11")), ("last", value("2")), ("last", value("2"))]);
        assert!(own[0].hops.iter().all(|hop| hop.version.is_empty()));
    }

    #[test]
    fn what_returns_now_this_now_that_is_taken_in_its_order() {
        let count = |ends: &[&str]| vec![request(1, ends.iter().map(|end| hop("count", "0", end)).collect())];
        let mut own = count(&["7", "8", "9"]);
        assert_eq!(stand_in(&mut own, &count(&["1", "2"])), 1);
        let ends: Vec<_> = own[0].hops.iter().map(|hop| hop.end.clone()).collect();
        assert_eq!(ends, ["1", "2"].map(|end| Outcome::Value(Body::new(end.as_bytes()))));
        let mut more = count(&["7", "8", "9"]);
        assert_eq!(stand_in(&mut more, &count(&["1", "1"])), 0);
    }
}
