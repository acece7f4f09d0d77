//! A service over a day: a point for every ten seconds of the last hour and for every minute of the last day.
//!
//! Points are made of the samples of their seconds, once those have ended, and are small: 60 KB a service at most.

use std::collections::VecDeque;
use std::time::Duration;

use super::figures::percentiles;
use super::second::{Most, Second};
use crate::span::Parts;

/// Spans come this long after they ended, at most: a step is closed later.
const LATE: u64 = 3;

/// Points that room is made for at once.
const GROWTH: usize = 60;

/// A stretch of time that [`super::Fold::history`] looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistorySpan {
    /// Five minutes, a point a second.
    Minutes,
    /// An hour, a point every ten seconds.
    Hour,
    /// A day, a point a minute.
    Day,
}

/// A service in one step of time. Times are microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryPoint {
    /// Where the step begins, in seconds of the caller's time: below 0 is before it.
    pub at: i32,
    /// Requests that ended.
    pub requests: u32,
    /// Requests that ended in a problem.
    pub errors: u32,
    /// Half took no longer.
    pub p50: u32,
    /// Nine of ten took no longer.
    pub p90: u32,
    /// Ninety-nine of a hundred took no longer.
    pub p99: u32,
    /// The longest.
    pub max: u32,
    /// Half were no longer in the function.
    pub function_p50: u32,
}

impl HistorySpan {
    /// Seconds of a step.
    pub fn step(self) -> u64 {
        match self {
            Self::Minutes => 1,
            Self::Hour => 10,
            Self::Day => 60,
        }
    }

    /// Seconds of all of it.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Minutes => 300,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// What is kept of the time before the seconds.
#[derive(Debug)]
pub(super) struct History {
    tens: Steps,
    minutes: Steps,
}

impl Default for History {
    fn default() -> Self {
        Self { tens: Steps::new(HistorySpan::Hour), minutes: Steps::new(HistorySpan::Day) }
    }
}

impl History {
    /// Closes the steps that have ended at `now`; `first` is the number of the first of the `seconds`.
    pub(super) fn close(&mut self, now: Duration, first: u64, seconds: &VecDeque<Second>) {
        self.tens.close(now, first, seconds);
        self.minutes.close(now, first, seconds);
    }

    /// The points of a span that end before `now`, oldest first, from its own steps.
    pub(super) fn points(&self, span: HistorySpan, now: Duration) -> Vec<HistoryPoint> {
        let steps = if span == HistorySpan::Day { &self.minutes } else { &self.tens };
        let oldest = signed(now.as_secs().saturating_sub(span.seconds()));
        steps.points.iter().filter(|point| point.at >= oldest).copied().collect()
    }
}

/// Points of one length.
#[derive(Debug)]
struct Steps {
    length: u64,
    most: usize,
    /// The first step that is not closed.
    next: u64,
    /// Those in which something happened.
    points: VecDeque<HistoryPoint>,
}

impl Steps {
    fn new(span: HistorySpan) -> Self {
        let most = usize::try_from(span.seconds() / span.step()).unwrap_or(usize::MAX);
        Self { length: span.step(), most, next: 0, points: VecDeque::new() }
    }

    fn close(&mut self, now: Duration, first: u64, seconds: &VecDeque<Second>) {
        let ended = now.as_secs().saturating_sub(LATE) / self.length;
        // What is not kept as seconds any more is told by nothing.
        let begin = self.next.max(first / self.length);
        for step in begin..ended {
            let (from, to) = (step * self.length, (step + 1) * self.length);
            let at = |number: u64| seconds.get(usize::try_from(number.checked_sub(first)?).ok()?);
            let of_step: Vec<&Second> = (from..to).filter_map(at).collect();
            if let Some(point) = point(from, &of_step) {
                self.push(point);
            }
        }
        self.next = self.next.max(ended);
    }

    /// Takes a point; the oldest makes room. Room grows by an hour of minutes: to double it would waste most of a day.
    fn push(&mut self, point: HistoryPoint) {
        if self.points.len() == self.most {
            self.points.pop_front();
        } else if self.points.len() == self.points.capacity() {
            self.points.reserve_exact(GROWTH.min(self.most - self.points.len()));
        }
        self.points.push_back(point);
    }
}

/// A step that begins at `from`; none where no request ended.
pub(super) fn point(from: u64, seconds: &[&Second]) -> Option<HistoryPoint> {
    let requests: u64 = seconds.iter().map(|second| second.requests).sum();
    if requests == 0 {
        return None;
    }
    let seen = || seconds.iter().filter(|second| !second.samples.is_empty());
    let mut most = Most::default();
    seen().for_each(|second| most.take(second.most));
    let each = |part: fn(&Parts) -> u64| {
        seen().flat_map(move |second| {
            let weight = second.seen.div_ceil(second.samples.len() as u64);
            second.samples.iter().map(move |sample| (part(sample), weight))
        })
    };
    let total = percentiles(each(Parts::total), most.total);
    let function = percentiles(each(|parts| parts.function), most.parts.function);
    Some(HistoryPoint {
        at: signed(from),
        requests: narrow(requests),
        errors: narrow(seconds.iter().map(|second| second.errors).sum()),
        p50: micros(total.p50),
        p90: micros(total.p90),
        p99: micros(total.p99),
        max: micros(total.max),
        function_p50: micros(function.p50),
    })
}

fn signed(seconds: u64) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn narrow(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn micros(nanos: u64) -> u32 {
    narrow(nanos.div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_points_takes_no_more_than_is_said() {
        let mut history = History::default();
        for at in 0..3_000 {
            for steps in [&mut history.tens, &mut history.minutes] {
                steps.push(HistoryPoint { at, ..HistoryPoint::default() });
            }
        }
        let points = history.tens.points.capacity() + history.minutes.points.capacity();
        assert_eq!((history.tens.points.len(), history.minutes.points.len(), points), (360, 1_440, 1_800));
        assert_eq!(history.minutes.points.front().map(|point| point.at), Some(1_560), "the oldest made room");
        assert!(points * size_of::<HistoryPoint>() <= 60_000);
    }
}
