//! The edits that are listed, latest first.

use session::Snapshot;
use session::snapshot::{EditLine, Outcome};
use session::verdict::{Judgement, Verdict};

use crate::model::{Model, matches};

/// The edits that are listed, latest first.
pub(crate) fn listed<'a>(model: &Model, snapshot: &'a Snapshot) -> Vec<&'a EditLine> {
    let has = |edit: &EditLine| {
        model.filter.is_empty()
            || edit.services.iter().any(|s| matches(&s.name, &model.filter) || matches(&s.reason, &model.filter))
            || matches(what(edit).as_str(), &model.filter)
    };
    snapshot.edits.iter().rev().filter(|edit| has(edit)).collect()
}

/// Where the chosen edit stands in that list.
pub(crate) fn chosen(model: &Model, listed: &[&EditLine]) -> usize {
    listed.iter().position(|edit| Some(edit.edit) == model.edit).unwrap_or(0)
}

/// What changed, in one line.
pub(crate) fn what(edit: &EditLine) -> String {
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
        Outcome::RolledBack { why } => parts.push(why.clone()),
        Outcome::Unchanged => parts.push("no change of meaning".into()),
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
        Judgement::Failed { why } => Some(format!("recorded inputs are not run: {why}")),
    }
}
