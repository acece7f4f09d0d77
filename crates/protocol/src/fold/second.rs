//! One second of one service.

use crate::span::{Parts, Span};

/// Samples kept of a second: percentiles over ten seconds then rest on thousands.
const MOST_SAMPLES: usize = 256;

/// What happened in a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Second {
    /// Requests that ended.
    pub(super) requests: u64,
    /// Requests that ended in a problem.
    pub(super) errors: u64,
    /// Requests in detail.
    pub(super) seen: u64,
    /// A fair choice of those.
    pub(super) samples: Vec<Parts>,
    /// The longest of each part, and of the total.
    pub(super) most: Most,
}

/// The longest, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Most {
    pub(super) total: u64,
    pub(super) parts: Parts,
}

impl Second {
    pub(super) fn add(&mut self, span: &Span, chance: &mut Chance) {
        let parts = span.parts();
        self.requests += 1;
        self.errors += u64::from(span.is_error());
        self.seen += 1;
        self.most.take(Most { total: parts.total(), parts });
        if self.samples.len() < MOST_SAMPLES {
            return self.samples.push(parts);
        }
        // Algorithm R (Vitter, "Random Sampling with a Reservoir", 1985): each has the same chance to be kept.
        let at = usize::try_from(chance.below(self.seen)).unwrap_or(usize::MAX);
        if let Some(sample) = self.samples.get_mut(at) {
            *sample = parts;
        }
    }
}

impl Most {
    pub(super) fn take(&mut self, other: Self) {
        let (ours, theirs) = (&mut self.parts, other.parts);
        self.total = self.total.max(other.total);
        ours.function = ours.function.max(theirs.function);
        ours.upstream = ours.upstream.max(theirs.upstream);
        ours.network = ours.network.max(theirs.network);
        ours.overhead = ours.overhead.max(theirs.overhead);
    }
}

/// Numbers without a pattern, the same in every run: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug, Default)]
pub(super) struct Chance(u64);

impl Chance {
    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::tests::span;

    #[test]
    fn samples_are_bounded_and_fair_and_the_longest_is_never_lost() {
        let (mut second, mut chance) = (Second::default(), Chance::default());
        let mut one = span("map", 1);
        for total in 1..=10_000 {
            one.total = if total == 5_000 { 1_000_000 } else { total };
            one.function = 0;
            second.add(&one, &mut chance);
        }
        assert_eq!((second.requests, second.seen, second.samples.len()), (10_000, 10_000, MOST_SAMPLES));
        assert_eq!((second.most.total, second.most.parts.overhead), (1_000_000, 1_000_000));
        // A fair choice has its middle in the middle: 5,000 with a deviation of 312 for 256 of them.
        let mut totals: Vec<_> = second.samples.iter().map(Parts::total).collect();
        totals.sort_unstable();
        assert!((3_750..6_250).contains(&totals[MOST_SAMPLES / 2]), "{}", totals[MOST_SAMPLES / 2]);
    }
}
