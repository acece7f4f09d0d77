//! A line cut into tokens. Cutting never fails: what fits nowhere is a token too.

use std::ops::Range;

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The kind.
    pub kind: TokenKind,
    /// The place in bytes of the line.
    pub at: Range<usize>,
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A name: of a service, of a command, of an input.
    Name,
    /// `$last`, `$1`.
    Reference,
    /// A number, or what begins like one.
    Number,
    /// `true`, `false` or `null`.
    Word,
    /// A string in double quotes.
    Text {
        /// Whether the closing quote is there.
        closed: bool,
    },
    /// A string that names a field: a colon follows.
    Key,
    /// One of `| ( ) , . = : { } [ ]`.
    Mark(char),
    /// A character that fits nowhere.
    Stray,
}

impl Token {
    /// Its text in the line it was cut from.
    pub fn text<'l>(&self, line: &'l str) -> &'l str {
        line.get(self.at.clone()).unwrap_or("")
    }

    pub(super) fn is(&self, mark: char) -> bool {
        self.kind == TokenKind::Mark(mark)
    }
}

/// Cuts a line into tokens, spaces left out.
pub fn tokens(line: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(first) = line[at..].chars().next() {
        let rest = &line[at..];
        let (kind, length) = match first {
            _ if first.is_whitespace() => {
                at += first.len_utf8();
                continue;
            }
            '"' => text(rest),
            '$' => (TokenKind::Reference, 1 + run(&rest[1..], is_name)),
            '|' | '(' | ')' | ',' | '.' | '=' | ':' | '{' | '}' | '[' | ']' => (TokenKind::Mark(first), 1),
            // Letters belong to it so that `3x` is one wrong number and not a number beside a name.
            '-' | '0'..='9' => {
                (TokenKind::Number, 1 + run(&rest[1..], |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-')))
            }
            _ if is_name(first) => {
                let length = run(rest, is_name);
                let word = matches!(&rest[..length], "true" | "false" | "null");
                (if word { TokenKind::Word } else { TokenKind::Name }, length)
            }
            _ => (TokenKind::Stray, first.len_utf8()),
        };
        if first == ':'
            && let Some(last) = tokens.last_mut()
            && last.kind == (TokenKind::Text { closed: true })
        {
            last.kind = TokenKind::Key;
        }
        tokens.push(Token { kind, at: at..at + length });
        at += length;
    }
    tokens
}

pub(super) fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// A string ends at its closing quote, or, where that is missing, with the line: JSON has no line ends in strings.
fn text(rest: &str) -> (TokenKind, usize) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return (TokenKind::Text { closed: false }, at),
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return (TokenKind::Text { closed: true }, at + 1),
            _ => {}
        }
    }
    (TokenKind::Text { closed: false }, rest.len())
}

/// Whether a line can be read as it stands; false while more of it must follow on the next line.
pub fn is_complete(line: &str) -> bool {
    let tokens = tokens(line);
    let mut open = Vec::new();
    for token in &tokens {
        let closes = match token.kind {
            TokenKind::Mark(mark @ ('(' | '[' | '{')) => {
                open.push(mark);
                continue;
            }
            TokenKind::Mark(')') => '(',
            TokenKind::Mark(']') => '[',
            TokenKind::Mark('}') => '{',
            // Nothing on the next line could mend it.
            TokenKind::Text { closed: false } | TokenKind::Stray => return true,
            _ => continue,
        };
        if open.pop() != Some(closes) {
            return true;
        }
    }
    open.is_empty() && !tokens.last().is_some_and(|last| last.is('|') && tokens.len() > 1)
}
