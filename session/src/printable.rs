//! Text of services on its way to a terminal: colours stay, and nothing else a terminal would act on. What a service
//! writes may have come in a request, and a stranger's escape sequences would clear the screen, name the window or worse.

use std::borrow::Cow;

/// The text without control characters and escape sequences but for line ends, tabs, and those that set colours.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\u{1b}' => match after.strip_prefix('[') {
                Some(parameters) => {
                    let (sequence, after) = control_sequence(parameters);
                    if let Some(colour) = sequence.filter(|sequence| is_colour(sequence)) {
                        clean.push_str("\u{1b}[");
                        clean.push_str(colour);
                    }
                    after
                }
                None => escaped(after),
            },
            // The same in one character.
            '\u{9b}' => control_sequence(after).1,
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => string(after),
            c if c.is_control() && c != '\n' && c != '\t' => after,
            c => {
                clean.push(c);
                after
            }
        };
    }
    Cow::Owned(clean)
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

/// What follows any other escape sequence.
fn escaped(text: &str) -> &str {
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

/// What follows a string that only a terminal reads: up to its end, or the end of the line where it has none.
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
        ] {
            assert_eq!(printable(text), expected, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_else_is_left_of_anything(text in "[\u{1b}\u{9b}\u{9d}\\[\\]P;0-9mJ\u{7}\\\\\nax\u{e9}]{0,40}") {
            let clean = printable(&text).into_owned();
            assert_eq!(printable(&clean), clean, "{text:?}");
            for part in clean.split('\u{1b}').skip(1) {
                let colour = part.strip_prefix('[').and_then(|part| part.split_once('m'));
                assert!(colour.is_some_and(|(codes, _)| codes.bytes().all(|b| b.is_ascii_digit() || b == b';')), "{clean:?}");
            }
        }
    }
}
