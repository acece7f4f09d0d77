//! One request through the chain, as recorded.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use protocol::body::{Body, Outcome, RecordedCall};

/// One request through the chain. A line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Its trace: 32 hexadecimal digits.
    pub id: String,
    /// When it began: milliseconds since 1970, by the clock of the host it came to first.
    pub at: u64,
    /// The route it asked for; none: the app's own flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Headers it came with, secrets blanked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// In the order they ended, so that each comes after those it got its inputs from.
    pub hops: Vec<RecordedHop>,
}

/// What one service did for a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedHop {
    /// Its span: 16 hexadecimal digits.
    pub span: String,
    /// The span that asked for it; none at the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The service, by its Rust name.
    pub service: String,
    /// The version that ran: `name@hash`.
    pub version: String,
    /// What the function received, in the order of its parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Body>,
    pub end: Outcome,
    /// Nanoseconds in the function itself.
    pub function_ns: u64,
    /// Nanoseconds after the request's begin.
    pub at_ns: u64,
    /// Nanoseconds from there to its answer. Older recordings do not say, and have 0.
    #[serde(default, skip_serializing_if = "is_none")]
    pub took_ns: u64,
    /// The n-th call of this service, from 0: the order in which a function with state was called. Between two lives of
    /// its host some numbers are left out.
    pub sequence: u64,
    /// Which life of its host this was in, from 0: in the next its state began anew. Older recordings do not say, and
    /// have 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub life: u32,
    /// Services the function's body called, in the order of the calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<RecordedCall>,
}

/// A service's placed state as it was before the call with this sequence. A line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keyframe {
    /// The service, by its Rust name.
    pub service: String,
    /// The call that came next.
    pub sequence: u64,
    /// Which life of its host this was in, as [`RecordedHop::life`].
    #[serde(default, skip_serializing_if = "is_first")]
    pub life: u32,
    /// Every placed static of the service.
    pub states: Vec<PlacedValue>,
}

fn is_first(life: &u32) -> bool {
    *life == 0
}

fn is_none(nanos: &u64) -> bool {
    *nanos == 0
}

/// A placed static's value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlacedValue {
    /// The static's path in the app.
    pub name: String,
    /// Of its type and all that reaches: equal, the value reads.
    pub fingerprint: String,
    /// As JSON.
    pub value: Box<RawValue>,
}

impl PartialEq for PlacedValue {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.fingerprint, self.value.get()) == (&other.name, &other.fingerprint, other.value.get())
    }
}

impl Request {
    /// Bytes it takes in memory, nearly.
    pub fn bytes(&self) -> u64 {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let own = size_of::<Self>() + self.id.len() + self.route.as_ref().map_or(0, String::len) + headers;
        own as u64 + self.hops.iter().map(RecordedHop::bytes).sum::<u64>()
    }

    /// Every body in it.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &Body> {
        self.hops.iter().flat_map(RecordedHop::bodies)
    }

    /// Every body in it, to be changed in place.
    pub(crate) fn bodies_mut(&mut self) -> impl Iterator<Item = &mut Body> {
        self.hops.iter_mut().flat_map(|hop| {
            let called = hop.calls.iter_mut().flat_map(|called| called.inputs.iter_mut().chain(called.end.body_mut()));
            hop.inputs.iter_mut().chain(hop.end.body_mut()).chain(called)
        })
    }
}

impl RecordedHop {
    /// Bytes it takes in memory, nearly.
    fn bytes(&self) -> u64 {
        let texts = self.span.len() + self.service.len() + self.version.len();
        let bodies = self.bodies().map(Body::held).sum::<u64>();
        (size_of::<Self>() + texts + self.calls.len() * size_of::<RecordedCall>()) as u64 + bodies
    }

    fn bodies(&self) -> impl Iterator<Item = &Body> {
        let called = self.calls.iter().flat_map(|called| called.inputs.iter().chain(called.end.body()));
        self.inputs.iter().chain(self.end.body()).chain(called)
    }
}

impl Keyframe {
    /// Bytes it takes in memory, nearly.
    pub fn bytes(&self) -> u64 {
        let states = self.states.iter().map(|placed| size_of::<PlacedValue>() + placed.value.get().len());
        (size_of::<Self>() + states.sum::<usize>()) as u64
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_before_lives_were_told_read() {
        let old = r#"{"service":"get","sequence":7,"states":[]}"#;
        let read: Keyframe = serde_json::from_str(old).unwrap();
        assert_eq!((read.sequence, read.life), (7, 0));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let later = Keyframe { life: 2, ..read };
        assert_eq!(serde_json::from_str::<Keyframe>(&serde_json::to_string(&later).unwrap()).unwrap(), later);
        let hop =
            r#"{"span":"1","service":"get","version":"get@1","end":"filtered","function_ns":1,"at_ns":2,"sequence":3}"#;
        assert_eq!(serde_json::from_str::<RecordedHop>(hop).unwrap().life, 0);
    }
}
