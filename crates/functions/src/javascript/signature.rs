//! Names of a function's parameters, as far as its source says them.

/// The parameters of a function expression or declaration that the engine has read well. It is for people to look at:
/// what is taken apart and has no name is written as it stands.
pub(super) fn parameters(source: &str) -> Vec<String> {
    let mut text = Text { rest: source };
    text.skip_blanks();
    // `async x => …` and `x => …` have no brackets.
    let mut last = "";
    loop {
        match text.rest.chars().next() {
            Some('(') => break,
            Some(c) if is_of_word(c) => last = text.word(),
            Some('=') if text.rest.starts_with("=>") && !last.is_empty() => return vec![last.to_owned()],
            Some('*') => text.rest = &text.rest[1..],
            _ => return Vec::new(),
        }
        text.skip_blanks();
    }
    text.rest = &text.rest[1..];
    let mut found = Vec::new();
    loop {
        text.skip_blanks();
        let (part, end) = text.part();
        if !part.is_empty() {
            found.push(part);
        }
        if end != Some(',') {
            return found;
        }
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

struct Text<'a> {
    rest: &'a str,
}

impl<'a> Text<'a> {
    /// Skips blanks and comments.
    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let end = match self.rest.as_bytes() {
                [b'/', b'/', ..] => self.rest.find('\n').map(|at| at + 1),
                [b'/', b'*', ..] => self.rest.find("*/").map(|at| at + 2),
                _ => return,
            };
            self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
        }
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c| !is_of_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// One parameter without its default, and what ended it: a comma, or the bracket.
    fn part(&mut self) -> (String, Option<char>) {
        let (mut depth, mut in_default, mut part) = (0_u32, false, String::new());
        loop {
            if self.rest.starts_with("//") || self.rest.starts_with("/*") {
                self.skip_blanks();
            }
            let Some(c) = self.rest.chars().next() else { return (part.trim_end().to_owned(), None) };
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                ',' | ')' if depth == 0 => return (part.trim_end().to_owned(), Some(c)),
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                '=' if depth == 0 => in_default = true,
                '"' | '\'' | '`' => {
                    self.skip_quoted(c);
                    continue;
                }
                _ => {}
            }
            if !in_default {
                part.push(c);
            }
        }
    }

    fn skip_quoted(&mut self, quote: char) {
        let mut is_escaped = false;
        let end = self.rest.find(|c| {
            let is_end = c == quote && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        self.rest = &self.rest[end.map_or(self.rest.len(), |at| at + 1)..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_read_of_every_form() {
        let cases: &[(&str, &[&str])] = &[
            ("function add(a,b) { return a + b; }", &["a", "b"]),
            ("async function f(a, b = 2, ...rest) {}", &["a", "b", "...rest"]),
            ("(a, {b, c} = {}, [d]) => a", &["a", "{b, c}", "[d]"]),
            ("x => x", &["x"]),
            ("async x => x", &["x"]),
            ("() => 1", &[]),
            ("// says (why)\n function /* of */ name ( a /* first, */ , b = ')' ) {}", &["a", "b"]),
            ("function* g(a) {}", &["a"]),
            ("(", &[]),
            ("", &[]),
        ];
        for (source, expected) in cases {
            assert_eq!(parameters(source), *expected, "{source}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(source in "(?s).{0,80}") {
            parameters(&source);
        }

        #[test]
        fn text_of_the_language_is_read(source in r#"(?s)[a-z(){}\[\],=>"'`\\/* \n]{0,60}"#) {
            parameters(&source);
        }
    }
}
