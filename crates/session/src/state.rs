//! All that a session knows, and the one function that changes it: no clock, no await, no IO.
//!
//! Events say what happened; [`State::update`] notes it and then asks `advance` for whatever is still missing between
//! what runs and what the file says. Nothing remembers a plan: each answer follows from what is true now.

mod advance;
mod edit;
mod edits;
mod health;
mod instances;
mod judging;
mod moving;
mod picture;
mod placing;
#[cfg(feature = "cluster")]
mod pushing;
mod renewing;
mod service;
mod wiring;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::{App, Diagnostic};
use protocol::Limits;
use session_api::push::PushView;
use session_api::snapshot::{EditLine, Notice, TypeShape};
use session_api::{Report, ServiceAddress};

use crate::effect::{Effect, Wanted};
use crate::environment::Environments;
use crate::event::{Edit, Event, HostEndpoint, Opened, Recipe};
use crate::state::edit::Taking;
pub use picture::outline;
use service::Service;
use wiring::Wiring;

/// Edits, notices and totals kept; a session of weeks does not grow.
const KEPT: usize = 1000;

/// All that a session knows.
#[derive(Debug)]
pub(crate) struct State {
    settings: Settings,
    /// The latest save.
    edit: Edit,
    /// What is known of it before it is read.
    saved: Taking,
    /// The latest file that could be read: what is to run.
    wanted: Option<Arc<App>>,
    /// What services are to find in their environment.
    environments: Arc<Environments>,
    /// What was said of it.
    said: BTreeSet<String>,
    /// The file whose routes are in force.
    routed: Option<Arc<App>>,
    gate: Gate,
    /// The edit that is on its way.
    taking: Taking,
    backend: Option<Backend>,
    /// Why services call each other by TCP, where they do.
    by_tcp: Option<String>,
    /// What hosts were told last.
    wiring: Option<Wiring>,
    /// Those that are wanted and those that are still there.
    services: BTreeMap<String, Service>,
    /// The host that each of them has.
    hosts: BTreeMap<String, String>,
    /// The number of instances that each service has.
    counts: BTreeMap<String, u32>,
    /// What was said of them.
    told_counts: BTreeSet<String>,
    /// Services that have a host of their own whatever is wished: the one they shared ended too often.
    alone: BTreeSet<String>,
    recipe: Option<Recipe>,
    tickets: u64,
    ready: bool,
    closing: bool,
    /// What is wrong with the file as it stands, by service; under no name what is wrong with all of it.
    trouble: BTreeMap<Option<String>, Vec<Diagnostic>>,
    types: BTreeMap<String, TypeShape>,
    edits: VecDeque<EditLine>,
    notices: VecDeque<Notice>,
    totals: VecDeque<f64>,
    judging: judging::Judging,
    moving: moving::Moving,
    /// Instances that are to be started again by wish, one after the other: the first is on its way.
    again: VecDeque<String>,
    /// Pushes and rollbacks; the last may be under way.
    pushes: VecDeque<PushView>,
}

/// What a session is started with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) token: String,
    pub(crate) limits: Limits,
    /// Names that callers may use for the services; see `Options::names`.
    pub(crate) names: BTreeSet<String>,
    /// A start that is broken waits to be mended instead of ending the session.
    pub(crate) waits: bool,
    /// Libraries are built for a debugger.
    pub(crate) debug: bool,
}

/// Whether the new may take the place of the old.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    /// Services come, go, or are fed in another way: all of the edit is taken over, or nothing.
    structural: bool,
    /// The services fit together.
    checked: bool,
    committed: bool,
}

#[derive(Debug)]
struct Backend {
    name: &'static str,
    hosts_bind_front: bool,
    leads_front: bool,
    front: SocketAddr,
    takes_in: bool,
    moves: bool,
    /// The service the backend leads the public listener to, and the host that runs it.
    front_at: Option<String>,
    front_host: Option<String>,
    moving: bool,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            edit: 0,
            saved: Taking::default(),
            wanted: None,
            environments: Arc::default(),
            said: BTreeSet::new(),
            routed: None,
            gate: Gate::default(),
            taking: Taking::default(),
            backend: None,
            by_tcp: None,
            wiring: None,
            services: BTreeMap::new(),
            hosts: BTreeMap::new(),
            counts: BTreeMap::new(),
            told_counts: BTreeSet::new(),
            alone: BTreeSet::new(),
            recipe: None,
            tickets: 0,
            ready: false,
            closing: false,
            trouble: BTreeMap::new(),
            types: BTreeMap::new(),
            edits: VecDeque::new(),
            notices: VecDeque::new(),
            totals: VecDeque::new(),
            judging: judging::Judging::default(),
            moving: moving::Moving::default(),
            again: VecDeque::new(),
            pushes: VecDeque::new(),
        }
    }

    /// The first thing to do.
    pub(crate) fn begin(&self) -> Vec<Effect> {
        vec![Effect::Load { edit: self.edit }]
    }

    /// What follows from an event. `now` counts from the session's begin.
    pub(crate) fn update(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        let mut effects = match event {
            Event::Interrupted | Event::Failed { .. } if self.closing => Vec::new(),
            Event::Interrupted => self.close(),
            Event::Failed { message, hint } => {
                let mut effects = vec![Effect::Report(Report::Failed { message, hint })];
                effects.extend(self.close());
                effects
            }
            Event::Closed => vec![Effect::Report(Report::Stopped)],
            // It changes nothing of what is to be done, and there may be a hundred thousand of them a second.
            Event::Log { service, stream, line } => return self.logged(service, stream, line),
            Event::Notice { message } => self.notice(now, message),
            Event::HopsByTcp { why } => self.hops_by_tcp(now, why),
            #[cfg(feature = "cluster")]
            Event::Push { push, news } => self.pushing(now, push, *news),
            _ if self.closing => Vec::new(),
            Event::Saved { settled, files } => self.saved(now, settled, &files),
            Event::Loaded { edit, app, diagnostics, environments } => {
                self.loaded(now, edit, app, diagnostics, environments)
            }
            Event::Opened(opened) => self.opened(opened),
            Event::Reserved { service, endpoint } => self.seated(&service, endpoint),
            Event::Prepared { edit, recipe } => self.prepared(edit, recipe),
            Event::Checked { edit } => self.checked(edit),
            Event::Mismatched { edit, diagnostics } => self.mismatched(edit, diagnostics),
            Event::Built { ticket, service, artifact } => self.built(now, ticket, service, *artifact),
            Event::Broken { ticket, service, diagnostics } => self.broken(ticket, service, diagnostics),
            Event::Started { service } => self.started(now, &service),
            Event::Live { service, version, states, answered } => self.live(now, &service, version, states, answered),
            Event::Told { service, config, trouble } => self.told(&service, *config, trouble),
            Event::Rehoused { services, ms } => self.rehoused(now, services, ms),
            Event::Renewed { service, came, answered } => self.renewed(now, service, came, answered),
            Event::Asked(asked) => self.asked_to_move(asked),
            Event::Measured(figures) => self.measured(now, &figures),
            Event::Carried { carried, stayed } => self.carried(now, carried, stayed),
            Event::Departed { trouble } => self.departed(now, trouble),
            Event::Removed { service, trouble } => self.removed(now, service, trouble),
            Event::Back { service, version, anew } => self.back(now, service, version, anew),
            Event::Down { service, why, by } => self.down(now, service, why, by),
            Event::Deaf { service, version, why } => self.deaf(&service, version.as_deref(), why),
            Event::RunLost { service } => self.run_lost(&service),
            Event::Judged { edit, verdicts } => self.judged(now, edit, verdicts),
            Event::Refused { service, version, why, silent } => self.refused(&service, version.as_deref(), why, silent),
        };
        if !self.closing {
            effects.extend(self.advance(now));
        }
        effects
    }

    fn close(&mut self) -> Vec<Effect> {
        self.closing = true;
        vec![Effect::Close]
    }

    fn notice(&mut self, now: Duration, message: String) -> Vec<Effect> {
        keep(&mut self.notices, Notice { at_ms: millis(now), message: message.clone() });
        vec![Effect::Report(Report::Notice { message })]
    }

    fn hops_by_tcp(&mut self, now: Duration, why: String) -> Vec<Effect> {
        let message = format!("services call each other by TCP, not by unix sockets: {why}");
        self.by_tcp = Some(why);
        self.notice(now, message)
    }

    fn logged(&mut self, service: String, stream: &'static str, line: String) -> Vec<Effect> {
        if let Some(known) = self.services.get_mut(&service) {
            known.said(&line);
        }
        let service = protocol::instance_of(&service).0.to_owned();
        vec![Effect::Report(Report::Log { service, stream, line })]
    }

    fn opened(&mut self, opened: Opened) -> Vec<Effect> {
        let Opened { backend: name, hosts_bind_front, leads_front, takes_in, moves, front, front_at, endpoints } =
            opened;
        let front_host = front_at.as_ref().and_then(|service| self.hosts.get(service)).cloned();
        let moving = false;
        let backend =
            Backend { name, hosts_bind_front, leads_front, front, takes_in, moves, front_at, front_host, moving };
        self.backend = Some(backend);
        for (service, endpoint) in endpoints {
            self.services.entry(service).or_default().endpoint = Some(endpoint);
        }
        Vec::new()
    }

    fn seated(&mut self, service: &str, endpoint: HostEndpoint) -> Vec<Effect> {
        if let Some(known) = self.services.get_mut(service) {
            known.seating = false;
            known.endpoint = Some(endpoint);
        }
        Vec::new()
    }

    fn prepared(&mut self, edit: Edit, recipe: Recipe) -> Vec<Effect> {
        let first = self.recipe.replace(recipe).is_none();
        let Some(app) = self.wanted.clone() else { return Vec::new() };
        let next = match first {
            true => Effect::Check { edit: self.taking.edit, app: Wanted(app.clone()) },
            false if edit == self.edit => Effect::Load { edit },
            false => return Vec::new(),
        };
        vec![self.watch(&app.files), next]
    }

    /// The app's files and those beside it that it rests on.
    fn watch(&self, files: &BTreeSet<PathBuf>) -> Effect {
        let beside = self.recipe.iter().flat_map(|recipe| &recipe.consulted);
        Effect::Watch { files: files.iter().chain(beside).cloned().collect() }
    }

    fn ready_report(&self, now: Duration) -> Option<Report> {
        let (app, backend) = (self.routed.as_ref()?, self.backend.as_ref()?);
        let address = |service: &app::Service| {
            let known = self.services.get(&service.name)?;
            let url = format!("http://{}/", known.endpoint.as_ref()?.here);
            Some(ServiceAddress {
                name: service.name.clone(),
                url,
                version: known.live.as_ref()?.version.clone(),
                pid: None,
            })
        };
        Some(Report::Ready {
            url: format!("http://{}/", backend.front),
            backend: backend.name.to_owned(),
            services: app.services.iter().filter_map(address).collect(),
            ms: now.as_secs_f64() * 1e3,
        })
    }
}

/// Adds to a list that forgets its oldest.
fn keep<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(item);
}

fn millis(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
