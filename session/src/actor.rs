//! The loop: takes one event at a time, asks `state` what follows, and has it done in tasks that answer with events.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use build::{BuildError, Builder, Progress};
use local_cluster::Ground;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::control::Control;
use crate::effect::{Effect, Wanted};
use crate::event::Event;
use crate::follow;
use crate::home::Place;
use crate::lock::Lock;
use crate::options::Options;
use crate::report::Report;
use crate::running::Running;
use crate::state::{Settings, State};
use crate::tools::Tools;

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
    swaps: HashMap<String, AbortHandle>,
    check: Option<AbortHandle>,
    /// What may be given up at any time: reading, building, waiting.
    tasks: JoinSet<()>,
    /// What makes things on the ground: waited for at the end, so that nothing is made after everything is removed.
    making: JoinSet<()>,
    begun: Instant,
    _lock: Lock,
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
            state: State::new(Settings { token, limits: options.requests, waits: options.waits }),
            tools: Arc::new(Tools { options, place, control, builder }),
            events,
            outbox,
            ground: None,
            files: watch::Sender::new(BTreeSet::new()),
            builds: HashMap::new(),
            swaps: HashMap::new(),
            check: None,
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
            self.spawn(follow::saves(files, events));
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
            Effect::Prepare { edit, app } => self.spawn(async move { tell(tools.prepare(edit, &app.0).await) }),
            Effect::Check { edit, app } => {
                let check = self.tasks.spawn(async move { tell(tools.check(edit, &app.0).await) });
                if let Some(before) = self.check.replace(check) {
                    before.abort();
                }
            }
            Effect::Build { ticket, app, service } => {
                let name = service.clone();
                let build = self.tasks.spawn(async move { tell(tools.build(ticket, &app.0, service).await) });
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
            Effect::Open { app } => self.open(app),
            Effect::Seat { place } => {
                self.on_ground(|ground, tools| async move { tools.seat(&*ground, place).await });
            }
            Effect::Start { config, host, library } => {
                self.on_ground(|ground, tools| async move { tools.start(&*ground, &config, &host, library).await });
            }
            Effect::Swap(swap) => {
                let name = swap.config.service.clone();
                let swap = self.tasks.spawn(async move { tell(tools.swap(*swap).await) });
                if let Some(before) = self.swaps.insert(name, swap) {
                    before.abort();
                }
            }
            Effect::Tell { config, host, at } => {
                self.spawn(async move { tell(tools.tell(config, &host, at).await) });
            }
            Effect::Rehouse { moves } => {
                self.on_ground(|ground, tools| async move { tools.rehouse(&*ground, moves).await });
            }
            Effect::Remove { service } => {
                self.on_ground(|ground, tools| async move { tools.remove(&*ground, service).await });
            }
            Effect::Kill { service } => {
                if let Some(ground) = self.ground.clone() {
                    self.spawn(async move {
                        if let Err(error) = ground.kill(&service).await {
                            tell(Event::Notice { message: format!("{service} is stuck: failed to {error}") });
                        }
                    });
                }
            }
            Effect::Restart { config, host, at, after } => {
                // Whatever was asked of the host that ended is not asked of the one that comes in its place: it may be
                // what ended it.
                if let Some(swap) = self.swaps.remove(&config.service) {
                    swap.abort();
                }
                if let Some(ground) = self.ground.clone() {
                    self.spawn(async move {
                        tokio::time::sleep(after).await;
                        tell(tools.restart(&*ground, config, &host, at).await);
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
                self.spawn(async move { follow::ground(listening.0, listening.1).await });
                let front_at = app.0.last().map(str::to_owned);
                self.making.spawn(async move { drop(events.send(tools.open(&*ground, front, front_at).await)) });
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
