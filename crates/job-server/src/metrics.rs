//! What the server counts and times of itself, for Prometheus. Labels have as many values as this file lists: none is a tenant,
//! a service or a job.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jobs::AttemptOutcome;

/// Bounds of waits and runs, in seconds.
const LONG: [f64; 13] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0];
/// Bounds of what the store takes, in seconds.
const SHORT: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Times in buckets.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// One more than there are bounds: what is longer than all of them.
    counts: Vec<AtomicU64>,
    nanos: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), nanos: AtomicU64::new(0) }
    }

    /// Adds a time.
    pub(crate) fn note(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Writes its samples; `label` stands in each, as `op="end"`.
    fn write(&self, text: &mut String, name: &str, label: &str) -> fmt::Result {
        let comma = if label.is_empty() { "" } else { "," };
        let mut sum = 0;
        let bounds = self.bounds.iter().map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.counts) {
            sum += count.load(Ordering::Relaxed);
            writeln!(text, "{name}_bucket{{{label}{comma}le=\"{bound}\"}} {sum}")?;
        }
        let braces = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        writeln!(text, "{name}_sum{braces} {}", self.nanos.load(Ordering::Relaxed) as f64 / 1e9)?;
        writeln!(text, "{name}_count{braces} {sum}")
    }
}

/// What the store is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreOp {
    /// New jobs, with the begin of some of them.
    Accept,
    Begin,
    End,
    /// Every other change.
    Other,
    Read,
}

impl StoreOp {
    const ALL: [Self; 5] = [Self::Accept, Self::Begin, Self::End, Self::Other, Self::Read];

    fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Begin => "begin",
            Self::End => "end",
            Self::Other => "other",
            Self::Read => "read",
        }
    }
}

/// How long the store takes, by what it is asked for: from asked to committed and told.
#[derive(Debug)]
pub(crate) struct StoreTimes([Histogram; StoreOp::ALL.len()]);

impl Default for StoreTimes {
    fn default() -> Self {
        Self(StoreOp::ALL.map(|_| Histogram::new(&SHORT)))
    }
}

impl StoreTimes {
    pub(crate) fn note(&self, op: StoreOp, took: Duration) {
        let [accept, begin, end, other, read] = &self.0;
        let of = match op {
            StoreOp::Accept => accept,
            StoreOp::Begin => begin,
            StoreOp::End => end,
            StoreOp::Other => other,
            StoreOp::Read => read,
        };
        of.note(took);
    }

    /// Writes them as a family of OpenMetrics.
    pub(crate) fn write(&self, text: &mut String) -> fmt::Result {
        let name = "dyninka_job_store_seconds";
        head(text, name, "histogram", "From asking the store to its answer, a commit included.")?;
        for (op, times) in StoreOp::ALL.into_iter().zip(&self.0) {
            times.write(text, name, &format!("op=\"{}\"", op.word()))?;
        }
        Ok(())
    }
}

/// What the server counts of attempts.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// From when a job might run to the begin of an attempt.
    pub(crate) wait: Histogram,
    /// From the begin of an attempt to its end in the store.
    pub(crate) run: Histogram,
    attempts: [AtomicU64; AttemptOutcome::ALL.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        let attempts = AttemptOutcome::ALL.map(|_| AtomicU64::new(0));
        Self { wait: Histogram::new(&LONG), run: Histogram::new(&LONG), attempts }
    }
}

impl Metrics {
    /// Counts the end of an attempt.
    pub(crate) fn ended(&self, outcome: AttemptOutcome, took: Duration) {
        self.run.note(took);
        let all = AttemptOutcome::ALL.into_iter().zip(&self.attempts);
        all.filter(|(of, _)| *of == outcome).for_each(|(_, count)| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// Writes them as families of OpenMetrics.
    pub(crate) fn write(&self, text: &mut String) -> fmt::Result {
        for (name, help, times) in [
            ("dyninka_job_wait_seconds", "From when a job might run to the begin of an attempt.", &self.wait),
            ("dyninka_job_run_seconds", "From the begin of an attempt to its end in the store.", &self.run),
        ] {
            head(text, name, "histogram", help)?;
            times.write(text, name, "")?;
        }
        let help = "Attempts that ended; cancelled: they were nobody's any more at their end.";
        head(text, "dyninka_job_attempts", "counter", help)?;
        for (outcome, count) in AttemptOutcome::ALL.into_iter().zip(&self.attempts) {
            let count = count.load(Ordering::Relaxed);
            writeln!(text, "dyninka_job_attempts_total{{outcome=\"{}\"}} {count}", outcome.kind())?;
        }
        Ok(())
    }
}

/// The first lines of a family.
pub(crate) fn head(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# TYPE {name} {kind}\n# HELP {name} {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_holds_it_and_in_all_that_follow() -> fmt::Result {
        let times = Histogram::new(&[0.001, 1.0]);
        for millis in [1, 2, 1_000, 1_001] {
            times.note(Duration::from_millis(millis));
        }
        let mut text = String::new();
        times.write(&mut text, "x", "op=\"end\"")?;
        assert_eq!(
            text,
            "x_bucket{op=\"end\",le=\"0.001\"} 1\nx_bucket{op=\"end\",le=\"1.0\"} 3\nx_bucket{op=\"end\",le=\"+Inf\"} 4\n\
             x_sum{op=\"end\"} 2.004\nx_count{op=\"end\"} 4\n"
        );
        text.clear();
        times.write(&mut text, "x", "")?;
        assert!(text.starts_with("x_bucket{le=\"0.001\"} 1\n") && text.ends_with("x_sum 2.004\nx_count 4\n"), "{text}");
        Ok(())
    }

    #[test]
    fn an_attempt_counts_for_its_outcome_alone() -> fmt::Result {
        let metrics = Metrics::default();
        metrics.ended(AttemptOutcome::Lost, Duration::from_secs(2));
        let mut text = String::new();
        metrics.write(&mut text)?;
        assert!(text.contains("dyninka_job_attempts_total{outcome=\"lost\"} 1\n"), "{text}");
        assert_eq!(text.matches("dyninka_job_attempts_total{").count(), AttemptOutcome::ALL.len());
        assert_eq!(text.lines().filter(|line| line.contains("attempts_total") && line.ends_with(" 1")).count(), 1);
        assert!(text.contains("dyninka_job_run_seconds_count 1\n"), "{text}");
        Ok(())
    }
}
