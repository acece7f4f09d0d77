//! An amount in shares by weight, none above its bound.

/// Shares of an amount by weight, none above its bound; all of it is given away where the bounds leave room. Each entry
/// is a weight and a bound.
pub fn pour(amount: f64, into: &[(f64, f64)]) -> Vec<f64> {
    let mut given = vec![0.0; into.len()];
    let mut left = amount;
    loop {
        let open = |at: usize| into[at].0 > 0.0 && given[at] < into[at].1;
        let weight: f64 = (0..into.len()).filter(|at| open(*at)).map(|at| into[at].0).sum();
        if left <= amount * 1e-12 || weight <= 0.0 {
            return given;
        }
        // Those that would be full are filled first; what they leave goes to the others by their weights.
        let full: Vec<usize> =
            (0..into.len()).filter(|at| open(*at) && given[*at] + left * into[*at].0 / weight >= into[*at].1).collect();
        if full.is_empty() {
            for at in (0..into.len()).filter(|at| open(*at)).collect::<Vec<_>>() {
                given[at] += left * into[at].0 / weight;
            }
            return given;
        }
        for at in full {
            left -= into[at].1 - given[at];
            given[at] = into[at].1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_follow_weights_until_a_bound_is_reached() {
        assert_eq!(pour(100.0, &[(1.0, f64::INFINITY), (3.0, f64::INFINITY)]), [25.0, 75.0]);
        assert_eq!(pour(100.0, &[(1.0, 90.0), (3.0, 30.0)]), [70.0, 30.0]);
        assert_eq!(pour(100.0, &[(1.0, 10.0), (3.0, 30.0)]), [10.0, 30.0]);
        assert_eq!(pour(100.0, &[(0.0, 10.0)]), [0.0]);
        assert_eq!(pour(100.0, &[]), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn no_share_exceeds_its_bound_and_nothing_is_kept_while_there_is_room(
            amount in 0.0..1e4f64, into in prop::collection::vec((0.0..10.0f64, 0.0..1e3f64), 0..12)
        ) {
            let given = pour(amount, &into);
            let room: f64 = into.iter().filter(|(weight, _)| *weight > 0.0).map(|(_, bound)| bound).sum();
            prop_assert!(given.iter().zip(&into).all(|(given, (_, bound))| *given <= bound + 1e-6));
            prop_assert!((given.iter().sum::<f64>() - amount.min(room)).abs() < 1e-6 * (1.0 + amount));
        }
    }
}
