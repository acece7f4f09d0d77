//! Where one request goes that did not fit, and which requests of neighbours are taken.

use std::collections::BTreeMap;
use std::time::Duration;

use balance::{LimitIn, NodeId, ServiceId, Sharing};
use rand::{Rng, RngExt};

use crate::token_bucket::TokenBucket;

/// Neighbours of one service, each at its pace.
#[derive(Clone, Debug)]
pub struct AwayWays {
    sharing: Sharing,
    paces: BTreeMap<NodeId, TokenBucket>,
}

impl AwayWays {
    pub fn new(sharing: Sharing, now: Duration) -> Self {
        let mut ways = Self { sharing, paces: BTreeMap::new() };
        ways.pace(now);
        ways
    }

    /// Goes by another decision from now on; tokens that were taken stay taken.
    pub fn tell(&mut self, sharing: Sharing, now: Duration) {
        self.sharing = sharing;
        self.pace(now);
    }

    fn pace(&mut self, now: Duration) {
        let paced: BTreeMap<NodeId, f64> =
            self.sharing.to.iter().filter_map(|to| to.pace.map(|pace| (to.node, pace))).collect();
        self.paces.retain(|node, _| paced.contains_key(node));
        for (node, pace) in paced {
            let bucket = self.paces.entry(node).or_insert_with(|| TokenBucket::new(pace, now));
            bucket.set(pace, now);
        }
    }

    /// The next neighbour to ask, by weight among those that have a token; where none has, one that is asked beyond its
    /// offer. None once a request was tried as often as it may be: `times` so far. Those that are passed over are not asked.
    pub fn next(&mut self, passed: &[NodeId], times: usize, now: Duration, random: &mut dyn Rng) -> Option<NodeId> {
        if times >= self.sharing.tries.into() {
            return None;
        }
        let mut open = Vec::new();
        for to in self.sharing.to.iter().filter(|to| to.weight > 0.0 && !passed.contains(&to.node)) {
            if self.paces.get_mut(&to.node).is_none_or(|bucket| bucket.has_token(now)) {
                open.push(*to);
            }
        }
        let all: f64 = open.iter().map(|to| to.weight).sum();
        let mut drawn = random.random::<f64>() * all;
        let drawn = open.iter().find(|to| {
            drawn -= to.weight;
            drawn < 0.0
        });
        match drawn.or(open.last()).map(|to| to.node) {
            Some(node) => {
                if let Some(bucket) = self.paces.get_mut(&node) {
                    bucket.take(now);
                }
                Some(node)
            }
            None => self.sharing.beyond.iter().copied().find(|node| !passed.contains(node)),
        }
    }
}

/// Requests that are taken from neighbours.
#[derive(Clone, Debug, Default)]
pub struct GuestLimits {
    /// Absent: every request is taken for which its host has room.
    limits: Option<BTreeMap<(ServiceId, NodeId), (TokenBucket, bool)>>,
}

impl GuestLimits {
    /// Goes by other limits from now on. Those of offers are the sender's pace, and no law here.
    pub fn tell(&mut self, limits_in: &[LimitIn], now: Duration) {
        let mut before = self.limits.take().unwrap_or_default();
        let limits = limits_in.iter().map(|limit| {
            let key = (limit.service, limit.node);
            let mut bucket =
                before.remove(&key).map_or_else(|| TokenBucket::new(limit.rate, now), |(bucket, _)| bucket);
            bucket.set(limit.rate, now);
            (key, (bucket, limit.is_hard))
        });
        self.limits = Some(limits.collect());
    }

    /// Whether a request of a neighbour may go to a host here.
    pub fn takes(&mut self, service: ServiceId, node: NodeId, now: Duration) -> bool {
        let Some(limits) = &mut self.limits else { return true };
        match limits.get_mut(&(service, node)) {
            Some((bucket, true)) => bucket.take(now),
            Some((_, false)) => true,
            None => false,
        }
    }
}
