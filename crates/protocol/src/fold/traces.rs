//! Requests in the making, and the ones that are kept.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::waterfall::{Children, Waterfall};
use crate::span::{Span, TraceId};

/// Requests in the making. At a thousand a second, their parts come within two batches: a hundred at a time.
const MOST_PENDING: usize = 1_024;
/// Parts of one trace: as many services as an app may well have, twice.
const MOST_PARTS: usize = 1_024;
/// How long the parts of a request are waited for after its first. A batch comes every 50 ms; a host that has stopped
/// for two seconds will not be waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests that were given up waiting for, remembered to tell late parts from early ones.
const MOST_CLOSED: usize = 1_024;
/// For each stretch of this many seconds the slowest request is kept.
const STRETCH: u64 = 10;
/// Stretches in [`super::LONGEST_WINDOW`], and the one that has begun.
const MOST_STRETCHES: usize = 31;

/// The requests that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptTraces {
    /// The slowest of the window, to the ten seconds.
    pub slowest: Option<Arc<Waterfall>>,
    pub latest: Option<Arc<Waterfall>>,
}

#[derive(Debug, Default)]
pub(super) struct Traces {
    pending: HashMap<TraceId, Pending>,
    /// By when the first part came. Some are not pending any more: they are passed once they stand first, which is soon,
    /// as nobody is waited for longer than [`PATIENCE`].
    order: VecDeque<TraceId>,
    closed: HashSet<TraceId>,
    /// The same, oldest first.
    closed_order: VecDeque<TraceId>,
    latest: Option<Arc<Waterfall>>,
    /// (number of the stretch, its slowest), oldest first.
    slowest: VecDeque<(u64, Arc<Waterfall>)>,
    pub(super) lost: u64,
    pub(super) late: u64,
}

#[derive(Debug)]
struct Pending {
    since: Duration,
    /// A trace that a client began may enter the app more than once.
    entries: Vec<Span>,
    parts: Children,
    /// Calls that were answered: as many parts are to come.
    expected: usize,
}

impl Pending {
    /// Whether everybody who answered has told.
    fn is_whole(&self) -> bool {
        let told = |span: &Span| {
            let answered = span.calls.iter().filter(|call| call.server.is_some());
            answered.into_iter().all(|call| self.parts.contains_key(&call.id))
        };
        // Counted first: that is quick, and mostly says no.
        !self.entries.is_empty()
            && self.parts.len() >= self.expected
            && self.entries.iter().chain(self.parts.values()).all(told)
    }
}

impl Traces {
    pub(super) fn add(&mut self, now: Duration, span: Span) {
        let trace = span.trace;
        if !span.entry && !self.pending.contains_key(&trace) && self.closed.contains(&trace) {
            self.late += 1;
            return;
        }
        let pending = self.pending.entry(trace).or_insert_with(|| {
            self.order.push_back(trace);
            Pending { since: now, entries: Vec::new(), parts: Children::new(), expected: 0 }
        });
        if pending.entries.len() + pending.parts.len() >= MOST_PARTS {
            self.lost += 1;
            return;
        }
        pending.expected += span.calls.iter().filter(|call| call.server.is_some()).count();
        match span.parent.filter(|_| !span.entry) {
            Some(parent) => self.lost += u64::from(pending.parts.insert(parent, span).is_some()),
            None => pending.entries.push(span),
        }
        if pending.is_whole() {
            self.finish(now, trace);
        }
        while self.pending.len() > MOST_PENDING {
            self.give_up_oldest(now);
        }
        self.pass_finished();
    }

    /// Gives up on requests whose parts do not come.
    pub(super) fn tick(&mut self, now: Duration) {
        while let Some(oldest) = self.oldest()
            && now.saturating_sub(oldest.since) >= PATIENCE
        {
            self.give_up_oldest(now);
        }
    }

    pub(super) fn kept(&self, window: Duration, now: Duration) -> KeptTraces {
        let begin = now.saturating_sub(window).as_secs() / STRETCH;
        let within = self.slowest.iter().filter(|(number, _)| *number >= begin);
        let slowest = within.map(|(_, waterfall)| waterfall).max_by_key(|waterfall| waterfall.total);
        KeptTraces { slowest: slowest.cloned(), latest: self.latest.clone() }
    }

    fn give_up_oldest(&mut self, now: Duration) {
        self.pass_finished();
        let Some(trace) = self.order.pop_front() else { return };
        if self.closed.insert(trace) {
            self.closed_order.push_back(trace);
        }
        if self.closed_order.len() > MOST_CLOSED
            && let Some(oldest) = self.closed_order.pop_front()
        {
            self.closed.remove(&oldest);
        }
        self.finish(now, trace);
    }

    fn oldest(&mut self) -> Option<&Pending> {
        self.pass_finished();
        self.pending.get(self.order.front()?)
    }

    /// Whatever stands first in the order is pending from here on.
    fn pass_finished(&mut self) {
        while self.order.front().is_some_and(|first| !self.pending.contains_key(first)) {
            self.order.pop_front();
        }
    }

    fn finish(&mut self, now: Duration, trace: TraceId) {
        let Some(mut pending) = self.pending.remove(&trace) else { return };
        for entry in pending.entries {
            self.keep(now, Waterfall::assemble(entry, &mut pending.parts));
        }
        self.lost += pending.parts.len() as u64;
    }

    fn keep(&mut self, now: Duration, waterfall: Waterfall) {
        let (waterfall, number) = (Arc::new(waterfall), now.as_secs() / STRETCH);
        self.latest = Some(waterfall.clone());
        match self.slowest.back_mut() {
            Some((last, slowest)) if *last == number => {
                if waterfall.total > slowest.total {
                    *slowest = waterfall;
                }
            }
            _ => self.slowest.push_back((number, waterfall)),
        }
        if self.slowest.len() > MOST_STRETCHES {
            self.slowest.pop_front();
        }
    }

    #[cfg(test)]
    pub(super) fn pending(&self) -> (usize, usize, usize) {
        (self.pending.len(), self.order.len(), self.closed.len())
    }
}
