//! What is written to the terminal, byte by byte.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use session_api::Snapshot;
use tui::{Model, Theme, ViewInput};

use crate::made;

#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one test writes").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that is written for some pictures.
fn written(theme: Theme, snapshots: &[Snapshot]) -> String {
    let bytes = Bytes::default();
    let viewport = Viewport::Fixed(Rect::new(0, 0, 120, 30));
    let backend = CrosstermBackend::new(bytes.clone());
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport }).expect("a terminal in memory");
    let logs = made::logs();
    let mut model = Model::new(theme, true, (120, 30));
    model.sources.insert("examples/building.rs".into(), Arc::from(made::SOURCE));
    for snapshot in snapshots {
        for key in ['e', '1', '2', '3', '4', '?'] {
            tui::update(&mut model, ViewInput::Key(crossterm::event::KeyCode::Char(key).into()), snapshot, &logs);
            terminal.draw(|frame| tui::draw(&model, snapshot, &logs, frame)).expect("a terminal in memory");
        }
        model.overlay = None;
    }
    let written = bytes.0.lock().expect("one test writes").clone();
    String::from_utf8(written).expect("text")
}

/// The parameters of every sequence that sets graphics.
fn graphics(written: &str) -> Vec<&str> {
    let sequences = written.split("\u{1b}[").skip(1);
    let parameters = sequences.filter_map(|rest| {
        let end = rest.find(|c: char| ('@'..='~').contains(&c))?;
        rest[end..].starts_with('m').then_some(&rest[..end])
    });
    parameters.flat_map(|parameters| parameters.split(';')).collect()
}

fn is_colour(parameter: &str) -> bool {
    let number: u32 = parameter.parse().unwrap_or(0);
    // 39 and 49 give back what the terminal has of its own.
    matches!(number, 30..=38 | 40..=48 | 58 | 90..=107)
}

#[test]
fn without_colour_no_colour_is_written_and_modifiers_stay() {
    let snapshots = [made::starting(), made::serving(), made::broken(), made::down()];
    let plain = written(Theme { colour: false, ascii: false }, &snapshots);
    let parameters = graphics(&plain);
    assert!(parameters.iter().all(|parameter| !is_colour(parameter)), "{parameters:?}");
    for modifier in ["1", "2", "7"] {
        assert!(parameters.contains(&modifier), "bold, dim and reverse carry the meaning: {modifier}");
    }
    // A reset of everything right after a modifier would take it away again before its text is written.
    for lost in ["\u{1b}[7m\u{1b}[0m", "\u{1b}[1m\u{1b}[0m", "\u{1b}[2m\u{1b}[0m"] {
        assert!(!plain.contains(lost));
    }
    let coloured = written(Theme { colour: true, ascii: false }, &snapshots);
    assert!(graphics(&coloured).iter().any(|parameter| is_colour(parameter)), "the test would see colour");
}

#[test]
fn nothing_that_is_shown_steers_the_terminal() {
    let mut snapshot = made::down();
    let evil = "\u{1b}]0;title\u{7}\u{1b}[31mred\u{9b}31m\u{8}";
    snapshot.app = evil.into();
    snapshot.services[0].name = evil.into();
    snapshot.services[1].why = Some(evil.into());
    snapshot.notices[0].message = evil.into();
    snapshot.traces[0].spans[0].error = Some(evil.into());
    snapshot.edits[0].services = vec![session_api::snapshot::EditedService {
        name: evil.into(),
        reason: evil.into(),
        version: Some(evil.into()),
    }];
    let written = written(Theme { colour: false, ascii: false }, &[snapshot]);
    for steers in ["\u{1b}]", "\u{7}", "\u{8}", "\u{9b}", "\u{1b}[31m"] {
        assert!(!written.contains(steers), "{steers:?}");
    }
}

#[test]
fn a_picture_that_did_not_change_writes_next_to_nothing() {
    let once = written(Theme { colour: true, ascii: false }, &[made::broken()]).len();
    let twice = written(Theme { colour: true, ascii: false }, &[made::broken(), made::broken()]).len();
    assert!(twice < 3 * once, "{twice} bytes for two, {once} for one");
}
