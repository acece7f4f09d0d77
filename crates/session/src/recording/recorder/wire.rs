//! What a host tells, as it is recorded.

use protocol::record::{self, Visit};
use recordings::{Keyframe, PlacedValue, RecordedHop};

/// A function's run; none where it did not come to that. `begun` is when the request began, as `Visit::begun`.
pub(super) fn hop(visit: &Visit, parent: Option<String>, begun: u64) -> Option<RecordedHop> {
    let run = visit.run.as_ref()?;
    Some(RecordedHop {
        span: visit.span.clone(),
        parent,
        service: visit.service.clone(),
        version: run.version.clone(),
        inputs: run.inputs.clone(),
        end: run.end.clone(),
        function_ns: run.function_ns,
        at_ns: visit.begun.saturating_sub(begun),
        took_ns: visit.took,
        sequence: run.sequence,
        life: 0,
        calls: run.calls.clone(),
    })
}

pub(super) fn keyframe(frame: record::StateKeyframe, life: u32) -> Keyframe {
    let placed = |(name, fingerprint, value)| PlacedValue { name, fingerprint, value };
    let states = frame.states.into_iter().map(placed).collect();
    Keyframe { service: frame.service, sequence: frame.sequence, life, states }
}
