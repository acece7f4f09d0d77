//! What a host tells of requests besides their measurements: what its function received and what came of it. A line
//! of JSON each.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::body::{Body, Outcome, RecordedCall};

/// A line of what a host recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordLine {
    /// A request that ended.
    Visit(Box<Visit>),
    /// The state before a call.
    Keyframe(StateKeyframe),
}

/// A request at one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// Its trace: 32 hexadecimal digits.
    pub trace: String,
    /// Its span: 16 hexadecimal digits.
    pub span: String,
    /// The call it came by: one of the [`Visit::asked`] of another service, where it did not come from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Where it came into the app: what it brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Arrival>,
    /// The service, by its Rust name.
    pub service: String,
    /// When it came, in nanoseconds since 1970.
    pub begun: u64,
    /// When it ended, in nanoseconds after it came.
    pub took: u64,
    /// Calls that were made for it and answered: each has a visit of its own at another service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// Its function's run; none where it did not come to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
}

/// What came with a request from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The route it asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Its headers, as they came. What is no text is left out.
    pub headers: Vec<(String, String)>,
}

/// A function's run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// `name@hash`.
    pub version: String,
    /// In the order of its parameters.
    pub inputs: Vec<Body>,
    pub end: Outcome,
    /// Nanoseconds in the function, without those it waited for other services.
    pub function_ns: u64,
    /// The number of the call at this host, from 0 on, whether a call is recorded or not: a gap is one that is not.
    pub sequence: u64,
    /// Calls its body made, in the order in which they ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<RecordedCall>,
}

/// The placed state of a service as it was before a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StateKeyframe {
    /// The service, by its Rust name.
    pub service: String,
    /// The number of the call.
    pub sequence: u64,
    /// Name, fingerprint of the type, and value of each static.
    pub states: Vec<(String, String, Box<RawValue>)>,
}

impl PartialEq for StateKeyframe {
    fn eq(&self, other: &Self) -> bool {
        let states = |frame: &Self| {
            let texts =
                frame.states.iter().map(|(name, print, value)| (name.clone(), print.clone(), value.to_string()));
            texts.collect::<Vec<_>>()
        };
        (&self.service, self.sequence) == (&other.service, other.sequence) && states(self) == states(other)
    }
}
