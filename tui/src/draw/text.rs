//! Rows of text in columns.

use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::theme::{Theme, Tone};

/// A row that grows to the right.
pub(crate) struct Row {
    theme: Theme,
    spans: Vec<Span<'static>>,
    width: usize,
}

impl Row {
    pub(crate) fn new(theme: Theme) -> Self {
        Self { theme, spans: Vec::new(), width: 0 }
    }

    pub(crate) fn theme(&self) -> Theme {
        self.theme
    }

    /// Columns so far.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Text, without what a terminal would act on.
    pub(crate) fn text(&mut self, text: &str, tone: Tone) -> &mut Self {
        self.span(Span::styled(session_api::plain(text).into_owned(), self.theme.style(tone)))
    }

    /// Text with a style of its own.
    pub(crate) fn span(&mut self, span: Span<'static>) -> &mut Self {
        self.width += width(&span.content);
        self.spans.push(span);
        self
    }

    /// A column that begins with its text.
    pub(crate) fn cell(&mut self, text: &str, columns: usize, tone: Tone) -> &mut Self {
        let text = fit(&session_api::plain(text), columns, self.theme.glyphs().cut);
        let rest = columns.saturating_sub(width(&text));
        self.text(&text, tone).text(&" ".repeat(rest), Tone::Plain)
    }

    /// A column that ends with its text.
    pub(crate) fn figure(&mut self, text: &str, columns: usize, tone: Tone) -> &mut Self {
        let text = fit(&session_api::plain(text), columns, self.theme.glyphs().cut);
        let rest = columns.saturating_sub(width(&text));
        self.text(&" ".repeat(rest), Tone::Plain).text(&text, tone)
    }

    /// A glyph so many times.
    pub(crate) fn repeat(&mut self, glyph: &str, times: usize, tone: Tone) -> &mut Self {
        self.text(&glyph.repeat(times), tone)
    }

    /// Nothing, up to that column.
    pub(crate) fn up_to(&mut self, column: usize) -> &mut Self {
        self.text(&" ".repeat(column.saturating_sub(self.width)), Tone::Plain)
    }
}

impl From<Row> for Line<'static> {
    fn from(row: Row) -> Self {
        Line::from(row.spans)
    }
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// A text in no more than so many columns; where it was cut, that is shown.
pub(crate) fn fit(text: &str, columns: usize, cut: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(cut));
    let mut fitted = head(text, room).0.to_owned();
    if columns >= width(cut) {
        fitted.push_str(cut);
    }
    fitted
}

/// A text in rows of no more than so many columns.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut rest = text;
    loop {
        let (row, after) = head(rest, columns.max(1));
        if after.is_empty() {
            rows.push(rest);
            return rows;
        }
        // A character that is wider than the screen is shown as far as it goes.
        let at = if row.is_empty() { rest.chars().next().map_or(0, char::len_utf8) } else { row.len() };
        // Between words where the row is not left half empty by it.
        let space = rest[..at].rfind(' ').map(|space| space + 1).filter(|space| *space > at / 2);
        let at = space.unwrap_or(at);
        rows.push(&rest[..at]);
        rest = &rest[at..];
        if rest.is_empty() {
            return rows;
        }
    }
}

/// As much of a text as so many columns take, and the rest.
fn head(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    let end = text.char_indices().find(|(_, character)| {
        used += character.width().unwrap_or(0);
        used > columns
    });
    text.split_at(end.map_or(text.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_columns_and_says_so() {
        assert_eq!(fit("moving_avg", 10, "…"), "moving_avg");
        assert_eq!(fit("moving_avg", 7, "…"), "moving…");
        assert_eq!(fit("温度温度", 5, "…"), "温度…");
        assert_eq!(fit("moving_avg", 0, "…"), "");
    }

    #[test]
    fn a_long_text_is_wrapped_without_loss() {
        assert_eq!(wrap("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(wrap("one two three", 9), ["one two ", "three"]);
        assert_eq!(wrap("温度", 1), ["温", "度"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
