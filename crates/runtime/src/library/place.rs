//! Where in a JSON text a value did not read as its type.
//!
//! `serde_path_to_error` answers the same by reading the text a second time as another deserialiser of the type:
//! everything serde derives is then compiled twice, 15 of the 110 ms an edit takes. Here the path is found from
//! the offset that `serde_json` gives, by code that knows no type. A test holds the two together.

use std::fmt::Write;

/// The path to what `error` is about, e.g. `readings[2].value`; empty for the whole. `again` reads a text as the
/// same type.
pub(crate) fn path(json: &[u8], error: &serde_json::Error, again: fn(&[u8]) -> Option<serde_json::Error>) -> String {
    let read = &json[..offset(json, error)];
    if !error.is_data() {
        // An enum takes neither numbers nor arrays: to serde_json a fault of syntax, noted with a byte looked at ahead.
        return walk(&read[..read.len().saturating_sub(1)], true);
    }
    // A value's own fault, such as a number out of its range, is noted only behind the end of what holds the value.
    // It is still there when the text ends before; a fault of the holder, such as a field that is missing, is not.
    let before = read.strip_suffix(b"}").or_else(|| read.strip_suffix(b"]")).unwrap_or(read);
    match again(before) {
        Some(error) if error.is_data() => walk(before, false),
        _ => walk(read, true),
    }
}

/// The number of bytes read when the error was noted.
fn offset(json: &[u8], error: &serde_json::Error) -> usize {
    let line = error.line().saturating_sub(1);
    let ends = json.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let start = std::iter::once(0).chain(ends).nth(line).unwrap_or_default();
    (start + error.column()).min(json.len())
}

enum Holder {
    Object(Option<String>),
    Array(usize),
}

/// The path to the value that a text ends in, or, when `ahead`, to the one that would come next where it ends behind
/// a comma. The text is JSON as far as it goes.
fn walk(json: &[u8], ahead: bool) -> String {
    let mut holders = Vec::new();
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let rest = &json[at..];
        let mut length = 1;
        match byte {
            b'{' => holders.push(Holder::Object(None)),
            b'[' => holders.push(Holder::Array(0)),
            b'}' | b']' => drop(holders.pop()),
            b',' if ahead || !rest[1..].trim_ascii_start().is_empty() => match holders.last_mut() {
                Some(Holder::Array(number)) => *number += 1,
                Some(Holder::Object(key)) => *key = None,
                None => {}
            },
            b'"' => {
                length = string(rest);
                if let Some(Holder::Object(key @ None)) = holders.last_mut() {
                    *key = serde_json::from_slice(&rest[..length]).ok();
                }
            }
            _ => {}
        }
        at += length;
    }
    let mut path = String::new();
    for holder in &holders {
        // Writing to a string does not fail.
        let _ = match holder {
            Holder::Object(Some(key)) if path.is_empty() => write!(path, "{key}"),
            Holder::Object(Some(key)) => write!(path, ".{key}"),
            Holder::Object(None) => Ok(()),
            Holder::Array(number) => write!(path, "[{number}]"),
        };
    }
    path
}

/// The length of the string a text begins with, its quotes included.
fn string(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is read for its errors")]
    struct House {
        name: String,
        rooms: Vec<Room>,
        owner: Option<Owner>,
        temperatures: BTreeMap<String, [f64; 2]>,
        number: Number,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is read for its errors")]
    struct Room {
        number: Number,
        area: f32,
        state: State,
        doors: (bool, Number),
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is read for its errors")]
    enum State {
        Empty,
        Let { since: u16, number: Number },
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is read for its errors")]
    struct Owner {
        #[serde(rename = "family \"name\", ]}")]
        name: char,
    }

    /// Its fault is its own: serde knows it only when the value was read.
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "i64")]
    struct Number;

    impl TryFrom<i64> for Number {
        type Error = &'static str;

        fn try_from(number: i64) -> Result<Self, Self::Error> {
            (number > 0).then_some(Self).ok_or("not above nothing")
        }
    }

    fn paths(json: &str) -> Option<(String, String)> {
        let error = serde_json::from_str::<House>(json).err()?;
        let ours = path(json.as_bytes(), &error, |json| serde_json::from_slice::<House>(json).err());
        let theirs = serde_path_to_error::deserialize::<_, House>(&mut serde_json::Deserializer::from_str(json));
        let theirs = theirs.unwrap_err().path().to_string();
        Some((ours, if theirs == "." { String::new() } else { theirs }))
    }

    /// All texts with one value put in the place of another, or with one field less.
    fn spoil(value: &Value, put: &mut dyn FnMut(Value)) {
        for other in [json!(-1), json!("-"), json!(null), json!({}), json!([]), json!([7]), json!({ "a": 1 })] {
            put(other);
        }
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let mut less = fields.clone();
                    less.remove(name);
                    put(Value::Object(less));
                    spoil(field, &mut |spoilt| {
                        let mut fields = fields.clone();
                        fields[name] = spoilt;
                        put(Value::Object(fields));
                    });
                }
            }
            Value::Array(elements) => {
                for (number, element) in elements.iter().enumerate() {
                    spoil(element, &mut |spoilt| {
                        let mut elements = elements.clone();
                        elements[number] = spoilt;
                        put(Value::Array(elements));
                    });
                }
            }
            _ => {}
        }
    }

    #[test]
    fn paths_are_those_of_serde_path_to_error() {
        let house = json!({
            "name": "a \"house\", {[", "number": 1, "owner": { "family \"name\", ]}": "x" },
            "rooms": [
                { "number": 1, "area": 12.5, "state": "Empty", "doors": [true, 2] },
                { "area": 1, "state": { "Let": { "since": 2013, "number": 4 } }, "doors": [false, 5], "number": 3 },
            ],
            "temperatures": { "in": [1.5, 2], "out": [3, -4e3] },
        });
        assert_eq!(paths(&house.to_string()), None);
        let (mut rejected, mut differ) = (0, Vec::new());
        spoil(&house, &mut |spoilt| {
            for text in [spoilt.to_string(), serde_json::to_string_pretty(&spoilt).unwrap()] {
                let Some((ours, theirs)) = paths(&text) else { continue };
                rejected += 1;
                // Of a variant that there is not, ours says the name, too.
                if ours != theirs && Some(theirs.as_str()) != ours.strip_suffix(".a") {
                    differ.push(format!("{ours} for {theirs} in {spoilt}"));
                }
            }
        });
        assert!(differ.is_empty(), "{} of {rejected}:\n{}", differ.len(), differ.join("\n"));
        assert!(rejected > 300, "{rejected}");
    }
}
