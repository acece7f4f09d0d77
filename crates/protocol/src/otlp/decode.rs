//! Bytes to spans.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;

use super::message::{self, ExportRequest, ExportResponse, KeyValue, SpanKind, Value};
use super::name;
use crate::span::{Method, Span, SpanId, Status, TraceId, UpstreamCall};

/// Bytes that are no message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read spans: {0}")]
pub struct DecodeError(prost::DecodeError);

/// What was in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Services' parts in requests, in the order they stand there.
    pub spans: Vec<Span>,
    /// Spans that are none of ours: of another kind, without an id, a call whose caller is not there.
    pub ignored: u64,
}

/// Reads an `ExportTraceServiceRequest`.
pub fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let request = ExportRequest::decode(bytes).map_err(DecodeError)?;
    let mut decoded = Decoded::default();
    for group in request.resource_spans {
        let resource = group.resource.unwrap_or_default().attributes;
        let text = |key| string(&resource, key).map(Arc::from);
        let (Some(app), Some(service)) = (text(name::NAMESPACE), text(name::SERVICE)) else {
            decoded.ignored += group.scope_spans.iter().map(|scope| scope.spans.len() as u64).sum::<u64>();
            continue;
        };
        let owner = Owner { app, service, version: text(name::VERSION) };
        let all = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        let (servers, others): (Vec<_>, Vec<_>) = all.partition(|span| span.kind == i32::from(SpanKind::Server));
        // A caller stands in the same group as its calls.
        let mut callers = HashMap::new();
        for span in servers {
            match owner.server(&span) {
                Some(span) => {
                    callers.insert((span.trace, span.id), decoded.spans.len());
                    decoded.spans.push(span);
                }
                None => decoded.ignored += 1,
            }
        }
        for span in others {
            let caller = caller(&span).and_then(|caller| callers.get(&caller)).copied();
            let called = caller.and_then(|caller| Some((caller, client(&span, decoded.spans[caller].start)?)));
            match called {
                Some((caller, call)) => decoded.spans[caller].calls.push(call),
                None => decoded.ignored += 1,
            }
        }
    }
    Ok(decoded)
}

/// A collector took a batch, but not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Spans it did not take.
    pub spans: u64,
    pub message: String,
}

/// Reads an `ExportTraceServiceResponse`. None: everything was taken without a word.
pub fn rejected(bytes: &[u8]) -> Result<Option<Rejected>, DecodeError> {
    let response = ExportResponse::decode(bytes).map_err(DecodeError)?;
    let Some(partial) = response.partial_success else { return Ok(None) };
    let rejected =
        Rejected { spans: u64::try_from(partial.rejected_spans).unwrap_or(0), message: partial.error_message };
    Ok(Some(rejected).filter(|rejected| rejected.spans > 0 || !rejected.message.is_empty()))
}

/// Whose spans they are.
struct Owner {
    app: Arc<str>,
    service: Arc<str>,
    version: Option<Arc<str>>,
}

impl Owner {
    fn server(&self, span: &message::Span) -> Option<Span> {
        let attributes = &span.attributes;
        let parent = match span.parent_span_id.is_empty() {
            true => None,
            false => Some(span_id(&span.parent_span_id)?),
        };
        let outcome = match string(attributes, name::ERROR) {
            Some(kind) => Status::Problem(Cow::Owned(kind.to_owned())),
            None if flag(attributes, name::FILTERED) => Status::Filtered,
            None => Status::Value,
        };
        Some(Span {
            trace: trace_id(&span.trace_id)?,
            id: span_id(&span.span_id)?,
            parent,
            sampled: span.flags & 1 == 1,
            entry: flag(attributes, name::ENTRY),
            app: self.app.clone(),
            service: self.service.clone(),
            version: self.version.clone(),
            address: address(attributes),
            method: method(attributes),
            start: span.start_time_unix_nano,
            total: span.end_time_unix_nano.checked_sub(span.start_time_unix_nano)?,
            function: number(attributes, name::FUNCTION)?,
            waiting: number(attributes, name::WAITING)?,
            status: status(attributes)?,
            outcome,
            received: number(attributes, name::REQUEST_SIZE).unwrap_or(0),
            sent: number(attributes, name::RESPONSE_SIZE).unwrap_or(0),
            calls: Vec::new(),
        })
    }
}

fn client(span: &message::Span, caller: u64) -> Option<UpstreamCall> {
    let attributes = &span.attributes;
    if span.kind != i32::from(SpanKind::Client) {
        return None;
    }
    Some(UpstreamCall {
        id: span_id(&span.span_id)?,
        service: string(attributes, name::PEER)?.into(),
        address: address(attributes),
        within: value(attributes, name::WITHIN) == Some(&Value::Bool(true)),
        method: method(attributes),
        begun: span.start_time_unix_nano.checked_sub(caller)?,
        took: span.end_time_unix_nano.checked_sub(span.start_time_unix_nano)?,
        server: number(attributes, name::SERVER),
        status: status(attributes),
        error: string(attributes, name::ERROR).map(|kind| Cow::Owned(kind.to_owned())),
        sent: number(attributes, name::REQUEST_SIZE).unwrap_or(0),
        received: number(attributes, name::RESPONSE_SIZE).unwrap_or(0),
    })
}

fn caller(span: &message::Span) -> Option<(TraceId, SpanId)> {
    Some((trace_id(&span.trace_id)?, span_id(&span.parent_span_id)?))
}

fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    TraceId::new(u128::from_be_bytes(bytes.try_into().ok()?))
}

fn span_id(bytes: &[u8]) -> Option<SpanId> {
    SpanId::new(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()
}

fn string<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match value(attributes, key)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn number(attributes: &[KeyValue], key: &str) -> Option<u64> {
    match value(attributes, key)? {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn flag(attributes: &[KeyValue], key: &str) -> bool {
    matches!(value(attributes, key), Some(Value::Bool(true)))
}

fn status(attributes: &[KeyValue]) -> Option<u16> {
    u16::try_from(number(attributes, name::STATUS)?).ok()
}

fn method(attributes: &[KeyValue]) -> Method {
    Method::of(string(attributes, name::METHOD).unwrap_or_default())
}

fn address(attributes: &[KeyValue]) -> Arc<str> {
    let host = string(attributes, name::ADDRESS).unwrap_or_default();
    match number(attributes, name::PORT) {
        Some(port) => format!("{host}:{port}").into(),
        None => host.into(),
    }
}
