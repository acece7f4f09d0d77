//! The number of processes: pure.

use std::time::Duration;

/// The load that a policy follows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PoolLoad {
    /// Runs that wait for a process.
    pub queued: usize,
    /// Runs asked for in a second, lately.
    pub rate: f64,
    /// The average length of a run; none before the first has ended.
    pub mean: Option<Duration>,
    /// Processes that there are.
    pub processes: usize,
    /// Those of them whose run takes longer than the average: none of them is free soon.
    pub long: usize,
}

/// The rule by which the number of processes follows the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalePolicy {
    /// As many as the load needs, so that what is queued is through within `drain`: more at once, fewer after 30 s.
    Target { drain: Duration },
    /// Every 5 s twice as many where more than 32 runs are queued, half as many where fewer than 2 are.
    Doubling,
}

impl Default for ScalePolicy {
    fn default() -> Self {
        Self::Target { drain: Duration::from_secs(1) }
    }
}

/// Between two looks of `Doubling`.
const STEP: Duration = Duration::from_secs(5);
/// `Target` has fewer only after so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A policy, and what it remembers.
#[derive(Debug)]
pub struct Scaler {
    policy: ScalePolicy,
    most: usize,
    want: usize,
    /// When `want` last had to be that high, or when it was last looked at.
    since: Duration,
}

impl Scaler {
    /// A policy over one process, and `most` processes at most.
    pub fn new(policy: ScalePolicy, most: usize) -> Self {
        Self { policy, most: most.max(1), want: 1, since: Duration::ZERO }
    }

    /// The number of processes for a load at a time.
    pub fn want(&mut self, load: &PoolLoad, now: Duration) -> usize {
        match self.policy {
            ScalePolicy::Target { drain } => {
                let needed = target(load, drain).clamp(1, self.most);
                if needed >= self.want || now.saturating_sub(self.since) >= PATIENCE {
                    (self.want, self.since) = (needed, now);
                }
            }
            ScalePolicy::Doubling if now.saturating_sub(self.since) >= STEP => {
                self.since = now;
                self.want = match load.queued {
                    33.. => (self.want * 2).min(self.most),
                    0 | 1 => (self.want / 2).max(1),
                    _ => self.want,
                };
            }
            ScalePolicy::Doubling => {}
        }
        self.want
    }
}

/// Processes that a load needs.
fn target(load: &PoolLoad, drain: Duration) -> usize {
    // Before a run has ended, runs count as long ones.
    let (drain, mean) = (drain.as_secs_f64().max(1e-3), load.mean.unwrap_or(drain).as_secs_f64());
    let needed = (load.rate * mean + load.queued as f64 * mean / drain).ceil();
    // A request behind long runs needs one more at least.
    (needed as usize).saturating_add(load.long).max(load.long + usize::from(load.queued > 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn load(queued: usize, rate: f64, mean_ms: u64) -> PoolLoad {
        PoolLoad { queued, rate, mean: Some(Duration::from_millis(mean_ms)), ..PoolLoad::default() }
    }

    #[test]
    fn doubling_doubles_and_halves_within_its_bounds() {
        let mut scaler = Scaler::new(ScalePolicy::Doubling, 64);
        let wants: Vec<usize> = (1..=10).map(|step| scaler.want(&load(33, 0.0, 1), STEP * step)).collect();
        // The NodeJS FaaS goes from 33 to 63 on to 126.
        assert_eq!(wants, [2, 4, 8, 16, 32, 64, 64, 64, 64, 64]);
        assert_eq!(scaler.want(&load(32, 0.0, 1), STEP * 11), 64);
        assert_eq!(scaler.want(&load(2, 0.0, 1), STEP * 12), 64);
        let wants: Vec<usize> = (13..=20).map(|step| scaler.want(&load(1, 0.0, 1), STEP * step)).collect();
        assert_eq!(wants, [32, 16, 8, 4, 2, 1, 1, 1]);
        // Between two looks nothing changes.
        assert_eq!(scaler.want(&load(99, 0.0, 1), STEP * 20 + SECOND), 1);
    }

    #[test]
    fn doubling_is_held_to_a_most_that_is_no_power_of_two() {
        let mut scaler = Scaler::new(ScalePolicy::Doubling, 5);
        let wants: Vec<usize> = (1..=4).map(|step| scaler.want(&load(99, 0.0, 1), STEP * step)).collect();
        assert_eq!(wants, [2, 4, 5, 5]);
    }

    #[test]
    fn target_goes_up_at_once_and_down_after_30_seconds() {
        let mut scaler = Scaler::new(ScalePolicy::default(), 64);
        // 100 a second of 50 ms keep 5 busy; 40 that wait need 2 more to be through in a second.
        assert_eq!(scaler.want(&load(40, 100.0, 50), SECOND), 7);
        assert_eq!(scaler.want(&load(0, 0.0, 50), SECOND * 2), 7);
        assert_eq!(scaler.want(&load(0, 0.0, 50), SECOND * 30), 7);
        assert_eq!(scaler.want(&load(0, 0.0, 50), SECOND * 31), 1);
        assert_eq!(scaler.want(&load(1_000_000, 0.0, 50), SECOND * 32), 64);
    }

    #[test]
    fn who_waits_behind_runs_that_last_gets_another_process() {
        let mut scaler = Scaler::new(ScalePolicy::default(), 64);
        let stuck = PoolLoad { queued: 1, rate: 0.1, mean: Some(Duration::from_micros(100)), processes: 3, long: 3 };
        assert_eq!(scaler.want(&stuck, SECOND), 4);
    }

    proptest! {
        #[test]
        fn any_load_wants_between_one_and_most(
            most in 0_usize..200,
            loads in prop::collection::vec((0_usize..100_000, 0.0..1e6_f64, prop::option::of(0_u64..1_000_000), 0_usize..64), 1..40),
            is_doubling: bool,
        ) {
            let policy = if is_doubling { ScalePolicy::Doubling } else { ScalePolicy::default() };
            let mut scaler = Scaler::new(policy, most);
            for (step, (queued, rate, mean, long)) in (1_u32..).zip(loads) {
                let mean = mean.map(Duration::from_micros);
                let want = scaler.want(&PoolLoad { queued, rate, mean, processes: 1, long }, SECOND * step);
                prop_assert!((1..=most.max(1)).contains(&want), "{want}");
            }
        }
    }
}
