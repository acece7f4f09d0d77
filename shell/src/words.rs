//! What a call came to, in words.

use std::ops::Range;

use serde_json::Value;
use session_api::command::{Called, CalledHop};
use session_api::escaped;
use session_api::units::millis;
use unicode_width::UnicodeWidthChar;

/// What went wrong with a call: the message, and what else is to be said.
pub(crate) fn problem(called: &Called) -> (String, Vec<String>) {
    let status = called.status;
    let Some(Value::Object(document)) = &called.value else {
        let said = called.value.as_ref().map_or_else(String::new, |value| format!(": {value}"));
        return (format!("the call was answered with status {status}{said}"), Vec::new());
    };
    let text = |name: &str| document.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let title = text("title").unwrap_or("the call failed");
    let detail = text("detail").unwrap_or(title);
    let message = match text("service") {
        Some(service) => format!("{service}: {detail}"),
        None => detail.to_owned(),
    };
    let mut more = vec![format!("{title} (status {status})")];
    let path: Vec<_> = document.get("path").and_then(Value::as_array).into_iter().flatten().collect();
    if path.len() > 1 {
        let names: Vec<_> = path.iter().filter_map(|name| name.as_str()).collect();
        more.push(format!("on the way {}", names.join(" -> ")));
    }
    (message, more)
}

/// `map@3f2a 0.21 ms (fn 0.02) <- filter@99ab 0.40 ms (fn 0.01), 0.90 ms in all`.
pub(crate) fn hops(called: &Called) -> String {
    let hop = |hop: &CalledHop| {
        let function = millis(hop.function_ms);
        let function = function.strip_suffix(" ms").unwrap_or(&function);
        format!("{} {} (fn {function})", short(&hop.version), millis(hop.total_ms))
    };
    let hops: Vec<_> = called.hops.iter().map(hop).collect();
    let all = format!("{} in all", millis(called.ms));
    if hops.is_empty() { all } else { format!("{}, {all}", hops.join(" <- ")) }
}

/// `map@3f2a`: as much of a version's hash as tells two versions apart for a person.
pub(crate) fn short(version: &str) -> &str {
    let end = version.find('@').and_then(|at| version[at..].char_indices().nth(5).map(|(more, _)| at + more));
    end.map_or(version, |end| &version[..end])
}

/// The line of a text that a place lies in, and marks to stand below the place. The place is in characters.
pub(crate) fn marked(text: &str, place: &Range<usize>) -> (String, String) {
    let mut before = 0;
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let length = line.chars().count();
        if place.start <= before + length || lines.peek().is_none() {
            let within = |at: usize| at.saturating_sub(before).min(length);
            let (start, end) = (within(place.start), within(place.end));
            let width = |from: usize, to: usize| -> usize {
                let piece = line.chars().skip(from).take(to - from);
                piece.map(shown_width).sum()
            };
            let marks = "^".repeat(width(start, end.max(start)).max(1));
            return (escaped(&line.replace('\t', " ")).into_owned(), " ".repeat(width(0, start)) + &marks);
        }
        before += length + 1;
    }
    (String::new(), String::new())
}

/// Columns of a character as it is shown: a control character as its code, a tab as a space.
fn shown_width(c: char) -> usize {
    match c {
        '\t' => 1,
        _ if c.is_control() => escaped(&c.to_string()).len(),
        _ => c.width().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::marked;

    #[test]
    fn marks_stand_below_wide_and_hidden_characters() {
        let both = |shown: &str, marks: &str| (shown.to_owned(), marks.to_owned());
        assert_eq!(marked("map 3", &(0..3)), both("map 3", "^^^"));
        assert_eq!(marked("map 3", &(5..5)), both("map 3", "     ^"));
        assert_eq!(marked("\"日本\" x", &(5..6)), both("\"日本\" x", "       ^"));
        assert_eq!(marked("a\u{1b} x", &(3..4)), both("a\\u001b x", "        ^"));
        assert_eq!(marked("map {\n  \"a\" 1}", &(12..13)), both("  \"a\" 1}", "      ^"));
        assert_eq!(marked("", &(0..9)), both("", "^"));
    }
}
