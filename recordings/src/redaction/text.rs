//! Names and what stands beside them in text: a query (`/login?password=x`), a form, a header in words, JSON in a text.

use super::{BLANK, DEPTH, Redaction, Unclear};

/// What may stand between a name and the sign after it: `user[password]=x`, `"password": "x"`, and both quoted once more.
const BETWEEN: &[&str] = &["\\\"", "\"", "'", "]", "%5D", "%5d", " "];
/// The sign itself. A colon may be prose: what follows it is blanked, and looked for nowhere else.
const SIGNS: &[(&str, bool)] = &[("=", true), ("%3D", true), ("%3d", true), (":", false)];
/// What ends a value that stands in no quotes.
const ENDS: &[char] = &['&', ';', ',', '"', '\'', '<', '>', '(', ')', '{', '}', '[', ']'];

impl Redaction {
    /// Blanks what stands beside a name. None: there is nothing to blank.
    pub(super) fn text(&self, text: &str, depth: usize, secrets: &mut Vec<String>) -> Result<Option<String>, Unclear> {
        let inner = text.trim();
        if inner.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(inner).is_ok() {
            return self.walk(inner, &[], depth.checked_sub(1).ok_or(Unclear)?, secrets);
        }
        let (mut written, mut from) = (String::new(), 0);
        while let Some((start, end, is_told)) = self.next(text, from) {
            written.push_str(&text[from..start]);
            written.push_str(BLANK);
            if is_told {
                let value = &text[start..end];
                secrets.extend([value.to_owned(), decoded(value)]);
            }
            from = end;
        }
        if from == 0 {
            return Ok(None);
        }
        written.push_str(&text[from..]);
        Ok(Some(written))
    }

    /// Blanks it in place, where it is not JSON.
    pub(super) fn plain(&self, text: &mut String, secrets: &mut Vec<String>) {
        match self.text(text, DEPTH, secrets) {
            Ok(None) => {}
            Ok(Some(blanked)) => *text = blanked,
            Err(Unclear) => BLANK.clone_into(text),
        }
    }

    /// The next value beside a name, from here on, and whether it is surely one.
    fn next(&self, text: &str, from: usize) -> Option<(usize, usize, bool)> {
        let beside = |(at, _): (usize, char)| {
            let at = from + at;
            let is_inside = text[..at].chars().next_back().is_some_and(is_of_name);
            let name = |name: &&String| {
                text.get(at..at + name.len()).is_some_and(|there| there.eq_ignore_ascii_case(name)) && !is_inside
            };
            self.names.iter().filter(name).find_map(|name| value(text, at + name.len()))
        };
        text[from..].char_indices().find_map(beside)
    }
}

/// The value after a name that ends here.
fn value(text: &str, mut at: usize) -> Option<(usize, usize, bool)> {
    let skip = |at: &mut usize| {
        while let Some(step) = BETWEEN.iter().find(|step| text[*at..].starts_with(**step)) {
            *at += step.len();
        }
    };
    skip(&mut at);
    let (sign, is_told) = SIGNS.iter().find(|(sign, _)| text[at..].starts_with(sign))?;
    at += sign.len();
    at += text[at..].len() - text[at..].trim_start().len();
    let quoted = ["\\\"", "\"", "'"].into_iter().find(|quote| text[at..].starts_with(quote));
    at += quoted.map_or(0, str::len);
    let rest = &text[at..];
    let length = match quoted {
        Some(quote) => closing(rest, quote),
        None => rest.find(|c: char| c.is_whitespace() || ENDS.contains(&c)).into_iter().chain(rest.find("%26")).min(),
    };
    let end = at + length.unwrap_or(rest.len());
    (end > at).then_some((at, end, *is_told))
}

/// Where a quote ends that is not escaped itself.
fn closing(text: &str, quote: &str) -> Option<usize> {
    let escapes = |at: usize| text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
    text.match_indices(quote).map(|(at, _)| at).find(|at| escapes(*at) % 2 == 0)
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-')
}

/// As it was before it became part of a query.
fn decoded(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(hex.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// As it stands in a query, both ways to write a space.
pub(super) fn encoded(text: &str) -> [String; 2] {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    [encoded.replace("%20", "+"), encoded]
}
