//! The policies by which the number of processes of functions follows the load, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use functions::{PoolLoad, ScalePolicy, Scaler};

use crate::report::{Row, Target};

/// A tick, and the whole time.
const TICK: Duration = Duration::from_millis(10);
const LENGTH: Duration = Duration::from_secs(300);
/// A run takes this long, and a process needs so long to be there.
const RUN: Duration = Duration::from_millis(50);
const START: Duration = Duration::from_millis(10);
/// Processes at most.
const MOST: usize = 64;
/// The time that the rate of arrivals is taken over.
const LATELY: Duration = Duration::from_secs(1);

/// How jobs arrive.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Step,
    Burst,
    Sine,
    Idle,
}

/// What a policy came to.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Came {
    runs: usize,
    /// p95 of the wait for a process.
    p95: Duration,
    /// Seconds of all processes.
    process_seconds: f64,
    most: usize,
}

/// Both policies on each shape.
pub(super) fn measure() -> Vec<Row> {
    let mut rows = Vec::new();
    for shape in [Shape::Step, Shape::Burst, Shape::Sine, Shape::Idle] {
        let name = format!("{shape:?}").to_lowercase();
        let (target, doubling) = (simulate(shape, ScalePolicy::default()), simulate(shape, ScalePolicy::Doubling));
        for (policy, came) in [("target", target), ("doubling", doubling)] {
            let ms = came.p95.as_secs_f64() * 1e3;
            rows.push(Row::value(&format!("policy {policy}, {name}: wait, p95"), "", "ms", came.runs, ms, None).note(
                format!("{:.0} process-seconds of {} s, {} at most", came.process_seconds, LENGTH.as_secs(), came.most),
            ));
        }
        let better = target.p95 <= doubling.p95;
        let words = format!("{:.2} of its process-seconds", target.process_seconds / doubling.process_seconds);
        let name = format!("policy target, {name}: p95 no longer than that of doubling");
        rows.push(Row::value(&name, "", "", 1, f64::from(u8::from(better)), Some(Target::Exactly(1.0))).note(words));
    }
    rows
}

impl Shape {
    /// Jobs a second at a time.
    fn rate(self, at: Duration) -> f64 {
        let at = at.as_secs_f64();
        match self {
            Self::Step if (60.0..180.0).contains(&at) => 400.0,
            Self::Step => 5.0,
            Self::Burst if (60.0..61.0).contains(&at) => 2_000.0,
            Self::Burst => 2.0,
            Self::Sine => 300.0 + 290.0 * (at * std::f64::consts::TAU / 120.0).sin(),
            Self::Idle => 0.1,
        }
    }
}

/// Runs a policy on a shape, tick by tick.
fn simulate(shape: Shape, policy: ScalePolicy) -> Came {
    let mut scaler = Scaler::new(policy, MOST);
    // Of each process, when it is free.
    let mut processes: Vec<Duration> = vec![Duration::ZERO];
    let (mut queue, mut recent) = (VecDeque::new(), VecDeque::new());
    let (mut waits, mut ticks, mut most, mut due, mut ended) = (Vec::new(), 0_usize, 1, 0.0, false);
    let mut now = Duration::ZERO;
    while now < LENGTH || !queue.is_empty() {
        if now < LENGTH {
            due += shape.rate(now) * TICK.as_secs_f64();
            while due >= 1.0 {
                due -= 1.0;
                queue.push_back(now);
                recent.push_back(now);
            }
        }
        while recent.front().is_some_and(|at: &Duration| now - *at > LATELY) {
            recent.pop_front();
        }
        let mean = ended.then_some(RUN);
        let load =
            PoolLoad { queued: queue.len(), rate: recent.len() as f64, mean, processes: processes.len(), long: 0 };
        let want = scaler.want(&load, now);
        while processes.len() < want {
            processes.push(now + START);
        }
        // Only those that run nothing end.
        while processes.len() > want
            && let Some(idle) = processes.iter().position(|free| *free <= now)
        {
            processes.swap_remove(idle);
        }
        for free in &mut processes {
            if *free <= now
                && let Some(asked) = queue.pop_front()
            {
                waits.push(now - asked);
                *free = now + RUN;
                ended = true;
            }
        }
        most = most.max(processes.len());
        ticks += processes.len();
        now += TICK;
    }
    waits.sort_unstable();
    let p95 = waits.get((waits.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
    Came { runs: waits.len(), p95, process_seconds: ticks as f64 * TICK.as_secs_f64(), most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_run_once_and_the_same_again_comes_to_the_same() {
        let step = simulate(Shape::Step, ScalePolicy::default());
        assert!((48_700..=48_900).contains(&step.runs), "{step:?}");
        assert_eq!(step, simulate(Shape::Step, ScalePolicy::default()));
        assert!(step.most <= MOST && step.process_seconds >= step.runs as f64 * RUN.as_secs_f64());
    }

    #[test]
    fn target_follows_a_burst_that_doubling_is_late_for() {
        let (target, doubling) =
            (simulate(Shape::Burst, ScalePolicy::default()), simulate(Shape::Burst, ScalePolicy::Doubling));
        assert!(target.p95 < doubling.p95, "{target:?} {doubling:?}");
    }

    #[test]
    fn where_next_to_nothing_runs_one_process_is_enough() {
        for policy in [ScalePolicy::default(), ScalePolicy::Doubling] {
            let idle = simulate(Shape::Idle, policy);
            assert!(idle.process_seconds < LENGTH.as_secs_f64() * 1.2 && idle.p95 <= TICK, "{policy:?} {idle:?}");
        }
    }
}
