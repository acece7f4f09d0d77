//! Before and after an edit, or a move between hosts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::ranks::{self, Ranks};
use crate::span::{Parts, Span, Status};

/// Requests of a version that are compared: its latest, as the machine and the load are then most alike.
const MOST_SAMPLES: usize = 1_000;
/// Fewer say nothing: the test's approximation is good from about twenty on.
const FEWEST_SAMPLES: usize = 20;
/// The test is looked at again and again while requests come, and requests of one moment are alike, so one in twenty
/// would often be a false alarm.
const SIGNIFICANT: f64 = 0.001;
/// A difference nobody would feel can be significant where the samples are large. Below this chance of the one to be
/// larger than the other it is negligible (Cliff's delta 0.147: Romano et al., "Appropriate statistics for ordinal
/// level data", 2006).
const NOTEWORTHY: f64 = 0.5 + 0.147 / 2.0;

/// More than batches of a host are late by: what seems to have begun so much later did.
const SURELY: Duration = Duration::from_secs(1);

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The whole request.
    Total,
    /// The function alone: what an edit changes.
    Function,
    /// All but the functions: what a move changes.
    Way,
}

/// A version and the one before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub before: VersionSide,
    pub after: VersionSide,
    /// What the samples support.
    pub verdict: Significance,
    /// The test behind it; none where there are too few samples.
    pub test: Option<Ranks>,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSide {
    pub version: Arc<str>,
    /// Requests the comparison rests on.
    pub n: usize,
    /// Their median, in nanoseconds.
    pub p50: u64,
}

/// What two samples support.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Significance {
    /// The version now takes longer.
    Slower,
    /// The version now takes less long.
    Faster,
    /// Neither can be said.
    NoEvidence,
}

/// The last two versions of a service.
#[derive(Debug, Default)]
pub(super) struct Versions {
    now: Option<Samples>,
    before: Option<Samples>,
}

#[derive(Debug)]
struct Samples {
    version: Arc<str>,
    /// When the last of its requests began, by its host's clock and by the reader's.
    last: (u64, Duration),
    times: VecDeque<Times>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    total: u64,
    function: u64,
    way: u64,
}

impl Versions {
    /// Takes a request that began at `begun`, by the reader's clock: that one never goes back, and tells nearly.
    pub(super) fn add(&mut self, begun: Duration, span: &Span) {
        if let Some(version) = &span.version {
            self.add_as(version, begun, span);
        }
    }

    /// The same of the services that a request called without a connection, in the place of a version: those in its host.
    pub(super) fn add_way(&mut self, begun: Duration, span: &Span) {
        if span.calls.is_empty() {
            return;
        }
        let mut within: Vec<&str> =
            span.calls.iter().filter(|call| call.within).map(|call| call.service.as_ref()).collect();
        within.sort_unstable();
        within.dedup();
        let names = |joined: &str| joined.split('+').filter(|name| !name.is_empty()).eq(within.iter().copied());
        let is_known = self.now.as_ref().is_some_and(|now| names(&now.version));
        match &self.now {
            Some(now) if is_known => self.add_as(&now.version.clone(), begun, span),
            _ => self.add_as(&within.join("+").into(), begun, span),
        }
    }

    fn add_as(&mut self, version: &Arc<str>, begun: Duration, span: &Span) {
        let is = |samples: &Option<Samples>| samples.as_ref().is_some_and(|samples| samples.version == *version);
        if is(&self.now) {
            return self.now.iter_mut().for_each(|samples| samples.add(begun, span));
        }
        // A straggler of the version before, unless it began after everything the version now has answered: then an
        // edit was undone.
        let is_late = |now: &Samples| span.start <= now.last.0 && begun <= now.last.1 + SURELY;
        if is(&self.before) && self.now.as_ref().is_some_and(is_late) {
            return self.before.iter_mut().for_each(|samples| samples.add(begun, span));
        }
        let mut samples = Samples { version: version.clone(), last: (0, Duration::ZERO), times: VecDeque::new() };
        samples.add(begun, span);
        self.before = self.now.replace(samples);
    }

    pub(super) fn comparison(&self, measure: Measure) -> Option<Comparison> {
        let (before, after) = (self.before.as_ref()?.of(measure), self.now.as_ref()?.of(measure));
        let enough = before.len() >= FEWEST_SAMPLES && after.len() >= FEWEST_SAMPLES;
        let test = enough.then(|| ranks::compare(&before, &after)).flatten();
        let side = |samples: &Option<Samples>, sorted: &[u64]| {
            let p50 = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0);
            samples.as_ref().map(|samples| VersionSide { version: samples.version.clone(), n: sorted.len(), p50 })
        };
        Some(Comparison {
            before: side(&self.before, &before)?,
            after: side(&self.now, &after)?,
            verdict: test.map_or(Significance::NoEvidence, Significance::of),
            test,
        })
    }
}

impl Significance {
    /// What a test of two samples of at least twenty each supports.
    pub fn of(test: Ranks) -> Self {
        match test {
            Ranks { p, .. } if p >= SIGNIFICANT => Self::NoEvidence,
            Ranks { larger, .. } if larger >= NOTEWORTHY => Self::Slower,
            Ranks { larger, .. } if larger <= 1.0 - NOTEWORTHY => Self::Faster,
            _ => Self::NoEvidence,
        }
    }
}

impl Samples {
    fn add(&mut self, begun: Duration, span: &Span) {
        self.last = (self.last.0.max(span.start), self.last.1.max(begun));
        // A request that failed may not have come as far as the function.
        if matches!(span.outcome, Status::Problem(_)) {
            return;
        }
        let Parts { function, network, overhead, .. } = span.parts();
        self.times.push_back(Times { total: span.total, function, way: network.saturating_add(overhead) });
        if self.times.len() > MOST_SAMPLES {
            self.times.pop_front();
        }
    }

    /// Sorted.
    fn of(&self, measure: Measure) -> Vec<u64> {
        let mut times: Vec<_> = match measure {
            Measure::Total => self.times.iter().map(|times| times.total).collect(),
            Measure::Function => self.times.iter().map(|times| times.function).collect(),
            Measure::Way => self.times.iter().map(|times| times.way).collect(),
        };
        times.sort_unstable();
        times
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::span::tests::span;

    fn ran(versions: &mut Versions, version: &str, start: u64, function: u64) {
        let mut one = span("map", 1);
        one.version = Some(version.into());
        (one.start, one.total, one.function) = (start, function + 100, function);
        versions.add(Duration::from_nanos(start), &one);
    }

    fn compared(before: impl Fn(u64) -> u64, after: impl Fn(u64) -> u64, n: u64) -> Comparison {
        let mut versions = Versions::default();
        (0..n).for_each(|at| ran(&mut versions, "v1", at, before(at)));
        (0..n).for_each(|at| ran(&mut versions, "v2", n + at, after(at)));
        versions.comparison(Measure::Function).unwrap()
    }

    #[test]
    fn only_what_the_samples_support_is_said() {
        let times = |at: u64| 1_000 + at * 7 % 100;
        let slower = compared(times, |at| times(at) + 60, 100);
        assert_eq!((slower.verdict, slower.before.n, slower.after.n), (Significance::Slower, 100, 100));
        assert_eq!((slower.before.p50, slower.after.p50), (1_049, 1_109));
        assert_eq!(compared(|at| times(at) + 60, times, 100).verdict, Significance::Faster);
        assert_eq!(compared(times, times, 100).verdict, Significance::NoEvidence);
        // Large samples of a difference of a hundredth of the spread: nothing to speak of.
        assert_eq!(compared(times, |at| times(at) + 1, 1_000).verdict, Significance::NoEvidence);
        let few = compared(times, |at| times(at) * 9, 19);
        assert_eq!((few.verdict, few.test), (Significance::NoEvidence, None));
    }

    #[test]
    fn stragglers_belong_to_the_version_before_and_an_undone_edit_is_an_edit() {
        let mut versions = Versions::default();
        assert_eq!(versions.comparison(Measure::Total), None);
        ran(&mut versions, "v1", 10, 5);
        assert_eq!(versions.comparison(Measure::Total), None);
        ran(&mut versions, "v2", 20, 5);
        ran(&mut versions, "v1", 19, 5);
        let found = versions.comparison(Measure::Total).unwrap();
        assert_eq!((&*found.before.version, found.before.n, &*found.after.version), ("v1", 2, "v2"));
        assert_eq!(found.before.p50, 105);
        ran(&mut versions, "v1", 30, 5);
        let found = versions.comparison(Measure::Total).unwrap();
        assert_eq!((&*found.before.version, &*found.after.version, found.after.n), ("v2", "v1", 1));
    }

    #[test]
    fn an_undone_edit_is_seen_though_the_hosts_clock_went_back() {
        let mut versions = Versions::default();
        let mut ran = |version: &str, start: u64, begun: Duration| {
            let mut one = span("map", 1);
            (one.version, one.start) = (Some(version.into()), start);
            versions.add(begun, &one);
        };
        let hour = 3_600_000_000_000;
        ran("v1", hour, Duration::from_secs(1));
        ran("v2", hour + 1_000, Duration::from_secs(2));
        // Late, and told a little later than it came about.
        ran("v1", hour + 500, Duration::from_millis(2_010));
        // From here on the clock of the host is an hour back.
        ran("v2", 2_000, Duration::from_secs(3));
        ran("v1", 3_000, Duration::from_secs(5));
        let found = versions.comparison(Measure::Total).unwrap();
        assert_eq!((&*found.before.version, found.before.n), ("v2", 2));
        assert_eq!((&*found.after.version, found.after.n), ("v1", 1));
    }

    #[test]
    fn a_move_is_compared_by_what_a_request_took_beside_functions() {
        let mut versions = Versions::default();
        let mut ran = |start: u64, within: bool, way: u64| {
            let mut one = span("map", 1);
            (one.start, one.total, one.function, one.waiting) = (start, 1_000 + way, 1_000, 0);
            let call = crate::UpstreamCall { within, ..crate::span::tests::call("get", 9, 0, way, None) };
            one.calls = vec![call];
            versions.add_way(Duration::from_nanos(start), &one);
        };
        (0..50).for_each(|at| ran(at, false, 90 + at % 7));
        (50..100).for_each(|at| ran(at, true, 5 + at % 3));
        let found = versions.comparison(Measure::Way).unwrap();
        assert_eq!((&*found.before.version, &*found.after.version), ("", "get"));
        assert_eq!((found.before.n, found.after.n, found.verdict), (50, 50, Significance::Faster));
        assert_eq!((found.before.p50, found.after.p50), (93, 6));
    }

    #[test]
    fn only_the_latest_answers_count() {
        let mut versions = Versions::default();
        ran(&mut versions, "v1", 0, 1);
        (0..5_000).for_each(|at| ran(&mut versions, "v2", at + 1, 7));
        let mut failed = span("map", 1);
        (failed.version, failed.start) = (Some("v2".into()), 9_000);
        failed.outcome = Status::Problem("panicked".into());
        versions.add(Duration::from_nanos(9_000), &failed);
        assert_eq!(versions.comparison(Measure::Function).unwrap().after.n, MOST_SAMPLES);
    }
}
