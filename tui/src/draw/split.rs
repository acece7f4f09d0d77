//! Where the time of a request goes: function, upstream, network, and our own work.

use session_api::measured::Window;

use super::Scene;
use super::canvas::Canvas;
use super::text::Row;
use crate::theme::Tone;
use crate::units;

/// The parts: name and tone, in the order of the glyphs.
const PARTS: [(&str, Tone); 4] = [
    ("function", Tone::Function),
    ("upstream", Tone::Upstream),
    ("network", Tone::Network),
    ("overhead", Tone::Overhead),
];

/// Medians of the parts; what is waited for upstream is told without the network.
fn medians(window: &Window) -> [u64; 4] {
    let upstream = window.upstream.p50.saturating_sub(window.network.p50);
    [window.function.p50, upstream, window.network.p50, window.overhead.p50]
}

/// The parts as one bar.
pub(crate) fn bar(row: &mut Row, window: Option<&Window>, columns: usize) {
    let parts = window.map(medians).unwrap_or_default();
    let total: u128 = parts.iter().copied().map(u128::from).sum();
    let glyphs = row.theme().glyphs();
    let (mut passed, mut drawn) = (0_u128, 0);
    for (at, part) in parts.iter().enumerate() {
        passed += u128::from(*part);
        let end = (passed * columns as u128).checked_div(total).map_or(0, |end| end as usize);
        row.repeat(glyphs.split[at], end - drawn, PARTS[at].1);
        drawn = end;
    }
    row.text(&" ".repeat(columns - drawn), Tone::Plain);
}

/// The parts in a row each: glyph, name, median, share.
pub(crate) fn legend(scene: Scene<'_>, canvas: &mut Canvas<'_>, window: &Window) -> usize {
    let parts = medians(window);
    let total = parts.iter().map(|part| *part as f64).sum::<f64>().max(1.0);
    let bar = canvas.width().saturating_sub(34).min(30);
    for (at, (name, tone)) in PARTS.into_iter().enumerate() {
        let glyph = scene.theme.glyphs().split[at];
        let mut row = Row::new(scene.theme);
        row.text("  ", Tone::Plain).cell(name, 10, Tone::Plain);
        let none = parts[at] == 0;
        row.figure(&units::micros(scene.theme, parts[at]), 9, if none { Tone::Dim } else { Tone::Strong });
        let percent = (parts[at] as f64 * 100.0 / total).round();
        row.figure(&format!("{percent} %"), 7, Tone::Dim).text("  ", Tone::Plain);
        row.repeat(glyph, (parts[at] as f64 * bar as f64 / total).round() as usize, tone);
        canvas.row(at, row);
    }
    PARTS.len()
}
