//! An app whose types are every form that JSON takes, for documents and clients of it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use dyninka::prelude::*;

/// Names as JSON has them, keys that may be missing, other names that are read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reading {
    sensor_name: String,
    #[serde(default)]
    value: f64,
    #[serde(alias = "kind")]
    r#type: Option<Unit>,
    taken: (u8, i64, bool),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    limits: BTreeMap<String, Limit>,
    from: Option<IpAddr>,
    port: NonZeroU16,
    age: Duration,
    anything: serde_json::Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Celsius,
    Fahrenheit,
    Other(String),
    Scaled { by: f64, #[serde(rename = "over-zero")] over_zero: bool },
    Pair(u8, u8),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "limit", rename_all = "snake_case")]
enum Limit {
    None,
    Above { value: f64 },
    Between(Range),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Range {
    low: f64,
    high: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Event {
    Opened,
    Moved([i16; 2]),
    Named { name: String },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Loose {
    Flag(bool),
    Text(String),
    Many(Vec<Loose>),
}

/// Holds itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    id: u32,
    next: Option<Box<Node>>,
    children: Vec<Node>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Id(u64);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Page<T> {
    items: Vec<T>,
    total: u64,
}

#[service]
fn source() -> Reading {
    Reading {
        sensor_name: "roof".to_owned(),
        value: 50.0,
        r#type: Some(Unit::Scaled { by: 2.0, over_zero: true }),
        taken: (1, -2, true),
        tags: Vec::new(),
        limits: BTreeMap::from([
            ("a".to_owned(), Limit::None),
            ("b".to_owned(), Limit::Above { value: 1.5 }),
            ("c".to_owned(), Limit::Between(Range { low: 0.0, high: 1.0 })),
        ]),
        from: Some(IpAddr::from([127, 0, 0, 1])),
        port: NonZeroU16::MIN,
        age: Duration::from_millis(1500),
        anything: serde_json::json!({ "deep": [null, 1] }),
    }
}

#[service]
fn warm(reading: Reading) -> Option<Reading> {
    (reading.value > 10.0).then_some(reading)
}

/// The chain's end.
#[service]
fn count(reading: Reading, times: u32) -> Page<Reading> {
    Page { total: u64::from(times), items: vec![reading; times as usize] }
}

/// In no flow: every input has to be sent.
#[service]
fn echo(
    event: Event,
    loose: Loose,
    node: Node,
    id: Id,
    names: HashMap<u32, String>,
    outcome: std::result::Result<u8, String>,
) -> (Event, Loose, Node, Id, HashMap<u32, String>, std::result::Result<u8, String>) {
    (event, loose, node, id, names, outcome)
}

/// Fails for who asks for it.
#[service]
fn fail(r#type: String) -> Result<()> {
    if r#type == "no" { Err(Error::new("it was asked for")) } else { Ok(()) }
}

#[dyninka::main]
fn main() {
    source().warm().count(2)
}
