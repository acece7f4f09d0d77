//! Bytes to spans.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use super::attributes::Attributes;
use super::field::{request, resource, resource_spans, scope_spans, span as field};
use super::message::{DecodeError, Reader, Value};
use crate::span::{Method, Span, SpanId, Status, TraceId, UpstreamCall};

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
    let (mut decoded, mut texts) = (Decoded::default(), Texts::default());
    each(bytes, request::RESOURCE_SPANS, |group| decoded.group(group, &mut texts))?;
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
    let message = ExportTraceServiceResponse::decode(bytes)?;
    let Some(partial) = message.partial_success else { return Ok(None) };
    let rejected =
        Rejected { spans: u64::try_from(partial.rejected_spans).unwrap_or(0), message: partial.error_message };
    Ok(Some(rejected).filter(|rejected| rejected.spans > 0 || !rejected.message.is_empty()))
}

/// Does something with each message in a field.
fn each<'a>(
    message: &'a [u8],
    wanted: u32,
    mut with: impl FnMut(&'a [u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut fields = Reader::new(message);
    while let Some((field, value)) = fields.next()? {
        if let (true, Value::Bytes(bytes)) = (field == wanted, value) {
            with(bytes)?;
        }
    }
    Ok(())
}

impl Decoded {
    /// Reads a `ResourceSpans`.
    fn group<'a>(&mut self, group: &'a [u8], texts: &mut Texts<'a>) -> Result<(), DecodeError> {
        let mut about = Attributes::default();
        each(group, resource_spans::RESOURCE, |resource| {
            each(resource, resource::ATTRIBUTES, |pair| about.read(pair))
        })?;
        let owner = match (about.app, about.service) {
            (Some(app), Some(service)) => Some(Owner {
                app: texts.text(app),
                service: texts.text(service),
                version: about.version.map(|version| texts.text(version)),
            }),
            _ => None,
        };
        // A caller stands in the same group as its calls, and where we wrote it, right before them.
        let (first, mut elsewhere) = (self.spans.len(), Vec::new());
        each(group, resource_spans::SCOPE_SPANS, |scope| {
            each(scope, scope_spans::SPANS, |span| {
                let span = Raw::read(span)?;
                match &owner {
                    None => self.ignored += 1,
                    Some(owner) if span.kind == field::SERVER => match owner.server(&span, texts) {
                        Some(span) => self.spans.push(span),
                        None => self.ignored += 1,
                    },
                    Some(_) => match self.spans[first..].last_mut() {
                        Some(caller) if span.caller() == Some((caller.trace, caller.id)) => {
                            match span.call(caller.start, texts) {
                                Some(call) => caller.calls.push(call),
                                None => self.ignored += 1,
                            }
                        }
                        _ => elsewhere.push(span),
                    },
                }
                Ok(())
            })
        })?;
        if elsewhere.is_empty() {
            return Ok(());
        }
        let callers: HashMap<_, _> =
            self.spans.iter().enumerate().skip(first).map(|(at, span)| ((span.trace, span.id), at)).collect();
        for span in elsewhere {
            let caller = span.caller().and_then(|caller| callers.get(&caller)).copied();
            match caller.and_then(|caller| Some((caller, span.call(self.spans[caller].start, texts)?))) {
                Some((caller, call)) => self.spans[caller].calls.push(call),
                None => self.ignored += 1,
            }
        }
        Ok(())
    }
}

/// A span as it stands there.
#[derive(Debug, Default)]
struct Raw<'a> {
    trace: &'a [u8],
    id: &'a [u8],
    parent: &'a [u8],
    kind: u64,
    start: u64,
    end: u64,
    flags: u32,
    attributes: Attributes<'a>,
}

impl<'a> Raw<'a> {
    fn read(span: &'a [u8]) -> Result<Self, DecodeError> {
        let (mut fields, mut raw) = (Reader::new(span), Self::default());
        while let Some(field) = fields.next()? {
            match field {
                (field::TRACE_ID, Value::Bytes(bytes)) => raw.trace = bytes,
                (field::SPAN_ID, Value::Bytes(bytes)) => raw.id = bytes,
                (field::PARENT_SPAN_ID, Value::Bytes(bytes)) => raw.parent = bytes,
                (field::KIND, Value::Varint(kind)) => raw.kind = kind,
                (field::START, Value::Fixed64(nanos)) => raw.start = nanos,
                (field::END, Value::Fixed64(nanos)) => raw.end = nanos,
                (field::FLAGS, Value::Fixed32(flags)) => raw.flags = flags,
                (field::ATTRIBUTES, Value::Bytes(pair)) => raw.attributes.read(pair)?,
                _ => {}
            }
        }
        Ok(raw)
    }

    /// Who called, if it is a call.
    fn caller(&self) -> Option<(TraceId, SpanId)> {
        Some((trace_id(self.trace)?, span_id(self.parent)?))
    }

    fn took(&self) -> Option<u64> {
        self.end.checked_sub(self.start)
    }

    fn status(&self) -> Option<u16> {
        u16::try_from(self.attributes.status?).ok()
    }

    fn method(&self) -> Method {
        Method::of(self.attributes.method.unwrap_or_default())
    }

    fn error(&self) -> Option<Cow<'static, str>> {
        self.attributes.error.map(|kind| Cow::Owned(kind.to_owned()))
    }

    /// A call to another service, by a span that began then.
    fn call(&self, caller: u64, texts: &mut Texts<'a>) -> Option<UpstreamCall> {
        if self.kind != field::CLIENT {
            return None;
        }
        let Attributes { host, port, server, request_size, response_size, .. } = self.attributes;
        Some(UpstreamCall {
            id: span_id(self.id)?,
            service: texts.text(self.attributes.peer?),
            address: texts.address(host.unwrap_or_default(), port),
            method: self.method(),
            begun: self.start.checked_sub(caller)?,
            took: self.took()?,
            server,
            status: self.status(),
            error: self.error(),
            sent: request_size.unwrap_or(0),
            received: response_size.unwrap_or(0),
        })
    }
}

/// Whose spans they are.
struct Owner {
    app: Arc<str>,
    service: Arc<str>,
    version: Option<Arc<str>>,
}

impl Owner {
    fn server<'a>(&self, span: &Raw<'a>, texts: &mut Texts<'a>) -> Option<Span> {
        let about = &span.attributes;
        let parent = match span.parent.is_empty() {
            true => None,
            false => Some(span_id(span.parent)?),
        };
        let outcome = match span.error() {
            Some(kind) => Status::Problem(kind),
            None if about.filtered => Status::Filtered,
            None => Status::Value,
        };
        Some(Span {
            trace: trace_id(span.trace)?,
            id: span_id(span.id)?,
            parent,
            sampled: span.flags & 1 == 1,
            entry: about.entry,
            app: self.app.clone(),
            service: self.service.clone(),
            version: self.version.clone(),
            address: texts.address(about.host.unwrap_or_default(), about.port),
            method: span.method(),
            start: span.start,
            total: span.took()?,
            function: about.function?,
            waiting: about.waiting?,
            status: span.status()?,
            outcome,
            received: about.request_size.unwrap_or(0),
            sent: about.response_size.unwrap_or(0),
            calls: Vec::new(),
        })
    }
}

fn trace_id(bytes: &[u8]) -> Option<TraceId> {
    TraceId::new(u128::from_be_bytes(bytes.try_into().ok()?))
}

fn span_id(bytes: &[u8]) -> Option<SpanId> {
    SpanId::new(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// Texts that many spans of a message have in common: each once.
#[derive(Default)]
struct Texts<'a> {
    texts: Vec<Arc<str>>,
    addresses: Vec<(&'a str, Option<u64>, Arc<str>)>,
}

/// A batch is of one service, which knows a handful of others: beyond this, texts are not looked for.
const MOST_TEXTS: usize = 32;

impl<'a> Texts<'a> {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.iter().find(|known| &***known == text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        if self.texts.len() < MOST_TEXTS {
            self.texts.push(text.clone());
        }
        text
    }

    fn address(&mut self, host: &'a str, port: Option<u64>) -> Arc<str> {
        if let Some((.., known)) = self.addresses.iter().find(|known| (known.0, known.1) == (host, port)) {
            return known.clone();
        }
        let address: Arc<str> = match port {
            Some(port) => format!("{host}:{port}").into(),
            None => host.into(),
        };
        if self.addresses.len() < MOST_TEXTS {
            self.addresses.push((host, port, address.clone()));
        }
        address
    }
}
