//! Whether the code now is slower.

use protocol::{fold, ranks};

use super::verdict::Pace;

/// Fewer runs say nothing.
const FEWEST: usize = 20;
/// Nanoseconds by which medians differ at least: below, it is where the linker put the code.
const FELT: u64 = 1_000;

/// Slower and faster, as far as two samples of nanoseconds support it.
pub(super) fn compare(mut was: Vec<u64>, mut now: Vec<u64>) -> (Option<Pace>, Option<Pace>) {
    if was.len() < FEWEST || now.len() < FEWEST {
        return (None, None);
    }
    let Some(test) = ranks::compare(&was, &now) else { return (None, None) };
    let pace = Pace { was_ns: median(&mut was), now_ns: median(&mut now), n: was.len().min(now.len()), p: test.p };
    // A tenth of the time, besides: the runs are those of one moment on one machine.
    let far = pace.was_ns.abs_diff(pace.now_ns);
    if far < FELT || far < pace.was_ns / 10 {
        return (None, None);
    }
    match fold::Significance::of(test) {
        fold::Significance::Slower => (Some(pace), None),
        fold::Significance::Faster => (None, Some(pace)),
        fold::Significance::NoEvidence => (None, None),
    }
}

fn median(samples: &mut [u64]) -> u64 {
    samples.sort_unstable();
    samples[(samples.len() - 1) / 2]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn slower_is_said_where_it_is_supported_and_felt() {
        let samples = |from: u64| (0..50).map(|at| from + at * 10).collect::<Vec<_>>();
        let (slower, faster) = compare(samples(10_000), samples(20_000));
        let pace = slower.unwrap();
        assert_eq!((pace.was_ns, pace.now_ns, pace.n, faster), (10_240, 20_240, 50, None));
        assert!(pace.p < 1e-9);
        assert!(compare(samples(20_000), samples(10_000)).1.is_some());
        // Too few; too small a difference; a small share of it; none.
        assert_eq!(compare(samples(10_000)[..19].to_vec(), samples(20_000)), (None, None));
        assert_eq!(compare(samples(100), samples(1_000)), (None, None));
        assert_eq!(compare(samples(1_000_000), samples(1_050_000)), (None, None));
        assert_eq!(compare(samples(10_000), samples(10_000)), (None, None));
    }
}
