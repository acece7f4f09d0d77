//! Answers that fit: no more bytes than an agent should read at once, and how to get the rest.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The most bytes of one answer.
pub const MOST_BYTES: usize = 20_000;
/// Bytes that are left for the words on how to go on.
const FOR_WORDS: usize = 400;

/// A text from a byte on, as much of it as fits. `tool`: the tool to be called for the rest.
pub(crate) fn part(text: &str, offset: usize, tool: &str) -> Result<String, String> {
    if offset == 0 && text.len() <= MOST_BYTES {
        return Ok(text.to_owned());
    }
    if offset >= text.len() {
        return Err(format!("offset {offset} is beyond the end: the answer has {} bytes", text.len()));
    }
    let begin = text.floor_char_boundary(offset);
    let end = text.floor_char_boundary(text.len().min(begin + MOST_BYTES - FOR_WORDS));
    let rest = text.len() - end;
    let more = match rest {
        0 => String::new(),
        _ => format!("\n[{rest} of {} bytes are left: call {tool} with offset={end}]", text.len()),
    };
    Ok(format!("{}{more}", &text[begin..end]))
}

/// Items of a list, as many as fit, under their name, with other members. `more`: how to get those that follow the last
/// one that fits; told where some do not, or where `is_cut` says that there are more.
pub(crate) fn list<T: Serialize>(
    name: &str,
    items: &[T],
    is_cut: bool,
    more: impl Fn(&T) -> String,
    mut members: Map<String, Value>,
) -> Result<String, String> {
    let room = MOST_BYTES - FOR_WORDS - Value::Object(members.clone()).to_string().len().min(MOST_BYTES / 2);
    let (mut shown, mut bytes, mut last) = (Vec::new(), 0, None);
    for item in items {
        let mut value = value(item)?;
        let mut size = value.to_string().len() + 1;
        if size > room {
            value = json!({ "too_large": size, "begin": begin(&value.to_string(), 2_000) });
            size = value.to_string().len() + 1;
        }
        if bytes + size > room {
            break;
        }
        bytes += size;
        shown.push(value);
        last = Some(item);
    }
    if shown.len() < items.len() || is_cut {
        members.extend(last.map(|last| ("more".to_owned(), Value::from(more(last)))));
    }
    members.insert(name.to_owned(), shown.into());
    Ok(Value::Object(members).to_string())
}

/// A value as JSON, or what stands for it where it is too large: its size, its beginning, and how to read it.
pub(crate) fn shortened(value: Value, most: usize, how: &str) -> Value {
    let text = value.to_string();
    match text.len() <= most {
        true => value,
        false => json!({ "bytes": text.len(), "begin": begin(&text, most / 2), "more": how }),
    }
}

/// Something of the session's as JSON.
pub(crate) fn value(of: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(of).map_err(|error| format!("cannot write JSON: {error}"))
}

fn begin(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_read_in_parts_that_fit() {
        let text: String = (0..9_000).map(|number| format!("é{number} ")).collect();
        let (mut offset, mut read) = (0, String::new());
        loop {
            let part = part(&text, offset, "request").unwrap();
            assert!(part.len() <= MOST_BYTES, "{}", part.len());
            let Some((head, words)) = part.rsplit_once("\n[") else {
                read += &part;
                break;
            };
            read += head;
            offset = words.rsplit_once('=').unwrap().1.trim_end_matches(']').parse().unwrap();
        }
        assert_eq!(read, text);
        assert!(part(&text, text.len(), "request").unwrap_err().contains("beyond"));
        assert_eq!(part("short", 0, "graph").unwrap(), "short");
    }

    #[test]
    fn a_long_list_ends_where_it_fits_and_says_how_to_go_on() {
        let items: Vec<String> = (0..500).map(|number| format!("{number} {}", "x".repeat(90))).collect();
        let more = |last: &String| format!("after {}", last.split(' ').next().unwrap_or_default());
        let answer = list("lines", &items, false, more, Map::new()).unwrap();
        assert!(answer.len() <= MOST_BYTES, "{}", answer.len());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let shown = answer["lines"].as_array().unwrap().len();
        assert!(shown > 100 && answer["more"] == format!("after {}", shown - 1), "{shown} {}", answer["more"]);
        let whole = list("lines", &items[..2], false, more, Map::new()).unwrap();
        assert!(!whole.contains("more"));
    }

    #[test]
    fn an_item_that_is_too_large_is_told_with_its_size() {
        let answer = list("lines", &["y".repeat(90_000)], false, |_| String::new(), Map::new()).unwrap();
        assert!(answer.len() < 3_000 && answer.contains("90003"), "{answer}");
        let value = shortened("z".repeat(9_000).into(), 1_000, "ask again");
        assert_eq!((&value["bytes"], &value["more"]), (&json!(9_002), &json!("ask again")));
    }
}
