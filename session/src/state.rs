//! All that a session knows, and the one function that changes it: no clock, no await, no IO.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app::{App, Change, Changes, Diagnostic, Severity};
use hops::{Config, Limits, Peer};

use crate::edit::Taking;
use crate::effect::{Effect, Wanted};
use crate::event::{Artifact, Edit, Event, Seat};
use crate::report::{Address, Fate, Report};

/// A crash within this long of the last start lengthens the pause before the next.
const STEADY: Duration = Duration::from_secs(10);
/// The first pause before a restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// All that a session knows.
#[derive(Debug)]
pub(crate) struct State {
    edit: Edit,
    app: Option<Arc<App>>,
    ground: Option<Ground>,
    services: BTreeMap<String, Service>,
    /// The edit each service is built for.
    building: BTreeMap<String, Edit>,
    taking: Taking,
    ready: bool,
    closing: bool,
    token: String,
    limits: Limits,
}

#[derive(Debug)]
struct Ground {
    name: &'static str,
    front: SocketAddr,
    seats: BTreeMap<String, Seat>,
}

#[derive(Debug, Default)]
struct Service {
    /// Its host was started.
    begun: bool,
    artifact: Option<Artifact>,
    live: Option<String>,
    /// When its host was last seen to start, and how often it ended soon after.
    started: Duration,
    crashes: u32,
}

impl State {
    pub(crate) fn new(token: String, limits: Limits) -> Self {
        Self {
            edit: 0,
            app: None,
            ground: None,
            services: BTreeMap::new(),
            building: BTreeMap::new(),
            taking: Taking::default(),
            ready: false,
            closing: false,
            token,
            limits,
        }
    }

    /// The first thing to do.
    pub(crate) fn begin(&self) -> Vec<Effect> {
        vec![Effect::Load { edit: self.edit }]
    }

    /// What follows from an event. `now` counts from the session's begin.
    pub(crate) fn update(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        match event {
            Event::Interrupted | Event::Failed { .. } if self.closing => Vec::new(),
            Event::Interrupted => self.close(),
            Event::Failed { message, hint } => {
                let mut effects = vec![Effect::Report(Report::Failed { message, hint })];
                effects.extend(self.close());
                effects
            }
            Event::Closed => vec![Effect::Report(Report::Stopped)],
            Event::Log { service, stream, line } => vec![Effect::Report(Report::Log { service, stream, line })],
            Event::Notice { message } => vec![Effect::Report(Report::Notice { message })],
            _ if self.closing => Vec::new(),
            Event::Saved => self.saved(now),
            Event::Loaded { edit, app, diagnostics } => self.loaded(now, edit, app, diagnostics),
            Event::Opened { ground, front, seats } => self.opened(ground, front, seats),
            Event::Prepared { edit } => self.prepared(edit),
            Event::Built { edit, service, artifact } => self.built(now, edit, service, artifact),
            Event::Broken { edit, service, diagnostics } => self.broken(now, edit, service.as_deref(), diagnostics),
            Event::Started { service } => self.started(now, service),
            Event::Live { edit, service, version, states } => self.live(now, edit, &service, version, states),
            Event::Back { service, version } => {
                if let Some(known) = self.services.get_mut(&service) {
                    known.started = now;
                }
                vec![Effect::Report(Report::Up { service, version })]
            }
            Event::Down { service, why } => self.down(now, service, why),
            Event::Refused { service, why } if self.ready => self.refused(now, service, why),
            Event::Refused { service, why } => {
                self.update(now, Event::Failed { message: format!("{service}: {why}"), hint: None })
            }
        }
    }

    fn close(&mut self) -> Vec<Effect> {
        self.closing = true;
        vec![Effect::Close]
    }

    fn saved(&mut self, now: Duration) -> Vec<Effect> {
        self.edit += 1;
        self.taking = Taking::saved(now);
        vec![Effect::Load { edit: self.edit }]
    }

    fn loaded(&mut self, now: Duration, edit: Edit, app: Arc<App>, diagnostics: Vec<Diagnostic>) -> Vec<Effect> {
        // What was read before the last save is not what the user sees any more.
        if edit != self.edit {
            return Vec::new();
        }
        let watch = Effect::Watch { files: app.files.clone() };
        let mut effects = if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            self.broken(now, edit, None, diagnostics)
        } else {
            match self.app.clone() {
                Some(old) => self.edited(now, &old, app),
                None => self.begun(edit, app),
            }
        };
        effects.push(watch);
        effects
    }

    /// The first good reading.
    fn begun(&mut self, edit: Edit, app: Arc<App>) -> Vec<Effect> {
        self.services = app.services.iter().map(|service| (service.name.clone(), Service::default())).collect();
        self.app = Some(app.clone());
        // Containers start while dependencies are built.
        vec![Effect::Open { app: Wanted(app.clone()) }, Effect::Prepare { edit, app: Wanted(app) }]
    }

    /// A later one: what changed its meaning is built, the rest goes on.
    fn edited(&mut self, now: Duration, old: &App, app: Arc<App>) -> Vec<Effect> {
        let edit = self.edit;
        let changes = app::compare(old, &app);
        if let Some(why) = needs_restart(old, &app, &changes) {
            let message =
                format!("edit {edit} waits for the next start of `dyn dev`: {why}; what ran before still runs");
            return vec![Effect::Report(Report::Notice { message })];
        }
        let inputs = |app: &App| app.services.iter().map(|service| service.inputs.clone()).collect::<Vec<_>>();
        let routes = changes.flow || inputs(old) != inputs(&app);
        self.app = Some(app.clone());
        if changes.is_nothing() {
            return vec![Effect::Report(Report::Unchanged { edit, ms: self.taking.since_save(now) })];
        }
        let changed: BTreeMap<String, String> = changes
            .services
            .into_iter()
            .filter_map(|change| match change {
                Change::Changed { service, reasons } => Some((service, reasons.join(", "))),
                Change::Added { .. } | Change::Removed { .. } => None,
            })
            .collect();
        let mut effects: Vec<Effect> = if routes { self.reloads() } else { Vec::new() };
        for service in changed.keys() {
            self.building.insert(service.clone(), edit);
            effects.push(Effect::Report(Report::Building { edit, service: service.clone() }));
            effects.push(Effect::Build { edit, app: Wanted(app.clone()), service: service.clone() });
        }
        self.taking.loaded(now, changed, changes.flow);
        effects.extend(self.taking.report(edit, now).map(Effect::Report));
        effects
    }

    /// Every host is told its routes and peers anew.
    fn reloads(&self) -> Vec<Effect> {
        let (Some(app), Some(ground)) = (&self.app, &self.ground) else { return Vec::new() };
        let reload = |service: &app::Service| {
            let config = Box::new(self.config(&service.name)?);
            Some(Effect::Reload { config, host: service.host.clone(), at: ground.seats.get(&service.name)?.here })
        };
        app.services.iter().filter_map(reload).collect()
    }

    fn opened(&mut self, name: &'static str, front: SocketAddr, seats: BTreeMap<String, Seat>) -> Vec<Effect> {
        self.ground = Some(Ground { name, front, seats });
        let Some(app) = self.app.clone() else { return Vec::new() };
        let starts = app.services.iter().filter_map(|service| {
            let config = Box::new(self.config(&service.name)?);
            let library = self.services.get(&service.name)?.artifact.as_ref().map(|artifact| artifact.file.clone());
            Some(Effect::Start { config, host: service.host.clone(), library })
        });
        starts.collect()
    }

    fn prepared(&mut self, edit: Edit) -> Vec<Effect> {
        let Some(app) = &self.app else { return Vec::new() };
        let build = |service: &app::Service| {
            let name = service.name.clone();
            let building = Report::Building { edit, service: name.clone() };
            [Effect::Report(building), Effect::Build { edit, app: Wanted(app.clone()), service: name }]
        };
        app.services.iter().flat_map(build).collect()
    }

    fn built(&mut self, now: Duration, edit: Edit, service: String, artifact: Artifact) -> Vec<Effect> {
        // A later edit changed the service again: that build follows.
        if self.building.get(&service).is_some_and(|latest| *latest != edit) {
            return Vec::new();
        }
        self.taking.built(now);
        let Some(known) = self.services.get_mut(&service) else { return Vec::new() };
        let Artifact { version, compiled, ms, .. } = artifact.clone();
        known.artifact = Some(artifact);
        let mut effects = vec![Effect::Report(Report::Built { edit, service: service.clone(), version, compiled, ms })];
        effects.extend(self.swap(&service));
        effects
    }

    fn broken(
        &mut self,
        now: Duration,
        edit: Edit,
        service: Option<&str>,
        mut diagnostics: Vec<Diagnostic>,
    ) -> Vec<Effect> {
        if edit != self.edit {
            return Vec::new();
        }
        diagnostics.retain(|diagnostic| self.taking.is_news(diagnostic));
        if let Some(service) = service {
            self.taking.give_up(service);
        }
        let live = self.taking.report(edit, now).map(Effect::Report);
        if diagnostics.is_empty() {
            return live.into_iter().collect();
        }
        diagnostics.sort_by(|a, b| (a.severity, &a.place).cmp(&(b.severity, &b.place)));
        let mut effects = vec![Effect::Report(Report::Broken { edit, diagnostics })];
        effects.extend(live);
        if !self.ready {
            effects.extend(self.close());
        }
        effects
    }

    fn started(&mut self, now: Duration, service: String) -> Vec<Effect> {
        let Some(known) = self.services.get_mut(&service) else { return Vec::new() };
        known.begun = true;
        known.started = now;
        self.swap(&service).into_iter().collect()
    }

    fn live(
        &mut self,
        now: Duration,
        edit: Edit,
        service: &str,
        version: String,
        states: BTreeMap<String, Fate>,
    ) -> Vec<Effect> {
        let Some(known) = self.services.get_mut(service) else { return Vec::new() };
        known.live = Some(version.clone());
        if !self.ready {
            if self.services.values().any(|service| service.live.is_none()) {
                return Vec::new();
            }
            self.ready = true;
            return self.ready_report(now).map(Effect::Report).into_iter().collect();
        }
        if edit != self.edit {
            return Vec::new();
        }
        self.taking.live(service, version, states);
        self.taking.report(edit, now).map(Effect::Report).into_iter().collect()
    }

    /// A new version that its host did not take: the one before serves on.
    fn refused(&mut self, now: Duration, service: String, why: String) -> Vec<Effect> {
        self.taking.give_up(&service);
        let edit = self.edit;
        let live = self.taking.report(edit, now).map(Effect::Report);
        [Effect::Report(Report::RolledBack { edit, service, why })].into_iter().chain(live).collect()
    }

    fn down(&mut self, now: Duration, service: String, why: String) -> Vec<Effect> {
        let seat = self.ground.as_ref().and_then(|ground| ground.seats.get(&service));
        let (Some(at), Some(known)) = (seat.map(|seat| seat.here), self.services.get_mut(&service)) else {
            return Vec::new();
        };
        known.crashes = if now.saturating_sub(known.started) > STEADY { 1 } else { known.crashes.saturating_add(1) };
        known.started = now;
        let after = pause(known.crashes);
        let restart_ms = u64::try_from(after.as_millis()).ok();
        vec![
            Effect::Report(Report::Down { service: service.clone(), why, restart_ms }),
            Effect::Restart { service, at, after },
        ]
    }

    /// Has the host take its library over, once both are there.
    fn swap(&self, service: &str) -> Option<Effect> {
        let known = self.services.get(service)?;
        let artifact = known.artifact.as_ref().filter(|_| known.begun)?;
        let app = self.app.as_ref()?;
        let host = app.services.iter().find(|known| known.name == service)?.host.clone();
        Some(Effect::Swap {
            edit: self.edit,
            config: Box::new(self.config(service)?),
            host,
            library: artifact.file.clone(),
            version: artifact.version.clone(),
            at: self.ground.as_ref()?.seats.get(service)?.here,
        })
    }

    /// What a host is told.
    fn config(&self, service: &str) -> Option<Config> {
        let (app, ground) = (self.app.as_ref()?, self.ground.as_ref()?);
        let seat = ground.seats.get(service)?;
        let peer = |known: &app::Service| {
            let seat = ground.seats.get(&known.name)?;
            let inputs = known.inputs.iter().map(|input| input.name.clone()).collect();
            Some((known.name.clone(), Peer { address: seat.peer.clone(), host: known.host.clone(), inputs }))
        };
        let library = self
            .services
            .get(service)
            .and_then(|known| known.artifact.as_ref())
            .and_then(|artifact| artifact.file.file_name());
        Some(Config {
            app: app.name.clone(),
            service: service.to_owned(),
            listen: seat.listen,
            front: seat.front,
            peers: app.services.iter().filter_map(peer).collect(),
            route: app.route_of(service),
            library: library.map(|name| name.to_string_lossy().into_owned()),
            token: self.token.clone(),
            limits: self.limits,
        })
    }

    fn ready_report(&self, now: Duration) -> Option<Report> {
        let (app, ground) = (self.app.as_ref()?, self.ground.as_ref()?);
        let address = |service: &app::Service| {
            let known = self.services.get(&service.name)?;
            let url = format!("http://{}/", ground.seats.get(&service.name)?.here);
            Some(Address { name: service.name.clone(), url, version: known.live.clone()? })
        };
        Some(Report::Ready {
            url: format!("http://{}/", ground.front),
            ground: ground.name.to_owned(),
            services: app.services.iter().filter_map(address).collect(),
            ms: now.as_secs_f64() * 1e3,
        })
    }
}

/// Why an edit cannot be taken over in place.
fn needs_restart(old: &App, new: &App, changes: &Changes) -> Option<String> {
    let names = |wanted: fn(&Change) -> Option<&String>| {
        let names: Vec<_> = changes.services.iter().filter_map(wanted).map(String::as_str).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let added = names(|change| if let Change::Added { service } = change { Some(service) } else { None });
    let removed = names(|change| if let Change::Removed { service } = change { Some(service) } else { None });
    match (added, removed) {
        (Some(added), _) => Some(format!("{added} is a new service")),
        (None, Some(removed)) => Some(format!("{removed} is a service no more")),
        (None, None) if old.last() != new.last() => Some("another service is the last of the chain".to_owned()),
        (None, None) => None,
    }
}

/// The pause before a restart after so many crashes in a row.
fn pause(crashes: u32) -> Duration {
    let doubled = FIRST_PAUSE.checked_mul(1 << crashes.saturating_sub(1).min(10));
    doubled.map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
