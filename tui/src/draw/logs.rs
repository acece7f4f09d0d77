//! What services wrote.

use ratatui::style::Modifier;
use ratatui::text::Span;

use super::Scene;
use super::canvas::Canvas;
use super::text::{Row, fit, width, wrap};
use crate::log::{LogRing, ShownLine};
use crate::model::{Model, Pane};
use crate::theme::Tone;
use crate::{log_view, units};

/// Draws the lines, the latest at the bottom.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    canvas.title(scene, Pane::Logs, &of(scene));
    let height = canvas.height().saturating_sub(1);
    let shown = shown(scene.model, scene.logs, height);
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
        let mut row = Row::new(scene.theme);
        row.text("  nothing written yet", Tone::Dim);
        canvas.row(1, row);
        return;
    };
    let lines = log_view::lines_from(scene.model, scene.logs, *first);
    let lines: Vec<_> = lines.take_while(|(number, _)| number <= last).collect();
    let current = log_view::current(scene.model, scene.logs).map(|(number, _)| number);
    let names = lines.iter().map(|(_, line)| width(&line.service)).max().unwrap_or(0).min(20);
    let names = if canvas.width() < 60 { names.min(8) } else { names };
    let mut rows = Vec::new();
    for (number, line) in lines {
        let mark = scene.model.focus == Pane::Logs && current == Some(number);
        rows.extend(written(scene, line, names, canvas.width(), mark));
    }
    // With long lines over several rows the bottom one counts, unless the keys stand above it.
    let over = rows.len().saturating_sub(height);
    let keep_top = scene.model.logs.at.is_some() && current == Some(*first);
    for (at, row) in rows.into_iter().skip(if keep_top { 0 } else { over }).take(height).enumerate() {
        canvas.row(at + 1, row);
    }
}

/// The numbers of the lines that are shown: up to the last, or around the one the keys stand on.
pub(crate) fn shown(model: &Model, logs: &LogRing, height: usize) -> Vec<u64> {
    let Some((current, _)) = log_view::current(model, logs) else { return Vec::new() };
    let after = |number: u64, most: usize| {
        let next = log_view::lines_from(model, logs, number.saturating_add(1));
        next.map(|(number, _)| number).take(most).collect::<Vec<_>>()
    };
    let below = after(current, height / 2);
    let above = log_view::lines(model, logs).rev().map(|(number, _)| number).skip_while(|number| *number > current);
    let mut shown: Vec<u64> = above.take(height.saturating_sub(below.len())).collect();
    shown.reverse();
    shown.extend(below);
    if let Some(last) = shown.last().copied() {
        shown.extend(after(last, height.saturating_sub(shown.len())));
    }
    shown
}

fn of(scene: Scene<'_>) -> String {
    let view = &scene.model.logs;
    let mut parts = vec![view.service.clone().unwrap_or_else(|| "every service".into())];
    if let Some(trace) = &view.trace {
        parts.push(format!("request {trace}"));
    }
    if !view.search.is_empty() {
        parts.push(format!("/{}", view.search));
    }
    if view.at.is_some() {
        parts.push("held here, G goes on".into());
    }
    if scene.logs.lost() > 0 {
        parts.push(format!("{} lines lost", units::count(scene.logs.lost())));
    }
    parts.join(", ")
}

fn written(scene: Scene<'_>, line: &ShownLine, names: usize, columns: usize, current: bool) -> Vec<Row> {
    let theme = scene.theme;
    let head = |first: bool| {
        let mut row = Row::new(theme);
        row.text(if current && first { theme.glyphs().marker } else { " " }, Tone::Accent);
        if columns >= 60 {
            row.cell(&if first { units::clock(line.at_ms) } else { String::new() }, 8, Tone::Dim);
        }
        row.cell(if first { &line.service } else { "" }, names, Tone::Strong);
        let wall = if line.stderr { "!" } else { theme.glyphs().wall };
        row.text(" ", Tone::Plain).text(wall, if line.stderr { Tone::Busy } else { Tone::Dim }).text(" ", Tone::Plain);
        row
    };
    let room = columns.saturating_sub(head(true).width());
    // The line the keys stand on is read whole; so is every line of an expanded pane.
    let pieces = match current || scene.model.expanded {
        true => wrap(&line.line, room).into_iter().map(str::to_owned).collect(),
        false => vec![fit(&line.line, room, theme.glyphs().cut)],
    };
    let mut rows = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let mut row = head(at == 0);
        highlight(&mut row, piece, &scene.model.logs.search);
        rows.push(row);
    }
    rows
}

/// A text with what is searched for marked in it.
fn highlight(row: &mut Row, text: &str, sought: &str) {
    let marked = row.theme().chosen().add_modifier(Modifier::BOLD);
    let mut rest = text;
    while let Some((start, end)) = find(rest, sought) {
        row.text(&rest[..start], Tone::Plain).span(Span::styled(rest[start..end].to_owned(), marked));
        rest = &rest[end..];
    }
    row.text(rest, Tone::Plain);
}

/// Where a text has a part, whatever its case, in bytes.
fn find(text: &str, part: &str) -> Option<(usize, usize)> {
    let wanted: Vec<char> = part.chars().flat_map(char::to_lowercase).collect();
    if wanted.is_empty() {
        return None;
    }
    text.char_indices().find_map(|(start, _)| {
        let mut left = wanted.as_slice();
        for (at, character) in text[start..].char_indices() {
            for lower in character.to_lowercase() {
                let (first, others) = left.split_first()?;
                if *first != lower {
                    return None;
                }
                left = others;
            }
            if left.is_empty() {
                return Some((start, start + at + character.len_utf8()));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_part_is_found_whatever_its_case() {
        assert_eq!(find("ein Ärger", "ä"), Some((4, 6)));
        assert_eq!(find("aab", "ab"), Some((1, 3)));
        assert_eq!(find("ab", "abc"), None);
        assert_eq!(find("ab", ""), None);
    }
}
