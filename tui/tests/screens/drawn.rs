//! A view on a screen that is a piece of memory.

use std::fmt::Write as _;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use session_api::Snapshot;
use tui::{Action, LogRing, Logged, Model, ShownLine, Theme, ViewInput};

use crate::made;

pub(crate) const COLOUR: Theme = Theme { colour: true, ascii: false };
/// Without.
pub(crate) const PLAIN: Theme = Theme { colour: false, ascii: false };

/// A view of a session that stands still.
pub(crate) struct Screen {
    /// The session.
    pub(crate) snapshot: Snapshot,
    /// The view.
    pub(crate) model: Model,
    logs: LogRing,
    terminal: Terminal<TestBackend>,
}

impl Screen {
    /// A view that has just been opened.
    pub(crate) fn new(snapshot: Snapshot, theme: Theme, size: (u16, u16)) -> Self {
        let mut model = Model::new(theme, true, size);
        model.sources.insert("examples/building.rs".into(), Arc::from(made::SOURCE));
        let terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a screen in memory");
        Self { snapshot, model, logs: made::logs(), terminal }
    }

    /// Presses keys, a character each.
    pub(crate) fn press(&mut self, keys: &str) -> Vec<Action> {
        let code = |key| if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
        keys.chars().flat_map(|key| self.key(KeyEvent::new(code(key), KeyModifiers::NONE))).collect()
    }

    /// Presses a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Vec<Action> {
        self.take(ViewInput::Key(key))
    }

    /// Tells the view something; the screen follows the size it is told.
    pub(crate) fn take(&mut self, input: ViewInput) -> Vec<Action> {
        if let ViewInput::Resize(width, height) = input {
            self.terminal.backend_mut().resize(width, height);
        }
        tui::update(&mut self.model, input, &self.snapshot, &self.logs)
    }

    /// A service writes a line.
    pub(crate) fn log(&mut self, line: &str) {
        let line = ShownLine { service: "get".into(), stderr: false, at_ms: 753_000, line: line.into() };
        self.logs.push(Logged::Line(line));
    }

    /// What is seen.
    pub(crate) fn text(&mut self) -> String {
        self.draw();
        let buffer = self.terminal.backend().buffer();
        let mut text = String::new();
        for row in buffer.content().chunks(usize::from(buffer.area.width).max(1)) {
            let line: String = row.iter().map(|cell| cell.symbol()).collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// What is seen, each stretch that is not plain in brackets with its style before it.
    pub(crate) fn looks(&mut self) -> String {
        self.draw();
        let buffer = self.terminal.backend().buffer();
        let mut text = String::new();
        for row in buffer.content().chunks(usize::from(buffer.area.width)) {
            let mut line = String::new();
            for run in row.chunk_by(|a, b| style(a) == style(b)) {
                let words: String = run.iter().map(|cell| cell.symbol()).collect();
                match style(&run[0]) {
                    style if style.is_empty() || words.trim().is_empty() => line.push_str(&words),
                    style => write!(line, "[{style} {words}]").expect("a string takes it"),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn draw(&mut self) {
        let (model, snapshot, logs) = (&self.model, &self.snapshot, &self.logs);
        self.terminal.draw(|frame| tui::draw(model, snapshot, logs, frame)).expect("a screen in memory");
    }
}

fn style(cell: &ratatui::buffer::Cell) -> String {
    let mut style = match cell.fg {
        Color::Reset => String::new(),
        colour => colour.to_string().to_lowercase(),
    };
    for (modifier, letter) in [(Modifier::BOLD, '+'), (Modifier::DIM, '-'), (Modifier::REVERSED, '!')] {
        if cell.modifier.contains(modifier) {
            style.push(letter);
        }
    }
    style
}
