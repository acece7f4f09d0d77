//! What differs between two values.

mod list;

use protocol::exact;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::pattern::{Pattern, pointer};
use protocol::body::{Body, Outcome};

/// What counts as a difference.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Fields that are not looked at, nor anything in them.
    pub ignore: Vec<Pattern>,
    /// Numbers this close are alike: their distance is at most this times the larger of both and of 1. 0: any distance
    /// is a difference, and so is `1` against `1.0`, which not every type reads.
    pub tolerance: f64,
    /// Lists that are sets: the order of their items means nothing.
    pub unordered: Vec<Pattern>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueChange {
    /// Where: a JSON pointer; empty: the whole. Of an item that was taken out of a list, its old index.
    pub path: String,
    #[serde(skip_serializing_if = "Side::is_absent")]
    pub was: Side,
    #[serde(skip_serializing_if = "Side::is_absent")]
    pub now: Side,
}

/// One side of a difference.
///
/// As JSON a value stands as it is; other ends are `{"end":"filtered"}` and `{"end":"panicked","message":"…"}`, what
/// is not JSON `{"bytes":12}`.
#[derive(Clone, Debug, PartialEq)]
pub enum Side {
    /// Nothing is there.
    Absent,
    Value(Value),
    /// No JSON of so many bytes, or JSON nested too deep to be looked through; or bytes that were not kept.
    Bytes(u64),
    /// The function filtered.
    Filtered,
    /// The function failed.
    Failed {
        kind: String,
        message: String,
    },
}

/// What differs between two values, in the order of the document.
pub fn compare(old: &Body, new: &Body, rules: &Rules) -> Vec<ValueChange> {
    if old == new && !matches!(old, Body::Left { .. }) {
        return Vec::new();
    }
    let (was, now) = (Side::of(old), Side::of(new));
    let mut changes = Changes { rules, steps: Vec::new(), found: Vec::new() };
    match (was, now) {
        (Side::Value(was), Side::Value(now)) => changes.values(&was, &now),
        (was, now) => changes.add(was, now),
    }
    changes.found
}

/// What differs between two ends.
pub fn compare_ends(old: &Outcome, new: &Outcome, rules: &Rules) -> Vec<ValueChange> {
    match (old, new) {
        (Outcome::Value(old), Outcome::Value(new)) => compare(old, new, rules),
        _ if old == new => Vec::new(),
        _ => vec![ValueChange { path: String::new(), was: Side::of_end(old).shown(), now: Side::of_end(new).shown() }],
    }
}

/// A walk over two values at once.
struct Changes<'a> {
    rules: &'a Rules,
    steps: Vec<String>,
    found: Vec<ValueChange>,
}

impl Changes<'_> {
    fn values(&mut self, was: &Value, now: &Value) {
        if self.rules.ignore.iter().any(|pattern| pattern.fits(&self.steps)) {
            return;
        }
        match (was, now) {
            (Value::Object(was), Value::Object(now)) => self.objects(was, now),
            (Value::Array(was), Value::Array(now)) => self.lists(was, now),
            (was, now) if self.rules.are_alike(was, now) => {}
            (was, now) => self.add(Side::Value(was.clone()), Side::Value(now.clone())),
        }
    }

    fn objects(&mut self, was: &Map<String, Value>, now: &Map<String, Value>) {
        for (key, value) in was {
            self.step(key.clone(), |changes| match now.get(key) {
                Some(now) => changes.values(value, now),
                None => changes.one(value, Side::Value, |_| Side::Absent),
            });
        }
        for (key, value) in now.iter().filter(|(key, _)| !was.contains_key(*key)) {
            self.step(key.clone(), |changes| changes.one(value, |_| Side::Absent, Side::Value));
        }
    }

    /// A value that is on one side only.
    fn one(&mut self, value: &Value, was: impl Fn(Value) -> Side, now: impl Fn(Value) -> Side) {
        if !self.rules.ignore.iter().any(|pattern| pattern.fits(&self.steps)) {
            self.add(was(value.clone()), now(value.clone()));
        }
    }

    fn step(&mut self, step: String, within: impl FnOnce(&mut Self)) {
        self.steps.push(step);
        within(self);
        self.steps.pop();
    }

    fn add(&mut self, was: Side, now: Side) {
        self.found.push(ValueChange { path: pointer(&self.steps), was: was.shown(), now: now.shown() });
    }
}

impl Rules {
    fn are_alike(&self, was: &Value, now: &Value) -> bool {
        let read = |value: &Value| value.as_f64().or_else(|| exact::number(value)?.parse().ok());
        let near = || {
            let (was, now): (f64, f64) = (read(was)?, read(now)?);
            Some((was - now).abs() <= self.tolerance * was.abs().max(now.abs()).max(1.0))
        };
        was == now || self.tolerance > 0.0 && near().unwrap_or(false)
    }
}

impl Side {
    /// Whether nothing is there.
    pub fn is_absent(&self) -> bool {
        *self == Self::Absent
    }

    /// As it stands in a difference.
    fn shown(self) -> Self {
        match self {
            Self::Value(value) => Self::Value(exact::shown(&value)),
            other => other,
        }
    }

    fn of(body: &Body) -> Self {
        match body {
            Body::Json(json) => exact::read(json.get()).map_or(Self::Bytes(body.len()), Self::Value),
            Body::Bytes(_) | Body::Stored { .. } | Body::Left { .. } => Self::Bytes(body.len()),
        }
    }

    fn of_end(end: &Outcome) -> Self {
        match end {
            Outcome::Value(body) => Self::of(body),
            Outcome::Filtered => Self::Filtered,
            Outcome::Failed { kind, message } => Self::Failed { kind: kind.clone(), message: message.clone() },
        }
    }
}

impl Serialize for Side {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self {
            Self::Value(value) => return value.serialize(serializer),
            Self::Absent => return serializer.serialize_none(),
            _ => serializer.serialize_map(None)?,
        };
        match self {
            Self::Filtered => map.serialize_entry("end", "filtered")?,
            Self::Failed { kind, message } => {
                map.serialize_entry("end", kind)?;
                map.serialize_entry("message", message)?;
            }
            Self::Bytes(bytes) => map.serialize_entry("bytes", bytes)?,
            Self::Value(_) | Self::Absent => {}
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
