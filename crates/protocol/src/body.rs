//! What travels between functions: a value's bytes, and how a function ended. Records, recordings, and functions that
//! run again share these.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The bytes of one value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// JSON, as it travelled but for line ends: it stands in a line.
    Json(Box<RawValue>),
    /// Larger than a line should be: beside a recording, under its hash.
    Stored {
        /// blake3 of the bytes, 64 hexadecimal digits.
        hash: String,
        /// How many they are.
        bytes: u64,
    },
    /// Anything else, in base64.
    Bytes(String),
    /// Not kept.
    Left {
        /// How many bytes it had.
        bytes: u64,
        /// `size`, or `redaction` where it could not be told what is secret in it.
        #[serde(default)]
        why: Left,
    },
}

/// Why a body was not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Left {
    /// It was over the size limit.
    #[default]
    Size,
    /// Something of it is to be blanked, and it does not read.
    Redaction,
}

/// How a function ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Value(Body),
    /// With nothing: it, or one before it, filtered.
    Filtered,
    /// With a problem.
    Failed {
        /// In one word, as in the type of a problem document: `failed`, `panicked`, `rejected`, `deadline`, …
        kind: String,
        /// In words, without the place in the file: that differs between versions that do the same.
        message: String,
    },
}

/// A call from a function's body to another service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedCall {
    /// The service called, by its Rust name.
    pub service: String,
    /// What it was given, in the order of its inputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Body>,
    pub end: Outcome,
}

impl Body {
    /// The body of these bytes: JSON where they are that, base64 where not.
    pub fn new(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<Box<RawValue>>(bytes) {
            Ok(json) => Self::Json(on_one_line(json)),
            Err(_) => Self::Bytes(STANDARD.encode(bytes)),
        }
    }

    /// The bytes, where they are here: not beside a recording, left out, or damaged base64.
    pub fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Json(json) => Some(Cow::Borrowed(json.get().as_bytes())),
            Self::Bytes(text) => STANDARD.decode(text).ok().map(Cow::Owned),
            Self::Stored { .. } | Self::Left { .. } => None,
        }
    }

    /// How many bytes it had when it travelled.
    pub fn len(&self) -> u64 {
        match self {
            Self::Json(json) => json.get().len() as u64,
            Self::Bytes(text) => text.trim_end_matches('=').len() as u64 * 3 / 4,
            Self::Stored { bytes, .. } | Self::Left { bytes, .. } => *bytes,
        }
    }

    /// Whether it had none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes it takes in memory, nearly.
    pub fn held(&self) -> u64 {
        let own = size_of::<Self>() as u64;
        match self {
            Self::Json(json) => own + json.get().len() as u64,
            Self::Bytes(text) => own + text.len() as u64,
            Self::Stored { hash, .. } => own + hash.len() as u64,
            Self::Left { .. } => own,
        }
    }

    /// Whether both are here and mean the same, however they are laid out. Nobody knows that of a body that was not kept.
    pub fn means(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(one), Self::Json(other)) => {
                let read = |json: &RawValue| serde_json::from_str::<serde_json::Value>(json.get()).ok();
                one.get() == other.get() || read(one).is_some_and(|one| read(other).is_some_and(|other| one == other))
            }
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            _ => false,
        }
    }
}

/// In JSON a line end can only stand between tokens, where a space means the same.
fn on_one_line(json: Box<RawValue>) -> Box<RawValue> {
    if !json.get().contains(['\n', '\r']) {
        return json;
    }
    let line = json.get().replace(['\n', '\r'], " ");
    RawValue::from_string(line).unwrap_or(json)
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(a), Self::Json(b)) => a.get() == b.get(),
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Stored { hash: a, .. }, Self::Stored { hash: b, .. }) => a == b,
            (Self::Left { bytes: a, why: x }, Self::Left { bytes: b, why: y }) => (a, x) == (b, y),
            _ => false,
        }
    }
}

impl Outcome {
    /// The value it ended with.
    pub fn body(&self) -> Option<&Body> {
        match self {
            Self::Value(body) => Some(body),
            Self::Filtered | Self::Failed { .. } => None,
        }
    }

    /// The value it ended with, to be changed.
    pub fn body_mut(&mut self) -> Option<&mut Body> {
        match self {
            Self::Value(body) => Some(body),
            Self::Filtered | Self::Failed { .. } => None,
        }
    }

    /// `value`, `filtered`, or a problem's kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Value(_) => "value",
            Self::Filtered => "filtered",
            Self::Failed { kind, .. } => kind,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn bodies_survive_a_line() {
        for bytes in ["{\"a\": [1.0,\n 18446744073709551616]}".as_bytes(), b"\xff\0 no JSON", b"", b"null", b"\"\\n\""]
        {
            let body = Body::new(bytes);
            let line = serde_json::to_string(&Outcome::Value(body.clone())).unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(serde_json::from_str::<Outcome>(&line).unwrap(), Outcome::Value(body.clone()));
            assert_eq!(body.len(), bytes.len() as u64, "{body:?}");
            let back = body.bytes().unwrap().into_owned();
            assert_eq!(back, bytes.iter().map(|&b| if b == b'\n' { b' ' } else { b }).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_nested_without_end_is_still_json() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(matches!(Body::new(deep.as_bytes()), Body::Json(_)));
    }

    #[test]
    fn outcomes_are_written_for_people_too() {
        let text = |outcome: &Outcome| serde_json::to_string(outcome).unwrap();
        assert_eq!(text(&Outcome::Value(Body::new(b"1.50"))), r#"{"value":{"json":1.50}}"#);
        assert_eq!(text(&Outcome::Filtered), r#""filtered""#);
        let failed = Outcome::Failed { kind: "panic".into(), message: "no".into() };
        assert_eq!(text(&failed), r#"{"failed":{"kind":"panic","message":"no"}}"#);
    }

    #[test]
    fn layout_does_not_change_what_is_meant() {
        let body = |text: &str| Body::new(text.as_bytes());
        assert!(body(r#"{"a": 1, "b": 2.0}"#).means(&body(r#"{"b":2.0,"a":1}"#)));
        assert!(!body("1").means(&body("2")));
        assert!(body("no JSON").means(&body("no JSON")));
        let left = Body::Left { bytes: 9, why: Left::Size };
        assert!(!left.means(&left) && left.bytes().is_none());
    }
}
