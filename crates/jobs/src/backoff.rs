//! How long a failed job waits before its next attempt.

use serde::{Deserialize, Serialize};

/// Waits that grow from attempt to attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    /// The longest wait after the first failure, in milliseconds.
    pub first_ms: u64,
    /// The factor from each wait to the next.
    pub factor: f64,
    /// The longest wait of all, in milliseconds.
    pub most_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first_ms: 2_000, factor: 2.0, most_ms: 600_000 }
    }
}

impl Backoff {
    /// The wait after so many failures, in milliseconds: anything up to the bound, so that jobs that failed together do
    /// not come back together. `chance` is uniform in 0..1.
    pub fn after(&self, failures: u32, chance: f64) -> u64 {
        (self.bound(failures) * chance.clamp(0.0, 1.0)) as u64
    }

    /// The longest wait after so many failures.
    fn bound(&self, failures: u32) -> f64 {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.first_ms as f64 * self.factor.max(1.0).powi(exponent);
        let most = self.most_ms as f64;
        if grown.is_finite() { grown.min(most) } else { most }
    }
}

/// The wait of an attempt that did not reach its service, in milliseconds: 0.1 s, doubled to 5 s.
pub fn held(times: u32) -> u64 {
    (100_u64 << times.min(6)).min(5_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let backoff = Backoff::default();
        let longest = |failures| backoff.after(failures, 1.0);
        assert_eq!([1, 2, 3, 9, 10, 4_000_000_000].map(longest), [2_000, 4_000, 8_000, 512_000, 600_000, 600_000]);
        assert_eq!(backoff.after(5, 0.0), 0);
        assert_eq!([0, 1, 2, 5, 6, 7, u32::MAX].map(held), [100, 200, 400, 3_200, 5_000, 5_000, 5_000]);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_most(
            first_ms: u32, factor in 0.0..1e9_f64, most_ms: u32, failures: u32, chance in 0.0..1.0_f64
        ) {
            let backoff = Backoff { first_ms: first_ms.into(), factor, most_ms: most_ms.into() };
            prop_assert!(backoff.after(failures, chance) <= u64::from(most_ms));
        }
    }
}
