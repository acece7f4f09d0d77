//! Requests at a rate, with a short burst.

use std::time::Duration;

/// What is saved up, and the least of it in requests.
const BURST: f64 = 0.1;

/// Tokens that come at a rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    rate: f64,
    /// What is saved up at most; none: a tenth of a second's, one at least.
    burst: Option<f64>,
    level: f64,
    at: Duration,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: f64, at: Duration) -> Self {
        Self { rate, burst: None, level: most(rate), at }
    }

    /// A full bucket that saves up so many.
    pub(crate) fn with_burst(rate: f64, burst: f64, at: Duration) -> Self {
        Self { rate, burst: Some(burst), level: burst, at }
    }

    /// Another rate from now on; what was taken stays taken.
    pub(crate) fn set(&mut self, rate: f64, now: Duration) {
        self.fill(now);
        self.rate = rate;
        self.level = self.level.min(self.most());
    }

    pub(crate) fn has_token(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.rate > 0.0 && self.level >= 1.0
    }

    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let has = self.has_token(now);
        if has {
            self.level -= 1.0;
        }
        has
    }

    fn fill(&mut self, now: Duration) {
        let since = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = self.rate.mul_add(since, self.level).min(self.most());
    }

    fn most(&self) -> f64 {
        self.burst.unwrap_or_else(|| most(self.rate))
    }
}

fn most(rate: f64) -> f64 {
    (rate * BURST).max(1.0)
}
