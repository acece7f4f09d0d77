//! Spans to figures: what each service did in the last seconds, what an edit did to it, and requests as waterfalls.
//!
//! Everything is bounded: five minutes of seconds, a few hundred samples in each, a few hundred requests in the making.
//! Time is what the caller says it is, so that a test says it too.

mod call;
mod figures;
mod history;
mod second;
mod service;
mod traces;
mod versions;
mod waterfall;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use call::CallFigures;
pub use figures::{Bar, Figures, Percentiles};
pub use history::{HistoryPoint, HistorySpan};
pub use service::LONGEST_WINDOW;
pub use traces::KeptTraces;
pub use versions::{Comparison, Measure, Significance, VersionSide};
pub use waterfall::{Row, Seen, Waterfall};

use crate::batch::Batch;
use service::Service;
use traces::Traces;

/// What became of everything that was measured.
///
/// Inside, time begins [`LONGEST_WINDOW`] before the caller's: what hosts measured before anybody asked them has its
/// place too.
#[derive(Debug, Default)]
pub struct Fold {
    services: BTreeMap<Arc<str>, Service>,
    traces: Traces,
    counts: LossCounts,
}

/// What is known to be missing or wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossCounts {
    /// Requests that are only counted: there were more than are recorded in detail, or a queue was full.
    pub dropped: u64,
    /// Spans of requests whose beginning or whole never came.
    pub lost: u64,
    /// Spans that came when their request had been given up waiting for.
    pub late: u64,
    /// Calls whose service says that it took longer than the caller waited; their network time counts as 0.
    pub contradictions: u64,
}

impl Fold {
    /// Takes a batch of one service's host. `now` is the time since any fixed moment; it never goes back.
    pub fn add(&mut self, now: Duration, service: &str, batch: Batch) {
        let now = now + LONGEST_WINDOW;
        self.counts.dropped += batch.dropped();
        let name = match self.services.get_key_value(service) {
            Some((name, _)) => name.clone(),
            None => Arc::from(service),
        };
        let known = self.services.entry(name).or_insert_with(|| Service::new(now));
        known.count(now, &batch);
        for span in batch.spans {
            // By the host's clock alone, so that it does not matter how it differs from ours.
            let age = Duration::from_nanos(batch.now.saturating_sub(span.start.saturating_add(span.total)));
            known.add(now.saturating_sub(age), &span);
            self.counts.contradictions += span.calls.iter().filter(|call| call.contradicts()).count() as u64;
            self.traces.add(now, span);
        }
        self.traces.tick(now);
    }

    /// The names of the services heard of.
    pub fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        self.services.keys()
    }

    /// A service's figures over the last `window`, at most [`LONGEST_WINDOW`]. None where nothing was heard of it.
    pub fn figures(&self, service: &str, window: Duration, now: Duration) -> Option<Figures> {
        Some(self.services.get(service)?.figures(window, now + LONGEST_WINDOW))
    }

    /// Requests a service is answering, as last heard, and those that ended in each second of the last `window`, oldest
    /// first. None where nothing was heard of it.
    pub fn flow(&self, service: &str, window: Duration, now: Duration) -> Option<(u64, Vec<u64>)> {
        Some(self.services.get(service)?.flow(window, now + LONGEST_WINDOW))
    }

    /// The version before the last edit against the version after it. None before an edit.
    pub fn comparison(&self, service: &str, measure: Measure) -> Option<Comparison> {
        self.services.get(service)?.versions.comparison(measure)
    }

    /// What a service's requests took beside functions before and after it last shared a host with other services than
    /// before; the versions are these services, joined by `+`. None before that.
    pub fn moved(&self, service: &str) -> Option<Comparison> {
        self.services.get(service)?.ways.comparison(Measure::Way)
    }

    /// The slowest request of the last `window`, and the latest.
    pub fn waterfalls(&self, window: Duration, now: Duration) -> KeptTraces {
        self.traces.kept(window, now + LONGEST_WINDOW)
    }

    /// Gives up on requests whose parts do not come, and closes steps of histories. Called now and then when no batch
    /// comes.
    pub fn tick(&mut self, now: Duration) {
        let now = now + LONGEST_WINDOW;
        self.traces.tick(now);
        self.services.values_mut().for_each(|service| service.tick(now));
    }

    /// A service's latency in the steps of a span, oldest first. None where nothing was heard of it.
    pub fn history(&self, service: &str, span: HistorySpan, now: Duration) -> Option<Vec<HistoryPoint>> {
        let mut points = self.services.get(service)?.history(span, now + LONGEST_WINDOW);
        let before = i32::try_from(LONGEST_WINDOW.as_secs()).unwrap_or(i32::MAX);
        points.iter_mut().for_each(|point| point.at -= before);
        Some(points)
    }

    /// The services that a service called in the last minute.
    pub fn calls(&self, service: &str, now: Duration) -> impl Iterator<Item = (&Arc<str>, CallFigures)> {
        let known = self.services.get(service).into_iter();
        known.flat_map(move |service| service.calls(now + LONGEST_WINDOW))
    }

    /// What is missing or wrong so far.
    pub fn counts(&self) -> LossCounts {
        LossCounts { lost: self.traces.lost, late: self.traces.late, ..self.counts }
    }

    /// Forgets a service that is gone.
    pub fn forget(&mut self, service: &str) {
        self.services.remove(service);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
