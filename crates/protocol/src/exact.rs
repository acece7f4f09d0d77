//! JSON with every digit of its numbers. `serde_json::Value` keeps integers of 64 bits and what an `f64` can hold;
//! `u128`, `i128` and decimals of other crates hold more, and two that differ would be taken for one.

use std::ops::Range;

use serde::de::Error as _;
use serde_json::Value;

/// A number that [`Value`] does not keep is a string that begins so. A text that does is refused.
const MARK: &str = "\u{0}number:";

/// [`MARK`] as JSON has it.
const WRITTEN: &str = "\"\\u0000number:";

/// Digits that an `f64` keeps, whatever they are.
const KEPT: usize = 15;

/// Reads JSON. Numbers that a [`Value`] would change are strings in it, for [`number`] and [`write()`] to know.
///
/// # Errors
/// A text that is not JSON, or has a string that begins with a NUL and `number:`.
pub fn read(text: &str) -> serde_json::Result<Value> {
    if text.contains("number:") && is_marked(&serde_json::from_str(text)?) {
        return Err(serde_json::Error::custom("a string begins with \\u0000number:, which stands for a number here"));
    }
    let wide = wide(text);
    if wide.is_empty() {
        return serde_json::from_str(text);
    }
    let mut marked = String::with_capacity(text.len());
    let mut next = 0;
    for range in wide {
        marked.push_str(&text[next..range.start]);
        marked.push_str(WRITTEN);
        marked.push_str(&text[range.clone()]);
        marked.push('"');
        next = range.end;
    }
    marked.push_str(&text[next..]);
    serde_json::from_str(&marked)
}

/// Writes what [`read`] has read.
pub fn write(value: &Value) -> String {
    let text = value.to_string();
    let mut parts = text.split(WRITTEN);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once('"').unwrap_or((part, ""));
        written.push_str(number);
        written.push_str(rest);
    }
    written
}

/// Whether a string in it begins as a number does that a [`Value`] does not keep.
fn is_marked(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with(MARK),
        Value::Array(items) => items.iter().any(is_marked),
        Value::Object(fields) => fields.iter().any(|(name, field)| name.starts_with(MARK) || is_marked(field)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The digits of a number that a [`Value`] does not keep, where this is one.
pub fn number(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(MARK)
}

/// With such numbers as strings, for people to read.
pub fn shown(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(text.strip_prefix(MARK).unwrap_or(text)),
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), shown(field))).collect(),
        other => other.clone(),
    }
}

/// The numbers in a JSON text that a [`Value`] would change.
pub fn wide(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
                let length = bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                let end = at + length;
                if length > KEPT && !is_kept(&text[at..end]) {
                    found.push(at..end);
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

/// Whether a number is the same once it was a [`Value`]. What is no number is for the reader to say.
fn is_kept(number: &str) -> bool {
    if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok();
    }
    match number.parse::<f64>() {
        // Two decimals may be equally short and equally near to one float: either is that float, whoever wrote it.
        Ok(read) if read.is_finite() => {
            let own = decimal(number);
            own == decimal(&format!("{read:e}")) || own == decimal(&Value::from(read).to_string())
        }
        _ => true,
    }
}

/// Significant digits, and the power of ten of the last one.
fn decimal(number: &str) -> (String, i64) {
    let (digits, power) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{}{part}", whole.trim_start_matches('-'));
    let all = all.trim_start_matches('0');
    let kept = all.trim_end_matches('0');
    let power = power.trim_start_matches('+').parse::<i64>().unwrap_or(i64::MAX);
    let places = i64::try_from(part.len()).unwrap_or(i64::MAX);
    let cut = i64::try_from(all.len() - kept.len()).unwrap_or(i64::MAX);
    let power = if kept.is_empty() { 0 } else { power.saturating_sub(places).saturating_add(cut) };
    (kept.to_owned(), power)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_looks_like_a_kept_number_is_refused() {
        for text in [r#""\u0000number:""#, r#"{"a": ["\u0000number:1"]}"#, r#"{"\u0000number:1": 2}"#] {
            assert!(read(text).unwrap_err().to_string().contains("stands for a number"), "{text}");
        }
        assert_eq!(read(r#""a number: 1""#).unwrap(), "a number: 1");
    }

    proptest! {
        #[test]
        fn no_digit_is_lost(number in any::<i128>(), bits in 0..128_u32, other in any::<u128>(), text in ".*") {
            let (number, other, text) = (number >> bits, other >> bits, Value::from(text));
            let json = format!("{{\"a\":[{number},{text}],\"b\":{other}}}");
            let value = read(&json).unwrap();
            prop_assert_eq!(write(&value), json);
            prop_assert_eq!(number_of(&value["b"]), other.to_string());
            prop_assert_eq!(number_of(&value["a"][0]), number.to_string());
        }

        #[test]
        fn a_float_is_a_value(number in any::<f64>().prop_filter("JSON has no others", |number| number.is_finite())) {
            let value = Value::from(number);
            prop_assert_eq!(read(&value.to_string()).unwrap(), value);
        }

        #[test]
        fn any_text_is_looked_through(text in "[-+0-9.eE\"\\\\{}\\[\\],a]*") {
            let _ = read(&text);
        }
    }

    fn number_of(value: &Value) -> String {
        number(value).map_or_else(|| value.to_string(), str::to_owned)
    }

    #[test]
    fn either_of_two_decimals_of_one_float_is_that_float() {
        for written in ["-623763371713633.2", "-623763371713633.3"] {
            let float: f64 = "-623763371713633.25".parse().unwrap();
            assert_eq!(read(written).unwrap(), Value::from(float), "{written}");
        }
    }

    #[test]
    fn what_is_kept_is_no_string() {
        for kept in [
            "18446744073709551615",
            "-9223372036854775808",
            "1.50000000000000000000",
            "1e300",
            "\"99999999999999999999\"",
        ] {
            assert_eq!(wide(kept), [], "{kept}");
        }
        for lost in ["18446744073709551616", "-9223372036854775809", "0.12345678901234567891", "1234567890123456789.5"]
        {
            assert!(matches!(&wide(&format!("[{lost}]"))[..], [only] if *only == (1..lost.len() + 1)), "{lost}");
        }
        assert_eq!(shown(&read("[18446744073709551616]").unwrap()), serde_json::json!(["18446744073709551616"]));
    }
}
