//! The timeline: edits, pushes and rollbacks, latest first.

use session_api::Snapshot;
use session_api::push::{PushAct, PushView, Stage};
use session_api::snapshot::{EditLine, EditOutcome};
use session_api::verdict::{Judgement, Verdict};

use crate::model::{Model, TimelineRow, matches};

/// A line of the timeline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    Edit(&'a EditLine),
    Push(&'a PushView),
}

impl Entry<'_> {
    /// When it happened.
    pub(crate) fn at_ms(self) -> u64 {
        match self {
            Self::Edit(edit) => edit.at_ms,
            Self::Push(push) => push.at_ms,
        }
    }

    pub(crate) fn id(self) -> TimelineRow {
        match self {
            Self::Edit(edit) => TimelineRow::Edit(edit.edit),
            Self::Push(push) => TimelineRow::Push(push.push),
        }
    }

    /// What it was about, in one line.
    pub(crate) fn what(self) -> String {
        match self {
            Self::Edit(edit) => what(edit),
            Self::Push(push) => pushed(push),
        }
    }
}

/// The lines that are listed, latest first.
pub(crate) fn listed<'a>(model: &Model, snapshot: &'a Snapshot) -> Vec<Entry<'a>> {
    let has = |entry: &Entry<'_>| {
        let reason = |edit: &EditLine| edit.services.iter().any(|service| matches(&service.reason, &model.filter));
        let named = match entry {
            Entry::Edit(edit) => {
                reason(edit) || edit.services.iter().any(|service| matches(&service.name, &model.filter))
            }
            Entry::Push(push) => push.changed().any(|roll| matches(&roll.name, &model.filter)),
        };
        named || matches(entry.what().as_str(), &model.filter)
    };
    let edits = snapshot.edits.iter().map(Entry::Edit);
    let mut all: Vec<_> = edits.chain(snapshot.pushes.iter().map(Entry::Push)).filter(has).collect();
    // Of what happened at one moment the push came later: it is of a text that was there.
    all.sort_by_key(|entry| (entry.at_ms(), matches!(entry, Entry::Push(_))));
    all.reverse();
    all
}

/// Where the chosen one stands in that list.
pub(crate) fn chosen(model: &Model, listed: &[Entry<'_>]) -> usize {
    listed.iter().position(|entry| Some(entry.id()) == model.entry).unwrap_or(0)
}

/// What is undone next: the last edit, or the last push that is still live. A rollback takes its push off the pile.
pub(crate) fn undone(snapshot: &Snapshot) -> Option<Entry<'_>> {
    let edits = snapshot.edits.iter().filter(|edit| edit.edit > 0).map(Entry::Edit);
    let live = snapshot.pushes.iter().filter(|push| push.is_live()).map(Entry::Push);
    let mut all: Vec<_> = edits.chain(live).collect();
    all.sort_by_key(|entry| (entry.at_ms(), matches!(entry, Entry::Push(_))));
    let mut pile: Vec<Entry<'_>> = Vec::new();
    for entry in all {
        match entry {
            Entry::Push(push) if push.act != PushAct::Push => {
                if let Some(at) = pile.iter().rposition(|before| matches!(before, Entry::Push(_))) {
                    pile.remove(at);
                }
            }
            _ => pile.push(entry),
        }
    }
    pile.pop()
}

/// What a push is about, in one line.
fn pushed(push: &PushView) -> String {
    let mut parts = Vec::new();
    if let PushAct::Rollback { to } = push.act {
        parts.push(to.map_or_else(|| "rollback".to_owned(), |to| format!("rollback to push {to}")));
    }
    match &push.stage {
        Stage::Failed { why, .. } | Stage::Declined { why } => parts.push(why.clone()),
        Stage::Nothing => parts.push("everything runs as it is wanted".to_owned()),
        Stage::Preparing => parts.push("what differs is built".to_owned()),
        _ => {}
    }
    parts.extend(push.doing.clone());
    let names: Vec<_> = push.changed().map(|roll| roll.name.as_str()).collect();
    if !names.is_empty() {
        parts.push(names.join(" "));
    }
    if let Some(target) = &push.target {
        parts.push(format!("to {target}"));
    }
    parts.join(", ")
}

/// What changed, in one line.
fn what(edit: &EditLine) -> String {
    let mut parts: Vec<_> = edit
        .services
        .iter()
        .map(|service| match service.reason.is_empty() {
            true => service.name.clone(),
            false => format!("{}: {}", service.name, service.reason),
        })
        .collect();
    if edit.flow {
        parts.push("the flow".into());
    }
    match &edit.outcome {
        EditOutcome::RolledBack { why } => parts.push(why.clone()),
        EditOutcome::Unchanged => parts.push("no change of meaning".into()),
        _ => {}
    }
    // What it changed of what functions return says more than why it was built.
    if let Some(words) = judgement(edit) {
        parts.insert(0, words);
    }
    if parts.is_empty() && edit.edit == 0 {
        parts.push("the start".into());
    }
    parts.join(", ")
}

/// What recorded inputs say of an edit, in a few words.
fn judgement(edit: &EditLine) -> Option<String> {
    match edit.judgement.as_ref()? {
        Judgement::Running => Some("recorded inputs are run".into()),
        Judgement::Done { verdicts } if verdicts.iter().all(|verdict| verdict.findings.recorded == 0) => None,
        Judgement::Done { verdicts } => {
            let words = |verdict: &Verdict| match verdicts.len() {
                1 => verdict.words(),
                _ => format!("{} {}", verdict.service, verdict.words()),
            };
            Some(verdicts.iter().map(words).collect::<Vec<_>>().join("; "))
        }
        Judgement::Superseded => None,
        Judgement::Failed { why } => Some(format!("not replayed: {why}")),
    }
}
