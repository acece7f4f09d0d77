//! A record as it is kept: values as they came, written out only for whoever reads them.

use std::sync::Arc;

use bytes::Bytes;
use dyninka::border::Kind;
use protocol::body::{Body, Left, Outcome, RecordedCall};
use protocol::record::{self, Arrival, RecordLine};
use protocol::{SpanId, TraceId};

use crate::ending;

/// Larger values are left out: they would push everything else out of the ring.
const MOST_VALUE: usize = 4 << 20;

#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// Shared with the request it belongs to.
    Bytes(Bytes),
    /// So many bytes that it was left out.
    Left(usize),
}

#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Visit(Box<Visit>),
    Keyframe(Box<record::StateKeyframe>),
}

/// A request at this service.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) entry: Option<Arrival>,
    pub(crate) service: Arc<str>,
    pub(crate) begun: u64,
    pub(crate) took: u64,
    pub(crate) asked: Vec<SpanId>,
    pub(crate) run: Option<Run>,
}

/// The function's run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) version: Arc<str>,
    pub(crate) inputs: Vec<Held>,
    pub(crate) ended: Ended,
    pub(crate) function_ns: u64,
    pub(crate) sequence: u64,
    pub(crate) calls: Vec<BodyCall>,
}

/// A call from the function's body.
#[derive(Clone, Debug)]
pub(crate) struct BodyCall {
    pub(crate) service: Arc<str>,
    pub(crate) inputs: Vec<Held>,
    pub(crate) ended: Ended,
}

/// How a function or a call ended, as it came.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// The library's own words.
    Outcome(Kind, Held),
    /// The host ended it: a problem of this kind, in these words.
    Cut(&'static str, &'static str),
    /// Another service answered with this problem document.
    Problem(Bytes),
}

impl Kept {
    /// Bytes it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Visit(visit) => visit.bytes(),
            Self::Keyframe(frame) => {
                let states =
                    frame.states.iter().map(|(name, print, value)| name.len() + print.len() + value.get().len());
                size_of::<record::StateKeyframe>() + states.sum::<usize>()
            }
        }
    }

    /// The same in memory of its own.
    pub(crate) fn apart(mut self) -> Self {
        if let Self::Visit(visit) = &mut self {
            for value in visit.run.iter_mut().flat_map(Run::values_mut) {
                if let Held::Bytes(bytes) = value {
                    *bytes = Bytes::copy_from_slice(bytes);
                }
            }
        }
        self
    }

    /// A line for whoever reads it.
    pub(crate) fn line(&self) -> RecordLine {
        match self {
            Self::Visit(visit) => RecordLine::Visit(Box::new(visit.line())),
            Self::Keyframe(frame) => RecordLine::Keyframe((**frame).clone()),
        }
    }
}

impl Visit {
    fn bytes(&self) -> usize {
        let headers = self.entry.iter().flat_map(|entry| &entry.headers).map(|(name, value)| name.len() + value.len());
        size_of::<Self>() + headers.sum::<usize>() + self.run.as_ref().map_or(0, Run::bytes)
    }

    fn line(&self) -> record::Visit {
        record::Visit {
            trace: self.trace.to_string(),
            span: self.span.to_string(),
            parent: self.parent.map(|parent| parent.to_string()),
            entry: self.entry.clone(),
            service: self.service.to_string(),
            begun: self.begun,
            took: self.took,
            asked: self.asked.iter().map(SpanId::to_string).collect(),
            run: self.run.as_ref().map(Run::line),
        }
    }
}

impl Run {
    fn bytes(&self) -> usize {
        let calls = self.calls.iter().map(|call| size_of::<BodyCall>() + call.ended.bytes() + bytes(&call.inputs));
        calls.sum::<usize>() + self.ended.bytes() + bytes(&self.inputs)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        let called = self.calls.iter_mut().flat_map(|call| call.inputs.iter_mut().chain(call.ended.value_mut()));
        self.inputs.iter_mut().chain(self.ended.value_mut()).chain(called)
    }

    fn line(&self) -> record::Run {
        let called = |call: &BodyCall| RecordedCall {
            service: call.service.to_string(),
            inputs: call.inputs.iter().map(Held::value).collect(),
            end: call.ended.end(),
        };
        record::Run {
            version: self.version.to_string(),
            inputs: self.inputs.iter().map(Held::value).collect(),
            end: self.ended.end(),
            function_ns: self.function_ns,
            sequence: self.sequence,
            calls: self.calls.iter().map(called).collect(),
        }
    }
}

impl Ended {
    fn bytes(&self) -> usize {
        match self {
            Self::Outcome(_, Held::Bytes(bytes)) | Self::Problem(bytes) => bytes.len(),
            Self::Outcome(_, Held::Left(_)) | Self::Cut(..) => 0,
        }
    }

    fn value_mut(&mut self) -> Option<&mut Held> {
        match self {
            Self::Outcome(_, value) => Some(value),
            Self::Cut(..) | Self::Problem(_) => None,
        }
    }

    fn end(&self) -> Outcome {
        match self {
            Self::Outcome(kind, Held::Bytes(body)) => ending::read(*kind, body),
            Self::Outcome(_, Held::Left(bytes)) => Outcome::Value(Body::Left { bytes: *bytes as u64, why: Left::Size }),
            Self::Cut(kind, message) => Outcome::Failed { kind: (*kind).to_owned(), message: (*message).to_owned() },
            Self::Problem(document) => ending::problem(document),
        }
    }
}

impl Held {
    /// Shares a value, unless it is too large.
    pub(crate) fn of(bytes: &Bytes) -> Self {
        if bytes.len() > MOST_VALUE { Self::Left(bytes.len()) } else { Self::Bytes(bytes.clone()) }
    }

    fn value(&self) -> Body {
        match self {
            Self::Bytes(bytes) => Body::new(bytes),
            Self::Left(bytes) => Body::Left { bytes: *bytes as u64, why: Left::Size },
        }
    }
}

fn bytes(values: &[Held]) -> usize {
    let held = values.iter().map(|value| match value {
        Held::Bytes(bytes) => bytes.len(),
        Held::Left(_) => 0,
    });
    held.sum::<usize>() + size_of_val(values)
}
