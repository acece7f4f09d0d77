//! The loop: takes one event at a time, asks `state` what follows, and has it done in tasks that answer with events.

mod answer;
mod carrying;
mod close;
pub(crate) mod control;
mod exporter;
mod follow;
mod follow_host;
mod install;
mod keep_edit;
pub(crate) mod load;
#[cfg(feature = "cluster")]
mod loaded;
mod movers;
mod moving;
mod open;
mod processes;
mod public_port;
#[cfg(feature = "cluster")]
mod push;
#[cfg(not(feature = "cluster"))]
#[path = "actor/push_absent.rs"]
mod push;
#[cfg(feature = "cluster")]
pub(crate) mod pushing;
mod report;
mod restart;
mod surroundings;
mod tools;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use compiler::{Builder, ExpectedBuild, Profile, Progress};
use local_cluster::{Backend, On, Program, Resources};
use parking_lot::Mutex;
use session_api::jobs::JobsView;
use session_api::measured::HopComparison;
use session_api::snapshot::Snapshot;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::actor::control::Control;
use crate::actor::movers::Movers;
use crate::actor::tools::Tools;
use crate::api;
use crate::api::asking::{Ask, Handler};
use crate::effect::Effect;
use crate::event::Event;
use crate::jobs::{self, JobServerLink};
use crate::near::feed::NearFeed;
use crate::options::SessionOptions;
use crate::queued::Queued;
use crate::recording::judge;
use crate::recording::recorder::{self, Recorder};
use crate::session::ServedApp;
use crate::session::StartError;
use crate::state::{Settings, State};
use crate::store::home::AppPlace;
use crate::store::journal::Journal;
use crate::store::lock::Lock;
use crate::store::texts::Texts;
use crate::store::timeline::Timeline;
use crate::telemetry::measurer::{Measured, measure_apart};
use crate::telemetry::{AskPace, Followed, Recorded};

/// Libraries kept over all apps, in bytes.
const KEEP_LIBRARIES: u64 = 2 << 30;

/// Faces see twenty pictures a second at most.
const FRAME: Duration = Duration::from_millis(50);

/// Where the session places services by what they do, it looks at that every so often.
const LOOKS: Duration = Duration::from_secs(5);

/// Batches of measurements on their way: a few seconds of many services. Beyond it hosts keep theirs and count.
const BATCHES: usize = 1024;

/// Questions for a history on their way.
const HISTORIES: usize = 16;

/// Batches of records on their way, of some MiB at most each. Beyond it hosts keep theirs and count.
const RECORDS: usize = 16;

pub(crate) struct Actor {
    state: State,
    tools: Arc<Tools>,
    events: UnboundedSender<Event>,
    outbox: local_cluster::Sender<Queued>,
    backend: Option<Arc<dyn Backend>>,
    /// The backend that is listened to, also while it is closed.
    heard: Option<Arc<dyn Backend>>,
    /// The files to follow.
    files: watch::Sender<BTreeSet<PathBuf>>,
    builds: HashMap<String, AbortHandle>,
    /// Builds that are about to begin, in their order.
    arrivals: VecDeque<ExpectedBuild>,
    swaps: HashMap<String, AbortHandle>,
    check: Option<AbortHandle>,
    /// What may be given up at any time: reading, building, waiting.
    tasks: JoinSet<()>,
    /// What makes things on the backend: waited for at the end, so that nothing is made after everything is removed.
    making: JoinSet<()>,
    /// Whether all is being removed.
    closing: watch::Sender<bool>,
    begun: Instant,
    asked: UnboundedReceiver<Ask>,
    journal: Arc<Journal>,
    /// None where it cannot be written, which was told.
    timeline: Option<Timeline>,
    socket: PathBuf,
    serving: AbortHandle,
    /// What hosts measured, on its way to be folded.
    followed: tokio::sync::mpsc::Sender<Followed>,
    followers: HashMap<String, [AbortHandle; 2]>,
    ask_pace: AskPace,
    near: NearFeed,
    movers: Movers,
    recorder: Arc<Recorder>,
    recorded: tokio::sync::mpsc::Sender<Recorded>,
    judging: Option<AbortHandle>,
    /// The push that is under way, or was last.
    pushing: Option<push::Handle>,
    measured: watch::Receiver<Arc<Measured>>,
    /// Durable jobs, where there is a job server.
    jobs: watch::Receiver<Option<Arc<JobsView>>>,
    pictures: Arc<watch::Sender<Arc<Snapshot>>>,
    /// Pictures that were made for those who follow.
    shown: u64,
    served: watch::Sender<Option<ServedApp>>,
    _lock: Lock,
}

impl Actor {
    pub(crate) fn new(
        options: SessionOptions,
        place: AppPlace,
        lock: Lock,
        control: Control,
        link: JobServerLink,
        events: UnboundedSender<Event>,
        outbox: local_cluster::Sender<Queued>,
    ) -> Result<Self, StartError> {
        let (asks, asked) = unbounded_channel();
        let trouble = |source: io::Error| StartError::Folder { folder: place.folder.clone(), source };
        let journal = Arc::new(Journal::new(place.logs()).map_err(trouble)?);
        let timeline = Timeline::open(&place).map_err(trouble)?;
        let socket = place.socket().map_err(trouble)?;
        let listener = api::bind(&socket).map_err(trouble)?;
        let notices = events.clone();
        let notice = move |message| drop(notices.send(Event::Notice { message }));
        let recorder = Arc::new(Recorder::new(options.recording.clone(), place.recordings(), notice)?);
        let program = Program::hold(&options.host);
        let program =
            Arc::new(program.map_err(|source| StartError::Program { program: options.host.clone(), source })?);
        let (histories, asked_histories) = tokio::sync::mpsc::channel(HISTORIES);
        let pictures = Arc::new(watch::Sender::new(Arc::new(Snapshot::default())));
        let handler = Arc::new(Handler {
            asks,
            journal: journal.clone(),
            control: control.clone(),
            recorder: recorder.clone(),
            link: link.clone(),
            histories,
            pictures: Arc::downgrade(&pictures),
        });
        let serving = tokio::spawn(async move { api::serve(listener, handler).await });
        let (followed, batches) = tokio::sync::mpsc::channel(BATCHES);
        let (shown, measured) = watch::channel(Arc::new(Measured::default()));
        let begun = Instant::now();
        let exporter = exporter::start(&events);
        let (seen, jobs) = watch::channel(None);
        tokio::spawn(jobs::follow(control.client().clone(), link.endpoints(), seen));
        let (recorded, records) = tokio::sync::mpsc::channel(RECORDS);
        tokio::spawn(recorder::record(recorder.clone(), records, begun));
        measure_apart(batches, asked_histories, exporter, shown, begun).map_err(StartError::Measurer)?;
        let progress = events.clone();
        let builder = Builder::open(&options.file, &options.home.build(), move |step| {
            let message = match step {
                Progress::Fetching(words) => format!("fetching crates: {words}"),
                Progress::Compiling(package) => format!("compiling {package}"),
                Progress::Notice(words) => words,
            };
            drop(progress.send(Event::Notice { message }));
        })?;
        let notices = events.clone();
        let notice = move |message| drop(notices.send(Event::Notice { message }));
        let resources = Resources::new(place.resources(), Arc::new(notice)).or_images(options.on != On::Process);
        let builder = if options.debug { builder.profile(Profile::Debug) } else { builder };
        let builder = options.groups_of.into_iter().fold(builder, Builder::groups_of);
        let (limits, names) = (options.requests, options.names.clone());
        let settings =
            Settings { token: control.token().to_owned(), limits, names, waits: options.waits, debug: options.debug };
        Ok(Self {
            state: State::new(settings),
            tools: Arc::new(Tools {
                options,
                place,
                control,
                link,
                program,
                builder,
                texts: Texts::default(),
                memory: Arc::default(),
                #[cfg(feature = "cluster")]
                loaded: Mutex::default(),
                beside: Mutex::default(),
                resources,
                front: Mutex::default(),
            }),
            events,
            outbox,
            backend: None,
            heard: None,
            files: watch::Sender::new(BTreeSet::new()),
            builds: HashMap::new(),
            arrivals: VecDeque::new(),
            swaps: HashMap::new(),
            check: None,
            tasks: JoinSet::new(),
            making: JoinSet::new(),
            closing: watch::Sender::new(false),
            begun,
            asked,
            journal,
            timeline: Some(timeline),
            socket,
            serving: serving.abort_handle(),
            followed,
            followers: HashMap::new(),
            ask_pace: AskPace::default(),
            near: NearFeed::default(),
            movers: Movers::default(),
            recorder,
            recorded,
            judging: None,
            pushing: None,
            measured,
            jobs,
            pictures,
            shown: 0,
            served: watch::Sender::new(None),
            _lock: lock,
        })
    }

    pub(crate) async fn run(mut self, mut inbox: UnboundedReceiver<Event>) {
        let tools = self.tools.clone();
        // Keeping the cache within its bounds is nobody's wait.
        tokio::task::spawn_blocking(move || drop(tools.builder.prune(KEEP_LIBRARIES)));
        if self.tools.options.watch {
            let (files, events) = (self.files.subscribe(), self.events.clone());
            self.spawn(follow::saves(files, events));
        }
        for effect in self.state.begin() {
            self.perform(effect);
        }
        // Since the last picture: something happened, and time passed.
        let mut is_news = true;
        let mut frames = tokio::time::interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = tokio::time::interval(LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                event = inbox.recv() => {
                    let Some(event) = event else { break };
                    is_news = true;
                    if self.happened(event) {
                        break;
                    }
                }
                Some(ask) = self.asked.recv() => self.answer(ask),
                Ok(()) = self.measured.changed() => is_news = true,
                Ok(()) = self.jobs.changed() => is_news = true,
                Ok(()) = self.near.seen.changed() => is_news = true,
                _ = looks.tick(), if self.places_itself() => {
                    let figures = self.figures();
                    self.happened(Event::Measured(figures));
                }
                // Ages grow even when nothing happens.
                _ = seconds.tick(), if self.pictures.receiver_count() > 0 => is_news = true,
                _ = frames.tick(), if is_news && self.pictures.receiver_count() > 0 => {
                    is_news = false;
                    self.show();
                }
                // Last of all, and one by one: lines keep neither a save nor a command waiting.
                event = follow::backend(self.heard.as_ref()) => {
                    is_news = true;
                    self.happened(event);
                }
            }
        }
        self.serving.abort();
        // Whoever comes next makes its own; one that is left is only a file nobody listens at.
        drop(std::fs::remove_file(&self.socket));
    }

    /// Whether it was the last thing to happen.
    fn happened(&mut self, event: Event) -> bool {
        // What a service wrote before is part of why it did not start, and nothing is told after the end.
        if matches!(event, Event::Refused { .. } | Event::Closed) {
            self.hear_out();
        }
        let ended = matches!(event, Event::Closed);
        let started = match &event {
            Event::Started { service } => vec![service.clone()],
            // What they measured where they were is read to its end first.
            Event::Departed { .. } => std::mem::take(&mut self.movers.departing),
            _ => Vec::new(),
        };
        let effects = self.state.update(self.begun.elapsed(), event);
        // Before any of them begins: what is built for the first time is built with the others.
        for effect in &effects {
            if let Effect::Build { app, .. } = effect {
                self.arrivals.push_back(self.tools.builder.arrive(&app.0));
            }
        }
        for effect in effects {
            self.perform(effect);
        }
        self.ask_for_tables();
        started.into_iter().for_each(|service| self.follow(service));
        while self.tasks.try_join_next().is_some() || self.making.try_join_next().is_some() {}
        ended
    }

    /// What there is to see, with what was measured.
    fn picture(&self) -> Snapshot {
        let measured = self.measured.borrow().clone();
        let mut picture = self.state.picture(self.begun.elapsed());
        picture.debug = self.tools.options.debug;
        picture.services.iter_mut().for_each(|service| self.add_processes(service));
        picture.hosts.iter_mut().for_each(|host| host.pid = host.services.first().and_then(|one| self.process(one)));
        picture.pid = std::process::id();
        picture.file.clone_from(&self.tools.place.file);
        picture.traces.clone_from(&measured.traces);
        picture.calls.clone_from(&measured.calls);
        picture.dropped = measured.dropped;
        picture.pictures = self.shown;
        picture.recording = self.recorder.picture();
        picture.cluster = self.tools.context();
        picture.jobs = self.jobs.borrow().as_deref().cloned();
        picture.data = self.near.seen.borrow().as_deref().cloned();
        for service in &picture.services {
            let Some(hop) = measured.hops.get(&service.name) else { continue };
            let mut hop = hop.clone();
            let edit = measured.compared.get(&service.name).and_then(|(_, after)| self.state.edit_of(after));
            // Of a version that no edit brought there is nothing to compare.
            hop.edit = hop.edit.zip(edit).map(|(compared, edit)| HopComparison { edit, ..compared });
            picture.hops.insert(service.name.clone(), hop);
        }
        picture
    }

    /// Pictures for faces in this process: none is made while nobody looks.
    pub(crate) fn pictures(&self) -> Arc<watch::Sender<Arc<Snapshot>>> {
        self.pictures.clone()
    }

    /// The app that hosts go by, told with each picture and before it.
    pub(crate) fn served(&self) -> watch::Sender<Option<ServedApp>> {
        self.served.clone()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    fn perform(&mut self, effect: Effect) {
        let (tools, events) = (self.tools.clone(), self.events.clone());
        let tell = move |event| drop(events.send(event));
        match effect {
            Effect::Report(report) => self.report(report),
            Effect::Load { edit } => self.spawn(async move { tell(tools.load(edit).await) }),
            Effect::Watch { mut files } => {
                if self.tools.options.watch {
                    // Where there is none yet, it may come.
                    files.insert(kubernetes::settings_file::path(&tools.options.file));
                    files.extend(tools.beside.lock().iter().cloned());
                    self.files.send_replace(files);
                }
            }
            Effect::Prepare { edit, app } => self.spawn(async move { tell(tools.prepare(edit, &app.0).await) }),
            Effect::Check { edit, app } => {
                let (before, notices) = (self.state.routed(), self.events.clone());
                let notice = move |message| drop(notices.send(Event::Notice { message }));
                let check = self.tasks.spawn(async move { tell(tools.check(edit, before, &app.0, notice).await) });
                if let Some(before) = self.check.replace(check) {
                    before.abort();
                }
            }
            Effect::Build { ticket, app, service } => {
                let name = service.clone();
                let arrival = self.arrivals.pop_front().unwrap_or_else(|| tools.builder.arrive(&app.0));
                let build = self.tasks.spawn(async move { tell(tools.build(arrival, ticket, &app.0, service).await) });
                // A build for an earlier meaning of the same service is for nobody: dropping it ends its rustc.
                if let Some(before) = self.builds.insert(name, build) {
                    before.abort();
                }
            }
            Effect::Abandon { service } => {
                if let Some(build) = self.builds.remove(&service) {
                    build.abort();
                }
            }
            Effect::Open { app, environments, hosts } => self.open(app, &environments, &hosts),
            Effect::Reserve { place } => {
                self.on_backend(|backend, tools| async move { tools.endpoint(&*backend, place).await });
            }
            Effect::Start { config, host, library } => {
                self.on_backend(|backend, tools| async move { tools.start(&*backend, &config, &host, library).await });
            }
            Effect::Swap(swap) => {
                let Some(backend) = self.backend.clone() else { return };
                let name = swap.config.instance_name();
                let swap = self.tasks.spawn(async move { tell(tools.swap(&*backend, *swap, &tell).await) });
                if let Some(before) = self.swaps.insert(name, swap) {
                    before.abort();
                }
            }
            Effect::Tell { config, host, at } => {
                let Some(backend) = self.backend.clone() else { return };
                self.spawn(async move { tell(tools.tell(&*backend, config, &host, at).await) });
            }
            Effect::Rehouse { moves } => {
                self.on_backend(|backend, tools| async move { tools.rehouse(&*backend, moves).await });
            }
            Effect::Renew(moves) => {
                let Some(backend) = self.backend.clone() else { return };
                self.making.spawn(async move { tools.renew(&*backend, moves).await.into_iter().for_each(tell) });
            }
            Effect::Carry { carries, reset } => {
                self.on_backend(move |backend, tools| async move { tools.carry(&*backend, carries, reset).await });
            }
            Effect::Depart(departures) => self.depart(departures),
            Effect::Settled { number, outcome } => self.settled(number, outcome),
            Effect::Regroup { service, group } => {
                if let Some(backend) = &self.backend {
                    backend.regroup(&service, &group);
                }
            }
            Effect::Remove { service, at } => {
                self.unfollow(&service);
                self.on_backend(move |backend, tools| async move { tools.remove(&*backend, service, at).await });
            }
            Effect::Kill { service } => {
                if let Some(backend) = self.backend.clone() {
                    self.spawn(async move {
                        if let Err(error) = backend.kill(&service).await {
                            tell(Event::Notice { message: format!("{service} is stuck: {error}") });
                        }
                    });
                }
            }
            Effect::Restart { config, host, at, after } => self.restart(config, host, at, after),
            Effect::Judge(judge) => {
                // None is left at the end alone, when nobody asks any more.
                let Some(backend) = self.backend.clone() else { return };
                let recorder = self.recorder.clone();
                let judging = self.tasks.spawn(async move {
                    tell(judge::judge(backend, &tools.place, &recorder, *judge).await);
                });
                if let Some(before) = self.judging.replace(judging) {
                    before.abort();
                }
            }
            Effect::Dismiss => {
                if let Some(judging) = self.judging.take() {
                    judging.abort();
                }
            }
            Effect::Close => self.close(),
        }
    }

    fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    fn on_backend<F, W>(&mut self, work: W)
    where
        W: FnOnce(Arc<dyn Backend>, Arc<Tools>) -> F + Send + 'static,
        F: Future<Output = Event> + Send + 'static,
    {
        let (events, tools) = (self.events.clone(), self.tools.clone());
        if let Some(backend) = self.backend.clone() {
            self.making.spawn(async move { drop(events.send(work(backend, tools).await)) });
        }
    }
}
