//! One service, second by second.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::call::{CallFigures, Calls};
use super::figures::Figures;
use super::history::{self, History, HistoryPoint, HistorySpan};
use super::second::{Chance, Second};
use super::versions::Versions;
use crate::batch::Batch;
use crate::span::Span;

/// How far back anybody can look.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(300);
const MOST_SECONDS: usize = 300;
/// Services that one service calls, of which figures are kept.
const MOST_CALLED: usize = 256;

/// What is known of a service.
#[derive(Debug)]
pub(super) struct Service {
    /// When it was first heard of, or its first request ended.
    since: Duration,
    /// The number of the second that stands first.
    first: u64,
    seconds: VecDeque<Second>,
    in_flight: u64,
    chance: Chance,
    pub(super) versions: Versions,
    history: History,
    /// By the service that is called.
    calls: BTreeMap<Arc<str>, Calls>,
    pub(super) ways: Versions,
}

impl Service {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            since: now,
            first: now.as_secs(),
            seconds: VecDeque::new(),
            in_flight: 0,
            chance: Chance::default(),
            versions: Versions::default(),
            history: History::default(),
            calls: BTreeMap::new(),
            ways: Versions::default(),
        }
    }

    /// Takes what a batch tells besides its spans.
    pub(super) fn count(&mut self, now: Duration, batch: &Batch) {
        self.in_flight = batch.in_flight;
        let failed = batch.spans.iter().filter(|span| span.is_error()).count() as u64;
        if let Some(second) = self.second(now).filter(|_| batch.dropped() > 0 || batch.errors > failed) {
            second.requests += batch.dropped();
            second.errors += batch.errors.saturating_sub(failed);
        }
    }

    /// Takes a request that ended at `at`.
    pub(super) fn add(&mut self, at: Duration, span: &Span) {
        let begun = at.saturating_sub(Duration::from_nanos(span.total));
        self.versions.add(begun, span);
        self.ways.add_way(begun, span);
        let mut chance = std::mem::take(&mut self.chance);
        if let Some(second) = self.second(at) {
            second.add(span, &mut chance);
            self.since = self.since.min(at);
        }
        for call in &span.calls {
            if self.calls.len() < MOST_CALLED || self.calls.contains_key(&call.service) {
                self.calls.entry(call.service.clone()).or_default().add(at, call, &mut chance);
            }
        }
        self.chance = chance;
    }

    /// Closes the steps of the history that have ended, and forgets services that are not called any more.
    pub(super) fn tick(&mut self, now: Duration) {
        self.history.close(now, self.first, &self.seconds);
        self.calls.retain(|_, calls| !calls.is_quiet(now));
    }

    /// The points of a span, oldest first; steps in which nothing happened are left out.
    pub(super) fn history(&self, span: HistorySpan, now: Duration) -> Vec<HistoryPoint> {
        if span != HistorySpan::Minutes {
            return self.history.points(span, now);
        }
        let (begin, seconds) = self.window(LONGEST_WINDOW, now);
        (begin..).zip(seconds).filter_map(|(number, second)| history::point(number, &[second?])).collect()
    }

    /// The services that were called in the last minute.
    pub(super) fn calls(&self, now: Duration) -> impl Iterator<Item = (&Arc<str>, CallFigures)> {
        self.calls.iter().filter_map(move |(service, calls)| Some((service, calls.figures(now)?)))
    }

    pub(super) fn figures(&self, window: Duration, now: Duration) -> Figures {
        let (begin, seconds) = self.window(window, now);
        let empty = Second::default();
        let list: Vec<_> = seconds.map(|second| second.unwrap_or(&empty)).collect();
        let from = Duration::from_secs(begin).max(self.since);
        Figures::over(&list, now.saturating_sub(from), self.in_flight)
    }

    /// Requests being answered, as last heard, and those that ended in each second of a window, oldest first.
    pub(super) fn flow(&self, window: Duration, now: Duration) -> (u64, Vec<u64>) {
        let (_, seconds) = self.window(window, now);
        (self.in_flight, seconds.map(|second| second.map_or(0, |second| second.requests)).collect())
    }

    /// The number of a window's first second, and all of them; none for those in which nothing happened.
    fn window(&self, window: Duration, now: Duration) -> (u64, impl Iterator<Item = Option<&Second>>) {
        let seconds = window.clamp(Duration::from_secs(1), LONGEST_WINDOW).as_secs();
        // The last second has only begun: a window of ten is nine and what there is of the tenth.
        let last = now.as_secs();
        let begin = (last + 1).saturating_sub(seconds);
        let at = |number: u64| self.seconds.get(usize::try_from(number.checked_sub(self.first)?).ok()?);
        (begin, (begin..=last).map(at))
    }

    /// The second of a moment; none where that is too long ago.
    fn second(&mut self, at: Duration) -> Option<&mut Second> {
        let number = at.as_secs();
        if self.seconds.is_empty() {
            self.first = number;
        }
        // From before the first: a host tells of what it measured before it was asked.
        while number < self.first && self.seconds.len() < MOST_SECONDS {
            // As far back as there is room, or not at all.
            if self.first - number > (MOST_SECONDS - self.seconds.len()) as u64 {
                return None;
            }
            self.seconds.push_front(Second::default());
            self.first -= 1;
        }
        let place = number.checked_sub(self.first)?;
        // After a long silence there is nothing worth keeping.
        if place >= 2 * MOST_SECONDS as u64 {
            self.seconds.clear();
            self.first = number;
        }
        let place = usize::try_from(number - self.first).ok()?;
        while self.seconds.len() <= place {
            self.seconds.push_back(Second::default());
        }
        while self.seconds.len() > MOST_SECONDS {
            self.seconds.pop_front();
            self.first += 1;
        }
        let place = usize::try_from(number - self.first).ok()?;
        self.seconds.get_mut(place)
    }
}
