//! Everything measured of one service, and one request beside it.

use session_api::measured::{HopComparison, MoveComparison, SpeedVerdict};

use super::Scene;
use super::canvas::Canvas;
use super::text::Row;
use super::{histogram, hops, request, split};
use crate::theme::{Theme, Tone};
use crate::{model, units};

/// Draws the chosen service's figures, and the chosen request.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let (width, height) = (canvas.width(), canvas.height());
    if width >= 100 {
        let left = width / 2 - 1;
        figures(scene, &mut canvas.part(0, 0, left, height), false);
        request::draw(scene, &mut canvas.part(left + 2, 0, width, height));
    } else {
        let spans = scene.snapshot.traces.get(scene.model.trace).map_or(0, |trace| trace.spans.len());
        let below = if spans == 0 { 0 } else { (spans + 1).min(height / 2) };
        figures(scene, &mut canvas.part(0, 0, width, height - below), true);
        request::draw(scene, &mut canvas.part(0, height - below, width, below));
    }
}

/// The figures of a service; with a sparkline where the table had no room for one.
fn figures(scene: Scene<'_>, canvas: &mut Canvas<'_>, spark: bool) {
    let Some(service) = model::chosen_service(scene.model, scene.snapshot) else {
        canvas.rule(scene, "service", "");
        return;
    };
    let hop = scene.snapshot.hops.get(&service.name);
    let window = hop.and_then(|hop| hops::window(scene, hop));
    let n = window.map(|window| format!("median of {}, n {}", hops::of(scene), units::count(window.n)));
    canvas.rule(scene, &service.name, n.as_deref().unwrap_or("nothing measured yet"));
    let (width, height) = (canvas.width(), canvas.height());
    let mut at = 1;
    if let Some(comparison) = hop.and_then(|hop| hop.edit.as_ref()) {
        canvas.row(at, compared(scene.theme, comparison));
        at += 1;
    }
    if let Some(comparison) = hop.and_then(|hop| hop.moved.as_ref()) {
        canvas.row(at, moved(scene.theme, comparison));
        at += 1;
    }
    let Some(window) = window.filter(|window| window.n > 0) else { return };
    at += split::legend(scene, &mut canvas.part(0, at, width, height.saturating_sub(at)), window);
    if let Some(hop) = hop.filter(|_| spark) {
        let mut row = Row::new(scene.theme);
        row.text("  ", Tone::Plain).cell("last minute", 28, Tone::Plain);
        let columns = width.saturating_sub(row.width() + 2).min(60);
        hops::sparkline(&mut row, &hop.per_second, columns);
        canvas.row(at, row);
        at += 1;
    }
    if height > at + 2 {
        histogram::draw(scene, &mut canvas.part(0, at + 1, width, height - at - 1), &window.histogram);
    }
}

/// Before and after the last edit. A judgement only where the samples support one.
fn compared(theme: Theme, comparison: &HopComparison) -> Row {
    let HopComparison { before_p50, before_n, after_p50, after_n, verdict, .. } = *comparison;
    sides(theme, &format!("edit {}", comparison.edit), [(before_p50, before_n), (after_p50, after_n)], verdict)
}

/// The same of what requests took beside functions, since other services share its host.
fn moved(theme: Theme, comparison: &MoveComparison) -> Row {
    let MoveComparison { before_p50, before_n, after_p50, after_n, verdict, .. } = *comparison;
    sides(theme, "move", [(before_p50, before_n), (after_p50, after_n)], verdict)
}

fn sides(theme: Theme, what: &str, [before, after]: [(u64, u64); 2], verdict: SpeedVerdict) -> Row {
    let mut row = Row::new(theme);
    row.text("  ", Tone::Plain).cell(what, 10, Tone::Plain);
    let time = |nanos, n| if n == 0 { "-".into() } else { units::nanos(theme, nanos) };
    row.text(" p50 ", Tone::Dim);
    row.text(&time(before.0, before.1), Tone::Strong).text(" -> ", Tone::Dim);
    row.text(&time(after.0, after.1), Tone::Strong);
    let (before, after) = (units::count(before.1), units::count(after.1));
    row.text(&format!(" (n {before} / {after})"), Tone::Dim);
    match verdict {
        SpeedVerdict::Slower => row.text("  slower", Tone::Bad),
        SpeedVerdict::Faster => row.text("  faster", Tone::Good),
        SpeedVerdict::NoEvidence => &mut row,
    };
    row
}
