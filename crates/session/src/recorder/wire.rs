//! What a host tells, as it is recorded.

use protocol::record::{self, Visit};
use protocol::value::{self, Value};
use recordings::{Body, Called, End, Hop, Keyframe, Left, Placed};

/// A function's run; none where it did not come to that. `begun` is when the request began, as `Visit::begun`.
pub(super) fn hop(visit: &Visit, parent: Option<String>, begun: u64) -> Option<Hop> {
    let run = visit.run.as_ref()?;
    Some(Hop {
        span: visit.span.clone(),
        parent,
        service: visit.service.clone(),
        version: run.version.clone(),
        inputs: run.inputs.iter().map(body).collect(),
        end: end(&run.end),
        function_ns: run.function_ns,
        at_ns: visit.begun.saturating_sub(begun),
        sequence: run.sequence,
        life: 0,
        calls: run.calls.iter().map(called).collect(),
    })
}

pub(super) fn keyframe(frame: record::Keyframe, life: u32) -> Keyframe {
    let placed = |(name, fingerprint, value)| Placed { name, fingerprint, value };
    let states = frame.states.into_iter().map(placed).collect();
    Keyframe { service: frame.service, sequence: frame.sequence, life, states }
}

fn called(called: &value::Called) -> Called {
    let inputs = called.inputs.iter().map(body).collect();
    Called { service: called.service.clone(), inputs, end: end(&called.end) }
}

fn end(end: &value::End) -> End {
    match end {
        value::End::Value(value) => End::Value(body(value)),
        value::End::Filtered => End::Filtered,
        value::End::Failed { kind, message } => End::Failed { kind: kind.clone(), message: message.clone() },
    }
}

fn body(value: &Value) -> Body {
    match value {
        Value::Json(json) => Body::Json(json.clone()),
        Value::Bytes(text) => Body::Bytes(text.clone()),
        Value::Left { bytes } => Body::Left { bytes: *bytes, why: Left::Size },
    }
}
