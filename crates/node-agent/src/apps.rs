//! The services of a node. Those that it runs itself are processes or containers, started anew when they end, taken over in
//! place by a newer bundle. On a cluster they are pods that somebody else runs and looks after.

mod running;
mod update;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use local_cluster::{Backend, BackendError, BackendEvent, BackendPlan, Environment, On, Program, ServiceLimits, Spec};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::agent::{NodeBackend, NodeSettings};
use crate::bundle::NodeBundle;
use crate::error::NodeError;
use crate::events::{NodeListener, NodeSaid};
use crate::folder::{FleetFolder, PRIVATE, READABLE, hex, write_as};
use crate::http::{AskError, HttpPool, HttpTarget, request, why};
use crate::kept::KeptBundles;
use crate::served::{ServedApp, headers};
use running::RunningApp;

/// How long a service may take until it is ready.
const READY: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// A service that ended is started again after this, and after twice as long each time it ends soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// One that ran so long is taken for well.
const WELL: Duration = Duration::from_secs(60);

/// What became of a service of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DeployedService {
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) how: &'static str,
}

/// The apps of a node.
pub(crate) struct NodeApps {
    folder: FleetFolder,
    program: PathBuf,
    interface: u32,
    backend: NodeBackend,
    /// Where the agent takes what its hosts have no room for, on loopback.
    away: SocketAddr,
    pool: HttpPool,
    listener: NodeListener,
    running: Mutex<BTreeMap<String, RunningApp>>,
    /// The app that runs in pods.
    in_pods: Mutex<Option<ServedApp>>,
    kept: KeptBundles,
    /// One at a time; whether none may be any more, because the node ends.
    deploying: tokio::sync::Mutex<bool>,
}

impl NodeApps {
    pub(crate) fn new(settings: &NodeSettings, away: SocketAddr, listener: NodeListener) -> Self {
        Self {
            kept: KeptBundles::new(settings.folder.path().to_owned()),
            folder: settings.folder.clone(),
            program: settings.program.clone(),
            interface: settings.interface,
            backend: settings.backend,
            away,
            pool: HttpPool::default(),
            listener,
            running: Mutex::default(),
            in_pods: Mutex::default(),
            deploying: tokio::sync::Mutex::default(),
        }
    }

    /// Every app that is served here.
    pub(crate) fn served(&self) -> BTreeMap<String, ServedApp> {
        let running = self.running.lock();
        let mut served: BTreeMap<String, ServedApp> =
            running.iter().map(|(name, app)| (name.clone(), app.served())).collect();
        served.extend(self.in_pods.lock().clone().map(|app| (app.bundle.app.clone(), app)));
        served
    }

    /// One of them.
    pub(crate) fn serving(&self, app: &str) -> Option<ServedApp> {
        let running = self.running.lock().get(app).map(RunningApp::served);
        running.or_else(|| self.in_pods.lock().clone().filter(|of| of.bundle.app == app))
    }

    /// Notes where the pods of an app are now.
    pub(crate) fn see_pods(&self, app: ServedApp) {
        *self.in_pods.lock() = Some(app);
    }

    /// What is kept of bundles for the next start.
    pub(crate) fn kept(&self) -> &KeptBundles {
        &self.kept
    }

    pub(crate) fn pool(&self) -> &HttpPool {
        &self.pool
    }

    fn place(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    /// Runs a bundle: starts what is new, and takes over in place what has changed. Where that fails, all is as it was.
    pub(crate) async fn deploy(self: &Arc<Self>, bundle: NodeBundle) -> Result<Vec<DeployedService>, String> {
        bundle.check(self.interface)?;
        let libraries: Vec<String> = bundle.services.values().map(|service| service.library.clone()).collect();
        if let Some(missing) = self.kept.missing(&libraries).first() {
            return Err(format!("the library {missing} is not here: send it first"));
        }
        let is_over = self.deploying.lock().await;
        if *is_over {
            return Err("this node is about to end".to_owned());
        }
        let before = self.running.lock().get(&bundle.app).cloned();
        let bundle = Arc::new(bundle);
        let deployed = match before {
            None => self.start(&bundle).await?,
            Some(before) => self.take_over(&before, &bundle).await?,
        };
        let kept = self.kept.keep(&bundle);
        kept.map_err(|error| format!("it runs, but cannot be kept for the next start: {error}"))?;
        self.clear();
        Ok(deployed)
    }

    /// Ends an app and removes what it has here.
    pub(crate) async fn remove(&self, app: &str) -> Result<(), String> {
        let _one_at_a_time = self.deploying.lock().await;
        let gone = self.running.lock().remove(app).ok_or_else(|| format!("no app {app} runs here"))?;
        gone.end().await.map_err(|error| error.to_string())?;
        for path in [self.kept.bundle(app), self.place("apps").join(app)] {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
        }
        self.clear();
        Ok(())
    }

    /// Ends every service; they begin again with the agent.
    pub(crate) async fn close(&self) {
        // What is half deployed is deployed first, so that nothing of it is left.
        *self.deploying.lock().await = true;
        let running = std::mem::take(&mut *self.running.lock());
        let mut ends = JoinSet::new();
        for (app, gone) in running {
            ends.spawn(async move {
                if let Err(error) = gone.end().await {
                    tracing::warn!(app, %error, "services could not be ended");
                }
            });
        }
        while ends.join_next().await.is_some() {}
    }

    /// Removes libraries that no bundle has any more.
    fn clear(&self) {
        let running = self.running.lock().clone();
        self.kept.clear(|name| {
            running.values().any(|app| app.bundle.services.values().any(|service| service.library == name))
        });
    }

    fn spec(&self, bundle: &NodeBundle, service: &str) -> Spec {
        let of = &bundle.services[service];
        Spec {
            service: service.to_owned(),
            host: of.host.clone(),
            folder: self.place("apps").join(&bundle.app).join(&of.host),
            group: of.host.clone(),
            front: bundle.listen.filter(|_| bundle.entry.as_deref() == Some(service)).map(Into::into),
            environment: Environment { open: of.env.clone(), ..Environment::default() },
        }
    }

    /// Puts what a service is to run into its folder, and has it find that wherever it runs.
    async fn furnish(&self, app: &RunningApp, service: &str) -> Result<(), String> {
        let spec = self.spec(&app.bundle, service);
        let library = &app.bundle.services[service].library;
        // In a container services are another user. Nobody else comes through the node's own folder.
        let mode = if self.backend == NodeBackend::Docker { READABLE } else { PRIVATE };
        let put = || {
            let there = spec.folder.join(file_of(library));
            if !there.exists() {
                write_as(&there, &fs::read(self.kept.library(library))?, mode)?;
            }
            write_as(&spec.folder.join("config.json"), &serde_json::to_vec_pretty(&app.config(service))?, mode)
        };
        make(&spec.folder)?;
        put().map_err(|error: std::io::Error| format!("cannot write to {}: {error}", spec.folder.display()))?;
        app.backend.bring(service).await.map_err(|error| error.to_string())
    }

    async fn start(self: &Arc<Self>, bundle: &Arc<NodeBundle>) -> Result<Vec<DeployedService>, String> {
        let folder = self.place("apps").join(&bundle.app);
        // What an earlier start left. Containers live on where their agent was killed.
        if folder.exists() {
            sweep_app(&folder).await.map_err(|error| error.to_string())?;
            fs::remove_dir_all(&folder).map_err(|error| format!("cannot clear {}: {error}", folder.display()))?;
        }
        let program =
            Program::hold(&self.program).map_err(|error| format!("cannot find dyn's own program: {error}"))?;
        let plan = BackendPlan {
            name: bundle.app.replace('_', "-"),
            id: id_of(&folder),
            host: Arc::new(program),
            debug: false,
            limits: ServiceLimits::default(),
            // No service is called that.
            sockets: folder.join(".sockets"),
            services: bundle.services.keys().map(|service| self.spec(bundle, service)).collect(),
        };
        for spec in &plan.services {
            make(&spec.folder)?;
        }
        let on = match self.backend {
            NodeBackend::Process => On::Process,
            NodeBackend::Docker => On::Docker,
        };
        let backend = local_cluster::choose(on, plan).await.map_err(told)?.backend;
        let opened = async { Ok::<_, BackendError>((backend.open().await?, backend.reach(self.away).await?)) };
        let (endpoints, away) = match opened.await {
            Ok(opened) => opened,
            Err(error) => {
                end(&*backend).await;
                return Err(told(error));
            }
        };
        let token: Arc<str> = hex(&rand::random::<[u8; 16]>()).into();
        let hosts = endpoints.iter().map(|(service, endpoint)| (service.clone(), endpoint.here)).collect();
        let mut app = RunningApp { bundle: bundle.clone(), token, hosts, backend, endpoints, away, watcher: None };
        let begun = async {
            for service in bundle.services.keys() {
                self.furnish(&app, service).await?;
            }
            for service in bundle.services.keys() {
                self.begin(&app, service).await?;
            }
            Ok::<_, String>(())
        };
        if let Err(error) = begun.await {
            end(&*app.backend).await;
            return Err(error);
        }
        let watching = tokio::spawn(self.clone().watch(bundle.app.clone(), app.backend.clone()));
        app.watcher = Some(watching.abort_handle());
        self.running.lock().insert(bundle.app.clone(), app);
        let services = bundle.services.iter();
        Ok(services.map(|(name, service)| deployed(name, &service.version, "started")).collect())
    }

    async fn begin(&self, app: &RunningApp, service: &str) -> Result<(), String> {
        app.backend.start(service).await.map_err(|error| error.to_string())?;
        let until = Instant::now() + READY;
        let target = HttpTarget::Host(app.hosts[service]);
        loop {
            let asked = self.pool.ask(&target, request(&Method::GET, "/readyz", HeaderMap::new(), Bytes::new())).await;
            match asked {
                Ok(answer) if answer.status == StatusCode::OK => return Ok(()),
                _ if Instant::now() < until => tokio::time::sleep(LOOK_AGAIN).await,
                Ok(answer) => return Err(format!("{service} is not ready: {}", String::from_utf8_lossy(&answer.body))),
                Err(error) => return Err(format!("{service} does not answer: {error}")),
            }
        }
    }

    /// Tells a host something.
    async fn tell(&self, app: &RunningApp, service: &str, path: &str, body: Bytes) -> Result<(), String> {
        let headers = headers(&app.token);
        let target = HttpTarget::Host(app.hosts[service]);
        let asked = self.pool.ask(&target, request(&Method::POST, path, headers, body));
        match tokio::time::timeout(READY, asked).await {
            Ok(Ok(answer)) if answer.status.is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!("{service}: {}", detail(&answer.body).unwrap_or_else(|| why(&answer)))),
            Ok(Err(AskError::Unsent(error) | AskError::Lost(error))) => {
                Err(format!("{service} does not answer: {error}"))
            }
            Err(_) => Err(format!("{service} does not answer within {} s", READY.as_secs())),
        }
    }

    /// Starts services again that end.
    async fn watch(self: Arc<Self>, app: String, backend: Arc<dyn Backend>) {
        let mut pauses: BTreeMap<String, (Duration, Instant)> = BTreeMap::new();
        // They end with the task that watches.
        let mut starts = JoinSet::new();
        while let Some(event) = backend.next().await {
            match event {
                BackendEvent::Log { service, line, .. } => (self.listener)(NodeSaid::Line { service, line }),
                BackendEvent::Notice(words) | BackendEvent::HopsByTcp(words) => tracing::info!(app, "{words}"),
                BackendEvent::Down { service, why, .. } => {
                    let now = Instant::now();
                    let (pause, last) = pauses.get(&service).copied().unwrap_or((FIRST_PAUSE, now));
                    let pause = if now - last > WELL { FIRST_PAUSE } else { pause };
                    pauses.insert(service.clone(), ((pause * 2).min(LONGEST_PAUSE), now));
                    tracing::warn!(app, service, why, "a service ended: it is started again");
                    let backend = backend.clone();
                    while starts.try_join_next().is_some() {}
                    starts.spawn(async move {
                        let mut pause = pause;
                        loop {
                            tokio::time::sleep(pause).await;
                            match backend.start(&service).await {
                                // What is removed meanwhile is started no more.
                                Ok(_) | Err(BackendError::Unknown(_)) => return,
                                Err(error) => tracing::warn!(service, %error, "a service could not be started again"),
                            }
                            pause = (pause * 2).min(LONGEST_PAUSE);
                        }
                    });
                }
            }
        }
    }
}

/// Removes what agents that were killed left running of this node's apps; how many things there were.
pub async fn sweep(folder: &FleetFolder) -> Result<usize, NodeError> {
    let mut swept = 0;
    for app in folders(&folder.path().join("apps")) {
        swept += sweep_app(&app).await?;
    }
    Ok(swept)
}

async fn sweep_app(folder: &Path) -> Result<usize, BackendError> {
    local_cluster::sweep(&id_of(folder), &folders(folder)).await
}

/// What tells an app of this node from others of its name, by its folder.
fn id_of(folder: &Path) -> String {
    blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex()[..12].to_owned()
}

fn folders(within: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(within).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))
}

/// Ends what did not come up.
async fn end(backend: &dyn Backend) {
    if let Err(error) = backend.close().await {
        tracing::warn!(%error, "services that did not come up could not be ended");
    }
}

/// Words for a push, which may come from another machine.
fn told(error: BackendError) -> String {
    let error = NodeError::Backend(error);
    error.hint().map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}"))
}

fn file_of(library: &str) -> String {
    format!("lib-{library}.so")
}

fn deployed(service: &str, version: &str, how: &'static str) -> DeployedService {
    DeployedService { service: service.to_owned(), version: version.to_owned(), how }
}

/// The words of a problem document.
fn detail(body: &[u8]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    document["detail"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_pushes_to_a_node_whose_engine_is_gone_is_told_what_to_do() {
        let words = told(BackendError::NoEngine("connection refused".to_owned()));
        let hint = "start one, or run this node with `dyn node up --on process`";
        assert_eq!(words, format!("cannot reach a Docker engine: connection refused; {hint}"));
    }

    #[tokio::test]
    async fn a_node_that_ran_no_app_left_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        assert_eq!(sweep(&FleetFolder::at(home.path().join("node"))).await.expect("swept"), 0);
        let (one, two) = (id_of(Path::new("/a/node/apps/x")), id_of(Path::new("/b/node/apps/x")));
        assert!(one != two && one.len() == 12, "{one} {two}");
    }
}
