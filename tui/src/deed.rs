//! What a key does here and now. One function says it for the keys themselves and for the bottom line, so that no key
//! is named that does nothing.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use session_api::Snapshot;
use session_api::push::Stage;
use session_api::snapshot::Phase;

use crate::layout::{self, Arrangement};
use crate::log::LogRing;
use crate::model::{Model, Overlay, Pane};
use crate::scope::Scope;
use crate::{data, edits, jobs, log_view, model};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Help,
    Command,
    Filter,
    Search,
    Match(Way),
    Focus(Pane),
    Move(Way, Stride),
    /// To the service, or the request, beside this one.
    Beside(Way),
    Expand,
    /// The log lines of the chosen request.
    RequestLogs,
    /// The chosen job, with its attempts.
    Job,
    /// The chosen bucket, with its copies.
    Bucket,
    /// The hops of the chosen job.
    JobHops,
    /// Have the chosen job cancelled, or queued again.
    CancelJob,
    RetryJob,
    /// The diagnostics that were put aside.
    Findings,
    Freeze,
    /// The fleet of this machine, or what it lies over.
    Fleet,
    /// To the services on the cluster, and back to those that run here.
    Cluster,
    Window(Way),
    Invoke,
    /// Begin to say with whom the chosen service is to share its host.
    Fuse,
    /// Begin to say that the chosen service is to have a host to itself.
    Split,
    Shell,
    Undo,
    /// Begin a push, show the one that is open, or put it aside.
    Push,
    /// Say yes or no to the push that asks.
    Decide(bool),
    /// Have the push that is under way stop.
    StopPush,
    /// Recorded inputs once more.
    Replay,
    Open,
    Pager,
    /// The session's page, in a browser.
    Page,
    Copy,
    Mouse,
    Back,
    Suspend,
    Redraw,
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Back,
    On,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stride {
    Row,
    Page,
    All,
}

/// What a key does, if it does anything now.
pub(crate) fn of(key: KeyEvent, model: &Model, snapshot: &Snapshot, logs: &LogRing) -> Option<Deed> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let deed = match key.code {
        KeyCode::Char('c' | 'd') if control => Deed::Quit,
        KeyCode::Char('z') if control => Deed::Suspend,
        KeyCode::Char('l') if control => Deed::Redraw,
        code if !control && decides(code, model, snapshot).is_some() => decides(code, model, snapshot)?,
        _ if control || key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char('?') | KeyCode::F(1) => Deed::Help,
        KeyCode::Char(':') => Deed::Command,
        KeyCode::Char('/') if model.focus == Pane::Logs => Deed::Search,
        KeyCode::Char('/') => Deed::Filter,
        KeyCode::Char('n') => Deed::Match(Way::On),
        KeyCode::Char('N') => Deed::Match(Way::Back),
        KeyCode::Char(digit @ '1'..='9') => Deed::Focus(*Pane::ALL.get(digit as usize - '1' as usize)?),
        KeyCode::Tab => Deed::Focus(beside(model.focus, 1, snapshot)),
        KeyCode::BackTab => Deed::Focus(beside(model.focus, Pane::ALL.len() - 1, snapshot)),
        KeyCode::Up | KeyCode::Char('k') => Deed::Move(Way::Back, Stride::Row),
        KeyCode::Down | KeyCode::Char('j') => Deed::Move(Way::On, Stride::Row),
        KeyCode::PageUp => Deed::Move(Way::Back, Stride::Page),
        KeyCode::PageDown => Deed::Move(Way::On, Stride::Page),
        KeyCode::Home | KeyCode::Char('g') => Deed::Move(Way::Back, Stride::All),
        KeyCode::End | KeyCode::Char('G') => Deed::Move(Way::On, Stride::All),
        KeyCode::Left | KeyCode::Char('h') => Deed::Beside(Way::Back),
        KeyCode::Right | KeyCode::Char('l') => Deed::Beside(Way::On),
        KeyCode::Char('e') => Deed::Expand,
        KeyCode::Enter if model.focus == Pane::Hops && model.expanded => Deed::RequestLogs,
        KeyCode::Enter if model.focus == Pane::Edits && !snapshot.diagnostics.is_empty() => Deed::Findings,
        KeyCode::Enter if model.focus == Pane::Jobs => Deed::Job,
        KeyCode::Enter if model.focus == Pane::Data => Deed::Bucket,
        KeyCode::Char('t') => Deed::JobHops,
        KeyCode::Char('x') => Deed::CancelJob,
        KeyCode::Char('R') => Deed::RetryJob,
        KeyCode::Enter => Deed::Expand,
        KeyCode::Char('f') => Deed::Freeze,
        KeyCode::Char('c') => Deed::Cluster,
        KeyCode::Char('F') => Deed::Fleet,
        KeyCode::Char('-' | '_') => Deed::Window(Way::Back),
        KeyCode::Char('+' | '=') => Deed::Window(Way::On),
        KeyCode::Char('i') => Deed::Invoke,
        KeyCode::Char('s') => Deed::Shell,
        KeyCode::Char('z') => Deed::Fuse,
        KeyCode::Char('Z') => Deed::Split,
        KeyCode::Char('r') => Deed::Replay,
        KeyCode::Char('p') => Deed::Push,
        KeyCode::Char('u') => Deed::Undo,
        KeyCode::Char('o') => Deed::Open,
        KeyCode::Char('L') => Deed::Pager,
        KeyCode::Char('w') => Deed::Page,
        KeyCode::Char('y') => Deed::Copy,
        KeyCode::Char('m') => Deed::Mouse,
        KeyCode::Esc | KeyCode::Backspace => Deed::Back,
        KeyCode::Char('q') => Deed::Quit,
        _ => return None,
    };
    works(deed, model, snapshot, logs).then_some(deed)
}

/// What a key does to the push that is shown.
fn decides(code: KeyCode, model: &Model, snapshot: &Snapshot) -> Option<Deed> {
    let Some(Overlay::Push { .. }) = &model.overlay else { return None };
    let push = model::open_push(snapshot)?;
    match (&push.stage, code) {
        (Stage::Asking, KeyCode::Char('y')) => Some(Deed::Decide(true)),
        (Stage::Asking, KeyCode::Char('n') | KeyCode::Esc) => Some(Deed::Decide(false)),
        (Stage::Preparing | Stage::Underway, KeyCode::Esc) => Some(Deed::StopPush),
        _ => None,
    }
}

fn works(deed: Deed, model: &Model, snapshot: &Snapshot, logs: &LogRing) -> bool {
    if let Some(overlay) = &model.overlay {
        let scrolls = matches!(deed, Deed::Move(..));
        let copies = matches!(overlay, Overlay::Output { .. }) && deed == Deed::Copy;
        let pushes =
            matches!(overlay, Overlay::Push { .. }) && matches!(deed, Deed::Push | Deed::Decide(_) | Deed::StopPush);
        let is_fleet = matches!(overlay, Overlay::Fleet { .. }) && deed == Deed::Fleet;
        return scrolls
            || copies
            || is_fleet
            || pushes
            || matches!(deed, Deed::Back | Deed::Quit | Deed::Suspend | Deed::Redraw | Deed::Mouse);
    }
    let diagnostics = model.shows_diagnostics(snapshot);
    let panes = !diagnostics;
    let running = !matches!(snapshot.phase, Phase::Closing);
    match deed {
        Deed::Filter => panes,
        Deed::Search => panes && logs.end() > 0,
        Deed::Match(_) => panes && model.focus == Pane::Logs && !model.logs.search.is_empty(),
        Deed::Focus(pane) => panes && pane.is_there(snapshot),
        Deed::Freeze => panes,
        Deed::Move(..) if diagnostics => snapshot.diagnostics.len() > 1,
        Deed::Move(..) => match model.focus {
            Pane::Flow | Pane::Hops => snapshot.services.len() > 1,
            Pane::Edits => edits::listed(model, snapshot).len() > 1,
            Pane::Logs => logs.end() > 0,
            Pane::Jobs => jobs::listed(model, snapshot).len() > 1,
            Pane::Data => data::listed(model, snapshot).len() > 1,
        },
        Deed::Beside(_) => {
            panes
                && match model.focus {
                    Pane::Hops => snapshot.traces.len() > 1 && layout::arrangement(model) != Arrangement::Line,
                    Pane::Logs => snapshot.services.len() > 1,
                    Pane::Flow | Pane::Edits | Pane::Jobs | Pane::Data => false,
                }
        }
        Deed::Expand => panes && matches!(layout::arrangement(model), Arrangement::All | Arrangement::One),
        Deed::Bucket => panes && data::chosen_bucket(model, snapshot).is_some(),
        Deed::Job => panes && jobs::chosen_job(model, snapshot).is_some(),
        Deed::JobHops => panes && model.focus == Pane::Jobs && jobs::chosen_job(model, snapshot).is_some(),
        Deed::CancelJob => panes && model.focus == Pane::Jobs && jobs::can_cancel(model, snapshot),
        Deed::RetryJob => panes && model.focus == Pane::Jobs && jobs::can_retry(model, snapshot),
        Deed::RequestLogs => panes && !snapshot.traces.is_empty(),
        Deed::Findings => panes,
        Deed::Window(way) => {
            let windows = snapshot.hops.values().map(|hop| hop.windows.len()).max().unwrap_or(0);
            let seen = model.focus == Pane::Hops || layout::arrangement(model) == Arrangement::All;
            panes && seen && if way == Way::On { model.window + 1 < windows } else { model.window > 0 && windows > 1 }
        }
        Deed::Invoke => {
            // What is called is what runs here.
            let here = model.scope == Scope::Here;
            here && panes
                && running
                && model::chosen_service(model, snapshot).is_some_and(|service| service.version.is_some())
        }
        Deed::Fuse | Deed::Split => {
            let here = model.scope == Scope::Here && panes && running;
            let chosen = model::chosen_service(model, snapshot);
            let is_with = |service: &session_api::snapshot::ServiceView| !service.together.is_empty();
            here && chosen
                .is_some_and(|service| if deed == Deed::Split { is_with(service) } else { snapshot.services.len() > 1 })
        }
        Deed::Replay => running && snapshot.edits.iter().any(|edit| edit.judgement.is_some()),
        Deed::Undo => running && edits::undone(snapshot).is_some(),
        Deed::Push => {
            let new = !snapshot.services.is_empty() && !model::is_broken(snapshot) && snapshot.cluster.is_some();
            running && (new || model::open_push(snapshot).is_some())
        }
        // Only over the push itself.
        Deed::Decide(_) | Deed::StopPush => false,
        Deed::Open => !snapshot.file.as_os_str().is_empty() || diagnostics,
        Deed::Pager => logs.end() > 0,
        Deed::Copy => copied(model, snapshot, logs).is_some(),
        Deed::Back => back(model, snapshot),
        // A picture that stands still is of one backend.
        Deed::Cluster => model.frozen.is_none(),
        Deed::Help | Deed::Fleet | Deed::Command | Deed::Shell | Deed::Mouse | Deed::Page => true,
        Deed::Suspend | Deed::Redraw | Deed::Quit => true,
    }
}

/// Whether there is anything to go back from.
fn back(model: &Model, snapshot: &Snapshot) -> bool {
    let narrowed = model.logs.service.is_some() || model.logs.trace.is_some() || !model.logs.search.is_empty();
    model.shows_diagnostics(snapshot)
        || !model.filter.is_empty()
        || model.expanded
        || (model.focus == Pane::Logs && (narrowed || model.logs.at.is_some()))
}

/// What `y` puts into the clipboard.
pub(crate) fn copied(model: &Model, snapshot: &Snapshot, logs: &LogRing) -> Option<String> {
    if let Some(Overlay::Output { lines, .. }) = &model.overlay {
        return Some(lines.join("\n"));
    }
    if model.shows_diagnostics(snapshot) {
        let finding = snapshot.diagnostics.get(model.diagnostic).or(snapshot.diagnostics.first())?;
        let place = &finding.place;
        return Some(format!("{}:{}:{}: {}", place.file.display(), place.line, place.column, finding.message));
    }
    match model.focus {
        Pane::Flow => {
            let service = model::chosen_service(model, snapshot)?;
            service.url.clone().or_else(|| service.version.clone())
        }
        Pane::Hops => Some(snapshot.traces.get(model.trace)?.id.clone()),
        Pane::Edits => {
            let listed = edits::listed(model, snapshot);
            listed.get(edits::chosen(model, &listed)).map(|edit| edit.what())
        }
        Pane::Logs => log_view::current(model, logs).map(|(_, line)| line.line.clone()),
        Pane::Jobs => jobs::chosen_job(model, snapshot).map(|job| job.id.clone()),
        Pane::Data => data::chosen_bucket(model, snapshot).map(|bucket| bucket.name.clone()),
    }
}

fn beside(pane: Pane, step: usize, snapshot: &Snapshot) -> Pane {
    let next = Pane::ALL[(pane as usize + step) % Pane::ALL.len()];
    if next.is_there(snapshot) { next } else { beside(next, step, snapshot) }
}
