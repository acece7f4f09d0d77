//! The calls of one service to another, over the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use super::figures::{Percentiles, percentiles};
use super::second::Chance;
use crate::span::UpstreamCall;

/// Seconds of a bucket, and as many buckets as a minute has, and the one that has begun.
const BUCKET: u64 = 5;
const BUCKETS: u64 = 12;
/// Samples kept of a bucket.
const MOST_SAMPLES: usize = 64;

/// The calls of one service to another. Times are nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallFigures {
    /// Calls that ended.
    pub requests: u64,
    /// Calls that were answered with an error, or not at all.
    pub errors: u64,
    /// Calls a second.
    pub per_second: f64,
    /// What the caller waited.
    pub wait: Percentiles,
    /// What of that was on the way.
    pub network: Percentiles,
}

/// Calls to one service.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Oldest first, each with its number; empty ones are left out.
    buckets: VecDeque<(u64, Bucket)>,
}

#[derive(Debug, Default)]
struct Bucket {
    requests: u64,
    errors: u64,
    /// What was waited and what was on the way.
    samples: Vec<(u64, u64)>,
    longest: (u64, u64),
}

impl Calls {
    /// Takes a call of a request that ended at `at`.
    pub(super) fn add(&mut self, at: Duration, call: &UpstreamCall, chance: &mut Chance) {
        let number = at.as_secs() / BUCKET;
        let place = self.buckets.partition_point(|(known, _)| *known < number);
        if self.buckets.get(place).is_none_or(|(known, _)| *known != number) {
            self.buckets.insert(place, (number, Bucket::default()));
        }
        while self.buckets.len() as u64 > BUCKETS + 1 {
            self.buckets.pop_front();
        }
        if let Some((_, bucket)) = self.buckets.iter_mut().find(|(known, _)| *known == number) {
            bucket.add(call, chance);
        }
    }

    /// Over the last minute; none where nothing was called in it.
    pub(super) fn figures(&self, now: Duration) -> Option<CallFigures> {
        let last = now.as_secs() / BUCKET;
        let from = (last + 1).saturating_sub(BUCKETS);
        let buckets = || self.buckets.iter().filter(|(number, _)| (from..=last).contains(number));
        let requests: u64 = buckets().map(|(_, bucket)| bucket.requests).sum();
        if requests == 0 {
            return None;
        }
        let first = buckets().next().map_or(last, |(number, _)| *number);
        let seconds = now.saturating_sub(Duration::from_secs(first * BUCKET)).as_secs_f64().max(1.0);
        let each = |part: fn(&(u64, u64)) -> u64| {
            buckets().flat_map(move |(_, bucket)| {
                let weight = bucket.requests.div_ceil(bucket.samples.len().max(1) as u64);
                bucket.samples.iter().map(move |sample| (part(sample), weight))
            })
        };
        let longest = |part: fn(&(u64, u64)) -> u64| buckets().map(|(_, bucket)| part(&bucket.longest)).max();
        Some(CallFigures {
            requests,
            errors: buckets().map(|(_, bucket)| bucket.errors).sum(),
            per_second: requests as f64 / seconds,
            wait: percentiles(each(|sample| sample.0), longest(|sample| sample.0).unwrap_or(0)),
            network: percentiles(each(|sample| sample.1), longest(|sample| sample.1).unwrap_or(0)),
        })
    }
}

impl Calls {
    /// Whether nothing was called in the last minute.
    pub(super) fn is_quiet(&self, now: Duration) -> bool {
        let from = (now.as_secs() / BUCKET + 1).saturating_sub(BUCKETS);
        self.buckets.back().is_none_or(|(number, _)| *number < from)
    }
}

impl Bucket {
    fn add(&mut self, call: &UpstreamCall, chance: &mut Chance) {
        let sample = (call.took, call.network().unwrap_or(0));
        self.requests += 1;
        self.errors += u64::from(call.error.is_some());
        self.longest = (self.longest.0.max(sample.0), self.longest.1.max(sample.1));
        if self.samples.len() < MOST_SAMPLES {
            return self.samples.push(sample);
        }
        let at = usize::try_from(chance.below(self.requests)).unwrap_or(usize::MAX);
        if let Some(kept) = self.samples.get_mut(at) {
            *kept = sample;
        }
    }
}
