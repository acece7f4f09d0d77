//! What effects are done with: each does one thing and answers with an event.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use app::{App, Diagnostic, Incremental};
use compiler::{BuildError, Builder, ExpectedBuild};
use local_cluster::{Backend, BackendPlan, Doer, HeldPort, PortError, Program, Resources, Spec};
use parking_lot::Mutex;
use protocol::{Config, instance_name};
use session_api::Fate;

use crate::actor::control::Control;
use crate::actor::install;
#[cfg(feature = "cluster")]
use crate::actor::loaded::Loaded;
use crate::actor::public_port::{Port, hold};
use crate::actor::restart::Restart;
use crate::actor::surroundings::{Surroundings, surround};
use crate::effect;
use crate::environment::{self, Environments};
use crate::event::{Artifact, Edit, Event, HostEndpoint, Opened, Recipe};
use crate::jobs::{self, JobServerLink};
use crate::options::SessionOptions;
use crate::store::home::AppPlace;
use crate::store::texts::Texts;

pub(crate) struct Tools {
    pub(crate) options: SessionOptions,
    pub(crate) place: AppPlace,
    pub(crate) control: Control,
    pub(crate) link: JobServerLink,
    /// `dyn` as it was when the session began.
    pub(crate) program: Arc<Program>,
    pub(crate) builder: Builder,
    pub(crate) texts: Texts,
    /// What was read of the files before.
    pub(crate) memory: Arc<Mutex<Incremental>>,
    /// What was read last without an error.
    #[cfg(feature = "cluster")]
    pub(crate) loaded: Mutex<Option<Loaded>>,
    /// Files beside the app's that its services' environments rest on.
    pub(crate) beside: Mutex<BTreeSet<PathBuf>>,
    /// Servers that the app's services use.
    pub(crate) resources: Resources,
    /// The port of the public listener: nobody else's as long as this is there.
    pub(crate) front: Mutex<Option<HeldPort>>,
}

/// A backend, why it is not another one, and the port of its public listener.
pub(crate) type Chosen = (Arc<dyn Backend>, Option<String>, u16);

impl Tools {
    /// Reads the files.
    pub(crate) async fn load(&self, edit: Edit) -> Event {
        let (file, options) = (self.options.file.clone(), self.options.clone());
        let only = self.options.only.clone();
        let memory = self.memory.clone();
        let read = move || crate::actor::load::load_again(&file, &mut memory.lock());
        let all = move || {
            let (app, mut diagnostics, sources) = read();
            let mut surroundings = Surroundings::default();
            // Of a file that does not read, nobody can say whether the other fits.
            if is_good(&diagnostics) {
                surroundings = surround(&options, &app, &sources);
                diagnostics.append(&mut surroundings.diagnostics);
            }
            (app, diagnostics, sources, surroundings)
        };
        match tokio::task::spawn_blocking(all).await {
            Ok((mut app, mut diagnostics, sources, surroundings)) => {
                let Surroundings { mut environments, beside, settings, .. } = surroundings;
                if let Some(settings) = settings.filter(|_| is_good(&diagnostics)) {
                    match self.resources.ensure(edit, &environment::specs(&settings)).await {
                        Ok(running) => environment::lead(&mut environments, &settings, &running),
                        Err(errors) => diagnostics.extend(environment::refused(&self.options.file, &errors)),
                    }
                }
                // What does not read names no files; those of before may be its mend.
                if let Some(beside) = beside {
                    *self.beside.lock() = beside;
                }
                if is_good(&diagnostics) {
                    self.texts.note(&sources.texts);
                    #[cfg(feature = "cluster")]
                    self.keep_loaded(&app, &sources).await;
                }
                if let Some(only) = only {
                    app.services.retain(|service| only.contains(&service.name));
                    // What is left may not be the whole chain: routes come with the calls.
                    let is_cut =
                        |flow: &app::Flow| app.last().is_none_or(|last| !only.contains(last)) || !covers(flow, &only);
                    if app.flow.as_ref().is_some_and(is_cut) {
                        app.flow = None;
                    }
                }
                Event::Loaded { edit, app: Arc::new(app), diagnostics, environments: Arc::new(environments) }
            }
            Err(error) => Event::Failed { message: format!("cannot read the app: {error}"), hint: None },
        }
    }

    /// Chooses the backend, and clears what a killed session left of this app.
    pub(crate) async fn choose(
        &self,
        app: &App,
        environments: &Environments,
        hosts: &BTreeMap<String, String>,
    ) -> Result<Chosen, Event> {
        let failed = |message: String, hint: Option<String>| Event::Failed { message, hint };
        // What a killed session left must be gone before its folders are cleared, and its port looked at.
        let left = self.place.services().map_err(|error| failed(error.to_string(), None))?;
        let swept = local_cluster::sweep(&self.place.id, &left).await;
        swept.map_err(|error| failed(error.to_string(), None))?;
        let unhad = |error: &PortError| failed(error.to_string(), Some(error.hint()));
        let Port { held, notice, denied } = hold(self.options.front).map_err(|error| unhad(&error))?;
        let front = held.port();
        *self.front.lock() = Some(held);
        let spec = |service: &app::Service| Spec {
            service: service.name.clone(),
            host: service.host.clone(),
            folder: self.place.service(&service.host),
            group: hosts.get(&service.name).unwrap_or(&service.host).clone(),
            front: (app.last() == Some(&service.name)).then_some(front.into()),
            environment: environments.get(&service.name),
        };
        let instances = |service: &app::Service| {
            let (first, count) = (spec(service), environments.instances.get(&service.name).copied().unwrap_or(1));
            let further = (2..=count).map(|number| {
                let (name, host) = (instance_name(&first.service, number), instance_name(&first.host, number));
                Spec { service: name, folder: self.place.service(&host), group: host.clone(), host, ..first.clone() }
            });
            let further: Vec<Spec> = further.collect();
            std::iter::once(first).chain(further)
        };
        let services: Vec<Spec> = app.services.iter().flat_map(instances).collect();
        for spec in &services {
            self.place.clear_service(&spec.host).map_err(|error| failed(error.to_string(), None))?;
        }
        let plan = BackendPlan {
            name: self.place.name.clone(),
            id: self.place.id.clone(),
            host: self.program.clone(),
            debug: self.options.debug,
            limits: local_cluster::ServiceLimits { cpus: self.options.cpus, memory: self.options.memory },
            sockets: self.place.sockets(),
            services,
        };
        let chosen = local_cluster::choose(self.options.on, plan).await;
        let chosen = chosen
            .map_err(|error| failed(error.to_string(), Some("start one, or run with --on process".to_owned())))?;
        // An engine may listen where this user may not.
        if let Some(denied) = denied.filter(|_| chosen.backend.hosts_bind_front()) {
            return Err(denied);
        }
        let words: Vec<String> = chosen.reason.into_iter().chain(notice).collect();
        Ok((chosen.backend, (!words.is_empty()).then(|| words.join("; ")), front))
    }

    pub(crate) async fn open(&self, backend: &dyn Backend, front: u16, front_at: Option<String>) -> Event {
        match backend.open().await {
            Ok(endpoints) => Event::Opened(Opened {
                backend: backend.name(),
                hosts_bind_front: backend.hosts_bind_front(),
                leads_front: backend.leads_front(),
                takes_in: backend.takes_in(),
                moves: backend.moves(),
                front: (backend.address(), front).into(),
                front_at,
                endpoints: endpoints.into_iter().map(|(service, endpoint)| (service, endpoint_of(endpoint))).collect(),
            }),
            Err(error) => {
                Event::Failed { message: error.to_string(), hint: Some("`dyn doctor` looks at the engine".to_owned()) }
            }
        }
    }

    pub(crate) async fn prepare(&self, edit: Edit, app: &App) -> Event {
        match self.builder.prepare(app).await {
            Ok(recipe) => {
                let compiler::Recipe { key, consulted, outside, .. } = recipe;
                Event::Prepared { edit, recipe: Recipe { key, consulted, outside } }
            }
            Err(error) => Event::Broken { ticket: 0, service: None, diagnostics: self.findings(None, &error) },
        }
    }

    /// Whether the services of an edit fit together, and read the jobs that wait for them as they are in `before`.
    pub(crate) async fn check(&self, edit: Edit, before: Option<Arc<App>>, app: &App, tell: impl Fn(String)) -> Event {
        if let Err(error) = self.builder.check_flow(app).await {
            return Event::Mismatched { edit, diagnostics: self.findings(None, &error) };
        }
        let Some((endpoint, before)) = self.link.endpoint().zip(before) else { return Event::Checked { edit } };
        let (client, secret) = (self.control.client(), self.control.secret());
        let gate = jobs::Gate { client, endpoint, secret, choice: self.options.queued_jobs };
        match jobs::pass(&gate, &before, app, tell).await {
            Ok(()) => Event::Checked { edit },
            Err(diagnostics) => Event::Mismatched { edit, diagnostics },
        }
    }

    pub(crate) async fn build(&self, arrival: ExpectedBuild, ticket: u64, app: &App, service: String) -> Event {
        match self.builder.build_of(arrival, app, &service).await {
            Ok(built) => {
                let artifact = Artifact {
                    version: built.version,
                    file: built.path,
                    compiled: built.built,
                    with: built.with,
                    ms: built.ms,
                    rests_on: built.rests_on,
                    outside: built.outside,
                };
                Event::Built { ticket, service, artifact: Box::new(artifact) }
            }
            Err(error) => {
                let diagnostics = self.findings(Some(&service), &error);
                Event::Broken { ticket, service: Some(service), diagnostics }
            }
        }
    }

    /// What is wrong with a build, at the user's lines; what is no line's fault stands at the head of the file.
    fn findings(&self, service: Option<&str>, error: &BuildError) -> Vec<Diagnostic> {
        let mut diagnostics = error.diagnostics();
        if diagnostics.is_empty() {
            let message = match service {
                Some(service) => format!("cannot build {service}: {error}"),
                None => error.to_string(),
            };
            let mut finding = Diagnostic::error(message, app::SourcePlace::start_of(&self.options.file));
            finding.help = error.hint();
            diagnostics.push(finding);
        }
        diagnostics
    }

    pub(crate) async fn endpoint(&self, backend: &dyn Backend, place: effect::Place) -> Event {
        let (service, host) = (place.service.clone(), place.host.clone());
        let refused = |why: String| Event::Refused { service: service.clone(), version: None, why, silent: false };
        if let Err(error) = self.place.clear_service(&host) {
            return refused(error.to_string());
        }
        match backend.endpoint(self.spec(place)).await {
            Ok(endpoint) => Event::Reserved { service, endpoint: endpoint_of(endpoint) },
            Err(error) => refused(error.to_string()),
        }
    }

    pub(super) fn spec(&self, place: effect::Place) -> Spec {
        let effect::Place { service, host, group, front, environment } = place;
        Spec { folder: self.place.service(&host), service, host, group, front: front.map(Into::into), environment }
    }

    pub(crate) async fn start(
        &self,
        backend: &dyn Backend,
        config: &Config,
        host: &str,
        library: Option<PathBuf>,
    ) -> Event {
        let (service, folder) = (config.instance_name(), self.place.service(host));
        let install = |library: PathBuf| self.install(backend, &service, &folder, &library).map(drop);
        let installed = library.map_or(Ok(()), install);
        let refused = |why| Event::Refused { service: service.clone(), version: None, why, silent: false };
        if let Err(error) = installed.and_then(|()| install::configure(&folder, config)) {
            return refused(format!("cannot write its configuration: {error}"));
        }
        match self.begin(backend, &service, host).await {
            Ok(_) => Event::Started { service },
            Err(why) => refused(why),
        }
    }

    /// Has a host take a library over. What it would come back with after a death is the old one until it answers
    /// with the new.
    pub(crate) async fn swap(&self, backend: &dyn Backend, swap: effect::Swap, tell: &impl Fn(Event)) -> Event {
        let effect::Swap { config, host, library, before, version, at, bring, patient } = swap;
        let service = config.instance_name();
        let refused = |why: String, silent: bool| Event::Refused {
            service: service.clone(),
            version: Some(version.clone()),
            why,
            silent,
        };
        let folder = self.place.service(&host);
        let cautious = Config { library: before, ..config.clone() };
        let installed = self.install(backend, &service, &folder, &library);
        let name = match installed.and_then(|name| install::configure(&folder, &cautious).map(|()| name)) {
            Ok(name) => name,
            Err(error) => return refused(format!("its library cannot be put in place: {error}"), false),
        };
        if let Err(error) = backend.bring(&service).await {
            return refused(error.to_string(), false);
        }
        let mut brought = Vec::new();
        for effect::Bring { state, service: from, from: there } in bring {
            brought.push((state.clone(), from, self.control.state(there, &state).await));
        }
        let asked = self.control.swap(at, &name, self.control.patience());
        let taken = if patient { asked.await } else { self.control.unless_deaf(at, asked).await };
        let done = match taken {
            Ok(done) => done,
            Err(error) if error.is_deaf() => {
                return Event::Deaf { service, version: Some(version), why: error.to_string() };
            }
            Err(error) => return refused(error.to_string(), error.is_silence()),
        };
        if let Some(message) = done.left_behind(&service) {
            tell(Event::Notice { message });
        }
        let mut states = done.states;
        for (state, from, value) in brought {
            let carried = match value {
                Ok(value) => self.control.set_state(at, &state, value).await,
                Err(error) => Err(error),
            };
            let fate = match carried {
                Ok(()) => Fate::Carried { why: format!("it was placed on {from}") },
                Err(error) => Fate::Reset { why: format!("it did not come along from {from}: {error}") },
            };
            states.insert(state, fate);
        }
        let switched = std::time::Instant::now();
        match self.control.ready(at, self.control.patience()).await {
            Ok(ready) if ready == version => {}
            Ok(other) => return refused(format!("it answers as {other}, not as {version}"), false),
            Err(error) => return refused(error.to_string(), error.is_silence()),
        }
        let answered = switched.elapsed();
        if let Err(error) = install::configure(&folder, &config) {
            return refused(format!("it serves, but would not come back after a crash: {error}"), false);
        }
        // A file too many is no reason to roll back; the next takeover clears it, or the next start.
        drop(install::clear(&folder, &[Some(&name), cautious.library.as_deref()]));
        if let Err(error) = backend.bring(&service).await {
            return refused(format!("it serves, but would not come back after a crash: {error}"), false);
        }
        Event::Live { service, version, states, answered }
    }

    pub(crate) async fn tell(&self, backend: &dyn Backend, config: Box<Config>, host: &str, at: SocketAddr) -> Event {
        let service = config.instance_name();
        let written = install::configure(&self.place.service(host), &config).map_err(|error| error.to_string());
        let brought = match written {
            Ok(()) => backend.bring(&service).await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        let told = match brought {
            Ok(()) => match self.control.unless_deaf(at, self.control.reload(at, self.control.patience())).await {
                Err(error) if error.is_deaf() => {
                    return Event::Deaf { service, version: None, why: error.to_string() };
                }
                told => told.map_err(|error| error.to_string()),
            },
            Err(why) => Err(why),
        };
        Event::Told { service, config, trouble: told.err() }
    }

    pub(crate) async fn remove(&self, backend: &dyn Backend, service: String, at: SocketAddr) -> Event {
        self.leave(backend, &service, at).await;
        let trouble = backend.remove(&service).await.err().map(|error| error.to_string());
        Event::Removed { service, trouble }
    }
}

fn is_good(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().all(|diagnostic| diagnostic.severity != app::Severity::Error)
}

/// A host to be started again.
pub(crate) struct Again {
    pub(crate) tools: Arc<Tools>,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) config: Box<Config>,
    pub(crate) host: String,
    pub(crate) at: SocketAddr,
    /// Whether it was another process that was started; known once it was.
    pub(crate) anew: bool,
}

impl Again {
    /// Down by what no code of the service's has done.
    fn down(&self, why: String) -> Event {
        Event::Down { service: self.config.instance_name(), why, by: Doer::Others }
    }
}

impl Restart for Again {
    async fn start(&mut self) -> Option<Event> {
        let service = &self.config.instance_name();
        if let Err(error) = install::configure(&self.tools.place.service(&self.host), &self.config) {
            return Some(self.down(format!("its configuration cannot be written: {error}")));
        }
        match self.tools.begin(&*self.backend, service, &self.host).await {
            Ok(anew) => self.anew = anew,
            Err(why) => return Some(self.down(format!("it could not be started again: {why}"))),
        }
        // Without a library it is there as soon as it runs.
        self.config.library.is_none().then(|| Event::Started { service: service.clone() })
    }

    async fn wait(&mut self) -> Event {
        let service = self.config.instance_name();
        match self.tools.control.ready(self.at, self.tools.control.patience()).await {
            Ok(version) => Event::Back { service, version, anew: self.anew },
            // Its end, if it is there at all, is told by the backend.
            Err(error) => match self.backend.kill(&service).await {
                Ok(()) => Event::Notice { message: format!("{service} was started again and {error}: it is ended") },
                Err(_) => self.down(format!("it was started again and {error}")),
            },
        }
    }
}

pub(super) fn endpoint_of(endpoint: local_cluster::Endpoint) -> HostEndpoint {
    HostEndpoint { listen: endpoint.listen, peer: endpoint.peer, here: endpoint.here }
}

/// Whether all of a flow's services are among these.
fn covers(flow: &app::Flow, only: &std::collections::BTreeSet<String>) -> bool {
    match flow {
        app::Flow::Literal(_) => true,
        app::Flow::Call { service, inputs } => only.contains(service) && inputs.iter().all(|input| covers(input, only)),
    }
}
