//! Everything about one edit.

use session_api::snapshot::{EditLine, EditOutcome};
use session_api::verdict::Judgement;

use super::Scene;
use super::canvas::Canvas;
use super::edits::{outcome, phases};
use super::push;
use super::text::{Row, width, wrap};
use crate::edits::Entry;
use crate::theme::Tone;
use crate::{edits, model, units};

/// Draws the chosen edit.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let listed = edits::listed(scene.model, scene.snapshot);
    let edit = match listed.get(edits::chosen(scene.model, &listed)) {
        Some(Entry::Edit(edit)) => edit,
        Some(Entry::Push(push)) => return push::draw(scene, push, 0, canvas),
        None => {
            canvas.rule(scene, "edit", "none yet");
            return;
        }
    };
    let (_, word, _) = outcome(scene.theme, edit);
    let ago = units::ago(scene.snapshot.now_ms.saturating_sub(edit.at_ms));
    canvas.rule(scene, &format!("edit {}", edit.edit), &format!("{word}, saved {ago}"));
    for (at, row) in rows(scene, edit, canvas.width()).into_iter().enumerate() {
        canvas.row(at + 1, row);
    }
}

fn rows(scene: Scene<'_>, edit: &EditLine, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(ms) = edit.ms {
        let room = columns.saturating_sub(26).min(60);
        let scale = if ms.total > 0.0 { room as f64 / ms.total } else { 0.0 };
        let mut passed = 0.0;
        for (at, (name, took, tone)) in phases(ms).into_iter().enumerate() {
            let mut row = Row::new(scene.theme);
            row.text("  ", Tone::Plain).cell(name, 10, Tone::Plain);
            row.figure(&units::millis(took), 9, Tone::Strong).text("  ", Tone::Plain);
            let start = ((passed * scale) as usize).min(room.saturating_sub(1));
            passed += took.max(0.0);
            let end = ((passed * scale).round() as usize).clamp((start + 1).min(room), room);
            row.text(&" ".repeat(start), Tone::Plain).repeat(scene.theme.glyphs().split[2 - at], end - start, tone);
            rows.push(row);
        }
        let mut row = Row::new(scene.theme);
        row.text("  ", Tone::Plain).cell("total", 10, Tone::Plain).figure(&units::millis(ms.total), 9, Tone::Strong);
        if columns >= 80 {
            row.text("  from the settled save to the first answer of the new code", Tone::Dim);
        }
        rows.extend([row, Row::new(scene.theme)]);
    }
    if let EditOutcome::RolledBack { why } = &edit.outcome {
        for piece in wrap(why, columns.saturating_sub(3)) {
            let mut row = Row::new(scene.theme);
            row.text("  ", Tone::Plain).text(piece, Tone::Bad);
            rows.push(row);
        }
    }
    if matches!(edit.outcome, EditOutcome::Broken { .. })
        && model::is_broken(scene.snapshot)
        && edit.edit == scene.snapshot.edit
    {
        let mut row = Row::new(scene.theme);
        row.text("  enter shows what is wrong", Tone::Dim);
        rows.push(row);
    }
    let names = edit.services.iter().map(|service| width(&service.name)).max().unwrap_or(0).min(24);
    for service in &edit.services {
        let version = service.version.as_deref().map(units::short).unwrap_or("");
        for (part, piece) in wrap(&service.reason, columns.saturating_sub(names + 15)).into_iter().enumerate() {
            let mut row = Row::new(scene.theme);
            let (name, version) = if part == 0 { (service.name.as_str(), version) } else { ("", "") };
            row.text("  ", Tone::Plain).cell(name, names, Tone::Strong);
            row.text("  ", Tone::Plain).cell(version, 9, Tone::Dim).text(piece, Tone::Plain);
            rows.push(row);
        }
    }
    if let Some(Judgement::Done { verdicts }) = &edit.judgement {
        rows.push(Row::new(scene.theme));
        for verdict in verdicts {
            let tone = if verdict.differs() { Tone::Busy } else { Tone::Good };
            for (at, line) in verdict.lines().iter().enumerate() {
                for piece in wrap(line, columns.saturating_sub(3)) {
                    let mut row = Row::new(scene.theme);
                    row.text("  ", Tone::Plain).text(piece, if at == 0 { tone } else { Tone::Plain });
                    rows.push(row);
                }
            }
        }
    }
    if edit.flow {
        let mut row = Row::new(scene.theme);
        row.text("  services feed each other in another way", Tone::Plain);
        rows.push(row);
    }
    rows
}
