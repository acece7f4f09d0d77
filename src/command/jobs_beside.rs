//! The job server of a session: a process beside it, started once the app serves, and again whenever it ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use interface::Interface;
use job_server::{
    CallbackSettings, FunctionSettings, JobServerConfig, JobServerSettings, JobServerTarget, KumoriAccess, LostRule,
    TargetTerms,
};
use kubernetes::settings::{FunctionPolicy, JobsTable, KumoriSaid, KumoriWord};
use session::{AppPlace, JobServerLink, Notices, ServedApp, Session};
use session_api::Snapshot;
use session_api::snapshot::Phase;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::arguments::Dev;
use crate::fault::{Fault, Kind};

/// Where the server listens when nobody says.
const USUAL_PORT: u16 = 8081;
/// Before it is started again: doubled from the first to the last.
const REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(5);
/// It ends within this, or is ended.
const DRAIN: Duration = Duration::from_secs(3);
/// It hears of a change within this.
const SOON: Duration = Duration::from_secs(5);

/// The folder of the server's configuration, of an app.
pub(crate) fn folder(place: &AppPlace) -> PathBuf {
    place.folder.join("job-server")
}

/// What a job server is to be started with, or nothing where jobs are off.
pub(crate) struct JobsPlan(Option<Plan>);

struct Plan {
    listen: SocketAddr,
    program: PathBuf,
    folder: PathBuf,
    store: PathBuf,
    operator: PathBuf,
    settings: JobServerSettings,
}

impl JobsPlan {
    /// Reads whether `--jobs` or `[jobs]` in dyn.toml asks for a job server, before a session is started: a port that is taken
    /// is told while nothing runs.
    pub(crate) fn new(place: &AppPlace, dev: &Dev) -> Result<Self, Fault> {
        let table = kubernetes::settings_file::jobs(&place.file);
        if dev.jobs.is_none() && table.is_none() {
            return Ok(Self(None));
        }
        let table = table.unwrap_or_default();
        let state = place.jobs();
        Ok(Self(Some(Plan {
            listen: address(dev.jobs.flatten().or(table.port))?,
            program: std::env::current_exe().map_err(|error| Fault::new(Kind::Machine, error.to_string()))?,
            folder: folder(place),
            store: table.store.as_ref().map_or_else(|| state.join("jobs.db"), |name| place.file.with_file_name(name)),
            operator: state.join("operator.token"),
            settings: settings(&table),
        })))
    }

    /// Starts the job server once the app of a session serves.
    pub(crate) fn start(self, session: &Session) -> JobsBeside {
        let beside = |plan| Beside {
            plan,
            secret: session.secret().to_owned(),
            notices: session.notices(),
            link: session.job_server_link(),
        };
        JobsBeside(self.0.map(|plan| tokio::spawn(beside(plan).keep(session.pictures(), session.served()))))
    }
}

/// A job server beside a session, or nothing where jobs are off.
pub(crate) struct JobsBeside(Option<JoinHandle<()>>);

impl JobsBeside {
    /// Waits for its end, which follows that of the session.
    pub(crate) async fn end(self) {
        if let Some(task) = self.0 {
            // One that panicked has ended too.
            drop(tokio::time::timeout(DRAIN * 2, task).await);
        }
    }
}

fn settings(table: &JobsTable) -> JobServerSettings {
    let usual = JobServerSettings::default();
    let functions = table.functions.table().unwrap_or_default();
    JobServerSettings {
        workers: table.workers.unwrap_or(usual.workers),
        open: table.open.iter().cloned().collect(),
        functions: table.functions.table().is_some(),
        pool: FunctionSettings {
            max: functions.max.unwrap_or(usual.pool.max),
            memory: functions.memory.map_or(usual.pool.memory, app::Memory::in_bytes),
            doubling: functions.policy == Some(FunctionPolicy::Doubling),
        },
        kumori: match table.kumori {
            KumoriSaid::Flag(false) => KumoriAccess::Off,
            KumoriSaid::Flag(true) => KumoriAccess::Open,
            KumoriSaid::Word(KumoriWord::Token) => KumoriAccess::Token,
        },
        tenant_metrics: table.tenant_metrics,
        callbacks: CallbackSettings {
            allow: table.callbacks.allow.iter().cloned().collect(),
            insecure: table.callbacks.insecure,
            ..usual.callbacks
        },
        ..usual
    }
}

/// Where it listens: a port that is taken is an error where it was asked for.
fn address(port: Option<u16>) -> Result<SocketAddr, Fault> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    let bound = match port {
        Some(port) => bind(port),
        None => bind(USUAL_PORT).or_else(|_| bind(0)),
    };
    bound.map_err(|error| {
        Fault::new(Kind::Machine, format!("cannot listen on port {}: {error}", port.unwrap_or_default()))
            .hint("--jobs=0 picks a free port")
    })
}

struct Beside {
    plan: Plan,
    secret: String,
    notices: Notices,
    link: JobServerLink,
}

/// What a job server is told of services beside their places: made once for each app that hosts go by.
struct Targets {
    served: watch::Receiver<Option<ServedApp>>,
    known: Option<ServedApp>,
    made: BTreeMap<String, JobServerTarget>,
}

impl Targets {
    fn made(&mut self) -> &BTreeMap<String, JobServerTarget> {
        let served = self.served.borrow_and_update().clone();
        if served != self.known {
            self.made = served.as_ref().map(targets).unwrap_or_default();
            self.known = served;
        }
        &self.made
    }
}

/// What attributes, `dyn.toml` and types say of each service.
fn targets(served: &ServedApp) -> BTreeMap<String, JobServerTarget> {
    let interface = Interface::of(&served.app);
    let target = |call: &interface::ServiceOperation| {
        let said = served.terms.get(&call.service).map(|terms| terms.jobs).unwrap_or_default();
        let lost = said.lost.map(|lost| match lost {
            app::LostAttempt::Retry => LostRule::Retry,
            app::LostAttempt::Fail => LostRule::Fail,
        });
        let millis = |waits: app::RetryWaits| (waits.first.in_millis(), waits.most.in_millis());
        let terms = TargetTerms {
            attempts: said.attempts,
            timeout_ms: said.timeout.map(app::TimeSpan::in_millis),
            backoff_ms: said.backoff.map(millis),
            lost,
        };
        let parallel = said.parallel.and_then(|parallel| usize::try_from(parallel).ok());
        let schema = Some(interface.input_schema(call));
        (call.service.clone(), JobServerTarget { terms, parallel, schema, ..JobServerTarget::default() })
    };
    interface.calls.iter().map(target).collect()
}

/// Why a server is not watched any more.
enum Over {
    /// The session ends.
    Session,
    /// The process ended by itself.
    Ended(String),
}

impl Beside {
    /// Keeps a server running until the session ends.
    async fn keep(self, mut pictures: watch::Receiver<Arc<Snapshot>>, served: watch::Receiver<Option<ServedApp>>) {
        let mut targets = Targets { served, known: None, made: BTreeMap::new() };
        let mut rest = REST;
        let mut is_shown = false;
        // Nothing can run before the app serves.
        if pictures.wait_for(|picture| picture.url.is_some()).await.is_err() {
            return;
        }
        if let Err(error) = self.make() {
            return self.notices.add(format!("jobs are off: cannot create their folders: {error}"));
        }
        loop {
            let config = self.config(&pictures.borrow_and_update(), targets.made());
            let started = write(&self.plan.folder, &config).and_then(|()| self.spawn());
            let (mut child, begun) = match started {
                Ok(child) => (child, tokio::time::Instant::now()),
                Err(error) => return self.notices.add(format!("jobs are off: cannot start the job server: {error}")),
            };
            let over = self.watch(&mut child, config, &mut pictures, (&mut targets, &mut is_shown)).await;
            match over {
                Over::Session => return end(child).await,
                Over::Ended(why) => {
                    self.notices.add(format!("the job server ended ({why}) and is started again; no job is lost"))
                }
            }
            if begun.elapsed() > LONGEST_REST {
                rest = REST;
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(LONGEST_REST);
        }
    }

    /// Makes the folders of configuration, store and token, readable by their owner alone.
    fn make(&self) -> io::Result<()> {
        let folders = [Some(self.plan.folder.as_path()), self.plan.operator.parent()];
        folders
            .into_iter()
            .flatten()
            .try_for_each(|made| fs::DirBuilder::new().recursive(true).mode(0o700).create(made))
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.plan.program);
        command.arg("job-server").arg(&self.plan.folder).arg("--die-with-parent");
        // Ctrl-C is the session's to hear.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }

    /// Watches a server, and has it hear of changes of the app.
    async fn watch(
        &self,
        child: &mut Child,
        mut config: JobServerConfig,
        pictures: &mut watch::Receiver<Arc<Snapshot>>,
        (targets, is_shown): (&mut Targets, &mut bool),
    ) -> Over {
        let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        let words = child.stderr.take().map(|stderr| BufReader::new(stderr).lines());
        let (mut lines, mut words) = (lines, words);
        let mut last = String::new();
        loop {
            tokio::select! {
                status = child.wait() => {
                    // Its last words say why.
                    while let Some(Ok(Some(line))) = match &mut words { Some(words) => Some(words.next_line().await), None => None } {
                        last = line;
                    }
                    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    return Over::Ended(if last.is_empty() { status } else { format!("{status}: {last}") });
                }
                line = next(&mut lines) => match line {
                    Some(line) if line.starts_with("listening on ") && !*is_shown => {
                        *is_shown = true;
                        self.show();
                        self.open();
                    }
                    Some(line) => {
                        if let Some(service) = line.strip_prefix("lost a run of ") {
                            self.notices.run_lost(service.to_owned());
                        }
                    }
                    None => lines = None,
                },
                line = next(&mut words) => match line {
                    Some(line) => {
                        self.notices.add(format!("job server: {line}"));
                        last = line;
                    }
                    None => words = None,
                },
                changed = pictures.changed() => {
                    let picture = pictures.borrow_and_update().clone();
                    if changed.is_err() || picture.phase == Phase::Closing {
                        return Over::Session;
                    }
                    let now = self.config(&picture, targets.made());
                    if now != config && !now.targets.is_empty() {
                        config = now;
                        if let Err(why) = self.tell(&config).await {
                            self.notices.add(format!("the job server does not hear of a change: {why}"));
                        }
                    }
                }
            }
        }
    }

    fn show(&self) {
        self.notices.add(format!(
            "jobs are accepted at http://{}/v1/jobs; the token is in {}, the store is {}",
            self.plan.listen,
            self.plan.operator.display(),
            self.plan.store.display()
        ));
    }

    /// Tells the session where its job server is. The token was made by the server that listens now.
    fn open(&self) {
        match fs::read_to_string(&self.plan.operator) {
            Ok(token) => self.link.open(format!("http://{}", self.plan.listen), token.trim().to_owned()),
            Err(error) => {
                let file = self.plan.operator.display();
                self.notices.add(format!("jobs are not shown: cannot read {file}: {error}"));
            }
        }
    }

    fn config(&self, picture: &Snapshot, made: &BTreeMap<String, JobServerTarget>) -> JobServerConfig {
        let target = |service: &session_api::snapshot::ServiceView| {
            let at = service.url.as_ref()?.strip_prefix("http://")?.trim_end_matches('/').to_owned();
            let inputs = service.inputs.iter().map(|input| input.name.clone()).collect();
            let made = made.get(&service.name).cloned().unwrap_or_default();
            Some((service.name.clone(), JobServerTarget { at, inputs, ..made }))
        };
        let targets: BTreeMap<String, JobServerTarget> = picture.services.iter().filter_map(target).collect();
        let last = picture.flow.as_deref().and_then(|flow| flow.split('(').next()).map(str::to_owned);
        JobServerConfig {
            app: picture.app.clone(),
            listen: self.plan.listen,
            token: self.secret.clone(),
            store: self.plan.store.clone(),
            operator: self.plan.operator.clone(),
            last: last.filter(|last| targets.contains_key(last)),
            targets,
            settings: self.plan.settings.clone(),
        }
    }

    async fn tell(&self, config: &JobServerConfig) -> Result<(), String> {
        write(&self.plan.folder, config).map_err(|error| error.to_string())?;
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let asked = client.post(format!("http://{}/_dyninka/reload", self.plan.listen)).bearer_auth(&self.secret);
        let answer = asked.timeout(SOON).send().await.map_err(|error| protocol::error_chain(&error))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status())) }
    }
}

/// The next line; for ever where there is none to come.
async fn next<R: tokio::io::AsyncRead + Unpin>(lines: &mut Option<tokio::io::Lines<BufReader<R>>>) -> Option<String> {
    match lines {
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// Writes the configuration whole: a server that reads it meanwhile reads the one before. It holds a secret.
fn write(folder: &Path, config: &JobServerConfig) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(config)?;
    let new = folder.join("config.json.new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&text)?;
    fs::rename(new, folder.join("config.json"))
}

/// Asks a server to end, and ends it where it does not.
async fn end(mut child: Child) {
    let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
    if let Some(pid) = pid {
        // Gone in this very moment is what is wanted.
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(DRAIN, child.wait()).await.is_err() {
        // Dropped, it is killed.
        drop(child.start_kill());
    }
}
