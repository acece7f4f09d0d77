//! One request, whole: a bar a service, as the request went from one to the next.

use session_api::measured::MeasuredSpan;

use super::Scene;
use super::canvas::Canvas;
use super::text::{Row, width};
use crate::theme::Tone;
use crate::units;

/// Draws the chosen request.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let traces = &scene.snapshot.traces;
    let Some(trace) = traces.get(scene.model.trace).or(traces.last()) else {
        canvas.rule(scene, "request", "none seen yet");
        return;
    };
    let at = scene.model.trace.min(traces.len() - 1) + 1;
    let ago = units::ago(scene.snapshot.now_ms.saturating_sub(trace.at_ms));
    let partial = if trace.partial { ", parts are missing" } else { "" };
    let total = units::micros(scene.theme, trace.total);
    let latest = traces.iter().all(|other| other.at_ms <= trace.at_ms);
    let which = if at == 1 {
        "slowest "
    } else if latest {
        "latest "
    } else {
        ""
    };
    let name = format!("{which}request {at}/{}", traces.len());
    canvas.rule(scene, &name, &format!("{total}, {ago}{partial} {}", trace.id));
    let names = trace.spans.iter().map(|span| indent(span) + width(&span.service)).max().unwrap_or(0).min(24);
    let end = trace.spans.iter().map(|span| span.start.saturating_add(span.total)).max().unwrap_or(0);
    let end = end.max(trace.total).max(1);
    for (row, span) in trace.spans.iter().enumerate() {
        canvas.row(row + 1, bar(scene, span, names, end, canvas.width()));
    }
}

fn indent(span: &MeasuredSpan) -> usize {
    usize::try_from(span.depth).unwrap_or(usize::MAX).min(12)
}

fn bar(scene: Scene<'_>, span: &MeasuredSpan, names: usize, end: u64, columns: usize) -> Row {
    let mut row = Row::new(scene.theme);
    let tone = if span.error.is_some() || span.status >= 400 { Tone::Bad } else { Tone::Plain };
    row.text("  ", Tone::Plain).cell(&format!("{}{}", " ".repeat(indent(span)), span.service), names, tone);
    row.figure(&units::micros(scene.theme, span.total), 9, Tone::Strong).text("  ", Tone::Plain);
    if let Some(error) = &span.error {
        row.text(&format!("{} {error}", span.status), Tone::Bad);
        return row;
    }
    let room = columns.saturating_sub(row.width() + 1);
    let column = |micros: u64| (u128::from(micros.min(end)) * room as u128 / u128::from(end)) as usize;
    // Inputs are fetched before the function is called: what a part did itself stands at its end.
    let start = column(span.start);
    let stop = column(span.start.saturating_add(span.total)).clamp((start + 1).min(room), room);
    let solid = column(span.function).max(1).min(stop.saturating_sub(start));
    row.text(&" ".repeat(start), Tone::Plain);
    row.repeat(scene.theme.glyphs().faint, stop.saturating_sub(start + solid), Tone::Dim);
    row.repeat(scene.theme.glyphs().bar, solid, Tone::Function);
    row
}
