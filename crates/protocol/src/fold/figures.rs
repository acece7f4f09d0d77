//! What a window of seconds comes to.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::second::{Most, Second};
use crate::span::Parts;

/// A service over a window. Times are nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// What the figures are over: the window asked for, or less where less is known.
    pub window: Duration,
    /// Requests that ended.
    pub requests: u64,
    /// Requests that ended in a problem.
    pub errors: u64,
    /// Requests a second.
    pub per_second: f64,
    /// Requests being answered, as last heard.
    pub in_flight: u64,
    /// Requests in detail: what the times below rest on.
    pub n: u64,
    /// From the request's head to its answer.
    pub total: Percentiles,
    pub function: Percentiles,
    /// Waiting while other services worked.
    pub upstream: Percentiles,
    /// Waiting while bytes travelled.
    pub network: Percentiles,
    /// Everything else the host did.
    pub overhead: Percentiles,
    /// The mean of each part: they add up to the mean of the total, rounding aside.
    pub mean: Parts,
    /// How often the total was how long, in steps of two, from the first that is not empty to the last.
    pub bars: Vec<Bar>,
    /// Requests that ended in each second of the window, oldest first.
    pub sparkline: Vec<u64>,
}

/// Of a sample of times, in nanoseconds; exact to a thousandth, the longest exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Half are at most this long.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// Ninety-nine of a hundred.
    pub p99: u64,
    pub max: u64,
}

/// A bar of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Times below this, and not below half of it, in nanoseconds.
    pub below: u64,
    /// How many.
    pub count: u64,
}

/// A sample stands for this many shares of a request, so that a second of which not all are kept weighs as it should.
const SHARES: u64 = 1 << 10;

impl Figures {
    /// Over these seconds, oldest first, of which the last has not ended.
    pub(super) fn over(seconds: &[&Second], window: Duration, in_flight: u64) -> Self {
        let seen = || seconds.iter().filter(|second| !second.samples.is_empty());
        let mut most = Most::default();
        seen().for_each(|second| most.take(second.most));
        // (time, its weight)
        let each = |part: fn(&Parts) -> u64| {
            seen().flat_map(move |second| {
                let weight = (second.seen * SHARES).div_ceil(second.samples.len() as u64);
                second.samples.iter().map(move |sample| (part(sample), weight))
            })
        };
        let mean = |part| mean(each(part));
        let requests = seconds.iter().map(|second| second.requests).sum();
        Self {
            window,
            requests,
            errors: seconds.iter().map(|second| second.errors).sum(),
            per_second: requests as f64 / window.as_secs_f64().max(1.0),
            in_flight,
            n: seconds.iter().map(|second| second.seen).sum(),
            total: percentiles(each(Parts::total), most.total),
            function: percentiles(each(|parts| parts.function), most.parts.function),
            upstream: percentiles(each(|parts| parts.upstream), most.parts.upstream),
            network: percentiles(each(|parts| parts.network), most.parts.network),
            overhead: percentiles(each(|parts| parts.overhead), most.parts.overhead),
            mean: Parts {
                function: mean(|parts| parts.function),
                upstream: mean(|parts| parts.upstream),
                network: mean(|parts| parts.network),
                overhead: mean(|parts| parts.overhead),
            },
            bars: bars(each(Parts::total)),
            sparkline: seconds.iter().map(|second| second.requests).collect(),
        }
    }
}

/// A hundred years, in nanoseconds.
const LONGEST: u64 = 100 * 365 * 86_400 * 1_000_000_000;

/// As many are sorted in less time than a histogram takes, whose hundred kilobytes are filled and read at every look.
const FEW: usize = 1_024;

pub(super) fn percentiles(mut times: impl Iterator<Item = (u64, u64)>, max: u64) -> Percentiles {
    let mut first: Vec<_> = times.by_ref().take(FEW).collect();
    match times.next() {
        None => sorted(&mut first, max),
        Some(next) => counted(first.into_iter().chain([next]).chain(times), max),
    }
}

/// Of a few, exactly.
fn sorted(times: &mut [(u64, u64)], max: u64) -> Percentiles {
    times.sort_unstable();
    let all: u64 = times.iter().map(|(_, weight)| weight).sum();
    // The smallest time that at least this share of all is not above.
    let at = |share: f64| {
        let (wanted, mut below) = ((all as f64 * share).ceil() as u64, 0);
        let reached = |(_, weight): &&(u64, u64)| {
            below += weight;
            below >= wanted
        };
        times.iter().find(reached).map_or(0, |(time, _)| *time).min(max)
    };
    Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), max }
}

fn counted(times: impl Iterator<Item = (u64, u64)>, max: u64) -> Percentiles {
    // Three significant digits. The bounds of the range are always representable, so this cannot fail.
    let Ok(mut histogram) = Histogram::<u64>::new_with_max(max.clamp(2, LONGEST), 3) else {
        return Percentiles::default();
    };
    for (time, weight) in times {
        histogram.saturating_record_n(time, weight);
    }
    let at = |quantile| histogram.value_at_quantile(quantile).min(max);
    Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), max }
}

fn mean(times: impl Iterator<Item = (u64, u64)>) -> u64 {
    let (sum, weights) = times.fold((0_u128, 0_u128), |(sum, weights), (time, weight)| {
        (sum + u128::from(time) * u128::from(weight), weights + u128::from(weight))
    });
    // A mean is not larger than its largest.
    u64::try_from(sum.checked_div(weights).unwrap_or(0)).unwrap_or(u64::MAX)
}

fn bars(times: impl Iterator<Item = (u64, u64)>) -> Vec<Bar> {
    let mut weights = [0_u64; 64];
    for (time, weight) in times {
        // 2^n and its like up to 2^(n+1) are one bar; 0 stands with 1.
        weights[time.max(1).ilog2() as usize] += weight;
    }
    let first = weights.iter().position(|&weight| weight > 0).unwrap_or(weights.len());
    let last = weights.iter().rposition(|&weight| weight > 0).map_or(first, |last| last + 1);
    let bar = |at: usize| Bar {
        below: 2_u64.checked_shl(at as u32).filter(|&below| below > 0).unwrap_or(u64::MAX),
        count: (weights[at] + SHARES / 2) / SHARES,
    };
    (first..last).map(bar).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Sorted or counted, percentiles are the same to a thousandth.
        #[test]
        fn percentiles_of_few_and_of_many_are_of_one_kind(
            times in proptest::collection::vec((1_u64..1_000_000_000, 1_u64..2_000), 1..300)
        ) {
            let max = times.iter().map(|(time, _)| *time).max().unwrap_or_default();
            let (few, many) = (sorted(&mut times.clone(), max), counted(times.into_iter(), max));
            for (exact, near) in [(few.p50, many.p50), (few.p90, many.p90), (few.p99, many.p99), (few.max, many.max)] {
                prop_assert!(exact.abs_diff(near) <= exact / 500 + 1, "{few:?} {many:?}");
            }
        }
    }

    #[test]
    fn no_time_has_no_percentiles_and_more_than_a_few_are_counted() {
        assert_eq!(percentiles(std::iter::empty(), 9), Percentiles { max: 9, ..Percentiles::default() });
        let many = percentiles((1..=10 * FEW as u64).map(|time| (time * 1_000, 1)), 10_240_000);
        assert!((5_115_000..5_125_000).contains(&many.p50) && (10_130_000..10_142_000).contains(&many.p99), "{many:?}");
    }
}
