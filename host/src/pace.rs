//! Whether a function is quick enough to run on the thread that serves.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// A call that takes no longer is quick: it delays others by less than handing it to another thread and back costs
/// them (two wake-ups, 10 to 20 µs each on an idle machine and far more on a busy one).
const QUICK: Duration = Duration::from_micros(60);
/// Quick calls in a row before a function counts as quick.
const FIRST: u32 = 8;
/// The most that are asked for, of a function that had to be left behind again and again.
const MOST: u32 = 4096;

/// What is known of the time that a version's calls take.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Rises with every quick call, falls by half with every other: one that the system interrupted is forgiven.
    score: AtomicU32,
    needed: AtomicU32,
    /// Its body calls other services: however quick it was, it waits.
    asks: AtomicBool,
}

impl Pace {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self { score: AtomicU32::new(0), needed: AtomicU32::new(FIRST), asks: AtomicBool::new(false) }
    }

    /// Whether the next call is likely to be quick.
    pub(crate) fn is_quick(&self) -> bool {
        self.score.load(Ordering::Relaxed) >= self.needed.load(Ordering::Relaxed) && !self.asks.load(Ordering::Relaxed)
    }

    /// Notes how long a call took. Of two at the same moment one may be forgotten.
    pub(crate) fn note(&self, took: Duration) {
        let score = self.score.load(Ordering::Relaxed);
        let most = self.needed.load(Ordering::Relaxed).saturating_mul(8);
        let next = if took <= QUICK { (score + 1).min(most) } else { score / 2 };
        if next != score {
            self.score.store(next, Ordering::Relaxed);
        }
    }

    /// Notes that a call that should have been quick held others up: from now on it takes more to be believed.
    pub(crate) fn was_wrong(&self) {
        let needed = self.needed.load(Ordering::Relaxed);
        self.needed.store(needed.saturating_mul(4).min(MOST), Ordering::Relaxed);
        self.score.store(0, Ordering::Relaxed);
    }

    /// Notes that its body calls other services.
    pub(crate) fn asks(&self) {
        self.asks.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(pace: &Pace, calls: u32, took: Duration) {
        (0..calls).for_each(|_| pace.note(took));
    }

    #[test]
    fn some_quick_calls_in_a_row_make_it_quick_and_some_slow_ones_end_that() {
        let pace = Pace::new();
        assert!(!pace.is_quick(), "nothing is known");
        noted(&pace, FIRST - 1, QUICK);
        assert!(!pace.is_quick());
        noted(&pace, 1, QUICK);
        assert!(pace.is_quick());
        noted(&pace, 1000, QUICK);
        noted(&pace, 3, QUICK * 10);
        assert!(pace.is_quick(), "the system may have interrupted it");
        noted(&pace, 1, QUICK * 10);
        assert!(!pace.is_quick());
        // Every third is slow: never.
        let pace = Pace::new();
        for _ in 0..1000 {
            noted(&pace, 2, QUICK);
            noted(&pace, 1, QUICK * 10);
            assert!(!pace.is_quick());
        }
    }

    #[test]
    fn whoever_held_others_up_must_be_quick_for_longer_each_time() {
        let pace = Pace::new();
        for needed in [FIRST * 4, FIRST * 16, FIRST * 64, FIRST * 256, MOST, MOST] {
            noted(&pace, MOST, QUICK);
            assert!(pace.is_quick());
            pace.was_wrong();
            noted(&pace, needed - 1, QUICK);
            assert!(!pace.is_quick(), "{needed}");
            noted(&pace, 1, QUICK);
            assert!(pace.is_quick(), "{needed}");
        }
        pace.asks();
        assert!(!pace.is_quick());
    }
}
