//! Pushes and rollbacks: begun, answered and stopped by keys. What cannot be taken back asks for the key twice.

use session_api::push::Stage;
use session_api::{Command, Snapshot};

use crate::act::Action;
use crate::deed::Deed;
use crate::edits::{self, Entry};
use crate::model::{Model, Overlay, open_push};

/// Whether a line begins a push or rollback that is asked about.
pub(super) fn is_one(line: &str) -> bool {
    let mut words = line.trim_start_matches(':').split_whitespace();
    let begins = line.starts_with(':') && matches!(words.next(), Some("push" | "rollback"));
    begins && words.all(|word| word != "--stop")
}

/// What to do where a push is under way and the key would end it: the first one warns, the second one means it.
pub(super) fn warned(model: &mut Model, deed: Deed, again: bool, snapshot: &Snapshot) -> Option<Vec<Action>> {
    if deed == Deed::CancelJob && !again {
        model.warned = true;
        model.message = Some("once more cancels the job".to_owned());
        return Some(Vec::new());
    }
    let push = open_push(snapshot).filter(|push| push.stage == Stage::Underway)?;
    let word = push.act.word();
    let words = match deed {
        Deed::Quit => format!("a {word} is under way: once more stops it and ends the session"),
        Deed::StopPush => format!("once more has the {word} stop where it is; p puts this aside, and it goes on"),
        _ => return None,
    };
    if again {
        return None;
    }
    model.warned = true;
    model.message = Some(words);
    Some(Vec::new())
}

/// Begins a push, shows the one that is open, or puts it aside.
pub(super) fn push(model: &mut Model, snapshot: &Snapshot) -> Vec<Action> {
    if matches!(model.overlay, Some(Overlay::Push { .. })) {
        model.overlay = None;
        return Vec::new();
    }
    model.overlay = Some(Overlay::Push { scroll: 0 });
    if open_push(snapshot).is_some() {
        return Vec::new();
    }
    let (goal, then) = Default::default();
    vec![Action::Say(Command::Push { goal, services: Vec::new(), with_dependents: false, then })]
}

/// Says yes or no to the push that asks. One that is declined is seen in the timeline.
pub(super) fn decide(model: &mut Model, yes: bool, snapshot: &Snapshot) -> Vec<Action> {
    let Some(push) = open_push(snapshot) else { return Vec::new() };
    if !yes {
        model.overlay = None;
    }
    vec![Action::Say(Command::Decide { push: push.push, yes })]
}

/// Undoes what was done last: an edit in the file, a push by a rollback, which asks first.
pub(super) fn undo(model: &mut Model, snapshot: &Snapshot) -> Vec<Action> {
    let Some(Entry::Push(push)) = edits::undone(snapshot) else {
        model.message = Some("undoing the last edit".into());
        return vec![Action::Say(Command::Undo)];
    };
    model.overlay = Some(Overlay::Push { scroll: 0 });
    let target = push.target.as_ref();
    let goal = session_api::command::Goal {
        context: target.map(|target| target.context.clone()),
        namespace: target.map(|target| target.namespace.clone()),
    };
    let then = session_api::command::Then::Ask;
    vec![Action::Say(Command::Rollback { goal, service: None, to: None, undoes: push.number(), then })]
}
