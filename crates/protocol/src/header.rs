//! Names of the headers a hop carries.

/// The version of what they say: services whose hosts have another one do not understand each other.
pub const FORMAT: u32 = 1;

/// The inputs' routes still to go: an expression list, one for each input.
pub const ROUTE: &str = "dyninka-route";
/// Milliseconds left until the request's deadline. A budget, not a time: clocks need not agree.
pub const DEADLINE: &str = "dyninka-deadline";
/// The services that called so far, first to last, joined by commas.
pub const PATH: &str = "dyninka-path";
/// On answers: `service@version` of every hop that took part, joined by commas.
pub const VERSION: &str = "dyninka-version";
/// On a 204: the service that answered `None`.
pub const FILTERED: &str = "dyninka-filtered";
/// W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";
/// W3C Trace Context: what other systems keep with the trace; handed on unread.
pub const TRACESTATE: &str = "tracestate";
/// `0` on requests that are counted but not recorded in detail: more come in than are worth recording. Decided where
/// a request enters, so that a trace is whole or not there.
pub const DETAIL: &str = "dyninka-detail";
/// The node that sent a request on because it did not fit there; it is never sent on again.
pub const NODE: &str = "dyninka-node";
/// On answers: the other nodes that took part, joined by commas.
pub const NODES: &str = "dyninka-nodes";
/// On requests that go to another node: the services that they need there, joined by commas.
pub const SERVICES: &str = "dyninka-services";
/// On batches: where the next batch begins ([`crate::Cursor`]).
pub const CURSOR: &str = "dyninka-cursor";
/// On batches: requests that ended since the last batch, those without a span too.
pub const REQUESTS: &str = "dyninka-requests";
/// On batches: requests that ended in a problem since the last batch, those without a span too.
pub const ERRORS: &str = "dyninka-errors";
/// On batches: requests since the last batch that no span tells of: not in detail, or lost to a full queue or ring.
pub const DROPPED: &str = "dyninka-dropped";
/// On batches: requests being answered now.
pub const IN_FLIGHT: &str = "dyninka-in-flight";
/// On batches: requests to other services that were tried again because nothing of them had been sent, since the host
/// began.
pub const RETRIES: &str = "dyninka-retries";
/// On batches: the services that the host does not try to connect to for now, joined by commas; empty: none.
pub const OPEN: &str = "dyninka-open";
/// On batches: the host's clock, in nanoseconds since 1970; only differences to the spans' times mean something.
pub const NOW: &str = "dyninka-now";
/// On answers: `service;dur=all` and `service.fn;dur=function`, in milliseconds, for every hop.
pub const SERVER_TIMING: &str = "server-timing";
/// The id of a run, on requests of a job server: a host runs each id once in its life.
pub const RUN: &str = "dyninka-run";
/// The life of the host that a run is for; another one refuses it.
pub const EPOCH: &str = "dyninka-epoch";
/// The account that function time is charged to, signed with the app's secret.
pub const ACCOUNT: &str = "dyninka-account";
/// On answers to requests that charge an account: nanoseconds in the function of each service that took part, without waits
/// for services that it called, as `service=nanoseconds`, joined by commas.
pub const USAGE: &str = "dyninka-usage";
/// The job that a request is part of, as JSON, signed with the app's secret.
pub const JOB: &str = "dyninka-job";
/// The buckets and objects that a request works on: [`crate::read_data`].
pub const DATA: &str = "dyninka-data";
/// How new they have to be, and on answers what was written: [`crate::DataVersions`].
pub const DATA_VERSION: &str = "dyninka-data-version";
/// The zones that a request may be served in: [`crate::near::PlaceBounds`].
pub const ZONE: &str = "dyninka-zone";
/// The labels that a place needs to serve a request: [`crate::near::PlaceBounds`].
pub const NEEDS: &str = "dyninka-needs";
/// On answers: `service@place` of every hop that has a place, and `bucket:images@place` of every copy that was used, joined by
/// commas.
pub const PLACE: &str = "dyninka-place";
/// On control calls: `Bearer TOKEN`.
pub const AUTHORIZATION: &str = "authorization";
