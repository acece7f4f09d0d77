//! What is wrong with the file, as rustc draws it: the message, the user's own line with carets, how to mend it.

use session_api::{Diagnostic, Severity};

use super::Scene;
use super::canvas::Canvas;
use super::text::{Row, width, wrap};
use crate::theme::Tone;
use crate::{model, units};

/// Draws the diagnostics, the chosen one in sight.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let findings = &scene.snapshot.diagnostics;
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counted = [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")];
    let counted = counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| units::many(*n, word));
    let mut of = counted.collect::<Vec<_>>().join(", ");
    let broken = model::is_broken(scene.snapshot);
    if broken && scene.snapshot.url.is_some() {
        of.push_str("; the old version still serves");
    }
    let edit = scene.snapshot.edit;
    canvas.rule(scene, &if broken { format!("edit {edit} is broken") } else { format!("edit {edit}") }, &of);
    let mut rows = Vec::new();
    let mut chosen = 0;
    for (at, finding) in findings.iter().enumerate() {
        if at == scene.model.diagnostic {
            chosen = rows.len();
        }
        rows.extend(finding_rows(scene, finding, at == scene.model.diagnostic, canvas.width()));
    }
    let height = canvas.height().saturating_sub(1);
    let first = if rows.len() <= height { 0 } else { chosen.min(rows.len() - height) };
    for (at, row) in rows.into_iter().skip(first).take(height).enumerate() {
        canvas.row(at + 1, row);
    }
}

fn finding_rows(scene: Scene<'_>, finding: &Diagnostic, chosen: bool, columns: usize) -> Vec<Row> {
    let theme = scene.theme;
    let (word, tone) = match finding.severity {
        Severity::Error => ("error", Tone::Bad),
        Severity::Warning => ("warning", Tone::Busy),
    };
    let mut rows = vec![Row::new(theme)];
    let message = format!("{word}: {}", finding.message);
    for (at, piece) in message.lines().flat_map(|line| wrap(line, columns.saturating_sub(3))).enumerate() {
        let mut row = Row::new(theme);
        row.text(if chosen && at == 0 { theme.glyphs().marker } else { " " }, Tone::Accent).text(" ", Tone::Plain);
        match piece.strip_prefix(word).filter(|_| at == 0) {
            Some(rest) => row.text(word, tone).text(&session_api::plain(rest), Tone::Strong),
            None => row.text(piece, Tone::Strong),
        };
        rows.push(row);
    }
    let place = &finding.place;
    let digits = place.line.to_string().len();
    let gutter = |row: &mut Row, number: &str| {
        row.text("  ", Tone::Plain).figure(number, digits, Tone::Accent).text(" | ", Tone::Accent);
    };
    let mut row = Row::new(theme);
    row.text(&" ".repeat(digits + 2), Tone::Plain).text("--> ", Tone::Accent);
    row.text(&format!("{}:{}:{}", place.file.display(), place.line, place.column), Tone::Plain);
    if let Some(service) = &finding.service {
        row.text(&format!("  stops {service}"), Tone::Dim);
    }
    rows.push(row);
    let line = scene.model.sources.get(&place.file).and_then(|text| text.lines().nth(place.line.checked_sub(1)?));
    if let Some(line) = line {
        let (before, marked) = marked(finding, line);
        let mut row = Row::new(theme);
        gutter(&mut row, &place.line.to_string());
        row.text(line, Tone::Plain);
        rows.push(row);
        let mut row = Row::new(theme);
        gutter(&mut row, "");
        row.text(&" ".repeat(before), Tone::Plain).repeat("^", marked, tone);
        rows.push(row);
    }
    for related in &finding.related {
        let place = &related.place;
        let words = format!("{}, at {}:{}:{}", related.message, place.file.display(), place.line, place.column);
        for (at, piece) in wrap(&words, columns.saturating_sub(digits + 12)).into_iter().enumerate() {
            let mut row = Row::new(theme);
            row.text(&" ".repeat(digits + 3), Tone::Plain);
            row.text(if at == 0 { "= note: " } else { "        " }, Tone::Accent).text(piece, Tone::Plain);
            rows.push(row);
        }
    }
    if let Some(help) = &finding.help {
        for (at, piece) in help.lines().flat_map(|line| wrap(line, columns.saturating_sub(digits + 12))).enumerate() {
            let mut row = Row::new(theme);
            row.text(&" ".repeat(digits + 3), Tone::Plain);
            row.text(if at == 0 { "= hint: " } else { "        " }, Tone::Accent).text(piece, Tone::Plain);
            rows.push(row);
        }
    }
    rows
}

/// Columns before the place, and columns that it covers on its first line: at least one.
fn marked(finding: &Diagnostic, line: &str) -> (usize, usize) {
    let place = &finding.place;
    let columns = |from: usize, to: usize| {
        let part: String = line.chars().skip(from).take(to.saturating_sub(from)).collect();
        width(&session_api::plain(&part))
    };
    let start = place.column.saturating_sub(1);
    let end = if place.end_line > place.line { usize::MAX } else { place.end_column.saturating_sub(1) };
    (columns(0, start), columns(start, end).max(1))
}
