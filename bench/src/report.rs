//! Rows of figures, each with its target and whether it is met.

use serde::Serialize;

use crate::sample::{Sample, Spread};

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// Where: `process`, `docker`, or nothing.
    pub(crate) backend: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) figures: Figures,
    pub(crate) target: Option<Target>,
    pub(crate) verdict: Verdict,
    /// What has to be known to read the figures, or why there are none.
    pub(crate) note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Figures {
    Spread(Spread),
    /// One value out of so many observations.
    Value {
        n: usize,
        value: f64,
    },
    /// Not measured; the note says why.
    None,
}

/// What a row should reach, in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    P50(f64),
    P50AndP95(f64, f64),
    /// For ratios that say how much faster: of the medians, not of the best.
    P50AtLeast(f64),
    /// For rows of one value.
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// There is no target.
    Told,
    /// What a peer needs is not there.
    Absent,
    /// The program under test or the machine did not do it; the note says what happened.
    Failed,
}

impl Row {
    /// A row of times; one without any is a failure.
    pub(crate) fn spread(name: &str, backend: &'static str, sample: &Sample, target: Option<Target>) -> Self {
        Self::sample(name, backend, "ms", sample, target)
    }

    /// A row of what was measured several times; one without any is a failure.
    pub(crate) fn sample(
        name: &str,
        backend: &'static str,
        unit: &'static str,
        sample: &Sample,
        target: Option<Target>,
    ) -> Self {
        match sample.spread() {
            Some(spread) => Self::of(name, backend, unit, Figures::Spread(spread), target),
            None => Self::failed(name, backend, "nothing was measured"),
        }
    }

    /// A row of one value.
    pub(crate) fn value(
        name: &str,
        backend: &'static str,
        unit: &'static str,
        n: usize,
        value: f64,
        target: Option<Target>,
    ) -> Self {
        Self::of(name, backend, unit, Figures::Value { n, value }, target)
    }

    pub(crate) fn failed(name: &str, backend: &'static str, why: &str) -> Self {
        let row = Self::of(name, backend, "", Figures::None, None);
        Self { verdict: Verdict::Failed, note: why.to_owned(), ..row }
    }

    pub(crate) fn absent(name: &str, backend: &'static str, why: &str) -> Self {
        let row = Self::of(name, backend, "", Figures::None, None);
        Self { verdict: Verdict::Absent, note: why.to_owned(), ..row }
    }

    /// With these words, where there are any; why a row failed stays with it.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        let note = note.into();
        if self.note.is_empty() {
            self.note = note;
        } else if !note.is_empty() {
            self.note = format!("{}\n{note}", self.note);
        }
        self
    }

    fn of(name: &str, backend: &'static str, unit: &'static str, figures: Figures, target: Option<Target>) -> Self {
        let verdict = target.map_or(Verdict::Told, |target| target.judge(figures));
        Self { name: name.to_owned(), backend, unit, figures, target, verdict, note: String::new() }
    }
}

impl Target {
    fn judge(self, figures: Figures) -> Verdict {
        let met = match (self, figures) {
            (Self::P50(p50), Figures::Spread(spread)) => spread.p50 <= p50,
            (Self::P50AtLeast(p50), Figures::Spread(spread)) => spread.p50 >= p50,
            (Self::P50AndP95(p50, p95), Figures::Spread(spread)) => spread.p50 <= p50 && spread.p95 <= p95,
            (Self::AtMost(most), Figures::Value { value, .. }) => value <= most,
            (Self::AtLeast(least), Figures::Value { value, .. }) => value >= least,
            // Counts: whole numbers that a float holds exactly.
            (Self::Exactly(wanted), Figures::Value { value, .. }) => (value - wanted).abs() < f64::EPSILON,
            // A spread has no single value, a value no p50: whoever asks that has not measured what the target says.
            _ => false,
        };
        if met { Verdict::Met } else { Verdict::Missed }
    }
}

/// All of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What it ran on and with, a line each.
    pub(crate) conditions: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Whether the run should end with an exit code of 1.
    pub(crate) fn is_failed(&self, strict: bool) -> bool {
        self.rows.iter().any(|row| row.verdict == Verdict::Failed || strict && row.verdict == Verdict::Missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[f64], target: Target) -> Row {
        let mut sample = Sample::default();
        values.iter().for_each(|value| sample.push(*value));
        Row::spread("row", "process", &sample, Some(target))
    }

    #[test]
    fn both_quantiles_count() {
        assert_eq!(row(&[1.0, 2.0, 3.0], Target::P50AndP95(2.0, 3.0)).verdict, Verdict::Met);
        assert_eq!(row(&[1.0, 2.0, 4.0], Target::P50AndP95(2.0, 3.0)).verdict, Verdict::Missed);
        assert_eq!(row(&[1.0, 2.5, 3.0], Target::P50AndP95(2.0, 3.0)).verdict, Verdict::Missed);
        assert_eq!(row(&[1.0, 2.0, 4.0], Target::P50(2.0)).verdict, Verdict::Met);
        assert_eq!(row(&[1.0, 2.0, 4.0], Target::P50AtLeast(2.0)).verdict, Verdict::Met);
        assert_eq!(row(&[1.0, 1.9, 4.0], Target::P50AtLeast(2.0)).verdict, Verdict::Missed);
    }

    #[test]
    fn nothing_measured_is_a_failure_and_not_a_target_met() {
        let row = row(&[], Target::P50(2.0));
        assert_eq!(row.verdict, Verdict::Failed);
        let report = Report { conditions: Vec::new(), rows: vec![row] };
        assert!(report.is_failed(false));
    }

    #[test]
    fn a_missed_target_ends_only_a_strict_run() {
        let rows = vec![Row::value("lost", "docker", "requests", 9, 1.0, Some(Target::Exactly(0.0)))];
        assert_eq!(rows[0].verdict, Verdict::Missed);
        let report = Report { conditions: Vec::new(), rows };
        assert!(!report.is_failed(false) && report.is_failed(true));
    }
}
