//! From a save to what it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::{App, Change, Diagnostic, Severity};
use protocol::instance_of;
use session_api::Report;
use session_api::snapshot::{EditLine, EditOutcome, EditedService};

use super::service::{Build, Kept};
use super::wiring::with_outside;
use super::{Gate, State, keep, millis};
use crate::effect::{Effect, Wanted};
use crate::environment::Environments;
use crate::event::{Artifact, Edit};
use crate::placement::instances;
use crate::state::edit::Taking;

impl State {
    pub(super) fn saved(&mut self, now: Duration, settled: Duration, files: &BTreeSet<PathBuf>) -> Vec<Effect> {
        self.edit += 1;
        self.saved = Taking::saved(self.edit, now, settled);
        let beside =
            self.recipe.as_ref().is_some_and(|recipe| files.iter().any(|file| recipe.consulted.contains(file)));
        match self.wanted.clone().filter(|_| beside) {
            // The file itself is read after that: what it means may rest on what it is compiled with.
            Some(app) => vec![Effect::Prepare { edit: self.edit, app: Wanted(app) }],
            None => vec![Effect::Load { edit: self.edit }],
        }
    }

    pub(super) fn loaded(
        &mut self,
        now: Duration,
        edit: Edit,
        app: Arc<App>,
        diagnostics: Vec<Diagnostic>,
        environments: Arc<Environments>,
    ) -> Vec<Effect> {
        // What was read before the last save is not what the user sees any more.
        if edit != self.edit {
            return Vec::new();
        }
        let mut effects = vec![self.watch(&app.files)];
        if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            effects.extend(self.unreadable(now, edit, diagnostics));
            return effects;
        }
        effects.extend(self.surround(now, &app, environments));
        self.trouble.remove(&None);
        self.types = super::picture::types(&app);
        effects.extend(match self.wanted.replace(app.clone()) {
            Some(_) => self.edited(now, edit, app),
            None => self.begun(edit, app),
        });
        effects
    }

    /// What stands in the file is no app: what was wanted before is still wanted.
    fn unreadable(&mut self, now: Duration, edit: Edit, diagnostics: Vec<Diagnostic>) -> Vec<Effect> {
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        self.trouble.insert(None, diagnostics.clone());
        let outcome = EditOutcome::Broken { errors };
        keep(
            &mut self.edits,
            EditLine {
                edit,
                at_ms: millis(now),
                outcome,
                services: Vec::new(),
                flow: false,
                ms: None,
                judgement: None,
            },
        );
        let mut effects = self.tell_broken(edit, diagnostics);
        effects.extend(self.end_of_a_broken_start());
        effects
    }

    /// The first good reading.
    fn begun(&mut self, edit: Edit, app: Arc<App>) -> Vec<Effect> {
        self.taking = Taking::saved(edit, Duration::ZERO, Duration::ZERO);
        self.gate = Gate { structural: true, ..Gate::default() };
        if let Err(error) = instances::check(&self.environments.instances, &app) {
            let message = format!("cannot start instances: {error}");
            let mut effects = vec![Effect::Report(Report::Failed { message, hint: None })];
            effects.extend(self.close());
            return effects;
        }
        let mut told = self.count_instances(Duration::ZERO, &app);
        // Containers start while dependencies are built.
        for one in self.each(&app) {
            let known = self.services.entry(one.name.into_owned()).or_default();
            known.given = self.environments.get(&one.service.name);
        }
        if let Err(error) = self.environments.together.check(app.services.iter().map(|service| service.name.as_str())) {
            let message = format!("cannot run services together: {error}");
            let mut effects = vec![Effect::Report(Report::Failed { message, hint: None })];
            effects.extend(self.close());
            return effects;
        }
        told.extend(self.place(Duration::ZERO, &app));
        let mut effects = told;
        effects.push(Effect::Open {
            app: Wanted(app.clone()),
            environments: self.environments.clone(),
            hosts: self.hosts.clone(),
        });
        effects.push(Effect::Prepare { edit, app: Wanted(app) });
        effects
    }

    /// A later one: what changed its meaning is built, the rest goes on.
    fn edited(&mut self, now: Duration, edit: Edit, app: Arc<App>) -> Vec<Effect> {
        let mut effects = self.supersede(edit);
        effects.extend(self.count_instances(now, &app));
        let mut open = self.renew(&app);
        self.add_surroundings(&app, &mut open);
        let removed = self.leave(&app);
        let flow = self.routed.as_ref().is_some_and(|routed| routed.flow != app.flow);
        let saved = std::mem::take(&mut self.saved);
        // Read again after its dependencies were prepared, it is the edit that was saved before, and no other.
        self.taking = if saved.edit == edit { saved } else { Taking::saved(edit, now, Duration::ZERO) };
        if open.is_empty() && removed.is_empty() && !flow {
            self.routed = self.routed.as_ref().map(|_| app);
            self.note_edit(now, EditOutcome::Unchanged, false);
            effects.push(Effect::Report(Report::Unchanged { edit, ms: self.taking.since_save(now) }));
            return effects;
        }
        effects.extend(self.end_judging(edit));
        let structural = self.routed.as_ref().is_none_or(|routed| shape(routed) != shape(&app));
        self.gate = Gate { structural, ..Gate::default() };
        self.taking.loaded(now, open, removed, flow);
        self.note_edit(now, EditOutcome::Open, flow);
        if self.recipe.is_none() {
            // The first attempt failed, or this is its end before it came to one.
            effects.push(Effect::Prepare { edit, app: Wanted(app) });
        } else {
            effects.push(Effect::Check { edit, app: Wanted(app) });
        }
        effects
    }

    fn supersede(&mut self, by: Edit) -> Vec<Effect> {
        if !self.taking.is_open() || self.taking.edit == by {
            return Vec::new();
        }
        let edit = self.taking.edit;
        self.outcome(edit, EditOutcome::Superseded);
        vec![Effect::Report(Report::Superseded { edit, by })]
    }

    /// Which services have to be built for `app`, each with the reason; what serves its meaning already is noted so.
    /// What failed before is tried again: its lines may have moved, and what it met may be gone.
    fn renew(&mut self, app: &Arc<App>) -> BTreeMap<String, String> {
        let mut compared: Vec<(Arc<App>, BTreeMap<String, String>)> = Vec::new();
        let mut open = BTreeMap::new();
        for one in self.each(app) {
            let service = one.service;
            let key = self.key(service);
            let known = self.services.entry(one.name.to_string()).or_default();
            known.leaving = false;
            if matches!(known.build, Build::Failed { .. }) {
                known.build = Build::None;
            }
            known.refused = None;
            known.deaths = 0;
            self.trouble.remove(&Some(service.name.clone()));
            if let Some(live) = known.live.as_mut().filter(|live| live.key == key) {
                live.app = app.clone();
                continue;
            }
            let reason = match &known.live {
                None => "it is new".to_owned(),
                Some(live) => {
                    let at = compared.iter().position(|(base, _)| Arc::ptr_eq(base, &live.app)).unwrap_or_else(|| {
                        compared.push((live.app.clone(), reasons(&live.app, app)));
                        compared.len() - 1
                    });
                    let given = compared[at].1.get(&service.name).cloned();
                    given.unwrap_or_else(|| {
                        let has_moved = live.app.service(&service.name).is_some_and(|was| was.places != service.places);
                        let why = if self.settings.debug && has_moved { "its lines moved" } else { ANEW };
                        why.to_owned()
                    })
                }
            };
            open.insert(one.name.into_owned(), reason);
        }
        open
    }

    /// Marks what `app` has no more.
    fn leave(&mut self, app: &App) -> Vec<String> {
        let mut removed = Vec::new();
        for (name, known) in &mut self.services {
            let (service, number) = instance_of(name);
            if app.service(service).is_none() && !known.leaving {
                known.leaving = true;
                self.trouble.remove(&Some(name.clone()));
                if known.live.is_some() && number == 1 {
                    removed.push(name.clone());
                }
            }
        }
        removed
    }

    pub(super) fn checked(&mut self, edit: Edit) -> Vec<Effect> {
        if edit == self.taking.edit {
            self.gate.checked = true;
        }
        Vec::new()
    }

    /// The services of an edit do not fit together: it is refused as a whole.
    pub(super) fn mismatched(&mut self, edit: Edit, diagnostics: Vec<Diagnostic>) -> Vec<Effect> {
        if edit != self.taking.edit {
            return Vec::new();
        }
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        self.trouble.insert(None, diagnostics.clone());
        self.outcome(edit, EditOutcome::Broken { errors });
        self.taking.give_up_all();
        if let Some(routed) = self.routed.clone() {
            self.wanted = Some(routed.clone());
            self.renew(&routed);
            self.leave(&routed);
            self.gate = Gate { structural: false, checked: true, committed: true };
        }
        let mut effects = self.tell_broken(edit, diagnostics);
        effects.extend(self.end_of_a_broken_start());
        effects
    }

    pub(super) fn built(&mut self, now: Duration, ticket: u64, service: String, artifact: Artifact) -> Vec<Effect> {
        let (Some(app), Some(known)) = (self.wanted.clone(), self.services.get_mut(&service)) else {
            return Vec::new();
        };
        // A later build of the service follows, or nobody wants this one any more.
        let Build::Running { ticket: latest, key } = &known.build else { return Vec::new() };
        if *latest != ticket {
            return Vec::new();
        }
        // Only rustc tells what a library rests on beside the app's own files.
        let key = with_outside(key, &artifact.outside);
        known.build = Build::None;
        let Artifact { version, compiled, with, ms, rests_on, outside, .. } = artifact.clone();
        let built = known.compiling.take().unwrap_or_else(|| app.clone());
        let kept = Kept { key, app: app.clone(), built, artifact };
        known.artifact = Some(kept.clone());
        self.share(&service, &kept);
        let mut effects = Vec::new();
        if let Some(recipe) = &mut self.recipe {
            let files = recipe.consulted.len();
            recipe.consulted.extend(rests_on);
            if outside.is_empty() {
                recipe.outside.remove(&service);
            } else {
                recipe.outside.insert(service.clone(), outside);
            }
            if recipe.consulted.len() > files {
                effects.push(self.watch(&app.files));
            }
        }
        self.taking.built(now);
        self.trouble.remove(&Some(service.clone()));
        let (edit, with) = (self.taking.edit, (with > 1).then_some(with));
        effects.push(Effect::Report(Report::Built { edit, service, version, compiled, with, ms }));
        effects
    }

    pub(super) fn broken(
        &mut self,
        ticket: u64,
        service: Option<String>,
        mut diagnostics: Vec<Diagnostic>,
    ) -> Vec<Effect> {
        if let Some(known) = service.as_ref().and_then(|service| self.services.get_mut(service)) {
            let Build::Running { ticket: latest, key } = &known.build else { return Vec::new() };
            if *latest != ticket {
                return Vec::new();
            }
            known.build = Build::Failed { key: key.clone() };
        }
        self.trouble.insert(service.clone(), diagnostics.clone());
        let edit = self.taking.edit;
        if let Some(service) = &service {
            self.instance_names(service).iter().for_each(|name| self.taking.give_up(name));
        }
        // An edit of more than bodies is taken over whole or not at all.
        if service.is_none() || self.gate.structural && !self.gate.committed {
            self.taking.give_up_all();
        }
        let errors = self.errors();
        self.outcome(edit, EditOutcome::Broken { errors });
        diagnostics.retain(|diagnostic| self.taking.is_news(diagnostic));
        let mut effects = self.tell_broken(edit, diagnostics);
        effects.extend(self.end_of_a_broken_start());
        effects
    }

    fn tell_broken(&mut self, edit: Edit, mut diagnostics: Vec<Diagnostic>) -> Vec<Effect> {
        if diagnostics.is_empty() {
            return Vec::new();
        }
        diagnostics.sort_by(|a, b| (a.severity, &a.place).cmp(&(b.severity, &b.place)));
        vec![Effect::Report(Report::Broken { edit, diagnostics })]
    }

    /// Nothing serves and nobody is there to mend it: the session ends.
    pub(super) fn end_of_a_broken_start(&mut self) -> Vec<Effect> {
        if self.ready || self.settings.waits { Vec::new() } else { self.close() }
    }

    fn errors(&self) -> usize {
        let all = self.trouble.values().flatten();
        all.filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }

    /// Writes the edit that is on its way into the list of edits.
    fn note_edit(&mut self, now: Duration, outcome: EditOutcome, flow: bool) {
        let services = self
            .taking
            .reasons()
            .filter(|(name, _)| instance_of(name).1 == 1)
            .map(|(name, reason)| EditedService { name: name.clone(), reason: reason.clone(), version: None });
        let line = EditLine {
            edit: self.taking.edit,
            at_ms: millis(now),
            outcome,
            services: services.collect(),
            flow,
            ms: None,
            judgement: None,
        };
        self.edits.retain(|other| other.edit != line.edit);
        keep(&mut self.edits, line);
    }

    /// What became of an edit.
    pub(super) fn outcome(&mut self, edit: Edit, outcome: EditOutcome) {
        if let Some(line) = self.edits.iter_mut().rev().find(|line| line.edit == edit) {
            line.outcome = outcome;
        }
    }
}

/// Why a service is built whose meaning stayed as it was.
const ANEW: &str = "what it is compiled with changed";

/// Why each service that changed did.
fn reasons(old: &App, new: &App) -> BTreeMap<String, String> {
    let changes = app::compare(old, new).services.into_iter();
    let changed = changes.filter_map(|change| match change {
        Change::Changed { service, reasons } => Some((service, reasons.join(", "))),
        Change::Added { .. } | Change::Removed { .. } => None,
    });
    changed.collect()
}

/// What has to change everywhere at once: which services there are, what each takes and gives, who feeds whom.
fn shape(app: &App) -> impl PartialEq + use<> {
    let services = app.services.iter().map(|service| {
        let inputs = service.inputs.clone();
        (service.name.clone(), (inputs, service.output.clone()))
    });
    (services.collect::<BTreeMap<_, _>>(), app.flow.clone())
}

#[cfg(test)]
mod tests;
