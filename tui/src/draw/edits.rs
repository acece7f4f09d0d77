//! What was saved and what became of it, latest first.

use session_api::EditTimes;
use session_api::snapshot::{EditLine, EditOutcome};

use super::Scene;
use super::canvas::Canvas;
use super::push;
use super::text::Row;
use crate::edits::Entry;
use crate::model::Pane;
use crate::theme::{Theme, Tone};
use crate::{edits, layout, units};

/// Draws the timeline.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let (model, snapshot, theme) = (scene.model, scene.snapshot, scene.theme);
    let totals = snapshot.totals;
    let mut of = match totals.n {
        0 => "save the file and see".to_owned(),
        n => format!("save to live p50 {} p95 {} (n {n})", units::millis(totals.p50), units::millis(totals.p95)),
    };
    if !snapshot.diagnostics.is_empty() {
        of = format!("{}, enter reads", units::many(snapshot.diagnostics.len(), "diagnostic"));
    }
    canvas.title(scene, Pane::Edits, &of);
    let listed = edits::listed(model, snapshot);
    let chosen = edits::chosen(model, &listed);
    let height = canvas.height().saturating_sub(1);
    let first = layout::first(chosen, listed.len(), height);
    // The start takes so long that beside it no edit would be seen.
    let edits = || snapshot.edits.iter().filter(|edit| edit.edit > 0);
    let longest = edits().filter_map(|edit| edit.ms).map(|ms| ms.total).fold(0.0, f64::max);
    for (at, entry) in listed.iter().enumerate().skip(first).take(height) {
        let mut row = Row::new(theme);
        row.text(if at == chosen { theme.glyphs().marker } else { " " }, Tone::Accent);
        let (number, (glyph, word, tone), ms, bars) = match entry {
            Entry::Edit(edit) => (edit.edit.to_string(), outcome(theme, edit), edit.ms.map(|ms| ms.total), edit.ms),
            Entry::Push(push) => (format!("p{}", push.push), push::stage(theme, push), push::took(push), None),
        };
        row.figure(&number, 3, Tone::Strong).figure(&units::clock(entry.at_ms()), 7, Tone::Dim);
        row.text("  ", Tone::Plain).text(glyph, tone).text(" ", Tone::Plain).cell(&word, 11, tone);
        if canvas.width() >= 50 {
            let total = ms.map(units::millis);
            row.figure(total.as_deref().unwrap_or(""), 8, Tone::Plain).text("  ", Tone::Plain);
        }
        if canvas.width() >= 100 {
            bar(&mut row, bars, longest, 24);
            row.text("  ", Tone::Plain);
        }
        let room = canvas.width().saturating_sub(row.width());
        row.cell(&entry.what(), room, Tone::Plain);
        canvas.row(1 + at - first, row);
        if at == chosen && model.focus == Pane::Edits {
            canvas.choose(1 + at - first, theme.chosen());
        }
    }
}

/// Glyph, word and tone of what became of an edit.
pub(crate) fn outcome(theme: Theme, edit: &EditLine) -> (&'static str, String, Tone) {
    let glyphs = theme.glyphs();
    match &edit.outcome {
        EditOutcome::Open => (glyphs.building, "building".into(), Tone::Busy),
        EditOutcome::Live => (glyphs.live, "live".into(), Tone::Good),
        EditOutcome::Unchanged => (glyphs.starting, "unchanged".into(), Tone::Dim),
        EditOutcome::Broken { errors } => (glyphs.down, units::many(*errors, "error"), Tone::Bad),
        EditOutcome::RolledBack { .. } => (glyphs.stale, "rolled back".into(), Tone::Bad),
        EditOutcome::Superseded => (glyphs.starting, "superseded".into(), Tone::Dim),
    }
}

/// The phases of an edit: name, milliseconds, tone.
pub(crate) fn phases(ms: EditTimes) -> [(&'static str, f64, Tone); 3] {
    [("parse", ms.parse, Tone::Network), ("build", ms.build, Tone::Upstream), ("takeover", ms.takeover, Tone::Function)]
}

/// The phases as one bar; the longest edit fills it.
pub(crate) fn bar(row: &mut Row, ms: Option<EditTimes>, longest: f64, columns: usize) {
    let begun = row.width();
    if let Some(ms) = ms.filter(|_| longest > 0.0) {
        let glyphs = row.theme().glyphs();
        let scale = columns as f64 / longest;
        let mut passed = 0.0;
        for (at, (_, took, tone)) in phases(ms).into_iter().enumerate() {
            passed += took.max(0.0);
            let end = ((passed * scale).round() as usize).min(columns);
            row.repeat(glyphs.split[2 - at], end.saturating_sub(row.width() - begun), tone);
        }
    }
    row.up_to(begun + columns);
}
