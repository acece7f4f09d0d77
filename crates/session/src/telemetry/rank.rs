//! Percentiles of few values.

/// The nearest rank: the smallest value that this share of the values is no larger than. Zero of none.
pub(crate) fn nearest(sorted: &[f64], share: f64) -> f64 {
    let at = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rank_is_a_value_that_is_there() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([0.0, 0.5, 0.9, 0.99, 1.0].map(|share| nearest(&values, share)), [1.0, 50.0, 90.0, 99.0, 100.0]);
        assert_eq!((nearest(&[7.0], 0.5), nearest(&[], 0.5)), (7.0, 0.0));
    }
}
