//! The services of a node. Those that it runs itself are processes, started anew when they end, taken over in place by a newer
//! bundle. On a cluster they are pods that somebody else runs and looks after.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use local_cluster::{Backend, BackendEvent, BackendPlan, Endpoint, Environment, On, Program, ServiceLimits, Spec};
use parking_lot::Mutex;
use protocol::{Config, Limits, Outside, Peer, ServiceLoad, Swap};
use serde::Serialize;
use tokio::time::Instant;

use crate::bundle::{NodeBundle, is_hash};
use crate::events::{NodeListener, NodeSaid};
use crate::folder::{FleetFolder, hex, write_whole};
use crate::http::{AskError, HttpPool, HttpTarget, request, why};
use crate::served::{ServedApp, headers};

/// How long a service may take until it is ready.
const READY: Duration = Duration::from_secs(30);
/// A push may take so long from its first library to its bundle.
const UPLOAD: Duration = Duration::from_secs(3600);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// A service that ended is started again after this, and after twice as long each time it ends soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// One that ran so long is taken for well.
const WELL: Duration = Duration::from_secs(60);

/// An app that this node runs itself.
#[derive(Clone)]
struct RunningApp {
    bundle: Arc<NodeBundle>,
    token: Arc<str>,
    hosts: BTreeMap<String, SocketAddr>,
    backend: Arc<dyn Backend>,
    endpoints: BTreeMap<String, Endpoint>,
}

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
    pool: HttpPool,
    listener: NodeListener,
    running: Mutex<BTreeMap<String, RunningApp>>,
    /// The app that runs in pods.
    in_pods: Mutex<Option<ServedApp>>,
    /// When libraries came: those of a push that goes on are in no bundle yet.
    came: Mutex<BTreeMap<String, Instant>>,
    /// One at a time.
    deploying: tokio::sync::Mutex<()>,
}

impl NodeApps {
    pub(crate) fn new(folder: FleetFolder, program: PathBuf, interface: u32, listener: NodeListener) -> Self {
        Self {
            folder,
            program,
            interface,
            pool: HttpPool::default(),
            listener,
            running: Mutex::default(),
            in_pods: Mutex::default(),
            came: Mutex::default(),
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

    pub(crate) fn pool(&self) -> &HttpPool {
        &self.pool
    }

    fn place(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    /// The libraries of these that are not here.
    pub(crate) fn missing(&self, hashes: &[String]) -> Vec<String> {
        let is_missing = |hash: &&String| !is_hash(hash) || !self.place("blobs").join(hash).is_file();
        hashes.iter().filter(is_missing).cloned().collect()
    }

    /// Keeps a library, if it is what its name says.
    pub(crate) fn keep(&self, hash: &str, bytes: &[u8]) -> Result<(), String> {
        if blake3::hash(bytes).to_hex().as_str() != hash {
            return Err("the content has another hash than its name says".to_owned());
        }
        let folder = self.place("blobs");
        let written = fs::create_dir_all(&folder).and_then(|()| write_whole(&folder.join(hash), bytes));
        written.map_err(|error| format!("cannot keep it: {error}"))?;
        self.came.lock().insert(hash.to_owned(), Instant::now());
        Ok(())
    }

    /// The bundles that ran when the agent ended.
    pub(crate) fn kept(&self) -> Vec<NodeBundle> {
        let Ok(entries) = fs::read_dir(self.place("bundles")) else { return Vec::new() };
        let read =
            |entry: std::io::Result<fs::DirEntry>| serde_json::from_slice(&fs::read(entry.ok()?.path()).ok()?).ok();
        entries.filter_map(read).collect()
    }

    /// Runs a bundle: starts what is new, and takes over in place what has changed. Where that fails, all is as it was.
    pub(crate) async fn deploy(self: &Arc<Self>, bundle: NodeBundle) -> Result<Vec<DeployedService>, String> {
        bundle.check(self.interface)?;
        let libraries: Vec<String> = bundle.services.values().map(|service| service.library.clone()).collect();
        if let Some(missing) = self.missing(&libraries).first() {
            return Err(format!("the library {missing} is not here: send it first"));
        }
        let _one_at_a_time = self.deploying.lock().await;
        let before = self.running.lock().get(&bundle.app).cloned();
        let bundle = Arc::new(bundle);
        let deployed = match before {
            None => self.start(&bundle).await?,
            Some(before) => self.take_over(&before, &bundle).await?,
        };
        let text = serde_json::to_vec_pretty(&*bundle).map_err(|error| error.to_string())?;
        let folder = self.place("bundles");
        let kept =
            fs::create_dir_all(&folder).and_then(|()| write_whole(&folder.join(format!("{}.json", bundle.app)), &text));
        kept.map_err(|error| format!("it runs, but cannot be kept for the next start: {error}"))?;
        self.clear();
        Ok(deployed)
    }

    /// Ends an app and removes what it has here.
    pub(crate) async fn remove(&self, app: &str) -> Result<(), String> {
        let _one_at_a_time = self.deploying.lock().await;
        let gone = self.running.lock().remove(app).ok_or_else(|| format!("no app {app} runs here"))?;
        gone.backend.close().await.map_err(|error| error.to_string())?;
        for path in [self.place("bundles").join(format!("{app}.json")), self.place("apps").join(app)] {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
        }
        self.clear();
        Ok(())
    }

    /// Ends every service; they begin again with the agent.
    pub(crate) async fn close(&self) {
        let running = std::mem::take(&mut *self.running.lock());
        for (app, gone) in running {
            if let Err(error) = gone.backend.close().await {
                tracing::warn!(app, %error, "services could not be ended");
            }
        }
    }

    /// Removes libraries that no bundle has any more.
    fn clear(&self) {
        let running = self.running.lock().clone();
        let used = |name: &str| running.values().any(|app| app.bundle.services.values().any(|s| s.library == name));
        let mut came = self.came.lock();
        came.retain(|_, at| at.elapsed() < UPLOAD);
        let is_left = |name: &str| !used(name) && !came.contains_key(name);
        let Ok(entries) = fs::read_dir(self.place("blobs")) else { return };
        for entry in entries.filter_map(Result::ok).filter(|entry| is_left(&entry.file_name().to_string_lossy())) {
            if let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!(file = %entry.path().display(), %error, "a library could not be removed");
            }
        }
    }

    fn spec(&self, bundle: &NodeBundle, service: &str) -> Spec {
        let of = &bundle.services[service];
        Spec {
            service: service.to_owned(),
            host: of.host.clone(),
            folder: self.place("apps").join(&bundle.app).join(&of.host),
            group: of.host.clone(),
            front: bundle.listen.filter(|_| bundle.entry.as_deref() == Some(service)).map(|listen| listen.port()),
            environment: Environment { open: of.env.clone(), ..Environment::default() },
        }
    }

    /// Puts what a service is to run into its folder.
    fn furnish(&self, bundle: &NodeBundle, config: &Config) -> Result<(), String> {
        let spec = self.spec(bundle, &config.service);
        let library = &bundle.services[&config.service].library;
        let put = || {
            fs::create_dir_all(&spec.folder)?;
            let there = spec.folder.join(file_of(library));
            if !there.exists() {
                write_whole(&there, &fs::read(self.place("blobs").join(library))?)?;
            }
            write_whole(&spec.folder.join("config.json"), &serde_json::to_vec_pretty(config)?)
        };
        put().map_err(|error: std::io::Error| format!("cannot write to {}: {error}", spec.folder.display()))
    }

    async fn start(self: &Arc<Self>, bundle: &Arc<NodeBundle>) -> Result<Vec<DeployedService>, String> {
        let folder = self.place("apps").join(&bundle.app);
        // What an earlier start left.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| format!("cannot clear {}: {error}", folder.display()))?;
        }
        let program =
            Program::hold(&self.program).map_err(|error| format!("cannot find dyn's own program: {error}"))?;
        let plan = BackendPlan {
            name: bundle.app.replace('_', "-"),
            id: blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex()[..12].to_owned(),
            host: Arc::new(program),
            debug: false,
            limits: ServiceLimits::default(),
            sockets: folder.join("sockets"),
            services: bundle.services.keys().map(|service| self.spec(bundle, service)).collect(),
        };
        let chosen = local_cluster::choose(On::Process, plan).await.map_err(|error| error.to_string())?;
        let endpoints = chosen.backend.open().await.map_err(|error| error.to_string())?;
        let token: Arc<str> = hex(&rand::random::<[u8; 16]>()).into();
        let hosts = endpoints.iter().map(|(service, endpoint)| (service.clone(), endpoint.here)).collect();
        let app = RunningApp { bundle: bundle.clone(), token, hosts, backend: chosen.backend, endpoints };
        let begun = async {
            for service in bundle.services.keys() {
                self.furnish(bundle, &app.config(service))?;
            }
            for service in bundle.services.keys() {
                self.begin(&app, service).await?;
            }
            Ok::<_, String>(())
        };
        if let Err(error) = begun.await {
            if let Err(error) = app.backend.close().await {
                tracing::warn!(%error, "services that did not come up could not be ended");
            }
            return Err(error);
        }
        self.running.lock().insert(bundle.app.clone(), app.clone());
        tokio::spawn(self.clone().watch(bundle.app.clone(), app.backend));
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

    async fn take_over(
        self: &Arc<Self>,
        before: &RunningApp,
        bundle: &Arc<NodeBundle>,
    ) -> Result<Vec<DeployedService>, String> {
        let old = &before.bundle;
        let mut app = RunningApp { bundle: bundle.clone(), ..before.clone() };
        let new: Vec<&String> = bundle.services.keys().filter(|name| !old.services.contains_key(*name)).collect();
        for service in &new {
            let endpoint = app.backend.endpoint(self.spec(bundle, service)).await.map_err(|error| error.to_string())?;
            app.hosts.insert((*service).clone(), endpoint.here);
            app.endpoints.insert((*service).clone(), endpoint);
        }
        let taken = self.change(before, &app, &new).await;
        let done = match taken {
            Ok(done) => done,
            Err(error) => {
                self.put_back(before, &app, &new).await;
                return Err(error);
            }
        };
        for gone in old.services.keys().filter(|name| !bundle.services.contains_key(*name)) {
            if let Err(error) = app.backend.remove(gone).await {
                tracing::warn!(service = gone, %error, "a service could not be ended");
            }
            app.hosts.remove(gone);
            app.endpoints.remove(gone);
        }
        self.running.lock().insert(bundle.app.clone(), app);
        Ok(done)
    }

    async fn change(
        &self,
        before: &RunningApp,
        app: &RunningApp,
        new: &[&String],
    ) -> Result<Vec<DeployedService>, String> {
        let mut done = Vec::new();
        for service in new {
            self.furnish(&app.bundle, &app.config(service))?;
            self.begin(app, service).await?;
            done.push(deployed(service, &app.bundle.services[*service].version, "started"));
        }
        for (service, now) in app.bundle.services.iter().filter(|(name, _)| before.bundle.services.contains_key(*name))
        {
            let was = &before.bundle.services[service];
            let (config, old) = (app.config(service), before.config(service));
            self.furnish(&app.bundle, &config)?;
            let how = if was.env != now.env {
                let environment = Environment { open: now.env.clone(), ..Environment::default() };
                app.backend.renew(service, environment).await.map_err(|error| error.to_string())?;
                self.begin(app, service).await?;
                "started anew"
            } else {
                if config.peers != old.peers || config.route != old.route || config.front != old.front {
                    self.tell(app, service, "/_dyninka/reload", Bytes::new()).await?;
                }
                if was.library == now.library {
                    "as it was"
                } else {
                    self.swap(app, service, &now.library).await?;
                    "taken over"
                }
            };
            done.push(deployed(service, &now.version, how));
        }
        Ok(done)
    }

    async fn swap(&self, app: &RunningApp, service: &str, library: &str) -> Result<(), String> {
        let body = serde_json::to_vec(&Swap { library: file_of(library) }).map_err(|error| error.to_string())?;
        self.tell(app, service, "/_dyninka/swap", body.into()).await
    }

    /// Has all services be as they were.
    async fn put_back(&self, before: &RunningApp, app: &RunningApp, new: &[&String]) {
        for service in new {
            drop(app.backend.remove(service).await);
        }
        for (service, was) in &before.bundle.services {
            let back = async {
                self.furnish(&before.bundle, &before.config(service))?;
                let now = app.bundle.services.get(service);
                if now.is_some_and(|now| now.env != was.env) {
                    let environment = Environment { open: was.env.clone(), ..Environment::default() };
                    app.backend.renew(service, environment).await.map_err(|error| error.to_string())?;
                    return self.begin(before, service).await;
                }
                self.tell(before, service, "/_dyninka/reload", Bytes::new()).await?;
                match now {
                    Some(now) if now.library != was.library => self.swap(before, service, &was.library).await,
                    _ => Ok(()),
                }
            };
            if let Err(error) = back.await {
                tracing::warn!(service, error, "a service could not be put back as it was");
            }
        }
    }

    /// Starts services again that end.
    async fn watch(self: Arc<Self>, app: String, backend: Arc<dyn Backend>) {
        let mut pauses: BTreeMap<String, (Duration, Instant)> = BTreeMap::new();
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
                    tokio::spawn(async move {
                        tokio::time::sleep(pause).await;
                        if let Err(error) = backend.start(&service).await {
                            tracing::warn!(service, %error, "a service could not be started again");
                        }
                    });
                }
            }
        }
    }
}

impl RunningApp {
    fn served(&self) -> ServedApp {
        let hosts = self.hosts.iter().map(|(service, host)| (service.clone(), vec![*host]));
        ServedApp { bundle: self.bundle.clone(), token: self.token.clone(), hosts: hosts.collect() }
    }

    fn config(&self, service: &str) -> Config {
        let peer = |(name, of): (&String, &crate::bundle::BundledService)| {
            let endpoint = self.endpoints.get(name)?;
            Some((
                name.clone(),
                Peer {
                    address: endpoint.peer.clone(),
                    others: Vec::new(),
                    host: of.host.clone(),
                    inputs: of.inputs.clone(),
                },
            ))
        };
        let is_entry = self.bundle.entry.as_deref() == Some(service);
        let of = &self.bundle.services[service];
        let limits = Limits::default();
        Config {
            app: self.bundle.app.clone(),
            service: service.to_owned(),
            instance: None,
            listen: self.endpoints[service].listen,
            front: self.bundle.listen.filter(|_| is_entry),
            peers: Arc::new(self.bundle.services.iter().filter_map(peer).collect()),
            route: of.route.clone(),
            library: Some(file_of(&of.library)),
            token: self.token.to_string(),
            names: None,
            outside: is_entry.then(Outside::default),
            limits: Limits { depth: limits.depth.max(self.bundle.services.len()), ..limits },
            load: ServiceLoad {
                rate: of.rate.map(|rate| rate as u32),
                at_once: of.at_once.and_then(|most| u32::try_from(most).ok()),
                latency_ms: of.latency_us.map(|us| us / 1000),
                idempotent: of.idempotent,
                stays: of.stays,
            },
            record: false,
            moved: None,
            near: None,
        }
    }
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
