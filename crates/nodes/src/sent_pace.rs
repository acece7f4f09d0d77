//! Requests that went to a node, second by second.

use std::time::Duration;

/// The number of requests of the second that is over, and of the one that runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct SentPace {
    second: u64,
    count: u64,
    before: u64,
}

impl SentPace {
    /// Counts one that was answered now.
    pub fn add(&mut self, now: Duration) {
        let second = now.as_secs();
        if second != self.second {
            self.before = self.rate(now) as u64;
            (self.second, self.count) = (second, 0);
        }
        self.count += 1;
    }

    /// Requests of the last whole second.
    pub fn rate(&self, now: Duration) -> f64 {
        let count = match now.as_secs().checked_sub(self.second) {
            Some(0) => self.before,
            Some(1) => self.count,
            _ => 0,
        };
        count as f64
    }
}
