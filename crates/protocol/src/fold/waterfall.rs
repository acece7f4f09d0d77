//! One request, service by service.

use std::collections::HashMap;
use std::sync::Arc;

use crate::span::{Parts, Span, SpanId, Status, TraceId, UpstreamCall};

/// Deeper than a route goes: ids that meet by accident or malice are no reason to go round.
const DEEPEST: usize = 256;

/// A request from its entry on. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waterfall {
    pub trace: TraceId,
    /// By the clock of the host it entered at, since 1970.
    pub start: u64,
    /// From its head to its answer.
    pub total: u64,
    /// How it ended.
    pub outcome: Status,
    /// The services that took part: each above those it called, in the order of its calls.
    pub rows: Vec<Row>,
    /// Whether every service that answered told of it.
    pub complete: bool,
}

/// A service's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub service: Arc<str>,
    /// The version that answered, where it told.
    pub version: Option<Arc<str>>,
    /// How many services stand between it and the entry.
    pub depth: usize,
    /// After the request's start. Where the caller's and its own clock differ is not to be known: it stands in the
    /// middle of the time its caller waited.
    pub offset: u64,
    /// From its request's head to its answer, as it says itself; as its caller saw it where it did not answer.
    pub total: u64,
    /// Where its time went, where it told.
    pub parts: Option<Parts>,
    /// What its caller waited longer than it took: none at the entry and where there was no answer.
    pub network: Option<u64>,
    /// How it ended, where that is known.
    pub outcome: Option<Status>,
    /// What is known of it.
    pub seen: Seen,
}

/// What is known of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// What it measured itself.
    Told,
    /// It answered; what it measured did not come, or not in time.
    Missing,
    /// It did not answer its caller.
    Unanswered,
}

/// Spans by the call that asked for them.
pub(super) type Children = HashMap<SpanId, Span>;

impl Waterfall {
    /// Puts a request together, taking its parts out of `children`.
    pub(super) fn assemble(entry: Span, children: &mut Children) -> Self {
        let mut waterfall = Self {
            trace: entry.trace,
            start: entry.start,
            total: entry.total,
            outcome: entry.outcome.clone(),
            rows: Vec::new(),
            complete: true,
        };
        waterfall.add(entry, 0, 0, None, children);
        waterfall
    }

    fn add(&mut self, span: Span, depth: usize, offset: u64, network: Option<u64>, children: &mut Children) {
        self.rows.push(Row {
            parts: Some(span.parts()),
            service: span.service,
            version: span.version,
            depth,
            offset,
            total: span.total,
            network,
            outcome: Some(span.outcome),
            seen: Seen::Told,
        });
        for call in &span.calls {
            let begun = offset.saturating_add(call.begun);
            match children.remove(&call.id).filter(|_| depth < DEEPEST) {
                Some(child) => {
                    let network = call.took.saturating_sub(child.total);
                    self.add(child, depth + 1, begun.saturating_add(network / 2), Some(network), children);
                }
                None => self.rows.push(absent(call, depth + 1, begun)),
            }
            self.complete &= self.rows.last().is_none_or(|row| row.seen != Seen::Missing);
        }
    }
}

/// The row of a service that told nothing.
fn absent(call: &UpstreamCall, depth: usize, begun: u64) -> Row {
    let network = call.network();
    Row {
        service: call.service.clone(),
        version: None,
        depth,
        offset: begun.saturating_add(network.unwrap_or(0) / 2),
        total: call.server.unwrap_or(call.took),
        parts: None,
        network,
        outcome: call.error.clone().map(Status::Problem),
        seen: if call.server.is_some() { Seen::Missing } else { Seen::Unanswered },
    }
}
