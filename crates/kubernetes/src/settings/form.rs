//! The form of a `dyn.toml`: all keys and values that are none, at once.
//!
//! serde stops at the first that it cannot take. That one is told and struck out, and the rest is read again.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::file::{File, Said};

/// What is wrong, how to mend it, and where.
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: String,
    pub(super) at: Range<usize>,
    /// The keys that it stands below, from the outermost.
    pub(super) keys: Vec<String>,
}

/// A text as far as it can be read, and everything that cannot.
pub(super) fn decode(text: &str) -> (File, Vec<Fault>) {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors.iter().map(|error| syntax(text, error)).collect();
    // Of a text that is not TOML, what was made of it says nothing about what was meant.
    if errors.iter().any(|error| !is_double(error)) {
        return (File::default(), faults);
    }
    loop {
        let error = match File::deserialize(Deserializer::from(table.clone())) {
            Ok(file) => return (file, faults),
            Err(error) => error,
        };
        let at = error.span().unwrap_or_default();
        let keys = strike(table.get_mut(), &at);
        let (message, help) = mend(error.message().trim(), &keys);
        let is_struck = !keys.is_empty();
        faults.push(Fault { message, help, at, keys });
        if !is_struck {
            return (File::default(), faults);
        }
    }
}

fn is_double(error: &toml::de::Error) -> bool {
    error.message().contains("duplicate key")
}

fn syntax(text: &str, error: &toml::de::Error) -> Fault {
    let at = error.span().unwrap_or_default();
    let (message, help) = if is_double(error) {
        let key = text.get(at.clone()).unwrap_or_default().trim();
        (format!("{key} stands here a second time"), "keep one of the two".to_owned())
    } else {
        (error.message().trim().to_owned(), "see https://toml.io for how it is written".to_owned())
    };
    Fault { message, help, at, keys: Vec::new() }
}

/// Takes the innermost key out whose value, or whose own name, is at a place; its path, or nothing where there is none.
fn strike(table: &mut DeTable<'_>, at: &Range<usize>) -> Vec<String> {
    let holds = |span: Range<usize>| span.start <= at.start && at.end <= span.end;
    let mut keys = Vec::new();
    for (key, value) in table.iter_mut() {
        if let DeValue::Table(inner) = value.get_mut() {
            let below = strike(inner, at);
            if !below.is_empty() {
                keys.push(key.get_ref().to_string());
                keys.extend(below);
                return keys;
            }
        }
    }
    let found = |(key, value): &(&Spanned<_>, &Spanned<DeValue<'_>>)| holds(key.span()) || holds(value.span());
    let struck = table.iter().find(found).map(|(key, _)| key.clone());
    if let Some(key) = struck {
        table.remove(&key);
        keys.push(key.get_ref().to_string());
    }
    keys
}

/// A fault of form in words, and what to do about it.
fn mend(message: &str, keys: &[String]) -> (String, String) {
    if let Some((message, help)) = message.split_once(": write ") {
        return (message.to_owned(), format!("write {help}"));
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let (true, Some((wrong, known))) = (message.starts_with("unknown field"), quoted.split_first()) {
        let help = match keys {
            [_] if is_of_a_service(wrong) => format!("{wrong} stands below [defaults] or [services.NAME]"),
            _ => app::suggest(wrong, known.iter().copied(), "keys"),
        };
        return (format!("unknown key {wrong}"), help);
    }
    if let (true, Some((wrong, known))) = (message.starts_with("unknown variant"), quoted.split_first()) {
        return (
            format!("{wrong} is no value of {}", keys.last().map_or("it", String::as_str)),
            app::suggest(wrong, known.iter().copied(), "values"),
        );
    }
    if let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or(message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        let (kind, help) = expectation(expected);
        return (format!("expected {kind}, found {}", kind_of(found)), help.to_owned());
    }
    (message.to_owned(), "give the value in the form that is expected".to_owned())
}

/// Whether a key is one of a service's.
fn is_of_a_service(key: &str) -> bool {
    let said = toml::from_str::<Said>(&format!("{key} = 0"));
    said.err().is_none_or(|error| !error.message().contains("unknown field"))
}

/// What serde expects, in words, and how that is written.
fn expectation(of: &str) -> (&str, &'static str) {
    match of {
        "u16" | "u32" => ("a whole number of 0 or more", "write it without quotes, as 2"),
        "a boolean" => ("true or false", "write it without quotes"),
        "a string" => ("a text", "write it in quotes"),
        "a sequence" | "a set" => ("a list", "write it as [\"PATH\", \"RUST_LOG\"]"),
        "a map" => ("a table", "write it as { key = \"value\" }"),
        of if of.starts_with("struct") => ("a table", "write its keys below a line with its name in brackets"),
        of => (of, "give the value in the form that is expected"),
    }
}

/// What serde found, in words.
fn kind_of(found: &str) -> String {
    let plain = found.replace('`', "");
    for (kind, word) in [("string ", "the text "), ("integer ", ""), ("boolean ", ""), ("floating point ", "")] {
        if let Some(value) = plain.strip_prefix(kind) {
            return format!("{word}{value}");
        }
    }
    match plain.as_str() {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        _ => plain,
    }
}
