//! Requests by the time they took.

use super::Scene;
use super::canvas::Canvas;
use super::text::Row;
use crate::theme::Tone;
use crate::units;

/// Draws the buckets, a row each; neighbours share a row where there are more than rows.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>, histogram: &[(u64, u64)]) {
    let buckets = gathered(histogram, canvas.height());
    let most = buckets.iter().map(|bucket| bucket.1).max().unwrap_or(0).max(1);
    let room = canvas.width().saturating_sub(24);
    for (at, (end, count)) in buckets.iter().enumerate() {
        let mut row = Row::new(scene.theme);
        row.text("  ", Tone::Plain).figure(
            &format!("{} {}", scene.theme.glyphs().at_most, units::micros(scene.theme, *end)),
            12,
            Tone::Dim,
        );
        row.figure(&units::count(*count), 7, Tone::Plain).text("  ", Tone::Plain);
        // A bucket that is not empty is seen.
        let length = (*count as f64 * room as f64 / most as f64).ceil() as usize;
        row.repeat(scene.theme.glyphs().bar, length.min(room), Tone::Accent);
        canvas.row(at, row);
    }
}

/// The buckets from the first to the last that is not empty, in no more than so many.
fn gathered(histogram: &[(u64, u64)], rows: usize) -> Vec<(u64, u64)> {
    let begin = histogram.iter().position(|bucket| bucket.1 > 0);
    let end = histogram.iter().rposition(|bucket| bucket.1 > 0);
    let (Some(begin), Some(end)) = (begin, end) else { return Vec::new() };
    let filled = &histogram[begin..=end];
    if rows == 0 {
        return Vec::new();
    }
    let together = filled.len().div_ceil(rows).max(1);
    let gather = |chunk: &[(u64, u64)]| {
        (chunk[chunk.len() - 1].0, chunk.iter().fold(0, |sum: u64, bucket| sum.saturating_add(bucket.1)))
    };
    filled.chunks(together).map(gather).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_share_rows_and_none_is_lost() {
        let histogram = [(10, 0), (20, 1), (30, 2), (40, 0), (50, 4), (60, 0)];
        assert_eq!(gathered(&histogram, 10), [(20, 1), (30, 2), (40, 0), (50, 4)]);
        assert_eq!(gathered(&histogram, 2), [(30, 3), (50, 4)]);
        assert_eq!(gathered(&histogram, 0), []);
        assert_eq!(gathered(&[(10, 0)], 5), []);
    }
}
