//! An edit on its way from a save to the first answer of the new code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::report::{Fate, Report, Taken, Waterfall};

/// What is known of the edit that is being taken over.
#[derive(Debug, Default)]
pub(crate) struct Taking {
    saved: Duration,
    loaded: Duration,
    built: Duration,
    flow: bool,
    /// Services that are built or taken over, with the reason.
    open: BTreeMap<String, String>,
    done: Vec<Taken>,
    /// Findings that were told: what several services share is told once.
    told: BTreeSet<String>,
}

impl Taking {
    /// Begins with a settled save.
    pub(crate) fn saved(now: Duration) -> Self {
        Self { saved: now, loaded: now, built: now, ..Self::default() }
    }

    /// Notes what the save changed.
    pub(crate) fn loaded(&mut self, now: Duration, open: BTreeMap<String, String>, flow: bool) {
        self.loaded = now;
        self.built = now;
        self.open = open;
        self.flow = flow;
    }

    pub(crate) fn built(&mut self, now: Duration) {
        self.built = now;
    }

    pub(crate) fn live(&mut self, name: &str, version: String, state: BTreeMap<String, Fate>) {
        if let Some(reason) = self.open.remove(name) {
            self.done.push(Taken { name: name.to_owned(), reason, version, state });
        }
    }

    /// A service that will not come.
    pub(crate) fn give_up(&mut self, name: &str) {
        self.open.remove(name);
    }

    /// Whether a finding has not been told yet.
    pub(crate) fn is_news(&mut self, diagnostic: &app::Diagnostic) -> bool {
        self.told.insert(format!("{:?}{}", diagnostic.place, diagnostic.message))
    }

    /// The report, once nothing is open any more and anything came of it.
    pub(crate) fn report(&mut self, edit: u64, now: Duration) -> Option<Report> {
        if !self.open.is_empty() || self.done.is_empty() && !self.flow {
            return None;
        }
        let services = std::mem::take(&mut self.done);
        let flow = std::mem::take(&mut self.flow);
        let ms = Waterfall {
            parse: millis(self.saved, self.loaded),
            build: millis(self.loaded, self.built),
            takeover: millis(self.built, now),
            total: millis(self.saved, now),
        };
        Some(Report::Live { edit, services, flow, ms })
    }

    /// Milliseconds since the save.
    pub(crate) fn since_save(&self, now: Duration) -> f64 {
        millis(self.saved, now)
    }
}

fn millis(from: Duration, to: Duration) -> f64 {
    to.saturating_sub(from).as_secs_f64() * 1e3
}
