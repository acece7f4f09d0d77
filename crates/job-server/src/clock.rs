//! The time: that of the wall when the server began, and from there on by a clock that does not jump.

use std::time::{Duration, Instant, SystemTime};

/// A clock whose times can be compared over a life of the server, whatever happens to that of the wall.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    begun: Instant,
    /// Milliseconds since 1970, when the server began.
    at: i64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { begun: Instant::now(), at: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) }
    }

    /// One that began just now, at a time that a test says.
    #[cfg(test)]
    pub(crate) fn at(millis: i64) -> Self {
        Self { begun: Instant::now(), at: millis }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.at.saturating_add_unsigned(self.passed())
    }

    /// Milliseconds since the server began.
    pub(crate) fn passed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long it is until a time.
    pub(crate) fn until(&self, millis: i64) -> Duration {
        Duration::from_millis(u64::try_from(millis.saturating_sub(self.now())).unwrap_or(0))
    }

    /// Seconds until the next day, in UTC.
    pub(crate) fn until_tomorrow(&self) -> u64 {
        86_400 - u64::try_from(self.now().div_euclid(1_000).rem_euclid(86_400)).unwrap_or(0)
    }

    /// The day of a time, in UTC.
    pub(crate) fn day(&self) -> String {
        jobs::view::time(self.now()).chars().take(10).collect()
    }
}
