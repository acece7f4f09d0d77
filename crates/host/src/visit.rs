//! A request at this host, from when it is let in to its answer: counted meanwhile, recorded at its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderMap, HeaderName, HeaderValue};
use protocol::record::Arrival;
use protocol::{Method, Span, Status};

use crate::answer::Measured;
use crate::records::{self, Kept};
use crate::reply::Reply;
use crate::request_context::{RequestContext, nanos};
use crate::shared::{Settings, Shared};

/// A request that has been let in. Dropped without an end: its caller went away.
pub(crate) struct Visit {
    shared: Arc<Shared>,
    settings: Arc<Settings>,
    context: Arc<RequestContext>,
    method: Method,
    /// What came with a request from outside, where it is recorded.
    entry: Option<Arrival>,
    ended: bool,
}

impl Visit {
    pub(crate) fn enter(
        shared: &Arc<Shared>,
        settings: &Arc<Settings>,
        context: &Arc<RequestContext>,
        method: Method,
        headers: Option<&HeaderMap>,
    ) -> Self {
        shared.metrics.in_flight.inc();
        Self {
            shared: shared.clone(),
            settings: settings.clone(),
            context: context.clone(),
            method,
            entry: headers.filter(|_| context.recorded && context.path.len() == 1).map(entry),
            ended: false,
        }
    }

    /// Completes the answer, and records the request.
    pub(crate) fn end(mut self, measured: Measured, outcome: Status, reply: &mut Reply) {
        self.ended = true;
        let config = &self.settings.config;
        let total = nanos(self.context.begun.elapsed());
        let version = measured.version.as_deref();
        self.context.finish(&config.service, version, measured.function, total, reply);
        if !self.context.detail {
            return self.shared.recorder.count(matches!(outcome, Status::Problem(_)));
        }
        let Some(place) = self.settings.places.get(&config.service) else { return };
        let calls = self.context.take_calls(total);
        let open = |since: u64| {
            let calls = calls.iter().filter(|call| call.begun >= since);
            Span::union(calls.map(|call| (call.begun, call.took)))
        };
        // What the function waited for is not its own time.
        let waited_inside = measured.function_begun.map_or(0, open);
        let function = measured.function.saturating_sub(waited_inside);
        if self.context.recorded {
            self.shared.records.record(Kept::Visit(Box::new(records::Visit {
                trace: self.context.trace.id,
                span: self.context.trace.span,
                parent: self.context.trace.parent,
                entry: self.entry.take(),
                service: place.service.clone(),
                begun: self.context.start,
                took: total,
                asked: calls.iter().filter(|call| call.status.is_some()).map(|call| call.id).collect(),
                run: measured.ran.zip(measured.version.clone()).map(|(ran, version)| records::Run {
                    version,
                    inputs: ran.inputs,
                    ended: ran.ended,
                    function_ns: function,
                    sequence: ran.sequence,
                    calls: self.context.take_body_calls(),
                }),
            })));
        }
        self.shared.recorder.record(Span {
            trace: self.context.trace.id,
            id: self.context.trace.span,
            parent: self.context.trace.parent,
            sampled: self.context.trace.is_sampled(),
            entry: self.context.path.len() == 1,
            app: self.settings.app.clone(),
            service: place.service.clone(),
            version: measured.version,
            address: place.address.clone(),
            method: self.method,
            start: self.context.start,
            total,
            function,
            waiting: open(0),
            status: reply.status.as_u16(),
            outcome,
            received: self.context.received.load(Ordering::Relaxed),
            sent: reply.body.len() as u64,
            calls,
        });
    }
}

/// What a request brought: its route, and its headers as far as they are text.
fn entry(headers: &HeaderMap) -> Arrival {
    let text = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    let route = headers.get(protocol::header::ROUTE).and_then(|route| route.to_str().ok()).map(str::to_owned);
    Arrival { route, headers: headers.iter().filter_map(text).collect() }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.shared.metrics.in_flight.dec();
        if !self.ended {
            self.shared.metrics.answered("given-up");
            self.shared.recorder.count(true);
        }
    }
}
