//! Deeds, done to the model.

use std::sync::Arc;

use session_api::{Command, Snapshot};

use super::{command, push};
use crate::act::Action;
use crate::deed::{self, Deed, Stride, Way};
use crate::log::LogRing;
use crate::model::{self, Model, Overlay, Pane};
use crate::prompt::{Prompt, Purpose};
use crate::scope::Scope;
use crate::{data, edits, jobs, layout, log_view};

/// Terminals take no more than 100,000 bytes of base64.
const MOST_COPIED: usize = 74_000;

/// Does what a key means.
pub(super) fn perform(model: &mut Model, deed: Deed, snapshot: &Snapshot, logs: &LogRing) -> Vec<Action> {
    match deed {
        Deed::Help => model.overlay = Some(Overlay::Help { scroll: 0 }),
        Deed::Command => return command(model, String::new()),
        Deed::Filter => model.prompt = Some(Prompt::new(Purpose::Filter, model.filter.clone())),
        Deed::Search => model.prompt = Some(Prompt::new(Purpose::Search, String::new())),
        Deed::Match(way) => match log_view::found(model, logs, way == Way::Back, false) {
            Some(at) => model.logs.at = Some(at),
            None => model.message = Some(format!("no line has \"{}\"", model.logs.search)),
        },
        Deed::Focus(pane) => model.focus = pane,
        Deed::Move(way, stride) => go(model, way, stride, snapshot, logs),
        Deed::Beside(way) => beside(model, way, snapshot),
        Deed::Expand => model.expanded = !model.expanded,
        Deed::RequestLogs => {
            model.logs = model::LogView {
                trace: snapshot.traces.get(model.trace).map(|trace| trace.id.clone()),
                ..Default::default()
            };
            model.focus = Pane::Logs;
        }
        Deed::Job | Deed::RetryJob => {
            let id = jobs::chosen_job(model, snapshot).map(|job| job.id.clone());
            let say = |id| if deed == Deed::Job { Command::Job { id } } else { Command::RetryJob { id } };
            return id.map(say).map(Action::Say).into_iter().collect();
        }
        Deed::Bucket => {
            if let Some(bucket) = data::chosen_bucket(model, snapshot) {
                let (title, lines) = (format!("bucket {}", bucket.name), bucket.lines());
                model.overlay = Some(Overlay::Output { title, lines, scroll: 0 });
            }
        }
        Deed::CancelJob => {
            let id = jobs::chosen_job(model, snapshot).map(|job| job.id.clone());
            return id.map(|id| Action::Say(Command::CancelJob { id })).into_iter().collect();
        }
        Deed::JobHops => match jobs::trace(model, snapshot) {
            Some(trace) => (model.trace, model.focus, model.expanded) = (trace, Pane::Hops, true),
            None => model.message = Some("its hops are kept no longer, or not yet; enter shows the job".to_owned()),
        },
        Deed::Findings => model.findings = Some((snapshot.edit, true)),
        Deed::Freeze => {
            model.frozen = if model.frozen.is_some() { None } else { Some(logs.end()) };
            return vec![Action::Freeze(model.frozen.is_some())];
        }
        Deed::Fleet if matches!(model.overlay, Some(Overlay::Fleet { .. })) => model.overlay = None,
        Deed::Fleet => {
            (model.overlay, model.fleet) = (Some(Overlay::Fleet { scroll: 0 }), Arc::default());
            return vec![Action::Fleet];
        }
        Deed::Cluster => {
            let wanted = model.scope == Scope::Here;
            model.scope = if wanted { Scope::Asking } else { Scope::Here };
            model.message = wanted.then(|| "asking the cluster".into());
            return vec![Action::Cluster(wanted)];
        }
        Deed::Window(Way::Back) => model.window = model.window.saturating_sub(1),
        Deed::Window(Way::On) => model.window += 1,
        Deed::Invoke => {
            if let Some(service) = model::chosen_service(model, snapshot) {
                return command(model, format!("{} ", service.name));
            }
        }
        Deed::Fuse | Deed::Split => {
            if let Some(service) = model::chosen_service(model, snapshot) {
                let (word, rest) = if deed == Deed::Fuse { ("fuse", " ") } else { ("split", "") };
                return command(model, format!("{word} {}{rest}", service.name));
            }
        }
        Deed::Shell => return vec![Action::Shell],
        Deed::Replay => return vec![Action::Say(Command::Replay { name: None })],
        Deed::Undo => return push::undo(model, snapshot),
        Deed::Push => return push::push(model, snapshot),
        Deed::Decide(yes) => return push::decide(model, yes, snapshot),
        Deed::StopPush => return vec![Action::Say(Command::StopPush)],
        Deed::Open => return vec![place(model, snapshot)],
        Deed::Pager => {
            let chosen = model::chosen_service(model, snapshot).map(|service| service.name.clone());
            let service = if model.focus == Pane::Logs { model.logs.service.clone() } else { chosen };
            return vec![Action::OpenPager { service }];
        }
        Deed::Page => return vec![Action::OpenPage],
        Deed::Copy => {
            if let Some(text) = deed::copied(model, snapshot, logs) {
                if text.len() > MOST_COPIED {
                    model.message = Some(format!("that is too much to copy: {} kB", text.len() / 1_000));
                    return Vec::new();
                }
                let characters = text.chars().count();
                model.message = Some(format!("copied {}", crate::units::many(characters, "character")));
                return vec![Action::Copy(text)];
            }
        }
        Deed::Mouse => {
            model.mouse = !model.mouse;
            let whose = if model.mouse { "the view's" } else { "the terminal's, to select text" };
            model.message = Some(format!("the mouse is {whose}"));
            return vec![Action::Mouse(model.mouse)];
        }
        Deed::Back => back(model, snapshot),
        Deed::Suspend => return vec![Action::Suspend],
        Deed::Redraw => return vec![Action::Redraw],
        Deed::Quit => return vec![Action::Quit],
    }
    Vec::new()
}

/// Goes back by one: what lies on top goes first.
fn back(model: &mut Model, snapshot: &Snapshot) {
    if model.overlay.take().is_some() {
        return;
    }
    if model.shows_diagnostics(snapshot) {
        model.findings = Some((snapshot.edit, false));
        return;
    }
    if model.focus == Pane::Logs {
        let searched = !std::mem::take(&mut model.logs.search).is_empty();
        if searched
            || model.logs.at.take().is_some()
            || model.logs.trace.take().is_some()
            || model.logs.service.take().is_some()
        {
            return;
        }
    }
    if std::mem::take(&mut model.filter).is_empty() {
        model.expanded = false;
    }
}

fn go(model: &mut Model, way: Way, stride: Stride, snapshot: &Snapshot, logs: &LogRing) {
    // A page is what is surely seen of any list.
    let by = match stride {
        Stride::Row => 1,
        Stride::Page => usize::from(model.size.1 / 2).max(1),
        Stride::All => usize::MAX,
    };
    let to = |from: usize, rows: usize| match way {
        Way::Back => from.saturating_sub(by),
        Way::On => from.saturating_add(by).min(rows.saturating_sub(1)),
    };
    if model.overlay.is_some() {
        let most =
            crate::draw::overlay::rows(model, snapshot).saturating_sub(usize::from(model.size.1).saturating_sub(4));
        if let Some(overlay) = &mut model.overlay {
            let scroll = overlay.scroll();
            *scroll = to(*scroll, usize::MAX).min(most);
        }
    } else if model.shows_diagnostics(snapshot) {
        model.diagnostic = to(model.diagnostic, snapshot.diagnostics.len());
    } else {
        match model.focus {
            Pane::Flow | Pane::Hops => {
                let listed = model::listed(model, snapshot);
                let next = to(model::chosen(model, snapshot, &listed), listed.len());
                model.service = listed.get(next).map(|service| service.name.clone());
            }
            Pane::Edits => {
                let listed = edits::listed(model, snapshot);
                let next = to(edits::chosen(model, &listed), listed.len());
                // The latest is followed by whatever comes.
                model.entry = listed.get(next).filter(|_| next > 0).map(|entry| entry.id());
            }
            Pane::Logs => model.logs.at = log_view::moved(model, logs, way == Way::Back, by),
            Pane::Jobs => {
                let listed = jobs::listed(model, snapshot);
                let next = to(jobs::chosen(model, &listed), listed.len());
                // The newest is followed by whatever comes.
                model.job = listed.get(next).filter(|_| next > 0).map(|job| job.id.clone());
            }
            Pane::Data => {
                let listed = data::listed(model, snapshot);
                let next = to(data::chosen(model, &listed), listed.len());
                // The first is the one that somebody has to look after, if any.
                model.bucket = listed.get(next).filter(|_| next > 0).map(|bucket| bucket.name.clone());
            }
        }
    }
}

/// The request beside this one; in the logs the service beside this one, and all of them.
fn beside(model: &mut Model, way: Way, snapshot: &Snapshot) {
    let step = |at: usize, count: usize| match way {
        Way::Back => (at + count - 1) % count,
        Way::On => (at + 1) % count,
    };
    if model.focus == Pane::Hops {
        model.trace = step(model.trace.min(snapshot.traces.len() - 1), snapshot.traces.len());
    } else {
        let names: Vec<_> = crate::graph::order(snapshot).into_iter().map(|at| &snapshot.services[at].name).collect();
        let now = names.iter().position(|name| Some(*name) == model.logs.service.as_ref()).map_or(0, |at| at + 1);
        let next = step(now, names.len() + 1);
        model.logs.service = next.checked_sub(1).map(|at| names[at].clone());
        model.logs.at = None;
    }
}

/// Where `o` goes: the chosen diagnostic, else the file.
fn place(model: &Model, snapshot: &Snapshot) -> Action {
    let findings = &snapshot.diagnostics;
    match findings.get(model.diagnostic).or(findings.first()) {
        Some(finding) => Action::OpenEditor {
            file: finding.place.file.clone(),
            line: finding.place.line,
            column: finding.place.column,
        },
        None => Action::OpenEditor { file: snapshot.file.clone(), line: 1, column: 1 },
    }
}

/// Chooses a row that was clicked.
pub(super) fn choose(model: &mut Model, place: layout::Place, row: usize, snapshot: &Snapshot, logs: &LogRing) {
    let height = usize::from(place.area.height);
    match place.pane {
        Pane::Flow | Pane::Hops => {
            // A rule, and in Hops the heads of the columns.
            let head = if place.pane == Pane::Hops { 2 } else { 1 };
            let listed = model::listed(model, snapshot);
            let first =
                layout::first(model::chosen(model, snapshot, &listed), listed.len(), height.saturating_sub(head));
            if let Some(service) = row.checked_sub(head).and_then(|row| listed.get(first + row)) {
                model.service = Some(service.name.clone());
            }
        }
        Pane::Edits => {
            let listed = edits::listed(model, snapshot);
            let first = layout::first(edits::chosen(model, &listed), listed.len(), height.saturating_sub(1));
            if let Some(edit) = row.checked_sub(1).and_then(|row| listed.get(first + row)) {
                model.entry = Some(edit.id());
            }
        }
        // Its jobs stand below a table whose length is the picture's to say: keys choose among them.
        Pane::Jobs => {}
        Pane::Data => {
            let listed = data::listed(model, snapshot);
            // A rule, and the names of places.
            let first = layout::first(data::chosen(model, &listed), listed.len(), height.saturating_sub(2));
            if let Some(bucket) = row.checked_sub(2).and_then(|row| listed.get(first + row)) {
                model.bucket = Some(bucket.name.clone());
            }
        }
        Pane::Logs => {
            let shown = crate::draw::logs::shown(model, logs, height.saturating_sub(1));
            if let Some(number) = row.checked_sub(1).and_then(|row| shown.get(row)) {
                model.logs.at = Some(*number);
            }
        }
    }
}
