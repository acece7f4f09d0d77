//! Spans to bytes.

use super::field::{
    any_value, key_value, request, resource, resource_spans, scope, scope_spans, span as field, status,
};
use super::message::Writer;
use super::name;
use crate::span::{Span, Status, UpstreamCall};

/// Bit 8 of the flags: bit 9 says whether the parent is on another host.
const KNOWS_REMOTE: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// One `ExportTraceServiceRequest`. `instance` tells two hosts of a service apart.
pub fn encode<'a>(spans: impl IntoIterator<Item = &'a Span>, instance: &str) -> Vec<u8> {
    // A batch has one service and, around an edit, two versions: looking through the list is quicker than hashing.
    let mut groups: Vec<(&Span, Writer)> = Vec::new();
    for span in spans {
        let same =
            |other: &Span| (&other.app, &other.service, &other.version) == (&span.app, &span.service, &span.version);
        let at = groups.iter().position(|(first, _)| same(first)).unwrap_or_else(|| {
            groups.push((span, Writer::default()));
            groups.len() - 1
        });
        let list = &mut groups[at].1;
        list.nested(scope_spans::SPANS, |to| server(to, span));
        for call in &span.calls {
            list.nested(scope_spans::SPANS, |to| client(to, span, call));
        }
    }
    let mut message = Writer::default();
    for (first, spans) in groups {
        message.nested(request::RESOURCE_SPANS, |group| {
            group.nested(resource_spans::RESOURCE, |to| describe(to, first, instance));
            group.nested(resource_spans::SCOPE_SPANS, |list| {
                list.nested(scope_spans::SCOPE, |scope| {
                    scope.bytes(scope::NAME, b"dyninka");
                    scope.bytes(scope::VERSION, env!("CARGO_PKG_VERSION").as_bytes());
                });
                list.append(&spans);
            });
            group.bytes(resource_spans::SCHEMA_URL, b"https://opentelemetry.io/schemas/1.38.0");
        });
    }
    message.into_bytes()
}

/// The resource: a version of a service of an app, at a host.
fn describe(to: &mut Writer, span: &Span, instance: &str) {
    let mut text = |key, value| pair(to, resource::ATTRIBUTES, key, Value::Text(value));
    text(name::SERVICE, &span.service);
    text(name::NAMESPACE, &span.app);
    text(name::INSTANCE, instance);
    text("telemetry.sdk.name", "dyninka");
    text("telemetry.sdk.language", "rust");
    text("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
    if let Some(version) = &span.version {
        text(name::VERSION, version);
    }
}

fn server(to: &mut Writer, span: &Span) {
    to.bytes(field::TRACE_ID, &span.trace.0.get().to_be_bytes());
    to.bytes(field::SPAN_ID, &span.id.0.get().to_be_bytes());
    let mut flags = flags(span);
    if let Some(parent) = span.parent {
        to.bytes(field::PARENT_SPAN_ID, &parent.0.get().to_be_bytes());
        flags |= REMOTE;
    }
    // `{method} {http.route}`; the method `_OTHER` is written HTTP in names.
    to.bytes(field::NAME, [verb(span.method.name()), " /"].concat().as_bytes());
    common(to, field::SERVER, span.start, span.total, flags);
    text(to, name::METHOD, span.method.name());
    number(to, name::STATUS, span.status.into());
    text(to, name::ROUTE, "/");
    text(to, name::PATH, "/");
    text(to, name::SCHEME, "http");
    number(to, name::REQUEST_SIZE, span.received);
    number(to, name::RESPONSE_SIZE, span.sent);
    number(to, name::FUNCTION, span.function);
    number(to, name::WAITING, span.waiting);
    address(to, &span.address);
    if span.entry {
        yes(to, name::ENTRY);
    }
    match &span.outcome {
        Status::Value => {}
        Status::Filtered => yes(to, name::FILTERED),
        Status::Problem(kind) => text(to, name::ERROR, kind),
    }
    // What the caller did wrong (4xx) is no error of the server: semantic conventions, "Status".
    if span.is_error() && span.status >= 500 {
        failed(to);
    }
}

fn client(to: &mut Writer, span: &Span, call: &UpstreamCall) {
    to.bytes(field::TRACE_ID, &span.trace.0.get().to_be_bytes());
    to.bytes(field::SPAN_ID, &call.id.0.get().to_be_bytes());
    to.bytes(field::PARENT_SPAN_ID, &span.id.0.get().to_be_bytes());
    to.bytes(field::NAME, verb(call.method.name()).as_bytes());
    common(to, field::CLIENT, span.start.saturating_add(call.begun), call.took, flags(span));
    text(to, name::METHOD, call.method.name());
    text(to, name::URL, &["http://", &call.address, "/"].concat());
    text(to, name::PEER, &call.service);
    number(to, name::REQUEST_SIZE, call.sent);
    number(to, name::RESPONSE_SIZE, call.received);
    address(to, &call.address);
    if let Some(status) = call.status {
        number(to, name::STATUS, status.into());
    }
    if let Some(server) = call.server {
        number(to, name::SERVER, server);
    }
    if let Some(kind) = &call.error {
        text(to, name::ERROR, kind);
        failed(to);
    }
}

fn common(to: &mut Writer, kind: u64, start: u64, took: u64, flags: u32) {
    to.varint(field::KIND, kind);
    to.fixed64(field::START, start);
    to.fixed64(field::END, start.saturating_add(took));
    to.fixed32(field::FLAGS, flags);
}

fn flags(span: &Span) -> u32 {
    KNOWS_REMOTE | u32::from(span.sampled)
}

fn verb(name: &'static str) -> &'static str {
    if name == "_OTHER" { "HTTP" } else { name }
}

fn failed(to: &mut Writer) {
    to.nested(field::STATUS, |status| status.varint(status::CODE, status::ERROR));
}

/// `server.address` and `server.port`.
fn address(to: &mut Writer, address: &str) {
    match address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
        Some((host, Ok(port))) => {
            text(to, name::ADDRESS, host);
            number(to, name::PORT, port.into());
        }
        _ => text(to, name::ADDRESS, address),
    }
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a str),
    Number(u64),
    Yes,
}

fn text(to: &mut Writer, key: &str, value: &str) {
    pair(to, field::ATTRIBUTES, key, Value::Text(value));
}

fn number(to: &mut Writer, key: &str, value: u64) {
    pair(to, field::ATTRIBUTES, key, Value::Number(value));
}

fn yes(to: &mut Writer, key: &str) {
    pair(to, field::ATTRIBUTES, key, Value::Yes);
}

fn pair(to: &mut Writer, attributes: u32, key: &str, value: Value<'_>) {
    to.nested(attributes, |pair| {
        pair.bytes(key_value::KEY, key.as_bytes());
        pair.nested(key_value::VALUE, |any| match value {
            Value::Text(text) => any.bytes(any_value::STRING, text.as_bytes()),
            // They are signed there.
            Value::Number(number) => any.varint(any_value::INT, number.min(i64::MAX as u64)),
            Value::Yes => any.varint(any_value::BOOL, 1),
        });
    });
}
