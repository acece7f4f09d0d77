//! What a face can ask of a session, and what it is answered.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something to do. Its JSON form carries the kind in `command`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Call a service once.
    Invoke {
        /// What to call, and with what.
        call: Call,
    },
    /// Call many times, one after the other, and answer with percentiles.
    Time {
        /// How often.
        count: u32,
        /// What to call, and with what.
        call: Call,
    },
    /// The placed values of a service.
    State {
        /// Rust name.
        service: String,
    },
    /// Set a placed value.
    Set {
        /// Rust name.
        service: String,
        /// Name of the static.
        state: String,
        /// The new value.
        value: Value,
    },
    /// Start a service's host again with the code it serves.
    Restart {
        /// Rust name.
        service: String,
    },
    /// Write back what the files held before the last edit that changed anything.
    Undo,
    /// End the session.
    Stop,
}

/// A service and what feeds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Call {
    /// Rust name.
    pub service: String,
    /// What feeds each input, in order; none: as the app's flow has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<Feed>>,
}

/// What feeds an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// A value.
    Value(Value),
    /// Another service's answer.
    Call(Call),
}

/// An answer. Its JSON form carries the kind in `answer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// What a call came to.
    Called(Called),
    /// What many calls came to.
    Timed(Timed),
    /// Placed values, by name.
    State {
        /// Each as JSON.
        values: BTreeMap<String, Value>,
    },
    /// It is done.
    Done {
        /// What was done, in words.
        message: String,
    },
    /// It cannot be done. Nothing was changed.
    Refused {
        /// Why, in words.
        message: String,
        /// How to mend it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// What a call came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Called {
    /// HTTP status of the answer: 200, 204 where a service filtered, else an error.
    pub status: u16,
    /// The value; for an error the problem document (RFC 9457); none where a service filtered.
    pub value: Option<Value>,
    /// The service that filtered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered_by: Option<String>,
    /// Every service that took part, the one that was called first.
    pub hops: Vec<CalledHop>,
    /// Seen from the session, in milliseconds.
    pub ms: f64,
    /// W3C trace id, 32 hex digits.
    pub trace: String,
}

/// A service's part in a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalledHop {
    /// Rust name.
    pub service: String,
    /// `service@hash`.
    pub version: String,
    /// All of it, in milliseconds.
    pub total_ms: f64,
    /// In the user's function, in milliseconds.
    pub function_ms: f64,
}

/// What many calls came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timed {
    /// How many calls were made.
    pub n: u32,
    /// Of those, answered with an error.
    pub errors: u32,
    /// The first error, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_error: Option<Called>,
    /// Seen from the session.
    pub total: Spread,
    /// Per service, the one that was called first: all of it, and in the function.
    pub hops: Vec<(String, Spread, Spread)>,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Half of them.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}
