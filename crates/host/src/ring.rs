//! The last requests, until they are read or newer ones need the room.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;

use protocol::{Cursor, Span, UpstreamCall};

/// Requests kept: a quarter of a minute of as many as are recorded in detail, hours of what a developer does by hand.
const MOST_SPANS: usize = 16 << 10;
/// Bytes kept, by estimate: a host is small, and there are many of them.
const MOST_BYTES: usize = 8 << 20;
/// Requests read at once: about a MiB on the wire.
const MOST_READ: usize = 2_000;

/// What was measured, oldest first.
#[derive(Debug)]
pub(crate) struct Ring {
    epoch: u64,
    spans: VecDeque<Arc<Span>>,
    /// Errors among them.
    kept_errors: u64,
    bytes: usize,
    /// The number of the oldest kept.
    first: u64,
    /// All there ever were.
    requests: u64,
    errors: u64,
}

/// What is read at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) spans: Vec<Arc<Span>>,
    /// Where the next begins.
    pub(crate) cursor: Cursor,
    /// Requests since the cursor that was given, those without a span too.
    pub(crate) requests: u64,
    pub(crate) errors: u64,
}

impl Ring {
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch, spans: VecDeque::new(), kept_errors: 0, bytes: 0, first: 0, requests: 0, errors: 0 }
    }

    /// Keeps a request, and drops the oldest where there is no room.
    pub(crate) fn push(&mut self, span: Span) {
        self.count(1, u64::from(span.is_error()));
        self.kept_errors += u64::from(span.is_error());
        self.bytes += size(&span);
        self.spans.push_back(Arc::new(span));
        while self.spans.len() > MOST_SPANS || self.bytes > MOST_BYTES {
            let Some(oldest) = self.spans.pop_front() else { break };
            self.bytes -= size(&oldest);
            self.kept_errors -= u64::from(oldest.is_error());
            self.first += 1;
        }
    }

    /// Counts requests of which nothing else is known.
    pub(crate) fn count(&mut self, requests: u64, errors: u64) {
        self.requests += requests;
        self.errors += errors;
    }

    /// Whether there is something to read.
    pub(crate) fn has_news(&self, after: Option<Cursor>) -> bool {
        let end = self.end();
        let begin = self.begin(after);
        (begin.next, begin.requests) != (end.next, end.requests)
    }

    /// What came after a cursor; without one, or with one of another host, what is kept.
    pub(crate) fn read(&self, after: Option<Cursor>) -> Read {
        let begin = self.begin(after);
        let skipped = usize::try_from(begin.next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let spans: Vec<_> = self.spans.iter().skip(skipped).take(MOST_READ).cloned().collect();
        let next = self.first + skipped as u64 + spans.len() as u64;
        let end = self.end();
        if next == end.next {
            let (requests, errors) = (end.requests - begin.requests, end.errors - begin.errors);
            return Read { spans, cursor: end, requests, errors };
        }
        // There is more: what has no span is told with the last part.
        let (requests, errors) = (spans.len() as u64, spans.iter().filter(|span| span.is_error()).count() as u64);
        let cursor = Cursor { next, requests: begin.requests + requests, errors: begin.errors + errors, ..begin };
        Read { spans, cursor, requests, errors }
    }

    fn end(&self) -> Cursor {
        let next = self.first + self.spans.len() as u64;
        Cursor { epoch: self.epoch, next, requests: self.requests, errors: self.errors }
    }

    fn begin(&self, after: Option<Cursor>) -> Cursor {
        let end = self.end();
        let known = |cursor: &Cursor| {
            cursor.epoch == self.epoch
                && cursor.next <= end.next
                && cursor.requests <= end.requests
                && cursor.errors <= end.errors
        };
        after.filter(known).unwrap_or(Cursor {
            next: self.first,
            requests: self.requests - self.spans.len() as u64,
            errors: self.errors - self.kept_errors,
            ..end
        })
    }
}

/// Bytes it takes, about; the names in it are shared.
fn size(span: &Span) -> usize {
    size_of::<Span>() + span.calls.len() * size_of::<UpstreamCall>()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use protocol::{Method, SpanId, Status, TraceId};

    use super::*;

    fn span(id: u64, failed: bool) -> Span {
        Span {
            trace: TraceId::new(1).unwrap(),
            id: SpanId::new(id).unwrap(),
            parent: None,
            sampled: true,
            entry: true,
            app: "app".into(),
            service: "get".into(),
            version: None,
            address: "get:80".into(),
            method: Method::Get,
            start: 0,
            total: 1,
            function: 1,
            waiting: 0,
            status: 200,
            outcome: if failed { Status::Problem("failed".into()) } else { Status::Value },
            received: 0,
            sent: 0,
            calls: Vec::new(),
        }
    }

    fn ids(read: &Read) -> Vec<u64> {
        read.spans.iter().map(|span| span.id.0.get()).collect()
    }

    #[test]
    fn each_request_is_read_once_and_what_has_no_span_is_counted() {
        let mut ring = Ring::new(9);
        assert!(!ring.has_news(None));
        let nothing = ring.read(None);
        assert_eq!((nothing.requests, ids(&nothing)), (0, vec![]));
        ring.push(span(1, false));
        ring.push(span(2, true));
        ring.count(5, 1);
        assert!(ring.has_news(Some(nothing.cursor)));
        let all = ring.read(Some(nothing.cursor));
        assert_eq!((ids(&all), all.requests, all.errors), (vec![1, 2], 7, 2));
        assert!(!ring.has_news(Some(all.cursor)));
        ring.push(span(3, false));
        let more = ring.read(Some(all.cursor));
        assert_eq!((ids(&more), more.requests, more.errors), (vec![3], 1, 0));
        // Somebody who comes later, or from another host, reads what is kept, and is told of nothing else.
        for other in [None, Some(Cursor { epoch: 8, ..more.cursor }), Some(Cursor { next: 99, ..more.cursor })] {
            let late = ring.read(other);
            assert_eq!((ids(&late), late.requests, late.errors), (vec![1, 2, 3], 3, 1));
        }
        ring.count(1, 0);
        assert!(ring.has_news(Some(more.cursor)), "a count is news");
    }

    #[test]
    fn what_there_was_no_room_for_counts_as_dropped() {
        let mut ring = Ring::new(9);
        ring.push(span(1, true));
        let before = ring.read(None).cursor;
        let all = MOST_SPANS as u64 + 10;
        for id in 0..all {
            ring.push(span(id + 2, id == 0));
        }
        let (mut cursor, mut seen, mut requests, mut errors) = (before, Vec::new(), 0, 0);
        while ring.has_news(Some(cursor)) {
            let read = ring.read(Some(cursor));
            assert!(read.spans.len() <= MOST_READ && read.requests >= read.spans.len() as u64);
            seen.extend(ids(&read));
            (cursor, requests, errors) = (read.cursor, requests + read.requests, errors + read.errors);
        }
        assert_eq!((requests, errors), (all, 1));
        assert_eq!(seen, (12..all + 2).collect::<Vec<_>>());
        assert!(ring.bytes <= MOST_BYTES && ring.bytes == MOST_SPANS * size(&span(1, false)));
    }
}
