//! A value as it travels between functions, where it has to be told of: in records, and to functions run again.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The bytes of a value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// JSON, without line ends: it stands in a line.
    Json(Box<RawValue>),
    /// What is no JSON, in base64.
    Bytes(String),
    /// It was too large to be kept.
    Left {
        /// Its size in bytes.
        bytes: u64,
    },
}

/// How a function ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// With a value.
    Value(Value),
    /// With nothing.
    Filtered,
    /// Without one.
    Failed {
        /// In one word, as in the type of a problem document: `failed`, `panicked`, `rejected`, `deadline`, …
        kind: String,
        /// In words, without the place in the file: that differs between versions that do the same.
        message: String,
    },
}

/// A service called from a function's body, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// The service, by its Rust name.
    pub service: String,
    /// What it was given, in the order of its inputs.
    pub inputs: Vec<Value>,
    /// What came back.
    pub end: End,
}

impl Value {
    /// The value these bytes are.
    pub fn new(bytes: &[u8]) -> Self {
        let json = std::str::from_utf8(bytes).ok().and_then(|text| {
            // In JSON a line end stands between tokens only, where a blank means the same.
            let line = if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text.to_owned() };
            RawValue::from_string(line).ok()
        });
        json.map_or_else(|| Self::Bytes(STANDARD.encode(bytes)), Self::Json)
    }

    /// The bytes; none where they were not kept, or are no base64.
    pub fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Json(json) => Some(Cow::Borrowed(json.get().as_bytes())),
            Self::Bytes(text) => STANDARD.decode(text).ok().map(Cow::Owned),
            Self::Left { .. } => None,
        }
    }

    /// Whether both mean the same, however they are laid out.
    pub fn means(&self, other: &Self) -> bool {
        let parsed = |value: &Self| match value {
            Self::Json(json) => serde_json::from_str::<serde_json::Value>(json.get()).ok(),
            Self::Bytes(_) | Self::Left { .. } => None,
        };
        self == other || parsed(self).is_some_and(|own| parsed(other).is_some_and(|other| own == other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(a), Self::Json(b)) => a.get() == b.get(),
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            // Of what was not kept nobody knows.
            _ => false,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_bytes_come_back_and_stand_in_a_line() {
        for (bytes, back) in [
            (&b"{\"a\":\n1}"[..], &b"{\"a\": 1}"[..]),
            (b"1.50", b"1.50"),
            (b"\xff\0 no JSON\n", b"\xff\0 no JSON\n"),
            (b"", b""),
        ] {
            let line = serde_json::to_string(&End::Value(Value::new(bytes))).unwrap();
            assert!(!line.contains('\n'));
            let End::Value(read) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
            assert_eq!(read.bytes().unwrap(), back);
        }
    }

    #[test]
    fn layout_does_not_change_what_is_meant() {
        let value = |text: &str| Value::new(text.as_bytes());
        assert!(value(r#"{"a": 1, "b": 2.0}"#).means(&value(r#"{"b":2.0,"a":1}"#)));
        assert!(!value("1").means(&value("2")));
        assert!(value("no JSON").means(&value("no JSON")));
        let left = Value::Left { bytes: 9 };
        assert!(!left.means(&left) && left.bytes().is_none());
    }
}
