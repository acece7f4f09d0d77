//! Buckets: a row a bucket, a column a place, a cell a copy.

use session_api::data::{BucketRow, CopyCell, CopyHealth, DataMatrix};

use super::Scene;
use super::canvas::Canvas;
use super::text::{Row, width};
use crate::model::Pane;
use crate::theme::{Theme, Tone};
use crate::{data, layout, units};

/// Columns of a place: a glyph, `refusing 1.2M`, and room between.
const CELL: usize = 16;

/// Draws the pane.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let Some(matrix) = &scene.snapshot.data else {
        canvas.title(scene, Pane::Data, "no data server tells of buckets");
        return;
    };
    canvas.title(scene, Pane::Data, &matrix.headline());
    let listed = data::listed(scene.model, scene.snapshot);
    let longest = listed.iter().map(|bucket| width(&bucket.name)).max().unwrap_or(0);
    let names = longest.clamp(6, 24).min(canvas.width().saturating_sub(CELL + 3));
    let places = shown(matrix, canvas.width().saturating_sub(names + 3));
    canvas.row(1, head(scene.theme, matrix, places, names));
    let chosen = data::chosen(scene.model, &listed);
    let height = canvas.height().saturating_sub(2);
    let first = layout::first(chosen, listed.len(), height);
    for (at, bucket) in listed.iter().enumerate().skip(first).take(height) {
        let marker = if at == chosen { scene.theme.glyphs().marker } else { " " };
        let mut row = Row::new(scene.theme);
        row.text(marker, Tone::Accent);
        line(&mut row, bucket, places, names);
        canvas.row(2 + at - first, row);
        if at == chosen && scene.model.focus == Pane::Data {
            canvas.choose(2 + at - first, scene.theme.chosen());
        }
    }
}

/// As many places as there is room for, in their order.
fn shown(matrix: &DataMatrix, room: usize) -> &[String] {
    &matrix.places[..matrix.places.len().min((room / CELL).max(1))]
}

fn head(theme: Theme, matrix: &DataMatrix, places: &[String], names: usize) -> Row {
    let mut row = Row::new(theme);
    row.text("   ", Tone::Plain).cell("bucket", names, Tone::Dim);
    for place in places {
        row.text("  ", Tone::Plain).cell(place, CELL - 2, Tone::Dim);
    }
    let more = matrix.places.len() - places.len();
    if more > 0 {
        row.text(&format!("and {more} more"), Tone::Dim);
    }
    row
}

fn line(row: &mut Row, bucket: &BucketRow, places: &[String], names: usize) {
    let theme = row.theme();
    let (glyph, tone) = match bucket.is_alarm() {
        true => (theme.glyphs().down, Tone::Bad),
        false => (" ", Tone::Plain),
    };
    row.text(glyph, tone).text(" ", Tone::Plain);
    row.cell(&bucket.name, names, if bucket.is_alarm() { Tone::Bad } else { Tone::Strong });
    for place in places {
        row.text("  ", Tone::Plain);
        cell(row, bucket.at(place).min_by_key(|copy| copy.health()));
    }
    if bucket.state != "following" {
        row.text(&format!("  {}", bucket.state), if bucket.state == "held" { Tone::Bad } else { Tone::Busy });
    }
    row.text(&format!("  {}", units::bytes(bucket.bytes)), Tone::Dim);
}

/// A copy; of several in a place the one that is worst.
fn cell(row: &mut Row, copy: Option<&CopyCell>) {
    let glyphs = row.theme().glyphs();
    let Some(copy) = copy else {
        row.cell(glyphs.dot, CELL - 2, Tone::Dim);
        return;
    };
    let (glyph, tone) = match copy.health() {
        CopyHealth::Broken => (glyphs.down, Tone::Bad),
        CopyHealth::Busy => (glyphs.starting, Tone::Busy),
        CopyHealth::Good => (glyphs.live, Tone::Good),
    };
    row.text(glyph, tone).text(" ", Tone::Plain).cell(&copy.to_string(), CELL - 4, tone);
}
