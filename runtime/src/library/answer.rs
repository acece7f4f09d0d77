//! What a call ended with, on its way over the border.

use std::fmt::Display;

use serde::Serialize;
use serde_json::json;

use crate::border::{Kind, Outcome};
use crate::error::Error;

/// What a call ended with.
#[derive(Debug)]
pub struct Answer {
    pub(crate) kind: Kind,
    pub(crate) body: Vec<u8>,
    nanos: u64,
}

/// The function returned a value.
pub fn value<T: Serialize>(value: &T) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => Answer::new(Kind::Value, body),
        Err(error) => message(&format!("the result is no JSON: {error}")),
    }
}

/// The function returned `None`.
pub fn filtered() -> Answer {
    Answer::new(Kind::Filtered, Vec::new())
}

/// The function returned an error.
pub fn failed<E: Display + 'static>(error: E) -> Answer {
    let error = Error::from_returned(error);
    match error.problem() {
        Some(problem) => Answer::new(Kind::Upstream, problem.as_bytes().to_vec()),
        None => message(&error.to_string()),
    }
}

fn message(words: &str) -> Answer {
    Answer::new(Kind::Failed, json!({ "message": words }).to_string().into_bytes())
}

/// An input does not read as its type.
pub(crate) fn rejected(input: &str, path: &str, error: &serde_json::Error) -> Answer {
    let path = if path.is_empty() {
        input.to_owned()
    } else if path.starts_with('[') {
        format!("{input}{path}")
    } else {
        format!("{input}.{path}")
    };
    let body = json!({ "input": input, "path": path, "message": error.to_string() });
    Answer::new(Kind::Rejected, body.to_string().into_bytes())
}

pub(crate) fn missing(input: &str) -> Answer {
    let body = json!({ "input": input, "path": input, "message": "is missing" });
    Answer::new(Kind::Rejected, body.to_string().into_bytes())
}

impl Answer {
    pub(crate) fn new(kind: Kind, body: Vec<u8>) -> Self {
        Self { kind, body, nanos: 0 }
    }

    /// The `message` of its body; empty where it has none.
    pub(crate) fn message(&self) -> String {
        let body = serde_json::from_slice::<serde_json::Value>(&self.body).unwrap_or_default();
        body["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Notes the time in the function.
    pub fn took(mut self, nanos: u64) -> Self {
        self.nanos = nanos;
        self
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        let mut outcome = Self::new(answer.kind, answer.body);
        outcome.nanos = answer.nanos;
        outcome
    }
}
