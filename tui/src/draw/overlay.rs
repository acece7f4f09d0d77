//! What lies over the panes: every key, or what a command answered.

use session_api::Snapshot;

use super::Scene;
use super::canvas::Canvas;
use super::push;
use super::text::{Row, wrap};
use crate::model::{Model, Overlay};
use crate::theme::Tone;

/// Every key and what it does.
const KEYS: [(&str, &str); 34] = [
    ("1 2 3 4 5 6  tab", "Flow, Hops, Edits, Logs; Jobs where the session accepts them; Data where a data server runs"),
    ("up down  k j", "the row before, the row after"),
    ("pgup pgdn  g G", "a page, the first, the last"),
    ("left right  h l", "Hops: another request. Logs: one service, or every one"),
    ("e  enter", "the focused pane alone, with everything about what is chosen"),
    ("enter", "Hops, expanded: the log lines of the chosen request. Jobs: the chosen job. Data: the chosen bucket"),
    ("t", "Jobs: the hops of the chosen job, where they are kept"),
    ("x  R", "Jobs: cancel the chosen job (twice); queue it again where it failed"),
    ("esc", "back, and only ever back"),
    ("", ""),
    ("-  +", "a shorter, a longer time window"),
    ("c", "what runs on the cluster, and back to what runs here"),
    ("F", "the fleet of this machine: its nodes, what each serves, and where overflow goes"),
    ("f", "freeze the picture, and let it move again"),
    ("/", "list only what matches. Logs: search"),
    ("n  N", "Logs: the next, the previous match"),
    ("y", "copy: the address, trace id, reason, line or diagnostic that is chosen"),
    ("L", "the logs in $PAGER"),
    ("w", "the page of this session, in a browser"),
    ("o", "the diagnostic's place, or the file, in $EDITOR"),
    ("", ""),
    (":", "a command, as the shell has them; tab completes"),
    ("i", "invoke the chosen service"),
    ("s", "the shell; ctrl-d comes back"),
    ("u", "undo what was done last: an edit in the file, or a push, by a rollback that asks first"),
    ("r", "run recorded inputs for the last edit once more"),
    ("", ""),
    ("m", "the mouse: the view's, or the terminal's to select text"),
    ("ctrl-l", "draw everything again"),
    ("ctrl-z", "stop; fg comes back"),
    ("q  ctrl-c", "quit: the session ends"),
    ("", ""),
    ("p", "push what changed to a cluster: shows the plan and asks; later shows how it goes, or puts it aside"),
    ("y n  esc", "answer it; while it is under way, esc twice has it stop"),
];

/// Draws what lies over the panes.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let (title, scroll) = match &scene.model.overlay {
        Some(Overlay::Push { scroll }) => return push::overlay(scene, *scroll, canvas),
        Some(Overlay::Help { scroll }) => ("help", *scroll),
        Some(Overlay::Fleet { scroll }) => ("fleet", *scroll),
        Some(Overlay::Output { title, scroll, .. }) => (title.as_str(), *scroll),
        None => return,
    };
    canvas.rule(scene, title, "");
    for (at, (key, text)) in content(scene.model, canvas.width()).into_iter().skip(scroll).enumerate() {
        let mut row = Row::new(scene.theme);
        row.text("  ", Tone::Plain);
        if let Some(key) = key {
            row.cell(&key, 17, Tone::Accent);
        }
        row.text(&text, Tone::Plain);
        canvas.row(at + 1, row);
    }
}

/// How many rows there are to scroll through.
pub(crate) fn rows(model: &Model, snapshot: &Snapshot) -> usize {
    if let (Some(Overlay::Push { .. }), Some(shown)) = (&model.overlay, snapshot.pushes.last()) {
        return push::rows(model.theme, shown, model.size.0.into()).len();
    }
    content(model, model.size.0.into()).len()
}

fn content(model: &Model, columns: usize) -> Vec<(Option<String>, String)> {
    match &model.overlay {
        None | Some(Overlay::Push { .. }) => Vec::new(),
        Some(Overlay::Help { .. }) => {
            let mut rows = Vec::new();
            for (key, text) in KEYS {
                for (at, piece) in wrap(text, columns.saturating_sub(20)).into_iter().enumerate() {
                    rows.push((Some(if at == 0 { key.to_owned() } else { String::new() }), piece.to_owned()));
                }
            }
            rows
        }
        Some(Overlay::Fleet { .. }) if model.fleet.is_empty() => {
            vec![(None, "asking the agent of this machine".to_owned())]
        }
        Some(Overlay::Fleet { .. }) => wrapped(&model.fleet, columns),
        Some(Overlay::Output { lines, .. }) => wrapped(lines, columns),
    }
}

fn wrapped(lines: &[String], columns: usize) -> Vec<(Option<String>, String)> {
    let lines = lines.iter().flat_map(|line| line.split('\n')).map(|line| session_api::plain(line).into_owned());
    let wrapped = |line: String| -> Vec<_> {
        wrap(&line, columns.saturating_sub(3)).into_iter().map(|piece| (None, piece.to_owned())).collect()
    };
    lines.flat_map(wrapped).collect()
}
