//! An edit on its way from a save to the first answer of the new code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::instance_of;
use session_api::{EditTimes, Fate, Report, Taken};

use crate::event::Edit;

/// What is known of the edit that is being taken over.
#[derive(Debug, Default)]
pub(crate) struct Taking {
    pub(crate) edit: Edit,
    times: Times,
    /// Whether services feed each other in another way.
    flow: bool,
    /// Services that are built or taken over, with the reason.
    open: BTreeMap<String, String>,
    done: Vec<Taken>,
    /// Services that one of several instances did not take over.
    uneven: BTreeSet<String>,
    removed: Vec<String>,
    /// Findings that were told: what several services share is told once.
    told: BTreeSet<String>,
    /// Said all there is to say.
    closed: bool,
}

/// When what happened, since the session began.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    saved: Duration,
    settled: Duration,
    loaded: Duration,
    built: Duration,
    switched: Duration,
}

impl Taking {
    /// Begins with a save that rested after `settled`.
    pub(crate) fn saved(edit: Edit, now: Duration, settled: Duration) -> Self {
        let saved = now.saturating_sub(settled);
        let times = Times { saved, settled: now, loaded: now, built: now, switched: now };
        Self { edit, times, closed: true, ..Self::default() }
    }

    /// Notes what the save changed: from now on there is something to tell.
    pub(crate) fn loaded(&mut self, now: Duration, open: BTreeMap<String, String>, removed: Vec<String>, flow: bool) {
        self.times = Times { loaded: now, built: now, switched: now, ..self.times };
        self.closed = open.is_empty() && removed.is_empty() && !flow;
        (self.open, self.removed, self.flow) = (open, removed, flow);
    }

    pub(crate) fn built(&mut self, now: Duration) {
        self.times.built = now;
        self.times.switched = now;
    }

    /// A service answers with its new version, `answered` after its host switched to it.
    pub(crate) fn live(
        &mut self,
        now: Duration,
        answered: Duration,
        name: &str,
        version: String,
        state: BTreeMap<String, Fate>,
    ) {
        if let Some(reason) = self.open.remove(name) {
            self.times.switched = now.saturating_sub(answered).max(self.times.built);
            // A service is told of once, by its first instance.
            if instance_of(name).1 > 1 || self.uneven.contains(name) {
                return;
            }
            self.done.push(Taken { name: name.to_owned(), reason, version, state, pid: None });
        }
    }

    /// Whether a service is still waited for.
    pub(crate) fn awaits(&self, name: &str) -> bool {
        self.open.contains_key(name)
    }

    /// A service that will not come, or an instance of one: then the edit is not live in that service.
    pub(crate) fn give_up(&mut self, name: &str) {
        self.open.remove(name);
        let (service, number) = instance_of(name);
        if number > 1 {
            self.done.retain(|taken| taken.name != service);
            self.uneven.insert(service.to_owned());
        }
    }

    /// Nothing of the edit will come.
    pub(crate) fn give_up_all(&mut self) {
        self.open.clear();
        self.closed = true;
    }

    /// Whether something of the edit is still to be told.
    pub(crate) fn is_open(&self) -> bool {
        !self.closed
    }

    /// Services that are still waited for.
    pub(crate) fn waits(&self) -> bool {
        !self.open.is_empty()
    }

    /// What is still waited for, and why.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (&String, &String)> {
        self.open.iter()
    }

    /// Whether a finding has not been told yet.
    pub(crate) fn is_news(&mut self, diagnostic: &app::Diagnostic) -> bool {
        self.told.insert(format!("{:?}{}", diagnostic.place, diagnostic.message))
    }

    /// What came of the edit, once: none where nothing did.
    pub(crate) fn close(&mut self, now: Duration) -> Option<Report> {
        if std::mem::replace(&mut self.closed, true) {
            return None;
        }
        let (services, removed) = (std::mem::take(&mut self.done), std::mem::take(&mut self.removed));
        let flow = std::mem::take(&mut self.flow);
        if services.is_empty() && removed.is_empty() && !flow {
            return None;
        }
        let Times { saved, settled, loaded, built, switched } = self.times;
        let ms = EditTimes {
            settle: millis(saved, settled),
            parse: millis(settled, loaded),
            build: millis(loaded, built),
            takeover: millis(built, switched),
            first_response: millis(switched, now),
            total: millis(saved, now),
        };
        Some(Report::Live { edit: self.edit, services, removed, flow, ms })
    }

    /// Milliseconds since the save.
    pub(crate) fn since_save(&self, now: Duration) -> f64 {
        millis(self.times.saved, now)
    }
}

fn millis(from: Duration, to: Duration) -> f64 {
    to.saturating_sub(from).as_secs_f64() * 1e3
}
