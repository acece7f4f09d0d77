//! Whether a function is quick enough to run on the thread that serves.

use std::ffi::c_long;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::time::{ClockId, clock_gettime};

/// A call that takes no longer is quick: it delays others by less than handing it to another thread and back costs
/// them (two wake-ups, 10 to 20 µs each on an idle machine and far more on a busy one).
const QUICK: Duration = Duration::from_micros(60);
/// Quick calls in a row before a function counts as quick.
const FIRST: u32 = 8;
/// The most that are asked for, of a function that had to be left behind again and again.
const MOST: u32 = 4096;

/// Calls that are measured closely after one that seemed long.
const CLOSELY: u32 = 8;

/// What is known of the time that a version's calls take.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Rises with every quick call, falls by half with every other.
    score: AtomicU32,
    needed: AtomicU32,
    /// Calls that are to be measured closely.
    closely: AtomicU32,
    /// Its body calls other services: however quick it was, it waits.
    asks: AtomicBool,
}

impl Pace {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self {
            score: AtomicU32::new(0),
            needed: AtomicU32::new(FIRST),
            closely: AtomicU32::new(0),
            asks: AtomicBool::new(false),
        }
    }

    /// Whether the next call is likely to be quick.
    pub(crate) fn is_quick(&self) -> bool {
        self.score.load(Ordering::Relaxed) >= self.needed.load(Ordering::Relaxed) && !self.asks.load(Ordering::Relaxed)
    }

    /// Runs a call that is taken for quick and begins now, and notes how long it took. On a busy machine every hundredth seems long
    /// because the system gave its thread no processor: so one that does is held against nobody, and the next are
    /// measured closely, which costs a microsecond each.
    pub(crate) fn glance<T>(&self, now: Instant, call: impl FnOnce() -> T) -> T {
        let closely = self.closely.load(Ordering::Relaxed);
        if closely > 0 {
            self.closely.store(closely - 1, Ordering::Relaxed);
            return self.measure(call);
        }
        let result = call();
        match now.elapsed() <= QUICK {
            true => self.note(true),
            false => self.closely.store(CLOSELY, Ordering::Relaxed),
        }
        result
    }

    /// Runs a call, and notes whether it was quick.
    pub(crate) fn measure<T>(&self, call: impl FnOnce() -> T) -> T {
        let meter = Meter::start();
        let result = call();
        self.note(meter.was_quick());
        result
    }

    /// Of two at the same moment one may be forgotten.
    fn note(&self, quick: bool) {
        let score = self.score.load(Ordering::Relaxed);
        let most = self.needed.load(Ordering::Relaxed).saturating_mul(8);
        let next = if quick { (score + 1).min(most) } else { score / 2 };
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

/// What a call takes of its thread: time on the processor, and waiting of its own accord. That it waited for a processor
/// is not its doing.
struct Meter {
    begun: Instant,
    used: Duration,
    waits: Option<c_long>,
}

impl Meter {
    fn start() -> Self {
        Self { begun: Instant::now(), used: used(), waits: waits() }
    }

    fn was_quick(&self) -> bool {
        let waited = || self.waits.is_none() || self.waits != waits();
        self.begun.elapsed() <= QUICK || used().saturating_sub(self.used) <= QUICK && !waited()
    }
}

/// Processor time of this thread.
fn used() -> Duration {
    // The kernel's numbers of a clock that only rises: they are no negative ones.
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// How often this thread gave its processor away to wait for something.
fn waits() -> Option<c_long> {
    Some(getrusage(UsageWho::RUSAGE_THREAD).ok()?.voluntary_context_switches())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(pace: &Pace, calls: u32, quick: bool) {
        (0..calls).for_each(|_| pace.note(quick));
    }

    fn works(for_at_least: Duration) {
        let until = used() + for_at_least;
        while used() < until {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn what_works_and_what_waits_is_long_and_what_only_has_no_processor_is_not() {
        let meter = Meter::start();
        works(QUICK * 2);
        assert!(!meter.was_quick());
        let meter = Meter::start();
        std::thread::sleep(QUICK * 2);
        assert!(!meter.was_quick());
        let begun = Instant::now().checked_sub(QUICK * 2).unwrap_or_else(Instant::now);
        let meter = Meter { begun, ..Meter::start() };
        assert!(meter.was_quick());
    }

    #[test]
    fn one_call_that_seems_long_is_forgiven_and_what_stays_long_is_not() {
        let pace = Pace::new();
        noted(&pace, 1000, true);
        let score = || pace.score.load(Ordering::Relaxed);
        let before = score();
        pace.glance(Instant::now(), || works(QUICK * 2));
        assert_eq!((score(), pace.closely.load(Ordering::Relaxed)), (before, CLOSELY));
        (0..CLOSELY).for_each(|_| pace.glance(Instant::now(), || works(QUICK * 2)));
        assert!(!pace.is_quick());
    }

    #[test]
    fn some_quick_calls_in_a_row_make_it_quick_and_some_slow_ones_end_that() {
        let pace = Pace::new();
        assert!(!pace.is_quick(), "nothing is known");
        noted(&pace, FIRST - 1, true);
        assert!(!pace.is_quick());
        noted(&pace, 1, true);
        assert!(pace.is_quick());
        noted(&pace, 1000, true);
        noted(&pace, 3, false);
        assert!(pace.is_quick());
        noted(&pace, 1, false);
        assert!(!pace.is_quick());
        // Every third is slow: never.
        let pace = Pace::new();
        for _ in 0..1000 {
            noted(&pace, 2, true);
            noted(&pace, 1, false);
            assert!(!pace.is_quick());
        }
    }

    #[test]
    fn whoever_held_others_up_must_be_quick_for_longer_each_time() {
        let pace = Pace::new();
        for needed in [FIRST * 4, FIRST * 16, FIRST * 64, FIRST * 256, MOST, MOST] {
            noted(&pace, MOST, true);
            assert!(pace.is_quick());
            pace.was_wrong();
            noted(&pace, needed - 1, true);
            assert!(!pace.is_quick(), "{needed}");
            noted(&pace, 1, true);
            assert!(pace.is_quick(), "{needed}");
        }
        pace.asks();
        assert!(!pace.is_quick());
    }
}
