//! The charge for a run.

use std::time::Duration;

/// Processor time around a function that is not the function's: a runtime made and cleared away, frames read and
/// written.
const ALLOWANCE: Duration = Duration::from_millis(20);

/// Nanoseconds of function time. `said` is what the process says, in which a stranger's code ran; `processor` is what the
/// kernel says the process used, `outside` what passed between question and answer.
///
/// So a process that lies is charged for what it used, and never for more than what passed.
pub(crate) fn charged(said: u64, processor: Option<Duration>, outside: Duration) -> u64 {
    let least = processor.map(|processor| nanoseconds(processor.saturating_sub(ALLOWANCE))).unwrap_or_default();
    said.max(least).min(nanoseconds(outside))
}

pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time of a process so far; none where it has ended.
pub(crate) fn processor_time(pid: u32) -> Option<Duration> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both are there as long as the calls last.
    let read = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0 && libc::clock_gettime(clock, &raw mut time) == 0
    };
    let (seconds, part) = (u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?);
    read.then(|| Duration::new(seconds, part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lie_is_charged_by_the_kernels_word() {
        let ms = Duration::from_millis;
        assert_eq!(charged(5_000, Some(ms(1)), ms(2)), 5_000);
        // Too little, and too much.
        assert_eq!(charged(0, Some(ms(520)), ms(600)), 500_000_000);
        assert_eq!(charged(u64::MAX, Some(ms(1)), ms(2)), 2_000_000);
        assert_eq!(charged(7, None, ms(2)), 7);
    }

    #[test]
    fn processor_time_is_known_of_who_runs() {
        assert!(processor_time(std::process::id()).is_some());
        assert_eq!(processor_time(u32::MAX), None);
    }

    proptest! {
        #[test]
        fn nobody_is_charged_for_more_than_what_passed(said: u64, processor: u32, outside: u32) {
            let (processor, outside) = (Duration::from_nanos(processor.into()), Duration::from_nanos(outside.into()));
            let charged = charged(said, Some(processor), outside);
            prop_assert!(charged <= nanoseconds(outside));
            prop_assert!(charged >= said.min(nanoseconds(outside)));
        }
    }
}
