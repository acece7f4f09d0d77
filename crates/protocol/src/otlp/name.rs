//! Names of attributes: of the semantic conventions for HTTP and resources, and our own.

pub(super) const SERVICE: &str = "service.name";
pub(super) const VERSION: &str = "service.version";
/// The app.
pub(super) const NAMESPACE: &str = "service.namespace";
pub(super) const INSTANCE: &str = "service.instance.id";

pub(super) const METHOD: &str = "http.request.method";
pub(super) const STATUS: &str = "http.response.status_code";
pub(super) const ROUTE: &str = "http.route";
pub(super) const REQUEST_SIZE: &str = "http.request.body.size";
pub(super) const RESPONSE_SIZE: &str = "http.response.body.size";
pub(super) const PATH: &str = "url.path";
pub(super) const SCHEME: &str = "url.scheme";
pub(super) const URL: &str = "url.full";
pub(super) const ADDRESS: &str = "server.address";
pub(super) const PORT: &str = "server.port";
pub(super) const ERROR: &str = "error.type";
/// Jaeger and others draw the arrow to a service by it.
pub(super) const PEER: &str = "peer.service";

/// Nanoseconds in the function.
pub(super) const FUNCTION: &str = "dyninka.function.duration";
/// Nanoseconds in which a call was open.
pub(super) const WAITING: &str = "dyninka.waiting.duration";
/// Nanoseconds the other service says it took.
pub(super) const SERVER: &str = "dyninka.server.duration";
/// Whether the request came from outside the app.
pub(super) const ENTRY: &str = "dyninka.entry";
/// Whether the caller's host runs the other service as well.
pub(super) const WITHIN: &str = "dyninka.within";
/// Whether a service on the way filtered.
pub(super) const FILTERED: &str = "dyninka.filtered";
