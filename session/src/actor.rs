//! The loop: takes one event at a time, asks `state` what follows, and has it done in tasks that answer with events.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::App;
use build::{BuildError, Builder, Progress};
use hops::Config;
use local_cluster::{Ground, Plan, Spec};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use watcher::Watcher;

use crate::control::Control;
use crate::effect::{Effect, Wanted};
use crate::event::{Artifact, Edit, Event, Seat};
use crate::home::Place;
use crate::install;
use crate::lock::Lock;
use crate::options::{Front, Options};
use crate::report::Report;
use crate::running::Running;
use crate::state::State;

/// A new host listens within milliseconds; a machine under load is given this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A container is created and started within this, or its engine hangs.
const LAST_MAKING: Duration = Duration::from_secs(10);

/// Libraries kept over all apps, in bytes.
const KEEP_LIBRARIES: u64 = 2 << 30;

pub(crate) struct Actor {
    state: State,
    tools: Arc<Tools>,
    events: UnboundedSender<Event>,
    outbox: UnboundedSender<Report>,
    ground: Option<Arc<dyn Ground>>,
    /// The files to follow.
    files: watch::Sender<BTreeSet<PathBuf>>,
    builds: HashMap<String, AbortHandle>,
    /// What may be given up at any time: reading, building, waiting.
    tasks: JoinSet<()>,
    /// What makes things on the ground: waited for at the end, so that nothing is made after everything is removed.
    making: JoinSet<()>,
    begun: Instant,
    _lock: Lock,
}

/// What effects are done with.
struct Tools {
    options: Options,
    place: Place,
    control: Control,
    builder: Builder,
}

impl Actor {
    pub(crate) fn new(
        options: Options,
        place: Place,
        lock: Lock,
        token: String,
        control: Control,
        events: UnboundedSender<Event>,
        outbox: UnboundedSender<Report>,
    ) -> Result<Self, BuildError> {
        let progress = events.clone();
        let builder = Builder::open(&options.file, &options.home.build(), move |step| {
            let message = match step {
                Progress::Fetching(words) => format!("fetching crates: {words}"),
                Progress::Compiling(package) => format!("compiling {package}"),
                Progress::Notice(words) => words,
            };
            drop(progress.send(Event::Notice { message }));
        })?;
        Ok(Self {
            state: State::new(token, options.requests),
            tools: Arc::new(Tools { options, place, control, builder }),
            events,
            outbox,
            ground: None,
            files: watch::Sender::new(BTreeSet::new()),
            builds: HashMap::new(),
            tasks: JoinSet::new(),
            making: JoinSet::new(),
            begun: Instant::now(),
            _lock: lock,
        })
    }

    pub(crate) async fn run(mut self, mut inbox: UnboundedReceiver<Event>) {
        let tools = self.tools.clone();
        // Keeping the cache within its bounds is nobody's wait.
        tokio::task::spawn_blocking(move || drop(tools.builder.prune(KEEP_LIBRARIES)));
        if self.tools.options.watch {
            let (files, events) = (self.files.subscribe(), self.events.clone());
            self.spawn(follow(files, events));
        }
        for effect in self.state.begin() {
            self.perform(effect);
        }
        while let Some(event) = inbox.recv().await {
            let ended = matches!(event, Event::Closed);
            for effect in self.state.update(self.begun.elapsed(), event) {
                self.perform(effect);
            }
            while self.tasks.try_join_next().is_some() || self.making.try_join_next().is_some() {}
            if ended {
                break;
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        let (tools, events) = (self.tools.clone(), self.events.clone());
        let tell = move |event| drop(events.send(event));
        match effect {
            Effect::Report(report) => self.report(report),
            Effect::Load { edit } => self.spawn(async move { tell(tools.load(edit).await) }),
            Effect::Watch { files } => {
                if self.tools.options.watch {
                    self.files.send_replace(files);
                }
            }
            Effect::Reload { config, host, at } => self.spawn(async move {
                if let Some(event) = tools.reload(&config, &host, at).await {
                    tell(event);
                }
            }),
            Effect::Prepare { edit, app } => self.spawn(async move { tell(tools.prepare(edit, &app.0).await) }),
            Effect::Build { edit, app, service } => {
                let name = service.clone();
                let build = self.tasks.spawn(async move { tell(tools.build(edit, &app.0, service).await) });
                // A build for an earlier edit of the same service is for nobody: dropping it ends its rustc.
                if let Some(before) = self.builds.insert(name, build) {
                    before.abort();
                }
            }
            Effect::Open { app } => self.open(app),
            Effect::Start { config, host, library } => {
                self.on_ground(|ground, tools| async move { tools.start(&*ground, &config, &host, library).await });
            }
            Effect::Swap { edit, config, host, library, version, at } => {
                self.spawn(async move { tell(tools.swap(edit, &config, &host, &library, version, at).await) });
            }
            Effect::Restart { service, at, after } => {
                if let Some(ground) = self.ground.clone() {
                    self.spawn(async move {
                        tokio::time::sleep(after).await;
                        tell(tools.restart(&*ground, service, at).await);
                    });
                }
            }
            Effect::Close => self.close(),
        }
    }

    fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    fn on_ground<F, W>(&mut self, work: W)
    where
        W: FnOnce(Arc<dyn Ground>, Arc<Tools>) -> F + Send + 'static,
        F: Future<Output = Event> + Send + 'static,
    {
        let (events, tools) = (self.events.clone(), self.tools.clone());
        if let Some(ground) = self.ground.clone() {
            self.making.spawn(async move { drop(events.send(work(ground, tools).await)) });
        }
    }

    fn report(&self, report: Report) {
        if let Report::Ready { url, ground, services, .. } = &report {
            let running = Running {
                pid: std::process::id(),
                ground: ground.clone(),
                url: url.clone(),
                services: services.clone(),
            };
            if let Err(error) = running.write(&self.tools.place.folder) {
                let message = format!("other commands will not find this session: {error}");
                drop(self.outbox.send(Report::Notice { message }));
            }
        }
        // A face that is gone has no interest any more.
        drop(self.outbox.send(report));
    }

    /// Chosen before the loop goes on, so that closing finds the ground whatever happens meanwhile.
    fn open(&mut self, app: Wanted) {
        let (events, tools) = (self.events.clone(), self.tools.clone());
        let handle = tokio::runtime::Handle::current();
        let chosen = tokio::task::block_in_place(|| handle.block_on(tools.choose(&app.0)));
        match chosen {
            Ok((ground, reason, front)) => {
                if let Some(message) = reason {
                    drop(events.send(Event::Notice { message }));
                }
                self.ground = Some(ground.clone());
                let listening = (ground.clone(), events.clone());
                self.spawn(async move { listen(listening.0, listening.1).await });
                self.making.spawn(async move { drop(events.send(tools.open(&*ground, front).await)) });
            }
            Err(event) => drop(events.send(event)),
        }
    }

    /// Ends every task (a rustc that runs ends with its task), then the ground.
    fn close(&mut self) {
        let (mut tasks, mut making) = (std::mem::take(&mut self.tasks), std::mem::take(&mut self.making));
        let (ground, events, folder) = (self.ground.take(), self.events.clone(), self.tools.place.folder.clone());
        tokio::spawn(async move {
            tasks.shutdown().await;
            let made = async { while making.join_next().await.is_some() {} };
            if tokio::time::timeout(LAST_MAKING, made).await.is_err() {
                drop(events.send(Event::Notice {
                    message: "something is still being made; `dyn stop` removes what is left".to_owned(),
                }));
            }
            if let Some(ground) = ground
                && let Err(error) = ground.close().await
            {
                drop(
                    events
                        .send(Event::Notice { message: format!("failed to {error}; `dyn stop` removes what is left") }),
                );
            }
            if let Err(error) = Running::remove(&folder) {
                drop(events.send(Event::Notice { message: format!("failed to remove the session's file: {error}") }));
            }
            drop(events.send(Event::Closed));
        });
    }
}

/// Tells of every save of the files to follow.
async fn follow(mut files: watch::Receiver<BTreeSet<PathBuf>>, events: UnboundedSender<Event>) {
    if files.wait_for(|files| !files.is_empty()).await.is_err() {
        return;
    }
    let wanted = files.borrow_and_update().clone();
    let mut watcher = match Watcher::new(&wanted) {
        Ok(watcher) => watcher,
        Err(error) => {
            let message = format!("saves are not seen: failed to {error}");
            return drop(events.send(Event::Notice { message }));
        }
    };
    if let Some(why) = watcher.polling() {
        let message = format!("looking through folders for saves, because the system cannot tell of them: {why}");
        drop(events.send(Event::Notice { message }));
    }
    loop {
        tokio::select! {
            batch = watcher.next() => {
                if batch.is_none() || events.send(Event::Saved).is_err() {
                    return;
                }
            }
            changed = files.changed() => {
                if changed.is_err() {
                    return;
                }
                let wanted = files.borrow_and_update().clone();
                if let Err(error) = watcher.watch(&wanted) {
                    drop(events.send(Event::Notice { message: format!("some saves are not seen: failed to {error}") }));
                }
            }
        }
    }
}

async fn listen(ground: Arc<dyn Ground>, events: UnboundedSender<Event>) {
    while let Some(event) = ground.next().await {
        let event = match event {
            local_cluster::Event::Log { service, stream, line } => {
                let stream = match stream {
                    local_cluster::Stream::Stdout => "stdout",
                    local_cluster::Stream::Stderr => "stderr",
                };
                Event::Log { service, stream, line }
            }
            local_cluster::Event::Down { service, why } => Event::Down { service, why },
            local_cluster::Event::Notice(message) => Event::Notice { message },
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

impl Tools {
    async fn load(&self, edit: Edit) -> Event {
        let file = self.options.file.clone();
        let only = self.options.only.clone();
        let loaded = tokio::task::spawn_blocking(move || crate::load::load(&file)).await;
        match loaded {
            Ok((mut app, diagnostics, _)) => {
                if let Some(only) = only {
                    app.services.retain(|service| only.contains(&service.name));
                    // What is left may not be the whole chain: routes come with the calls.
                    if app
                        .flow
                        .as_ref()
                        .is_some_and(|flow| app.last().is_none_or(|last| !only.contains(last)) || !covers(flow, &only))
                    {
                        app.flow = None;
                    }
                }
                Event::Loaded { edit, app: Arc::new(app), diagnostics }
            }
            Err(error) => Event::Failed { message: format!("failed to read the app: {error}"), hint: None },
        }
    }

    async fn choose(&self, app: &App) -> Result<(Arc<dyn Ground>, Option<String>, u16), Event> {
        let failed = |message: String, hint: Option<String>| Event::Failed { message, hint };
        let (front, notice) = front(self.options.front).map_err(|(message, hint)| failed(message, Some(hint)))?;
        let spec = |service: &app::Service| Spec {
            service: service.name.clone(),
            host: service.host.clone(),
            folder: self.place.service(&service.host),
            front: (app.last() == Some(&service.name)).then_some(front),
        };
        let plan = Plan {
            name: self.place.name.clone(),
            id: self.place.id.clone(),
            host: self.options.host.clone(),
            limits: local_cluster::Limits { cpus: self.options.cpus, memory: self.options.memory },
            services: app.services.iter().map(spec).collect(),
        };
        // What a killed session left must be gone before its folders are cleared.
        let folders: Vec<PathBuf> = plan.services.iter().map(|spec| spec.folder.clone()).collect();
        let swept = local_cluster::sweep(&self.place.id, &folders).await;
        swept.map_err(|error| failed(format!("failed to {error}"), None))?;
        for service in &app.services {
            self.place.clear_service(&service.host).map_err(|error| failed(format!("failed to {error}"), None))?;
        }
        let chosen = local_cluster::choose(self.options.on, plan).await;
        let chosen = chosen.map_err(|error| {
            failed(format!("failed to {error}"), Some("start one, or run with --on process".to_owned()))
        })?;
        let words: Vec<String> = chosen.reason.into_iter().chain(notice).collect();
        Ok((chosen.ground, (!words.is_empty()).then(|| words.join("; ")), front))
    }

    async fn open(&self, ground: &dyn Ground, front: u16) -> Event {
        match ground.open().await {
            Ok(seats) => {
                let seats = seats.into_iter().map(|(service, seat)| {
                    (service, Seat { listen: seat.listen, peer: seat.peer, front: seat.front, here: seat.here })
                });
                Event::Opened { ground: ground.name(), front: ([127, 0, 0, 1], front).into(), seats: seats.collect() }
            }
            Err(error) => Event::Failed {
                message: format!("failed to {error}"),
                hint: Some("`dyn doctor` looks at the engine".to_owned()),
            },
        }
    }

    async fn prepare(&self, edit: Edit, app: &App) -> Event {
        match self.builder.prepare(app).await {
            Ok(_) => Event::Prepared { edit },
            Err(error) => broken(edit, None, &error),
        }
    }

    async fn build(&self, edit: Edit, app: &App, service: String) -> Event {
        match self.builder.build(app, &service).await {
            Ok(built) => {
                let artifact =
                    Artifact { version: built.version, file: built.path, compiled: built.built, ms: built.ms };
                Event::Built { edit, service, artifact }
            }
            Err(error) => broken(edit, Some(service), &error),
        }
    }

    async fn start(&self, ground: &dyn Ground, config: &Config, host: &str, library: Option<PathBuf>) -> Event {
        let (service, folder) = (config.service.clone(), self.place.service(host));
        let installed = library.map_or(Ok(()), |library| install::library(&folder, &library).map(drop));
        if let Err(error) = installed.and_then(|()| install::configure(&folder, config)) {
            return Event::Failed {
                message: format!("failed to write the configuration of {service}: {error}"),
                hint: None,
            };
        }
        match ground.start(&service).await {
            Ok(()) => Event::Started { service },
            Err(error) => Event::Failed { message: format!("failed to {error}"), hint: None },
        }
    }

    async fn swap(
        &self,
        edit: Edit,
        config: &Config,
        host: &str,
        library: &Path,
        version: String,
        at: SocketAddr,
    ) -> Event {
        let service = config.service.clone();
        let folder = self.place.service(host);
        let installed =
            install::library(&folder, library).and_then(|name| install::configure(&folder, config).map(|()| name));
        let name = match installed {
            Ok(name) => name,
            Err(error) => {
                return Event::Refused { service, why: format!("its library cannot be put in place: {error}") };
            }
        };
        match self.control.swap(at, &name, PATIENCE).await {
            Ok(states) => match self.control.ready(at, PATIENCE).await {
                Ok(ready) if ready == version => Event::Live { edit, service, version, states },
                Ok(other) => Event::Refused { service, why: format!("it answers as {other}, not as {version}") },
                Err(error) => Event::Refused { service, why: error.to_string() },
            },
            Err(error) => Event::Refused { service, why: error.to_string() },
        }
    }

    /// Nothing to tell when it went well: routes hold from the next request on.
    async fn reload(&self, config: &Config, host: &str, at: SocketAddr) -> Option<Event> {
        let service = config.service.clone();
        let written = install::configure(&self.place.service(host), config).map_err(|error| error.to_string());
        let told = match written {
            Ok(()) => self.control.reload(at, PATIENCE).await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        told.err().map(|why| Event::Refused { service, why: format!("its routes stay as they were: {why}") })
    }

    async fn restart(&self, ground: &dyn Ground, service: String, at: SocketAddr) -> Event {
        if let Err(error) = ground.start(&service).await {
            return Event::Down { service, why: format!("it could not be started again: {error}") };
        }
        match self.control.ready(at, PATIENCE).await {
            Ok(version) => Event::Back { service, version },
            Err(error) => Event::Notice { message: format!("{service} {error}") },
        }
    }
}

/// Whether all of a flow's services are among these.
fn covers(flow: &app::Flow, only: &std::collections::BTreeSet<String>) -> bool {
    match flow {
        app::Flow::Literal(_) => true,
        app::Flow::Call { service, inputs } => only.contains(service) && inputs.iter().all(|input| covers(input, only)),
    }
}

fn broken(edit: Edit, service: Option<String>, error: &BuildError) -> Event {
    let diagnostics = error.diagnostics();
    if diagnostics.is_empty() {
        return Event::Failed { message: format!("failed to {error}"), hint: error.hint() };
    }
    Event::Broken { edit, service, diagnostics }
}

/// The port of the front door, and what to say of it.
fn front(front: Front) -> Result<(u16, Option<String>), (String, String)> {
    let holder = |port| local_cluster::port_holder(port).unwrap_or_else(|| "another program".to_owned());
    let any = || {
        local_cluster::free_port(0)
            .map_err(|error| (format!("failed to find a free port: {error}"), "free some ports".to_owned()))
    };
    match front {
        Front::Free => any().map(|port| (port, None)),
        Front::Fixed(port) => match local_cluster::free_port(port) {
            Ok(port) => Ok((port, None)),
            Err(_) => Err((
                format!("port {port} is taken by {}", holder(port)),
                "name another with --port, or 0 for a free one".to_owned(),
            )),
        },
        Front::Prefer(port) => match local_cluster::free_port(port) {
            Ok(port) => Ok((port, None)),
            Err(_) => any().map(|free| {
                (free, Some(format!("port {port} is taken by {}, so the app answers on {free}", holder(port))))
            }),
        },
    }
}
