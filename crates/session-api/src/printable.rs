//! Text of services on its way to a terminal: the one place that removes what would steer it. What a service writes may
//! have come in a request, and a stranger's escape sequences would clear the screen, name the window or worse.
//! Characters that nobody sees, such as those that turn the direction of writing, are written out as `\u{202e}`.
//!
//! The parser is ours rather than `vte` or `anstyle-parse`. Those read as a terminal does: a sequence that never ends
//! swallows the rest of the text. Here it ends with its line, and the lines after it are shown.

use std::borrow::Cow;

/// The text without control characters and escape sequences but for line ends, tabs, and those that set colours.
pub fn printable(text: &str) -> Cow<'_, str> {
    cleaned(text, &Keep { colours: true, tab: "\t", end: "\n" })
}

/// The text for one row of a screen: colours go too, a tab becomes two spaces and a line end one.
pub fn plain(text: &str) -> Cow<'_, str> {
    cleaned(text, &Keep { colours: false, tab: "  ", end: " " })
}

/// The text with control characters and unseen ones as JSON writes them, but for line ends and tabs. JSON keeps its
/// meaning.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let is_wrong = |c: char| c.is_control() && c != '\n' && c != '\t' || is_unseen(c);
    if !text.chars().any(is_wrong) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_wrong(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| clean.push_str(&format!("\\u{unit:04x}")));
        } else {
            clean.push(c);
        }
    }
    Cow::Owned(clean)
}

/// The characters of a text to keep.
struct Keep {
    colours: bool,
    tab: &'static str,
    end: &'static str,
}

fn cleaned<'t>(text: &'t str, keep: &Keep) -> Cow<'t, str> {
    let stays = |c: char| match c {
        '\n' => keep.end == "\n",
        '\t' => keep.tab == "\t",
        c => !c.is_control() && !is_unseen(c),
    };
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\n' => {
                clean.push_str(keep.end);
                after
            }
            '\t' => {
                clean.push_str(keep.tab);
                after
            }
            '\u{1b}' => match after.strip_prefix('[') {
                Some(parameters) => {
                    let (sequence, after) = control_sequence(parameters);
                    if let Some(colour) = sequence.filter(|sequence| keep.colours && is_colour(sequence)) {
                        clean.push_str("\u{1b}[");
                        clean.push_str(colour);
                    }
                    after
                }
                None => escape_sequence(after),
            },
            // The same in one character.
            '\u{9b}' => control_sequence(after).1,
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => string(after),
            c if c.is_control() => after,
            c if is_unseen(c) && !joins(c, clean.chars().next_back(), after.chars().next()) => {
                clean.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
                after
            }
            c => {
                clean.push(c);
                after
            }
        };
    }
    Cow::Owned(clean)
}

/// Whether a character shows nothing of its own, and changes how those beside it look or read.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            // Marks of direction, separators, and all that is of no width.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Whether it joins or parts two characters of a script, or of a picture, that need it to be written.
fn joins(c: char, before: Option<char>, after: Option<char>) -> bool {
    let needs = |beside: Option<char>| {
        beside.is_some_and(|beside| !beside.is_ascii() && !beside.is_control() && !is_unseen(beside))
    };
    matches!(c, '\u{200c}' | '\u{200d}') && needs(before) && needs(after)
}

/// A control sequence up to its last byte, and what follows; none where it breaks off (ECMA-48, 5.4).
fn control_sequence(text: &str) -> (Option<&str>, &str) {
    let end = text.find(|c| !(' '..='?').contains(&c)).unwrap_or(text.len());
    match text[end..].chars().next() {
        Some('@'..='~') => (Some(&text[..=end]), &text[end + 1..]),
        _ => (None, &text[end..]),
    }
}

fn is_colour(sequence: &str) -> bool {
    sequence.strip_suffix('m').is_some_and(|codes| codes.bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':'))
}

/// Returns the rest after any other escape sequence.
fn escape_sequence(text: &str) -> &str {
    match text.chars().next() {
        Some(']' | 'P' | 'X' | '^' | '_') => string(&text[1..]),
        // Some bytes in between, and a last one (ECMA-35, 13.2).
        Some(' '..='~') => {
            let end = text.find(|c| !(' '..='/').contains(&c)).unwrap_or(text.len());
            text[end..].strip_prefix(|c| ('0'..='~').contains(&c)).unwrap_or(&text[end..])
        }
        _ => text,
    }
}

/// Returns the rest after a string that only a terminal reads: from its end, or the end of the line where it has none.
fn string(text: &str) -> &str {
    let Some(end) = text.find(['\u{7}', '\u{1b}', '\u{9c}', '\n']) else { return "" };
    let rest = &text[end..];
    rest.strip_prefix("\u{1b}\\").or_else(|| rest.strip_prefix(['\u{7}', '\u{9c}'])).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stay_and_nothing_else_a_terminal_acts_on() {
        for (text, expected) in [
            ("plain \u{e9}\ttext\n", "plain \u{e9}\ttext\n"),
            ("\u{1b}[1;31mred\u{1b}[0m", "\u{1b}[1;31mred\u{1b}[0m"),
            ("\u{1b}[2J\u{1b}[Hhome", "home"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]0;never ends\nnext", "\nnext"),
            ("\u{1b}Pq#0\u{1b}\\x", "x"),
            ("\u{1b}(0line\u{1b}c", "line"),
            ("over\rwritten\u{8}\u{7}\0", "overwritten"),
            ("\u{9b}31mred\u{9d}0;t\u{9c}x", "redx"),
            ("\u{1b}[31", ""),
            ("\u{1b}[?25lx\u{1b}[6n", "x"),
            ("\u{1b}", ""),
            ("\u{1b}[\u{1b}[2Jx", "x"),
            ("\u{1b}[3\u{e9}x", "\u{e9}x"),
            ("\u{1b}\u{e9}", "\u{e9}"),
            ("paid \u{202e}001\u{2069} \u{feff}x\u{200b}y", "paid \\u{202e}001\\u{2069} \\u{feff}x\\u{200b}y"),
            ("a\u{2028}b\u{ad}c\u{e0041}", "a\\u{2028}b\\u{ad}c\\u{e0041}"),
            ("\u{1b}[31m\u{202e}red\u{1b}[0m", "\u{1b}[31m\\u{202e}red\u{1b}[0m"),
            ("\u{1f468}\u{200d}\u{1f469} \u{645}\u{200c}\u{62e}", "\u{1f468}\u{200d}\u{1f469} \u{645}\u{200c}\u{62e}"),
            ("a\u{200d}b", "a\\u{200d}b"),
            ("\u{e9}\u{200d}\u{9b}x", "\u{e9}\\u{200d}"),
        ] {
            assert_eq!(printable(text), expected, "{text:?}");
        }
    }

    #[test]
    fn nothing_a_terminal_acts_on_stays_for_a_row_of_a_screen() {
        for (text, expected) in [
            ("\u{1b}[31mred\u{1b}[0m\tx\u{7}\u{1b}]0;title\u{7}y\r", "red  xy"),
            ("\u{1b}", ""),
            ("paid \u{202e}001\u{200b}", "paid \\u{202e}001\\u{200b}"),
            ("one\ntwo\u{9b}31m", "one two"),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
        assert!(matches!(plain("as it is"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_means_what_it_meant() {
        let json = serde_json::json!({ "line": "\u{202e}x\u{e0041}\u{9b}31m\u{7f}\n\t\u{e9}" }).to_string();
        let shown = escaped(&json);
        assert!(!shown.chars().any(|c| c.is_control() || is_unseen(c)), "{shown:?}");
        let (meant, means) = (serde_json::from_str::<serde_json::Value>(&json), serde_json::from_str(&shown));
        assert_eq!(meant.ok(), means.ok());
        assert!(matches!(escaped("{\"a\": 1}"), Cow::Borrowed(_)));
    }

    proptest::proptest! {
        #[test]
        fn nothing_else_is_left_of_anything(text in "[\u{1b}\u{9b}\u{9d}\\[\\]P;0-9mJ\u{7}\\\\\nax\u{e9}\u{202e}\u{200d}\u{feff}]{0,40}") {
            assert!(!plain(&text).chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
            let clean = printable(&text).into_owned();
            assert_eq!(printable(&clean), clean, "{text:?}");
            assert!(!clean.chars().any(|c| c == '\u{202e}' || c == '\u{feff}'), "{clean:?}");
            for part in clean.split('\u{1b}').skip(1) {
                let colour = part.strip_prefix('[').and_then(|part| part.split_once('m'));
                assert!(colour.is_some_and(|(codes, _)| codes.bytes().all(|b| b.is_ascii_digit() || b == b';')), "{clean:?}");
            }
        }
    }
}
