//! The last requests, in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::request::{Keyframe, Request};

/// The newest requests, as many as there is room for, and the placed state that their functions were in.
#[derive(Debug)]
pub struct Ring {
    most: usize,
    most_bytes: u64,
    bytes: u64,
    /// Number of the oldest request in it, counted from the first that was ever added.
    first: u64,
    requests: VecDeque<(Arc<Request>, u64)>,
    keyframes: VecDeque<Arc<Keyframe>>,
}

impl Ring {
    /// Keeps so many requests, and so many bytes, at most.
    pub fn new(most: usize, most_bytes: u64) -> Self {
        Self { most, most_bytes, bytes: 0, first: 0, requests: VecDeque::new(), keyframes: VecDeque::new() }
    }

    /// Adds the newest; the oldest make room. One that alone is too large is not kept, and the count goes on.
    pub fn add(&mut self, request: Request) -> Arc<Request> {
        let bytes = request.bytes();
        let request = Arc::new(request);
        self.requests.push_back((Arc::clone(&request), bytes));
        self.bytes += bytes;
        while self.requests.len() > self.most || (self.bytes > self.most_bytes && !self.requests.is_empty()) {
            self.forget_oldest();
        }
        request
    }

    /// Keeps placed state as it was before a call.
    pub fn add_keyframe(&mut self, keyframe: Keyframe) -> Arc<Keyframe> {
        let keyframe = Arc::new(keyframe);
        self.bytes += keyframe.bytes();
        self.keyframes.push_back(Arc::clone(&keyframe));
        while self.bytes > self.most_bytes && !self.requests.is_empty() {
            self.forget_oldest();
        }
        while self.bytes > self.most_bytes
            && let Some(oldest) = self.keyframes.pop_front()
        {
            self.bytes -= oldest.bytes();
        }
        keyframe
    }

    /// What there is, newest first, each with its number.
    pub fn newest(&self) -> impl Iterator<Item = (u64, &Arc<Request>)> {
        let end = self.first + self.requests.len() as u64;
        self.requests.iter().rev().zip(1..).map(move |((request, _), back)| (end - back, request))
    }

    /// The request of that number; none: it has made room, or has not come yet.
    pub fn get(&self, number: u64) -> Option<&Arc<Request>> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.requests.get(at).map(|(request, _)| request)
    }

    /// Placed state, oldest first.
    pub fn keyframes(&self) -> impl Iterator<Item = &Arc<Keyframe>> {
        self.keyframes.iter()
    }

    /// How many requests it holds.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Bytes it takes, nearly.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets everything. Numbers go on.
    pub fn clear(&mut self) {
        while !self.requests.is_empty() {
            self.forget_oldest();
        }
        self.keyframes.clear();
        self.bytes = 0;
    }

    fn forget_oldest(&mut self) {
        let Some((request, bytes)) = self.requests.pop_front() else { return };
        self.bytes -= bytes;
        self.first += 1;
        for hop in &request.hops {
            self.forget_before(&hop.service, hop.sequence);
        }
    }

    /// Of the service's keyframes up to a call that is forgotten, only the last can still be the nearest to another.
    fn forget_before(&mut self, service: &str, sequence: u64) {
        let of = |keyframe: &Arc<Keyframe>| keyframe.service == service && keyframe.sequence <= sequence;
        let Some(last) = self.keyframes.iter().rposition(of) else { return };
        let mut at = 0;
        let mut freed = 0;
        self.keyframes.retain(|keyframe| {
            let goes = at < last && of(keyframe);
            at += 1;
            freed += if goes { keyframe.bytes() } else { 0 };
            !goes
        });
        self.bytes -= freed;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::{hop, request};

    #[test]
    fn the_newest_stay_within_both_bounds() {
        let mut ring = Ring::new(3, 1 << 20);
        (0..5).for_each(|at| drop(ring.add(request(at, vec![hop("get", "1", "2")]))));
        assert_eq!(
            ring.newest().map(|(number, request)| (number, request.at)).collect::<Vec<_>>(),
            [(4, 4), (3, 3), (2, 2)]
        );
        assert_eq!((ring.get(1), ring.get(5)), (None, None));
        assert_eq!(ring.get(2).unwrap().at, 2);
        let one = ring.bytes() / 3;
        let mut ring = Ring::new(100, 2 * one + 1);
        (0..5).for_each(|at| drop(ring.add(request(at, vec![hop("get", "1", "2")]))));
        assert_eq!((ring.len(), ring.bytes()), (2, 2 * one));
        ring.add(request(9, vec![hop("get", &"[1]".repeat(1000), "2")]));
        assert_eq!((ring.len(), ring.bytes()), (0, 0));
        ring.add(request(10, vec![hop("get", "1", "2")]));
        assert_eq!(ring.newest().next().unwrap().0, 6);
    }

    proptest! {
        /// Whatever comes, the nearest state before every call that is still there is still there.
        #[test]
        fn a_call_keeps_its_nearest_state(every in 1_u64..6, most in 1_usize..9, count in 1_u64..40) {
            let mut ring = Ring::new(most, 1 << 20);
            for sequence in 0..count {
                if sequence % every == 0 {
                    ring.add_keyframe(Keyframe { service: "get".into(), sequence, life: 0, states: Vec::new() });
                }
                let mut hop = hop("get", "1", "2");
                hop.sequence = sequence;
                ring.add(request(sequence, vec![hop]));
            }
            for (_, request) in ring.newest() {
                let sequence = request.hops[0].sequence;
                let nearest = ring.keyframes().map(|k| k.sequence).filter(|&k| k <= sequence).max();
                prop_assert_eq!(nearest, Some(sequence / every * every));
            }
            prop_assert!(ring.keyframes().count() as u64 <= most as u64 / every + 2);
            let held = ring.newest().map(|(_, r)| r.bytes()).sum::<u64>();
            prop_assert_eq!(ring.bytes(), held + ring.keyframes().map(|k| k.bytes()).sum::<u64>());
        }
    }
}
