//! What was measured: a row a service.

use session_api::measured::{MeasuredHop, Window};

use super::Scene;
use super::canvas::Canvas;
use super::flow::nothing_listed;
use super::split;
use super::text::{Row, width};
use crate::model::{self, Pane};
use crate::theme::Tone;
use crate::{layout, units};

/// Columns of figures: head, width, and from which width of the pane on they are shown.
const COLUMNS: [(&str, usize, usize); 8] = [
    ("req/s", 8, 0),
    ("errors", 8, 0),
    ("in flight", 11, 72),
    ("p50", 9, 0),
    ("p90", 9, 60),
    ("p99", 9, 48),
    ("max", 9, 80),
    ("n", 8, 92),
];

/// Draws the table.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let (model, snapshot) = (scene.model, scene.snapshot);
    canvas.title(scene, Pane::Hops, &of(scene));
    let listed = model::listed(model, snapshot);
    let shown: Vec<_> = COLUMNS.iter().filter(|column| column.2 <= canvas.width()).collect();
    let figures: usize = shown.iter().map(|column| column.1).sum();
    let room = canvas.width().saturating_sub(figures + 3);
    let longest = listed.iter().map(|service| width(&service.name)).max().unwrap_or(0);
    let names = longest.clamp(7, 24).min(room);
    let rest = room - names;
    // The split takes half of what is left; a minute needs no more than its seconds.
    let split = if rest >= 26 { (rest / 2 - 2).min(28) } else { 0 };
    let spark = if split > 0 { (rest - split - 4).min(60) } else { 0 };
    let mut head = Row::new(scene.theme);
    head.text("   ", Tone::Plain).cell("service", names, Tone::Dim);
    for (name, columns, _) in &shown {
        head.figure(name, *columns, Tone::Dim);
    }
    if split > 0 {
        head.text("  ", Tone::Plain).cell("time", split, Tone::Dim);
        head.text("  ", Tone::Plain).cell("last minute", spark, Tone::Dim);
    }
    canvas.row(1, head);
    if listed.is_empty() {
        canvas.row(2, nothing_listed(scene));
    }
    let chosen = model::chosen(model, snapshot, &listed);
    let height = canvas.height().saturating_sub(2);
    let first = layout::first(chosen, listed.len(), height);
    for (at, service) in listed.iter().enumerate().skip(first).take(height) {
        let hop = snapshot.hops.get(&service.name);
        let window = hop.and_then(|hop| window(scene, hop));
        let mut row = Row::new(scene.theme);
        row.text(if at == chosen { scene.theme.glyphs().marker } else { " " }, Tone::Accent);
        let (glyph, _, tone) = scene.theme.condition(service.state);
        row.text(glyph, tone).text(" ", Tone::Plain);
        row.cell(&service.name, names, Tone::Strong);
        for (name, columns, _) in &shown {
            let (figure, tone) = figure(scene, name, hop, window);
            row.figure(&figure, *columns, tone);
        }
        if split > 0 {
            row.text("  ", Tone::Plain);
            split::bar(&mut row, window, split);
            row.text("  ", Tone::Plain);
            sparkline(&mut row, hop.map_or(&[], |hop| &hop.per_second), spark);
        }
        canvas.row(2 + at - first, row);
        if at == chosen && model.focus == Pane::Hops {
            canvas.choose(2 + at - first, scene.theme.chosen());
        }
    }
}

/// The window that is shown of a hop.
pub(crate) fn window<'a>(scene: Scene<'_>, hop: &'a MeasuredHop) -> Option<&'a Window> {
    hop.windows.get(scene.model.window).or(hop.windows.last())
}

/// How long the window is, in words.
pub(crate) fn of(scene: Scene<'_>) -> String {
    let seconds = scene.snapshot.hops.values().find_map(|hop| window(scene, hop)).map(|window| window.seconds);
    match seconds {
        None => "nothing measured yet".into(),
        Some(seconds) if seconds % 60 == 0 => format!("last {}", units::many(seconds as usize / 60, "minute")),
        Some(seconds) => format!("last {}", units::many(seconds as usize, "second")),
    }
}

fn figure(scene: Scene<'_>, name: &str, hop: Option<&MeasuredHop>, window: Option<&Window>) -> (String, Tone) {
    let (Some(hop), Some(window)) = (hop, window) else { return ("-".into(), Tone::Dim) };
    let quiet = |none: bool| if none { Tone::Dim } else { Tone::Plain };
    let time = |micros: u64| match window.n {
        0 => ("-".into(), Tone::Dim),
        _ => (units::micros(scene.theme, micros), Tone::Plain),
    };
    match name {
        "req/s" => (units::rate(window.rate), quiet(window.rate < 0.05)),
        "errors" => (units::count(window.errors), if window.errors > 0 { Tone::Bad } else { Tone::Dim }),
        "in flight" => (units::count(hop.in_flight.into()), quiet(hop.in_flight == 0)),
        "p50" => time(window.total.p50),
        "p90" => time(window.total.p90),
        "p99" => time(window.total.p99),
        "max" => time(window.total.max),
        _ => (units::count(window.n), quiet(window.n == 0)),
    }
}

/// Requests a second, the latest at the right.
pub(crate) fn sparkline(row: &mut Row, seconds: &[u32], columns: usize) {
    let levels = &row.theme().glyphs().levels;
    let shown = &seconds[seconds.len().saturating_sub(columns)..];
    let most = shown.iter().copied().max().unwrap_or(0).max(1);
    row.text(&" ".repeat(columns - shown.len()), Tone::Plain);
    let text: String = shown
        .iter()
        .map(|count| {
            let level = (u64::from(*count) * 8).div_ceil(u64::from(most));
            levels[usize::try_from(level).unwrap_or(8).min(8)]
        })
        .collect();
    row.text(&text, Tone::Accent);
}
