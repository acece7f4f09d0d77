//! The bottom line: the keys that work now, or the line that is typed; above it what is said to the user.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;

use super::Scene;
use super::canvas::Canvas;
use super::text::{Row, width};
use crate::deed::{self, Deed};
use crate::model::{Overlay, open_push};
use crate::prompt::{Prompt, Purpose};
use crate::scope::Scope;
use crate::theme::Tone;

/// For how long a notice of the session stays.
const NOTICE_MS: u64 = 15_000;

/// Draws both lines. Where there is room for one alone, what is said takes the place of the keys.
pub(crate) fn draw(scene: Scene<'_>, message: Rect, bottom: Rect, frame: &mut Frame<'_>) {
    let said = said(scene);
    if let Some(prompt) = &scene.model.prompt {
        let column = typed(scene, prompt, &mut Canvas::new(frame.buffer_mut(), bottom));
        if !bottom.is_empty() && frame.area().contains(bottom.as_position()) {
            let column = u16::try_from(column).unwrap_or(u16::MAX).min(bottom.width - 1);
            frame.set_cursor_position(Position::new(bottom.x + column, bottom.y));
        }
        let above = Rect { y: bottom.y.saturating_sub(1), ..bottom };
        if !prompt.completions.words.is_empty() {
            words(scene, prompt, &mut Canvas::new(frame.buffer_mut(), above));
        }
        return;
    }
    match said {
        Some((words, tone)) => {
            let place = if message.is_empty() { bottom } else { message };
            let mut row = Row::new(scene.theme);
            row.text(" ", Tone::Plain).cell(&words, usize::from(place.width).saturating_sub(2), tone);
            Canvas::new(frame.buffer_mut(), place).row(0, row);
            if !message.is_empty() {
                keys(scene, &mut Canvas::new(frame.buffer_mut(), bottom));
            }
        }
        None => keys(scene, &mut Canvas::new(frame.buffer_mut(), bottom)),
    }
}

fn said(scene: Scene<'_>) -> Option<(String, Tone)> {
    if let Some(message) = &scene.model.message {
        return Some((message.clone(), Tone::Strong));
    }
    let notice = scene.snapshot.notices.last()?;
    let fresh = scene.snapshot.now_ms.saturating_sub(notice.at_ms) < NOTICE_MS;
    fresh.then(|| (notice.message.clone(), Tone::Busy))
}

/// The keys that work now, most wanted first, as many as there is room for.
fn keys(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let mut row = Row::new(scene.theme);
    // What is seen is easily taken for what runs here.
    if scene.model.scope == Scope::Cluster {
        row.text(" ", Tone::Plain).text("cluster", Tone::Busy).text("  ", Tone::Plain);
    }
    for (name, _, word) in hints(scene) {
        if row.width() + width(name) + width(word) + 3 > canvas.width() {
            break;
        }
        row.text(" ", Tone::Plain).text(name, Tone::Accent).text(" ", Tone::Plain).text(word, Tone::Dim);
        row.text(" ", Tone::Plain);
    }
    canvas.row(0, row);
}

/// The keys that do something now: as they are named, the key itself, and what it does.
pub(crate) fn hints(scene: Scene<'_>) -> Vec<(&'static str, KeyCode, &'static str)> {
    let Scene { model, snapshot, logs, .. } = scene;
    let freeze = if model.frozen.is_some() { "move on" } else { "freeze" };
    let backend = if model.scope == Scope::Here { "cluster" } else { "local" };
    let expand = if model.expanded { "less" } else { "expand" };
    let candidates = [
        ("?", KeyCode::Char('?'), "help"),
        ("q", KeyCode::Char('q'), "quit"),
        ("y", KeyCode::Char('y'), "yes"),
        ("n", KeyCode::Char('n'), "no"),
        ("esc", KeyCode::Esc, "back"),
        ("o", KeyCode::Char('o'), "open"),
        ("enter", KeyCode::Enter, ""),
        ("e", KeyCode::Char('e'), expand),
        ("n", KeyCode::Char('n'), "next"),
        ("t", KeyCode::Char('t'), "its hops"),
        ("x", KeyCode::Char('x'), "cancel it"),
        ("R", KeyCode::Char('R'), "run it again"),
        (":", KeyCode::Char(':'), "command"),
        ("/", KeyCode::Char('/'), ""),
        ("tab", KeyCode::Tab, "pane"),
        ("c", KeyCode::Char('c'), backend),
        ("i", KeyCode::Char('i'), "invoke"),
        ("s", KeyCode::Char('s'), "shell"),
        ("u", KeyCode::Char('u'), "undo"),
        ("p", KeyCode::Char('p'), "push"),
        ("r", KeyCode::Char('r'), "replay"),
        ("f", KeyCode::Char('f'), freeze),
        ("h l", KeyCode::Right, ""),
        ("+", KeyCode::Char('+'), "longer"),
        ("-", KeyCode::Char('-'), "shorter"),
        ("y", KeyCode::Char('y'), "copy"),
        ("L", KeyCode::Char('L'), "pager"),
        ("m", KeyCode::Char('m'), "mouse"),
        ("z", KeyCode::Char('z'), "fuse"),
        ("Z", KeyCode::Char('Z'), "split"),
    ];
    let works = |(name, code, word): (&'static str, KeyCode, &'static str)| {
        let deed = deed::of(KeyEvent::new(code, KeyModifiers::NONE), model, snapshot, logs)?;
        let word = match deed {
            // Named once, by the keys that are theirs.
            Deed::Decide(_) if matches!(word, "yes" | "no") => word,
            Deed::Decide(_) => return None,
            // Their place is further back while nothing is asked.
            _ if matches!(word, "yes" | "no") => return None,
            Deed::StopPush => "stop",
            Deed::Push if matches!(model.overlay, Some(Overlay::Push { .. })) => "aside",
            Deed::Push if open_push(snapshot).is_some() => "the push",
            Deed::Search => "search",
            Deed::Filter => "filter",
            Deed::RequestLogs => "its logs",
            Deed::Job => "the job",
            Deed::Bucket => "the bucket",
            Deed::Findings => "diagnostics",
            Deed::Beside(_) if model.focus == crate::model::Pane::Logs => "service",
            Deed::Beside(_) => "request",
            // It opens the file then, which is not what is looked for first.
            Deed::Open if snapshot.diagnostics.is_empty() => return None,
            // Another key for what is already named.
            Deed::Expand if code == KeyCode::Enter => return None,
            _ => word,
        };
        Some((name, code, word))
    };
    candidates.into_iter().filter_map(works).collect()
}

/// The line that is typed; the column of its cursor.
fn typed(scene: Scene<'_>, prompt: &Prompt, canvas: &mut Canvas<'_>) -> usize {
    let sign = if prompt.purpose == Purpose::Command { ":" } else { "/" };
    let mut row = Row::new(scene.theme);
    row.text(sign, Tone::Accent);
    let before = width(&prompt.text[..prompt.cursor]);
    // A long line is shown around its cursor.
    let room = canvas.width().saturating_sub(2);
    let mut hidden = before.saturating_sub(room);
    let skip = prompt.text.char_indices().find(|(_, c)| {
        let enough = hidden == 0;
        hidden = hidden.saturating_sub(unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0));
        enough
    });
    let from = skip.map_or(prompt.text.len(), |(at, _)| at).min(prompt.cursor);
    row.text(&prompt.text[from..], Tone::Plain);
    canvas.row(0, row);
    1 + width(&prompt.text[from..prompt.cursor])
}

/// What can stand at the cursor.
fn words(scene: Scene<'_>, prompt: &Prompt, canvas: &mut Canvas<'_>) {
    let mut row = Row::new(scene.theme);
    let taken = prompt.taken.unwrap_or(0);
    for (at, word) in prompt.completions.words.iter().enumerate().skip(taken.saturating_sub(3)) {
        row.text(" ", Tone::Plain);
        match prompt.taken == Some(at) {
            true => row.span(Span::styled(word.clone(), scene.theme.chosen())),
            false => row.text(word, Tone::Dim),
        };
        if row.width() > canvas.width() {
            break;
        }
    }
    row.up_to(canvas.width());
    canvas.row(0, row);
}
