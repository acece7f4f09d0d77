//! Times of one kind, and what stands for them.

use serde::Serialize;

/// Measured values, in the order they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(Vec<f64>);

/// What stands for a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) n: usize,
    pub(crate) min: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) max: f64,
}

impl Sample {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing for an empty sample.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Spread { n: sorted.len(), min, p50: quantile(&sorted, 0.5), p95: quantile(&sorted, 0.95), max })
    }
}

/// The nearest-rank quantile: the smallest value that at least this share of all is not above. It is always a value
/// that was measured, which an interpolation between the few slowest is not.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the sample")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut sample = Sample::default();
        (1..=30).rev().for_each(|value| sample.push(f64::from(value)));
        assert_eq!(sample.spread(), Some(Spread { n: 30, min: 1.0, p50: 15.0, p95: 29.0, max: 30.0 }));
    }

    #[test]
    fn one_value_stands_for_itself_and_none_for_nothing() {
        let mut sample = Sample::default();
        assert_eq!(sample.spread(), None);
        sample.push(7.0);
        assert_eq!(sample.spread(), Some(Spread { n: 1, min: 7.0, p50: 7.0, p95: 7.0, max: 7.0 }));
    }
}
