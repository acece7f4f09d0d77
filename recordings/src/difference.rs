//! Differences, to be read by people.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::compare::{Side, ValueChange};

const WAS: Style = AnsiColor::Red.on_default();
const NOW: Style = AnsiColor::Green.on_default();
/// Of a text, what is not the same on both sides.
const WAS_HERE: Style = AnsiColor::Red.on_default().bold().underline();
const NOW_HERE: Style = AnsiColor::Green.on_default().bold().underline();

/// Characters of a value that are shown; the rest is counted.
const SHOWN: usize = 400;

/// Differences as text: the path, then a line with `-` and one with `+`. In colour, by ANSI sequences that the
/// terminal's writer takes out where they are not wanted; understandable without.
pub struct Difference<'a>(pub &'a [ValueChange]);

impl Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, change) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", if change.path.is_empty() { "(all of it)" } else { &change.path })?;
            match (&change.was, &change.now) {
                (Side::Value(Value::String(was)), Side::Value(Value::String(now))) => write_texts(f, was, now)?,
                (was, now) => {
                    write_side(f, '-', WAS, was)?;
                    write_side(f, '+', NOW, now)?;
                }
            }
        }
        Ok(())
    }
}

fn write_side(f: &mut fmt::Formatter<'_>, sign: char, style: Style, side: &Side) -> fmt::Result {
    let text = match side {
        Side::Absent => return Ok(()),
        Side::Value(value) => shorten(&harmless(&value.to_string())),
        Side::Bytes(bytes) => format!("({bytes} bytes that are not looked through)"),
        Side::Filtered => "(filtered)".to_owned(),
        Side::Failed { kind, message } => format!("({kind}: {})", shorten(&escape(message))),
    };
    write!(f, "\n  {style}{sign} {text}{style:#}")
}

/// Both texts, with the words marked that differ.
fn write_texts(f: &mut fmt::Formatter<'_>, was: &str, now: &str) -> fmt::Result {
    let (was, now) = (shorten(&escape(was)), shorten(&escape(now)));
    let diff = TextDiff::from_unicode_words(&was, &now);
    let sides = [(ChangeTag::Delete, '-', WAS, WAS_HERE), (ChangeTag::Insert, '+', NOW, NOW_HERE)];
    for (tag, sign, style, here) in sides {
        write!(f, "\n  {style}{sign} \"{style:#}")?;
        for change in diff.iter_all_changes().filter(|change| [tag, ChangeTag::Equal].contains(&change.tag())) {
            let style = if change.tag() == tag { here } else { style };
            write!(f, "{style}{}{style:#}", change.value())?;
        }
        write!(f, "{style}\"{style:#}")?;
    }
    Ok(())
}

/// As in JSON, without the quotes: no line end and no control character of a value reaches the terminal.
fn escape(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    harmless(&quoted[1..quoted.len() - 1])
}

fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Body, Rules, compare};

    fn shown(was: &Value, now: &Value) -> String {
        let body = |value: &Value| Body::new(value.to_string().as_bytes());
        Difference(&compare(&body(was), &body(now), &Rules::default())).to_string()
    }

    fn plain(text: &str) -> String {
        let mut kept = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            kept.push_str(before);
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        kept + rest
    }

    #[test]
    fn it_reads_without_colour() {
        let text = plain(&shown(&json!({"a": 1, "b": [1]}), &json!({"a": 2.5, "c": null})));
        assert_eq!(text, "/a\n  - 1\n  + 2.5\n/b\n  - [1]\n/c\n  + null");
    }

    #[test]
    fn of_texts_the_words_that_differ_are_marked() {
        let text = shown(&json!("one two\nthree \u{1b}[2J"), &json!("one 2\nthree \u{1b}[2J"));
        assert_eq!(plain(&text), "(all of it)\n  - \"one two\\nthree \\u001b[2J\"\n  + \"one 2\\nthree \\u001b[2J\"");
        assert!(text.contains(&format!("{NOW_HERE}2")), "{text:?}");
    }

    #[test]
    fn a_large_value_is_cut() {
        let text = plain(&shown(&json!(1), &json!("ü".repeat(1000))));
        assert!(text.ends_with("… (2002 bytes)") && text.chars().count() < 500, "{text}");
    }
}
