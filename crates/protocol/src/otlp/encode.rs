//! Spans to bytes.

use std::sync::Arc;

use prost::Message;

use super::message::{
    self, AnyValue, ExportRequest, KeyValue, Resource, ResourceSpans, Scope, ScopeSpans, SpanKind, StatusCode, Value,
};
use super::name;
use crate::span::{Span, SpanId, Status, UpstreamCall};

/// Bit 8 of the flags: bit 9 says whether the parent is on another host.
const KNOWS_REMOTE: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// One `ExportTraceServiceRequest`. `instance` tells two hosts of a service apart.
pub fn encode<'a>(spans: impl IntoIterator<Item = &'a Span>, instance: &str) -> Vec<u8> {
    // A batch has one service and, around an edit, two versions: looking through the list is quicker than hashing.
    let mut groups: Vec<(&Span, Vec<message::Span>)> = Vec::new();
    for span in spans {
        let same =
            |other: &Span| (&other.app, &other.service, &other.version) == (&span.app, &span.service, &span.version);
        let at = groups.iter().position(|(first, _)| same(first)).unwrap_or_else(|| {
            groups.push((span, Vec::new()));
            groups.len() - 1
        });
        let list = &mut groups[at].1;
        list.push(server(span));
        list.extend(span.calls.iter().map(|call| client(span, call)));
    }
    let resource_spans = groups.into_iter().map(|(first, spans)| ResourceSpans {
        resource: Some(resource(first, instance)),
        scope_spans: vec![ScopeSpans { scope: Some(scope()), spans }],
        schema_url: "https://opentelemetry.io/schemas/1.38.0".to_owned(),
    });
    ExportRequest { resource_spans: resource_spans.collect() }.encode_to_vec()
}

fn resource(span: &Span, instance: &str) -> Resource {
    let mut attributes = vec![
        text(name::SERVICE, &span.service),
        text(name::NAMESPACE, &span.app),
        text(name::INSTANCE, instance),
        text("telemetry.sdk.name", "dyninka"),
        text("telemetry.sdk.language", "rust"),
        text("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    attributes.extend(span.version.as_ref().map(|version| text(name::VERSION, version)));
    Resource { attributes }
}

fn scope() -> Scope {
    Scope { name: "dyninka".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

fn server(span: &Span) -> message::Span {
    let mut attributes = vec![
        text(name::METHOD, span.method.name()),
        number(name::STATUS, span.status.into()),
        text(name::ROUTE, "/"),
        text(name::PATH, "/"),
        text(name::SCHEME, "http"),
        number(name::REQUEST_SIZE, span.received),
        number(name::RESPONSE_SIZE, span.sent),
        number(name::FUNCTION, span.function),
        number(name::WAITING, span.waiting),
    ];
    attributes.extend(address(&span.address));
    if span.entry {
        attributes.push(yes(name::ENTRY));
    }
    match &span.outcome {
        Status::Value => {}
        Status::Filtered => attributes.push(yes(name::FILTERED)),
        Status::Problem(kind) => attributes.push(text(name::ERROR, kind)),
    }
    // What the caller did wrong (4xx) is no error of the server: semantic conventions, "Status".
    let failed = span.is_error() && span.status >= 500;
    message::Span {
        parent_span_id: span.parent.map(bytes).unwrap_or_default(),
        flags: flags(span) | if span.parent.is_some() { REMOTE } else { 0 },
        // `{method} {http.route}`; the method `_OTHER` is written HTTP in names.
        name: format!("{} /", verb(span.method.name())),
        status: status(failed),
        ..common(span, span.id, SpanKind::Server, span.start, span.total, attributes)
    }
}

fn client(span: &Span, call: &UpstreamCall) -> message::Span {
    let mut attributes = vec![
        text(name::METHOD, call.method.name()),
        text(name::URL, &format!("http://{}/", call.address)),
        text(name::PEER, &call.service),
        number(name::REQUEST_SIZE, call.sent),
        number(name::RESPONSE_SIZE, call.received),
    ];
    attributes.extend(address(&call.address));
    attributes.extend(call.status.map(|status| number(name::STATUS, status.into())));
    attributes.extend(call.within.then(|| yes(name::WITHIN)));
    attributes.extend(call.server.map(|server| number(name::SERVER, server)));
    attributes.extend(call.error.as_ref().map(|kind| text(name::ERROR, kind)));
    message::Span {
        parent_span_id: bytes(span.id),
        flags: flags(span),
        name: verb(call.method.name()).to_owned(),
        status: status(call.error.is_some()),
        ..common(span, call.id, SpanKind::Client, span.start.saturating_add(call.begun), call.took, attributes)
    }
}

fn common(span: &Span, id: SpanId, kind: SpanKind, start: u64, took: u64, attributes: Vec<KeyValue>) -> message::Span {
    message::Span {
        trace_id: span.trace.0.get().to_be_bytes().to_vec(),
        span_id: bytes(id),
        kind: kind.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(took),
        attributes,
        ..message::Span::default()
    }
}

fn flags(span: &Span) -> u32 {
    KNOWS_REMOTE | u32::from(span.sampled)
}

fn verb(name: &'static str) -> &'static str {
    if name == "_OTHER" { "HTTP" } else { name }
}

fn status(failed: bool) -> Option<message::Status> {
    failed.then(|| message::Status { code: StatusCode::Error.into() })
}

fn bytes(id: SpanId) -> Vec<u8> {
    id.0.get().to_be_bytes().to_vec()
}

/// `server.address` and `server.port`.
fn address(address: &Arc<str>) -> Vec<KeyValue> {
    match address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
        Some((host, Ok(port))) => vec![text(name::ADDRESS, host), number(name::PORT, port.into())],
        _ => vec![text(name::ADDRESS, address)],
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::String(value.to_owned()))
}

fn number(key: &str, value: u64) -> KeyValue {
    pair(key, Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn yes(key: &str) -> KeyValue {
    pair(key, Value::Bool(true))
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}
