//! What is worth knowing before a push.

use super::{PlanStep, What};
use crate::model::{RunningApp, Wanted};
use crate::wire::called_otherwise;

/// In words, in the order of the services.
pub(super) fn notes(wanted: &Wanted, running: &RunningApp, steps: &[PlanStep]) -> Vec<String> {
    let mut notes = Vec::new();
    for (service, step) in wanted.services.iter().zip(steps) {
        let name = &service.name;
        let state = service.state.join(", ");
        if !service.state.is_empty() && step.replicas > 1 {
            notes.push(format!("each of the {} pods of {name} has its own {state}", step.replicas));
        }
        let is_made_anew = !matches!(step.what, What::New | What::Unchanged | What::Gone);
        if !service.state.is_empty() && is_made_anew {
            notes.push(format!("{state} of {name} begins anew: its pods are made anew"));
        }
        for unknown in service.form.unknown() {
            notes.push(format!(
                "what {name} sends or takes as {} cannot be seen into ({}): any change of it counts",
                unknown.written, unknown.why
            ));
        }
        let before = running.current(name).filter(|_| wanted.entry.as_ref() == Some(name));
        if let Some(form) = before.and_then(|before| before.form.as_ref()) {
            for found in called_otherwise(form, &service.form) {
                notes.push(format!("callers of {name} from outside: {} {}", found.field, found.why));
            }
        }
    }
    notes
}
