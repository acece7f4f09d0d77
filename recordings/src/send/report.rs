//! What came back, as a load tester says it.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer is counted as this: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SendReport {
    /// Requests that were sent.
    pub sent: u64,
    /// How many ended how: `value`, `filtered`, `status 500`, `no answer in time`, …
    pub outcomes: BTreeMap<String, u64>,
    /// From the first to the last answer, in seconds.
    pub seconds: f64,
    /// Answers in a second.
    pub per_second: f64,
    /// Waiting times, corrected for coordinated omission: counted from when a request was due, not from when it could be
    /// sent; where there is no such time, as if requests had gone on at the mean pace while one was waited for
    /// (hdrhistogram's `clone_correct`).
    pub corrected: WaitPercentiles,
    /// The same from sending on, which says less the slower answers are.
    pub uncorrected: WaitPercentiles,
}

/// Waiting times in nanoseconds. Within a thousandth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WaitPercentiles {
    /// Half of all waited at most so long.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// Ninety-nine of a hundred.
    pub p99: u64,
    /// All but one of a thousand.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

/// An answer, or that there was none.
pub(super) struct Answered {
    pub(super) since_due: Duration,
    pub(super) since_begun: Duration,
    pub(super) outcome: String,
}

/// Answers, counted.
#[derive(Default)]
pub(super) struct Tally {
    /// Whether a request was only sent when another had its answer.
    closed: bool,
    since_due: Option<Histogram<u64>>,
    since_begun: Option<Histogram<u64>>,
    outcomes: BTreeMap<String, u64>,
}

impl Tally {
    /// Of requests of which each was only sent when another had its answer.
    pub(super) fn closed() -> Self {
        Self { closed: true, ..Self::default() }
    }

    pub(super) fn add(&mut self, answered: Answered) {
        for (histogram, took) in
            [(&mut self.since_due, answered.since_due), (&mut self.since_begun, answered.since_begun)]
        {
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(LONGEST);
            histogram.get_or_insert_with(histogram_of_all).saturating_record(nanos.clamp(1, LONGEST));
        }
        *self.outcomes.entry(answered.outcome).or_default() += 1;
    }

    pub(super) fn report(self, took: Duration) -> SendReport {
        let sent = self.outcomes.values().sum::<u64>();
        let seconds = took.as_secs_f64();
        let corrected = match &self.since_due {
            Some(waited) if self.closed => {
                let mean = waited.mean().round() as u64;
                percentiles(Some(&waited.clone_correct(mean.max(1))))
            }
            waited => percentiles(waited.as_ref()),
        };
        SendReport {
            sent,
            outcomes: self.outcomes,
            seconds,
            per_second: if seconds > 0.0 { sent as f64 / seconds } else { 0.0 },
            corrected,
            uncorrected: percentiles(self.since_begun.as_ref()),
        }
    }
}

fn histogram_of_all() -> Histogram<u64> {
    match Histogram::new_with_bounds(1, LONGEST, 3) {
        Ok(histogram) => histogram,
        Err(error) => unreachable!("constant bounds are refused: {error}"),
    }
}

fn percentiles(histogram: Option<&Histogram<u64>>) -> WaitPercentiles {
    let Some(histogram) = histogram else { return WaitPercentiles::default() };
    let at = |quantile| histogram.value_at_quantile(quantile);
    WaitPercentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() }
}

impl SendReport {
    /// Whether every request got an answer that is no problem.
    pub fn is_well(&self) -> bool {
        self.outcomes.keys().all(|outcome| ["value", "filtered"].contains(&outcome.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn answered(since_due: Duration, since_begun: Duration) -> Answered {
        Answered { since_due, since_begun, outcome: "value".into() }
    }

    fn near(value: u64, expected: Duration) -> bool {
        value.abs_diff(expected.as_nanos() as u64) <= expected.as_nanos() as u64 / 500
    }

    #[test]
    fn requests_that_could_not_be_sent_count_their_waiting() {
        let mut tally = Tally::default();
        // One stall of a second; those due meanwhile were sent after it, each at once.
        tally.add(answered(1000 * MS, 1000 * MS));
        for at in 1..100 {
            tally.add(answered((1000 - 10 * at) * MS, MS));
        }
        let report = tally.report(Duration::from_secs(2));
        assert_eq!((report.sent, report.per_second), (100, 50.0));
        assert!(near(report.corrected.p50, 500 * MS) && near(report.uncorrected.p50, MS), "{report:?}");
        assert!(near(report.corrected.max, 1000 * MS) && near(report.uncorrected.max, 1000 * MS), "{report:?}");
    }

    #[test]
    fn without_a_schedule_a_stall_stands_for_what_it_held_up() {
        let mut tally = Tally::closed();
        (0..990).for_each(|_| tally.add(answered(MS, MS)));
        (0..10).for_each(|_| tally.add(answered(1000 * MS, 1000 * MS)));
        let report = tally.report(Duration::from_secs(11));
        // At a mean of 11 ms each stall of a second holds up ninety requests: half of all there are then.
        assert!(near(report.uncorrected.p90, MS), "{report:?}");
        assert!(report.corrected.p90 > 700 * MS.as_nanos() as u64, "{report:?}");
    }

    #[test]
    fn nothing_sent_is_nothing_measured() {
        let report = Tally::default().report(Duration::ZERO);
        assert_eq!((report.sent, report.per_second, report.corrected), (0, 0.0, WaitPercentiles::default()));
        assert!(report.is_well());
    }
}
