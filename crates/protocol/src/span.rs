//! What a service measured of one request.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Arc;

/// One service's part in one request: an OpenTelemetry span of kind SERVER, and one of kind CLIENT for each call.
///
/// `total`, `function` and `waiting` are nanoseconds of one monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The request it belongs to.
    pub trace: TraceId,
    /// Itself.
    pub id: SpanId,
    /// The call that asked for it; none where the caller sent no trace.
    pub parent: Option<SpanId>,
    /// Whether the caller wants the trace sent on to collectors (`sampled` of W3C Trace Context).
    pub sampled: bool,
    /// Whether the request came from outside the app.
    pub entry: bool,
    pub app: Arc<str>,
    /// The service, by its Rust name.
    pub service: Arc<str>,
    /// The version that ran or was about to; none where it did not come to that.
    pub version: Option<Arc<str>>,
    /// `host:port` the service is reached at.
    pub address: Arc<str>,
    /// How it was asked.
    pub method: Method,
    /// Nanoseconds since 1970, by the host's clock.
    pub start: u64,
    /// From the request's head to the answer.
    pub total: u64,
    /// In the function, without what it waited there for other services.
    pub function: u64,
    /// In which at least one call to another service was open.
    pub waiting: u64,
    /// HTTP status of the answer.
    pub status: u16,
    /// How it ended.
    pub outcome: Status,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// Its calls to other services, as they began.
    pub calls: Vec<UpstreamCall>,
}

/// A call to another service, as the caller saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamCall {
    /// Itself: the parent of the other service's span.
    pub id: SpanId,
    /// The service called, by its Rust name.
    pub service: Arc<str>,
    /// `host:port` it is reached at.
    pub address: Arc<str>,
    /// Whether the caller's host runs it as well, so that nothing travelled.
    pub within: bool,
    /// How it was asked.
    pub method: Method,
    /// Nanoseconds after the caller's start.
    pub begun: u64,
    /// Nanoseconds until the answer was there, or the call was given up.
    pub took: u64,
    /// The other service's own total as its answer says; none where there was no answer.
    pub server: Option<u64>,
    /// HTTP status of the answer; none where there was none.
    pub status: Option<u16>,
    /// Kind of the problem.
    pub error: Option<Cow<'static, str>>,
    /// Bytes of the call's body.
    pub sent: u64,
    /// Bytes of the answer's body.
    pub received: u64,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Value,
    /// With nothing: this service or one before it filtered.
    Filtered,
    /// With a problem of this kind.
    Problem(Cow<'static, str>),
}

/// How a service was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD: GET, of which the answer's head is wanted alone.
    Head,
    /// POST
    Post,
    /// Anything else: refused.
    Other,
}

/// Sixteen bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub NonZeroU128);

/// Eight bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub NonZeroU64);

/// Where the time of a request went, in nanoseconds. They add up to the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// In the function itself.
    pub function: u64,
    /// Waiting while other services worked.
    pub upstream: u64,
    /// Waiting while bytes travelled: to other services and back, connecting, queueing in the kernel.
    pub network: u64,
    /// Everything else: reading, routing, writing, handing over between threads.
    pub overhead: u64,
}

impl Span {
    /// Where its time went.
    ///
    /// Calls that overlap share the time waited in proportion: of two calls in which bytes travelled for a tenth of
    /// their time, a tenth of the waiting is network. Where no answer says how long the other service worked, all of
    /// the call is its.
    pub fn parts(&self) -> Parts {
        let waiting = self.waiting.min(self.total);
        let function = self.function.min(self.total - waiting);
        let open: u128 = self.calls.iter().map(|call| u128::from(call.took)).sum();
        let travelled: u128 = self.calls.iter().map(|call| u128::from(call.network().unwrap_or(0))).sum();
        let network = (u128::from(waiting) * travelled).checked_div(open).unwrap_or(0);
        // A share of `waiting`, so it fits.
        let network = u64::try_from(network).unwrap_or(waiting).min(waiting);
        Parts { function, upstream: waiting - network, network, overhead: self.total - waiting - function }
    }

    /// Whether it ended in a problem.
    pub fn is_error(&self) -> bool {
        matches!(self.outcome, Status::Problem(_))
    }

    /// How long a call to another service was open, given the calls as (begin, duration): overlaps count once.
    pub fn union(calls: impl IntoIterator<Item = (u64, u64)>) -> u64 {
        let mut calls: Vec<_> = calls.into_iter().collect();
        calls.sort_unstable();
        let (mut open, mut until) = (0_u64, 0_u64);
        for (begun, took) in calls {
            let end = begun.saturating_add(took);
            open = open.saturating_add(end.saturating_sub(begun.max(until)));
            until = until.max(end);
        }
        open
    }
}

impl UpstreamCall {
    /// Nanoseconds in which bytes travelled: what the caller waited less what the other service says it took. Both
    /// are durations, so clocks that differ between hosts cannot show here. None where there was no answer.
    pub fn network(&self) -> Option<u64> {
        self.server.map(|server| self.took.saturating_sub(server))
    }

    /// Whether the other service says that it took longer than the caller waited: a clock runs wrong.
    pub fn contradicts(&self) -> bool {
        self.server.is_some_and(|server| server > self.took)
    }
}

impl Parts {
    pub fn total(&self) -> u64 {
        self.function + self.upstream + self.network + self.overhead
    }
}

impl Method {
    /// As OpenTelemetry names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Other => "_OTHER",
        }
    }

    pub fn of(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            _ => Self::Other,
        }
    }
}

impl TraceId {
    /// None for zero.
    pub fn new(id: u128) -> Option<Self> {
        NonZeroU128::new(id).map(Self)
    }
}

impl SpanId {
    /// None for zero.
    pub fn new(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }
}

impl Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use super::*;

    /// A request to `service` of 1000 ns, 300 of them in the function.
    pub(crate) fn span(service: &str, id: u64) -> Span {
        Span {
            trace: TraceId::new(7).unwrap(),
            id: SpanId::new(id).unwrap(),
            parent: None,
            sampled: true,
            entry: false,
            app: "app".into(),
            service: service.into(),
            version: Some("v1".into()),
            address: format!("{service}:80").into(),
            method: Method::Get,
            start: 1_000_000,
            total: 1000,
            function: 300,
            waiting: 0,
            status: 200,
            outcome: Status::Value,
            received: 0,
            sent: 2,
            calls: Vec::new(),
        }
    }

    pub(crate) fn call(service: &str, id: u64, begun: u64, took: u64, server: Option<u64>) -> UpstreamCall {
        UpstreamCall {
            id: SpanId::new(id).unwrap(),
            service: service.into(),
            address: format!("{service}:80").into(),
            within: false,
            method: Method::Get,
            begun,
            took,
            server,
            status: server.map(|_| 200),
            error: server.is_none().then_some("unreachable".into()),
            sent: 0,
            received: 5,
        }
    }

    #[test]
    fn the_parts_add_up_to_the_total() {
        let mut one = span("last", 1);
        one.calls = vec![call("get", 2, 100, 500, Some(400))];
        one.waiting = 500;
        let parts = Parts { function: 300, upstream: 400, network: 100, overhead: 200 };
        assert_eq!((one.parts(), one.parts().total()), (parts, 1000));

        // Two at the same time: 500 open in all, 600 + 400 of calls, of which 100 + 100 travelling: a fifth.
        one.calls = vec![call("a", 2, 0, 400, Some(300)), call("b", 3, 0, 600, Some(500))];
        one.waiting = 600;
        assert_eq!(one.parts(), Parts { function: 300, upstream: 480, network: 120, overhead: 100 });

        // Figures that cannot be true do not grow beyond the total.
        (one.function, one.waiting) = (5000, 900);
        assert_eq!((one.parts().function, one.parts().overhead, one.parts().total()), (100, 0, 1000));
    }

    #[test]
    fn a_service_that_took_longer_than_its_caller_waited_is_no_negative_network() {
        let wrong = call("get", 2, 0, 400, Some(500));
        assert_eq!((wrong.network(), wrong.contradicts()), (Some(0), true));
        let none = call("get", 2, 0, 400, None);
        assert_eq!((none.network(), none.contradicts()), (None, false));
    }

    #[test]
    fn time_in_which_two_calls_are_open_counts_once() {
        assert_eq!(Span::union([(0, 400), (100, 500), (900, 100), (950, 10)]), 700);
        assert_eq!(Span::union([]), 0);
        assert_eq!(Span::union([(u64::MAX, 5), (0, 10)]), 10);
    }
}
