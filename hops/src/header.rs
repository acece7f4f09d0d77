//! Names of the headers a hop carries.

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
/// On answers: `service;dur=all` and `service.fn;dur=function`, in milliseconds, for every hop.
pub const SERVER_TIMING: &str = "server-timing";
/// On control calls: `Bearer TOKEN`.
pub const AUTHORIZATION: &str = "authorization";
