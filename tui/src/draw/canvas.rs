//! A part of the screen, drawn on row by row. What does not fit is cut; nothing outside is touched.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

use super::Scene;
use super::text::{Row, width};
use crate::model::Pane;
use crate::theme::Tone;

/// A part of the screen.
pub(crate) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Canvas<'a> {
    /// That part of the screen, as far as the screen goes.
    pub(crate) fn new(buffer: &'a mut Buffer, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area }
    }

    pub(crate) fn width(&self) -> usize {
        self.area.width.into()
    }

    pub(crate) fn height(&self) -> usize {
        self.area.height.into()
    }

    /// Writes a row, cut at the edge.
    pub(crate) fn row<'t>(&mut self, row: usize, line: impl Into<Line<'t>>) {
        if let Some(y) = self.y(row) {
            self.buffer.set_line(self.area.x, y, &line.into(), self.area.width);
        }
    }

    /// Marks a row as the chosen one.
    pub(crate) fn choose(&mut self, row: usize, style: Style) {
        if let Some(y) = self.y(row) {
            let row = Rect { y, height: 1, ..self.area };
            // A reversed row of many colours is hard to read: it has one.
            self.buffer.set_style(row, style.fg(Color::Reset).bg(Color::Reset).remove_modifier(Modifier::DIM));
        }
    }

    pub(crate) fn part(&mut self, x: usize, y: usize, width: usize, height: usize) -> Canvas<'_> {
        let short = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
        let area = Rect {
            x: self.area.x.saturating_add(short(x)),
            y: self.area.y.saturating_add(short(y)),
            width: short(width),
            height: short(height),
        };
        Canvas { area: area.intersection(self.area), buffer: self.buffer }
    }

    /// The rule at the top of a pane: its number, its title, and what is shown of it.
    pub(crate) fn title(&mut self, scene: Scene<'_>, pane: Pane, of: &str) {
        let focused = scene.model.focus == pane;
        let theme = scene.theme;
        let mut row = Row::new(theme);
        row.text(if focused { theme.glyphs().marker } else { " " }, Tone::Accent);
        row.text(&format!("{} {}", pane.number(), pane.title()), if focused { Tone::Accent } else { Tone::Strong });
        self.finish(row, of);
    }

    pub(crate) fn rule(&mut self, scene: Scene<'_>, name: &str, of: &str) {
        let mut row = Row::new(scene.theme);
        row.text(" ", Tone::Plain);
        row.text(name, Tone::Strong);
        self.finish(row, of);
    }

    fn finish(&mut self, mut row: Row, of: &str) {
        let room = self.width().saturating_sub(row.width() + 2);
        if !of.is_empty() && room > 4 {
            row.text("  ", Tone::Plain);
            row.cell(of, width(of).min(room), Tone::Dim);
        }
        row.text(" ", Tone::Plain);
        let rest = self.width().saturating_sub(row.width());
        row.repeat(row.theme().glyphs().rule, rest, Tone::Dim);
        self.row(0, row);
    }

    fn y(&self, row: usize) -> Option<u16> {
        let row = u16::try_from(row).ok().filter(|row| *row < self.area.height)?;
        Some(self.area.y + row)
    }
}
