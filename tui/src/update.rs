//! What follows from what the view is told. Nothing is done here: what is to be done is said.

mod deeds;
mod mouse;
mod push;

use crossterm::event::{KeyEvent, KeyEventKind};
use session_api::Snapshot;
use session_api::grammar::is_command;

use crate::act::{Action, ViewInput};
use crate::log::LogRing;
use crate::model::{Model, Overlay};
use crate::prompt::{Prompt, Purpose, Typed};
use crate::{deed, log_view, model};

/// Takes in what the view is told, and says what is to be done.
pub fn update(model: &mut Model, input: ViewInput, snapshot: &Snapshot, logs: &LogRing) -> Vec<Action> {
    match input {
        ViewInput::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
        ViewInput::Key(key) => press(model, key, snapshot, logs),
        ViewInput::Mouse(event) => mouse::update(model, event, snapshot, logs),
        ViewInput::Resize(width, height) => {
            model.size = (width, height);
            Vec::new()
        }
        ViewInput::Paste(text) => match &mut model.prompt {
            Some(prompt) => {
                prompt.insert(&text);
                typed(model, logs)
            }
            None => Vec::new(),
        },
        ViewInput::Tick => {
            model.diagnostic = model.diagnostic.min(snapshot.diagnostics.len().saturating_sub(1));
            model.trace = model.trace.min(snapshot.traces.len().saturating_sub(1));
            Vec::new()
        }
        ViewInput::Completions { text, found } => {
            if let Some(prompt) = model.prompt.as_mut().filter(|prompt| prompt.text == text && prompt.taken.is_none()) {
                prompt.completions = found;
            }
            Vec::new()
        }
        ViewInput::Answered { title, lines } => {
            model.message = None;
            let is_shown = matches!(model.overlay, Some(Overlay::Push { .. }));
            match lines.as_slice() {
                // The push that was prepared says it all itself.
                [] if is_shown => {}
                [line] if is_shown => {
                    // One that was not even begun has nothing to show.
                    if model::open_push(snapshot).is_none() {
                        model.overlay = None;
                    }
                    model.message = Some(line.clone());
                }
                [] => model.message = Some(format!("{title}: done")),
                [line] if line.chars().count() + 2 < model.size.0.into() => model.message = Some(line.clone()),
                _ => model.overlay = Some(Overlay::Output { title, lines, scroll: 0 }),
            }
            Vec::new()
        }
        ViewInput::Source(file, text) => {
            model.sources.insert(file, text);
            Vec::new()
        }
        ViewInput::Said(message) => {
            model.message = Some(message);
            Vec::new()
        }
        ViewInput::Fleet(lines) => {
            model.fleet = lines;
            Vec::new()
        }
        ViewInput::Shows(scope) => {
            model.scope = scope;
            model.message = None;
            Vec::new()
        }
    }
}

fn press(model: &mut Model, key: KeyEvent, snapshot: &Snapshot, logs: &LogRing) -> Vec<Action> {
    model.message = None;
    // Only the very next key is the second one.
    let warned = std::mem::take(&mut model.warned);
    let Some(prompt) = &mut model.prompt else {
        return match deed::of(key, model, snapshot, logs) {
            Some(deed) => push::warned(model, deed, warned, snapshot)
                .unwrap_or_else(|| deeds::perform(model, deed, snapshot, logs)),
            None => Vec::new(),
        };
    };
    match prompt.key(key, &model.history) {
        Typed::Changed => typed(model, logs),
        Typed::Same => Vec::new(),
        Typed::GivenUp => {
            give_up(model);
            Vec::new()
        }
        Typed::Done => done(model, snapshot, logs),
    }
}

/// A filter and a search act as they are typed; a command asks what can stand at the cursor.
fn typed(model: &mut Model, logs: &LogRing) -> Vec<Action> {
    let Some(prompt) = &mut model.prompt else { return Vec::new() };
    let text = prompt.text.clone();
    match prompt.purpose {
        Purpose::Filter => model.filter = text,
        Purpose::Search => {
            model.logs.search = text;
            if !model.logs.search.is_empty() {
                model.logs.at = log_view::found(model, logs, true, true).or(model.logs.at);
            }
        }
        Purpose::Command => {
            prompt.taken = None;
            prompt.completions.words.clear();
            return vec![Action::Complete { text, cursor: prompt.cursor }];
        }
    }
    Vec::new()
}

fn give_up(model: &mut Model) {
    match model.prompt.take().map(|prompt| prompt.purpose) {
        Some(Purpose::Filter) => model.filter.clear(),
        Some(Purpose::Search) => model.logs.search.clear(),
        Some(Purpose::Command) | None => {}
    }
}

fn done(model: &mut Model, snapshot: &Snapshot, logs: &LogRing) -> Vec<Action> {
    let Some(prompt) = model.prompt.take() else { return Vec::new() };
    match prompt.purpose {
        Purpose::Filter => Vec::new(),
        Purpose::Search => {
            let sought = &model.logs.search;
            if !sought.is_empty() && log_view::found(model, logs, true, true).is_none() {
                model.message = Some(format!("no line has \"{sought}\""));
            }
            Vec::new()
        }
        Purpose::Command => {
            let line = with_colon(prompt.text.trim(), snapshot);
            if line.is_empty() {
                return Vec::new();
            }
            if model.history.last() != Some(&line) {
                model.history.push(line.clone());
            }
            if push::is_one(&line) {
                model.overlay = Some(Overlay::Push { scroll: 0 });
                return vec![Action::Run(line)];
            }
            model.message = Some(format!("{line} …").replace('…', model.theme.glyphs().cut));
            vec![Action::Run(line)]
        }
    }
}

/// The line of a prompt, as the shell reads it. The prompt shows a colon already, so a command needs none of its own;
/// a service of the same name comes first.
fn with_colon(line: &str, snapshot: &Snapshot) -> String {
    let word = line.split_whitespace().next().unwrap_or_default();
    let is_command = is_command(word) && snapshot.service(word).is_none();
    if is_command { format!(":{line}") } else { line.to_owned() }
}

/// Opens a prompt for a command with a text in it.
fn command(model: &mut Model, text: String) -> Vec<Action> {
    let prompt = Prompt::new(Purpose::Command, text);
    let asked = Action::Complete { text: prompt.text.clone(), cursor: prompt.cursor };
    model.prompt = Some(prompt);
    vec![asked]
}
