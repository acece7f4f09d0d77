//! Several hosts of one service, told as one: what each says of itself is added up, and what they kept from before
//! anybody asked is put into the order it happened in, so that the parts of a request come together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::{Batch, Span};

use super::follow::Followed;

/// What ended longer ago than this is from before its host was asked: a host tells within 50 ms, and answers to
/// somebody far away come within a second.
const OLD: Duration = Duration::from_secs(2);
/// Old spans wait for others until none came for so long: hosts tell what they kept in parts, 50 ms apart.
const QUIET: Duration = Duration::from_millis(400);
/// And no longer than this, however many still come.
const LONGEST: Duration = Duration::from_secs(3);
/// Spans handed on at once. As many requests in the making are followed at a time, and more.
const CHUNK: usize = 256;

/// What is known of hosts, and what waits. Pure: time is what the caller says it is.
#[derive(Debug, Default)]
pub(super) struct Gather {
    hosts: BTreeMap<String, Known>,
    old: Vec<Old>,
    /// When old spans came first and last.
    waiting: Option<(Duration, Duration)>,
}

#[derive(Debug)]
struct Known {
    service: Arc<str>,
    in_flight: u64,
    retries: u64,
    open: Vec<String>,
}

#[derive(Debug)]
struct Old {
    /// Of the host's clock and ours, in nanoseconds: how long ago it ended then, and when that was.
    ended: i128,
    service: Arc<str>,
    span: Span,
}

impl Gather {
    /// Takes what a host told, and says what is to be handed on at once.
    pub(super) fn take(&mut self, now: Duration, host: &str, followed: Followed) -> Followed {
        let Followed { service, mut batch, .. } = followed;
        let known = Known {
            service: service.clone(),
            in_flight: batch.in_flight,
            retries: batch.retries,
            open: std::mem::take(&mut batch.open),
        };
        self.hosts.insert(host.to_owned(), known);
        let age = |span: &Span| u128::from(batch.now.saturating_sub(span.start.saturating_add(span.total)));
        let (old, spans): (Vec<_>, Vec<_>) =
            std::mem::take(&mut batch.spans).into_iter().partition(|span| age(span) > OLD.as_nanos());
        if !old.is_empty() {
            let first = self.waiting.map_or(now, |(first, _)| first);
            self.waiting = Some((first, now));
        }
        batch.requests = batch.requests.saturating_sub(old.len() as u64);
        batch.errors = batch.errors.saturating_sub(errors(&old));
        self.old.extend(old.into_iter().map(|span| Old {
            ended: nanos(now) - i128::try_from(age(&span)).unwrap_or(i128::MAX),
            service: service.clone(),
            span,
        }));
        self.whole(&service, Batch { spans, ..batch })
    }

    /// Forgets a host that is gone, and says what is to be handed on for its service.
    pub(super) fn forget(&mut self, host: &str) -> Option<Followed> {
        let known = self.hosts.remove(host)?;
        Some(self.whole(&known.service, Batch::default()))
    }

    /// How long until old spans are to be handed on; none where none wait.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let (first, last) = self.waiting?;
        Some((last + QUIET).min(first + LONGEST).saturating_sub(now))
    }

    /// The old spans that wait, in the order their requests ended.
    pub(super) fn release(&mut self, now: Duration) -> Vec<Followed> {
        self.waiting = None;
        let mut old = std::mem::take(&mut self.old);
        old.sort_by_key(|old| old.ended);
        let (mut told, mut rest) = (Vec::new(), old.into_iter().peekable());
        while rest.peek().is_some() {
            let mut chunk: BTreeMap<Arc<str>, Vec<Span>> = BTreeMap::new();
            for old in rest.by_ref().take(CHUNK) {
                // By one clock for all hosts, so that they stand as far apart as they were.
                let end = u64::try_from(i128::from(ORIGIN) + old.ended).unwrap_or(0);
                let span = Span { start: end.saturating_sub(old.span.total), ..old.span };
                chunk.entry(old.service).or_default().push(span);
            }
            let clock = u64::try_from(i128::from(ORIGIN) + nanos(now)).unwrap_or(u64::MAX);
            told.extend(chunk.into_iter().map(|(service, spans)| {
                let (requests, errors) = (spans.len() as u64, errors(&spans));
                self.whole(&service, Batch { now: clock, requests, errors, spans, ..Batch::default() })
            }));
        }
        told
    }

    /// A batch of one host as its service's: with what all of its hosts say of themselves.
    fn whole(&self, service: &Arc<str>, batch: Batch) -> Followed {
        let hosts = || self.hosts.values().filter(|known| known.service == *service);
        let open: BTreeSet<&String> = hosts().flat_map(|known| &known.open).collect();
        let batch = Batch {
            in_flight: hosts().map(|known| known.in_flight).sum(),
            retries: hosts().map(|known| known.retries).sum(),
            open: open.into_iter().cloned().collect(),
            ..batch
        };
        Followed { service: service.clone(), batch, otlp: Vec::new() }
    }
}

/// The clock that old spans are told by begins here, in nanoseconds: nothing that is kept is older.
const ORIGIN: u64 = 1 << 60;

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

fn errors(spans: &[Span]) -> u64 {
    spans.iter().filter(|span| span.is_error()).count() as u64
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
