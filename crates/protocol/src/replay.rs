//! What a session and the process that runs functions again say to each other: a line of JSON each way.
//!
//! The process is one of its own: what a function does to its state, or to its process, nobody else sees.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::body::{Body, Outcome, RecordedCall};

/// What is asked of the process; an [`ReplayAnswer`] follows each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Have this library ready under a name, with its placed state as it is at first. What had the name is forgotten.
    Load {
        slot: String,
        /// The library.
        file: PathBuf,
        /// The service of it, by its Rust name.
        service: String,
    },
    /// Give a placed value another value.
    Restore {
        /// The library's name.
        slot: String,
        /// The static's.
        name: String,
        value: Box<RawValue>,
    },
    /// Run the function.
    Run {
        /// The library's name.
        slot: String,
        /// In the order of its parameters.
        inputs: Vec<Body>,
        /// What answers the calls that its body makes: where service and inputs are the same, in this order.
        stand_ins: Vec<RecordedCall>,
        /// How long it may take, in milliseconds.
        timeout_ms: u64,
    },
    /// The name is needed no more.
    Forget { slot: String },
}

/// What the process says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayAnswer {
    /// To [`Ask::Load`].
    Loaded(Loaded),
    /// To [`Ask::Restore`].
    Restored,
    /// To [`Ask::Run`].
    Ran(RunResult),
    /// To [`Ask::Forget`].
    Forgotten,
    /// To any of them, also when nobody asks: the function, or its library as it was opened, did what the sandbox does
    /// not let through, and the process ends with this answer.
    Stopped {
        /// In words: `it writes /tmp/x`.
        deed: String,
    },
    /// It cannot be done.
    Refused { why: String },
}

/// A library that is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    /// `name@hash`.
    pub version: String,
    /// The function's parameters.
    pub inputs: Vec<String>,
    /// Its placed statics and the fingerprints of their types.
    pub states: Vec<(String, String)>,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// How it ended. `deadline`: it went on, so the process ends with this answer. `not-recorded`: its body made a call
    /// that no stand-in answers.
    pub end: Outcome,
    /// Nanoseconds in the function.
    pub function_ns: u64,
    /// The calls its body made, in their order.
    pub calls: Vec<RecordedCall>,
}
