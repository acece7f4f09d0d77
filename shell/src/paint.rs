//! Colours, where they are wanted. Words and glyphs say everything without them.

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use session_api::grammar::{TokenKind, tokens};

/// Whether and how to colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    pub(crate) on: bool,
}

pub(crate) const ERROR: Style = color(AnsiColor::Red).bold();
pub(crate) const HINT: Style = color(AnsiColor::Cyan);
pub(crate) const QUIET: Style = Style::new().dimmed();
pub(crate) const PROMPT: Style = color(AnsiColor::Green).bold();

const fn color(color: AnsiColor) -> Style {
    color.on_default()
}

impl Paint {
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if self.on && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A line of the grammar, or JSON.
    pub(crate) fn line(self, line: &str) -> String {
        if !self.on {
            return line.to_owned();
        }
        let mut painted = String::with_capacity(line.len() * 2);
        let mut at = 0;
        let mut command = false;
        for token in tokens(line) {
            painted.push_str(&line[at..token.at.start]);
            let first = at == 0 && line[..token.at.start].trim().is_empty();
            let style = match token.kind {
                TokenKind::Mark(':') if first => color(AnsiColor::Magenta),
                TokenKind::Name if command => color(AnsiColor::Magenta),
                TokenKind::Name => Style::new().bold(),
                TokenKind::Reference => color(AnsiColor::Cyan),
                TokenKind::Number => color(AnsiColor::Yellow),
                TokenKind::Word => color(AnsiColor::Magenta),
                TokenKind::Text { closed: true } => color(AnsiColor::Green),
                TokenKind::Key => color(AnsiColor::Blue),
                TokenKind::Text { closed: false } | TokenKind::Stray => color(AnsiColor::Red),
                TokenKind::Mark('|' | '=') => color(AnsiColor::Cyan),
                TokenKind::Mark(_) => Style::new(),
            };
            command = first && token.kind == TokenKind::Mark(':');
            at = token.at.end;
            painted.push_str(&self.paint(style, token.text(line)));
        }
        painted.push_str(&line[at..]);
        painted
    }

    /// A value: over several lines for a person, on one line for a program.
    pub(crate) fn value(self, value: &Value, pretty: bool) -> String {
        self.line(&harmless(&if pretty { format!("{value:#}") } else { value.to_string() }))
    }
}

/// A text that does nothing to a terminal: control characters, and those that nobody sees, as their codes, but for line
/// ends and tabs.
pub(crate) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => harmless.push(c),
            _ if c.is_control() || session_api::is_unseen(c) => {
                // As JSON has it, so that a value stays one.
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| harmless.push_str(&format!("\\u{unit:04x}")));
            }
            _ => harmless.push(c),
        }
    }
    harmless
}
