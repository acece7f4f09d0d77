//! What became of an edit, written down for `dyn history`.

use session_api::Report;

use super::Actor;
use crate::queued::Queued;

impl Actor {
    /// Writes down the edit that a report speaks of. Where that does not work, no further one is tried.
    pub(super) fn keep_edit(&mut self, report: &Report) {
        let (Report::Unchanged { edit, .. }
        | Report::Live { edit, .. }
        | Report::Superseded { edit, .. }
        | Report::RolledBack { edit, .. }
        | Report::Broken { edit, .. }) = report
        else {
            return;
        };
        let Some(line) = self.state.edit(*edit).filter(|line| line.edit > 0) else { return };
        let Some(timeline) = &self.timeline else { return };
        let ago = self.begun.elapsed().saturating_sub(std::time::Duration::from_millis(line.at_ms));
        if let Err(error) = timeline.note(line, ago) {
            self.timeline = None;
            let message = format!("edits are not kept for `dyn history`: {error}");
            self.outbox.send(Queued(Report::Notice { message }));
        }
    }
}
