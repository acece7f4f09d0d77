//! The line at the top, which is all there is on a small screen.

use session_api::snapshot::{Condition, EditOutcome, Phase};

use super::Scene;
use super::canvas::Canvas;
use super::push;
use super::text::{Row, width};
use crate::theme::Tone;
use crate::{graph, model, units};

/// The app and how it does.
pub(crate) fn header(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let snapshot = scene.snapshot;
    let mut row = Row::new(scene.theme);
    row.text(" ", Tone::Plain).text(&snapshot.app, Tone::Strong).text("  ", Tone::Plain);
    let (glyph, words, tone) = state(scene);
    row.text(glyph, tone).text(" ", Tone::Plain).text(&words, tone);
    let mut right = Vec::new();
    if scene.model.frozen.is_some() {
        right.push(("frozen".to_owned(), Tone::Busy));
    }
    if let Some(push) = model::open_push(snapshot) {
        let (_, words, tone) = push::stage(scene.theme, push);
        right.push((format!("{} {words}", push.act.word()), tone));
    }
    if let Some(written) = &snapshot.recording.written {
        let lost = if written.lost > 0 { format!(", {} lost", units::count(written.lost)) } else { String::new() };
        let tone = if written.lost > 0 { Tone::Bad } else { Tone::Busy };
        right.push((format!("recording {}: {}{lost}", written.name, units::count(written.requests)), tone));
    }
    if snapshot.dropped > 0 {
        right.push((format!("{} requests without detail", units::count(snapshot.dropped)), Tone::Dim));
    }
    if let Some(url) = &snapshot.url {
        right.push((url.clone(), Tone::Plain));
    }
    if let Some(backend) = &snapshot.backend {
        right.push((backend.clone(), Tone::Dim));
    }
    let right_width = |right: &[(String, Tone)]| right.iter().map(|(text, _)| width(text) + 2).sum::<usize>();
    while row.width() + right_width(&right) > canvas.width() && right.pop().is_some() {}
    row.up_to(canvas.width().saturating_sub(right_width(&right)));
    for (text, tone) in &right {
        row.text(text, *tone).text("  ", Tone::Plain);
    }
    canvas.row(0, row);
}

/// Everything in one line, most important first.
pub(crate) fn line(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let snapshot = scene.snapshot;
    let (glyph, words, tone) = state(scene);
    let mut row = Row::new(scene.theme);
    row.text(glyph, tone).text(" ", Tone::Plain).text(&words, tone);
    let mut facts = Vec::new();
    let last = graph::order(snapshot).last().map(|at| &snapshot.services[*at]);
    let hop = last.and_then(|service| snapshot.hops.get(&service.name));
    if let Some(window) = hop.and_then(|hop| hop.windows.get(scene.model.window).or(hop.windows.last())) {
        facts.push(format!("{}/s", units::rate(window.rate)));
        facts.push(format!("p50 {}", units::micros(scene.theme, window.total.p50)));
    }
    if let Some(edit) = snapshot.edits.last().filter(|edit| edit.edit > 0 && edit.outcome == EditOutcome::Live) {
        facts.push(format!("edit {} live", edit.edit));
    }
    for fact in facts {
        if row.width() + 2 + width(&fact) <= canvas.width() {
            row.text("  ", Tone::Plain).text(&fact, Tone::Plain);
        }
    }
    canvas.row(0, row);
}

/// Glyph, words and tone of the session.
fn state(scene: Scene<'_>) -> (&'static str, String, Tone) {
    let (theme, snapshot) = (scene.theme, scene.snapshot);
    let glyphs = theme.glyphs();
    let count = |wanted: Condition| snapshot.services.iter().filter(|service| service.state == wanted).count();
    let all = snapshot.services.len();
    let down = count(Condition::Down);
    match snapshot.phase {
        Phase::Starting if all == 0 => (glyphs.starting, "starting".into(), Tone::Busy),
        Phase::Starting => (glyphs.starting, format!("starting {}/{all}", count(Condition::Live)), Tone::Busy),
        Phase::Broken => {
            let errors = snapshot.diagnostics.iter().filter(|d| d.severity == session_api::Severity::Error).count();
            (glyphs.stale, format!("broken: {}", units::many(errors, "error")), Tone::Bad)
        }
        Phase::Closing => (glyphs.draining, "stopping".into(), Tone::Busy),
        _ if down > 0 => (glyphs.down, format!("{down} of {all} down"), Tone::Bad),
        Phase::Building => (glyphs.building, format!("building edit {}", snapshot.edit), Tone::Busy),
        Phase::Serving if all == 0 => (glyphs.starting, "no services".into(), Tone::Dim),
        Phase::Serving => (glyphs.live, format!("serving {all}/{all}"), Tone::Good),
    }
}
