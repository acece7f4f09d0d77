//! Another recording in the place of the code before.

use std::collections::HashMap;

use crate::body::End;
use crate::request::{Hop, Request};

/// Puts the ends of another recording in the place of a recording's own, wherever the same function was given the same
/// there; calls without a like there go. Answers how many went.
///
/// The version goes too: what was recorded elsewhere is no witness of what this code does.
pub fn stand_in(requests: &mut [Request], other: &[Request]) -> usize {
    let hops = other.iter().flat_map(|request| &request.hops);
    // Of several the last, which is the newest where requests are in their order.
    let ends: HashMap<_, &End> = hops.filter_map(|hop| Some((print(hop)?, &hop.end))).collect();
    let mut gone = 0;
    for hops in requests.iter_mut().map(|request| &mut request.hops) {
        let before = hops.len();
        hops.retain_mut(|hop| {
            let end = print(hop).and_then(|print| ends.get(&print));
            if let Some(end) = end {
                hop.end = (*end).clone();
                hop.version.clear();
            }
            end.is_some()
        });
        gone += before - hops.len();
    }
    gone
}

fn print(hop: &Hop) -> Option<blake3::Hash> {
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
        let mut own = vec![request(1, vec![hop("map", "1", "10"), hop("map", "2", "20"), hop("last", "1", "1")])];
        let other = [request(7, vec![hop("map", "1", "11"), hop("last", "1", "1"), hop("map", "1", "12")])];
        assert_eq!(stand_in(&mut own, &other), 1);
        let ends: Vec<_> = own[0].hops.iter().map(|hop| (hop.service.as_str(), hop.end.clone())).collect();
        let value = |text: &str| End::Value(Body::new(text.as_bytes()));
        assert_eq!(ends, [("map", value("12")), ("last", value("1"))]);
        assert!(own[0].hops.iter().all(|hop| hop.version.is_empty()));
    }
}
