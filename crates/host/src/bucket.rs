//! How many requests are recorded in detail: as many a second as are allowed, and what was not taken up for a while at
//! once, so that a short burst is recorded whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is saved up: at the usual 500 a second, the 5,000 that make a steady p99.
const SAVED: Duration = Duration::from_secs(10);

/// Tokens that come at a constant rate, up to so many. One number tells of all of them: when the bucket will be full.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// In nanoseconds of the caller's clock.
    full: AtomicU64,
}

impl Bucket {
    /// Takes a token, where there is one; they come `most` a second. `now` counts from any moment before the first.
    pub(crate) fn take(&self, now: Duration, most: u32) -> bool {
        let Some(each) = 1_000_000_000_u64.checked_div(most.into()) else { return false };
        self.draw(now, each, nanos(SAVED))
    }

    /// Takes a token, where one comes every `each` nanoseconds and no more than `room` nanoseconds' tokens are gone then.
    pub(crate) fn draw(&self, now: Duration, each: u64, room: u64) -> bool {
        let now = nanos(now);
        let taken = self.full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full| {
            let full = full.max(now).saturating_add(each);
            (full <= now.saturating_add(room)).then_some(full)
        });
        taken.is_ok()
    }
}

impl Bucket {
    /// Has tokens come every `new` nanoseconds instead of every `old`: as many as were gone are gone.
    pub(crate) fn rescale(&self, now: Duration, old: u64, new: u64) {
        let now = nanos(now);
        let rescaled = |full: u64| {
            let gone = u128::from(full.saturating_sub(now)) * u128::from(new) / u128::from(old.max(1));
            Some(now.saturating_add(u64::try_from(gone).unwrap_or(u64::MAX)))
        };
        // A closure that always answers updates always.
        let _ = self.full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rescaled);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &Bucket, now: Duration, most: u32, asked: u32) -> u32 {
        (0..asked).map(|_| u32::from(bucket.take(now, most))).sum()
    }

    #[test]
    fn a_short_burst_is_taken_whole_and_a_long_one_at_the_rate() {
        let (bucket, begun) = (Bucket::default(), Duration::from_secs(1));
        assert_eq!(taken(&bucket, begun, 500, 4_000), 4_000);
        assert_eq!(taken(&bucket, begun, 500, 4_000), 1_000);
        // From here on ten thousand a second come, and five hundred are taken.
        let later = (1..=1_000).map(|ms| taken(&bucket, begun + Duration::from_millis(ms), 500, 10));
        assert_eq!(later.sum::<u32>(), 500);
        // Half full after half of the time.
        assert_eq!(taken(&bucket, begun + Duration::from_secs(6), 500, 9_000), 2_500);
        assert_eq!(taken(&bucket, begun + Duration::from_secs(3_600), 500, 9_000), 5_000, "and no more than full");
    }

    #[test]
    fn none_is_none_and_more_than_a_nanosecond_has_is_all() {
        let bucket = Bucket::default();
        assert_eq!(taken(&bucket, Duration::MAX, 0, 10), 0);
        assert_eq!(taken(&bucket, Duration::ZERO, 1, 100), 10);
        assert_eq!(taken(&Bucket::default(), Duration::ZERO, u32::MAX, 100), 100);
    }

    #[test]
    fn no_token_is_taken_twice() {
        let bucket = Bucket::default();
        let taken: u32 = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4).map(|_| scope.spawn(|| taken(&bucket, SAVED, 100, 1_000))).collect();
            takers.into_iter().map(|taker| taker.join().expect("it takes")).sum()
        });
        assert_eq!(taken, 1_000);
    }
}
