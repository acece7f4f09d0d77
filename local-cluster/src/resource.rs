//! Servers that an app's services use, such as a database: a session starts those that are installed here, or of which the
//! engine has an image, each on a port of loopback, with a password, and with data that outlives the session.

mod error;
mod files;
mod image;
mod owner;
mod program;
mod server;
mod spawner;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::process::Child;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use error::ResourceError;
pub use program::ResourceProgram;

use crate::environment::LocalUrl;
use crate::port::{Ports, free_port, local};
use server::{Installed, check, how, sweep};
use spawner::Spawner;

/// A free port may be somebody else's before the server listens: then another is taken, so many times.
const TRIES: usize = 5;
/// A server that ends by itself is started again, this often within [`AGAIN_WITHIN`].
const AGAIN: usize = 3;
const AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// A server that an app asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceSpec {
    pub program: ResourceProgram,
    /// None: a free one.
    pub port: Option<u16>,
}

/// How services reach a server.
#[derive(Clone, PartialEq, Eq)]
pub struct ResourceAccess {
    pub url: LocalUrl,
    pub user: String,
    pub password: String,
}

/// A password is in no log.
impl fmt::Debug for ResourceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceAccess").field("at", &self.url.at).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Takes words for the user.
pub type ResourceNotices = Arc<dyn Fn(String) + Send + Sync>;

/// The servers of an app.
pub struct Resources {
    /// Of all of them; `NAME/PROGRAM` below it is one's.
    folder: PathBuf,
    /// Whether images of an engine will do where a server is not installed.
    images: bool,
    notice: ResourceNotices,
    closing: watch::Sender<bool>,
    state: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    /// The number of the reading of the app that was last heeded.
    reading: u64,
    is_swept: bool,
    spawner: Option<Arc<Spawner>>,
    ports: Arc<Ports>,
    servers: BTreeMap<String, Server>,
}

/// A server that runs, and is started again where it ends by itself.
struct Server {
    spec: ResourceSpec,
    access: ResourceAccess,
    ending: watch::Sender<bool>,
    alive: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Server {
    fn is(&self, spec: ResourceSpec) -> bool {
        self.spec == spec && self.alive.load(Ordering::Acquire)
    }

    async fn end(self) {
        self.ending.send_replace(true);
        // It ended in a panic at worst, and its process with it.
        drop(self.task.await);
    }
}

impl Resources {
    /// Those of an app, in a folder; none runs yet.
    pub fn new(folder: PathBuf, notice: ResourceNotices) -> Self {
        Self { folder, images: false, notice, closing: watch::Sender::new(false), state: Mutex::default() }
    }

    /// The same, with images of an engine for servers that are not installed.
    pub fn or_images(self, images: bool) -> Self {
        Self { images, ..self }
    }

    /// Has these servers run, by the names that the app gives them, and no others. Readings of the app have numbers
    /// that grow: an older one than was heeded changes nothing.
    ///
    /// # Errors
    /// What keeps each of them from running; the others run.
    pub async fn ensure(
        &self,
        reading: u64,
        wanted: &BTreeMap<String, ResourceSpec>,
    ) -> Result<BTreeMap<String, ResourceAccess>, Vec<(String, ResourceError)>> {
        let mut closing = self.closing.subscribe();
        let work = async {
            let mut state = self.state.lock().await;
            if reading >= state.reading {
                state.reading = reading;
                self.change(&mut state, wanted).await?;
            }
            Ok(state.servers.iter().map(|(name, server)| (name.clone(), server.access.clone())).collect())
        };
        tokio::select! {
            biased;
            () = asked(&mut closing) => {
                Err(wanted.keys().map(|name| (name.clone(), ResourceError::Closing)).collect())
            }
            done = work => done,
        }
    }

    async fn change(
        &self,
        state: &mut Running,
        wanted: &BTreeMap<String, ResourceSpec>,
    ) -> Result<(), Vec<(String, ResourceError)>> {
        if !state.is_swept {
            let swept = sweep_resources(&self.folder).await;
            if swept > 0 {
                let servers = if swept == 1 { "server" } else { "servers" };
                (self.notice)(format!("ended {swept} leftover {servers} of an earlier session"));
            }
            state.is_swept = true;
        }
        let is_other = |name: &String, server: &mut Server| wanted.get(name).is_none_or(|spec| !server.is(*spec));
        let gone: Vec<Server> = state.servers.extract_if(.., is_other).map(|(_, server)| server).collect();
        join_all(gone.into_iter().map(Server::end)).await;
        let absent: Vec<(&String, ResourceSpec)> = wanted
            .iter()
            .filter(|(name, _)| !state.servers.contains_key(*name))
            .map(|(name, spec)| (name, *spec))
            .collect();
        if absent.is_empty() {
            return Ok(());
        }
        let spawner = match &state.spawner {
            Some(spawner) => spawner.clone(),
            None => {
                let source =
                    |source| (absent[0].0.clone(), ResourceError::Io { doing: "start a thread".to_owned(), source });
                let spawner = Arc::new(Spawner::new().map_err(|error| vec![source(error)])?);
                state.spawner.insert(spawner).clone()
            }
        };
        let ports = state.ports.clone();
        let starting = absent.into_iter().map(|(name, spec)| {
            let (spawner, ports) = (spawner.clone(), ports.clone());
            async move { (name.clone(), self.start(name, spec, spawner, &ports).await) }
        });
        let mut failed = Vec::new();
        for (name, started) in join_all(starting).await {
            match started {
                Ok(server) => drop(state.servers.insert(name, server)),
                Err(error) => failed.push((name, error)),
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }

    async fn start(
        &self,
        name: &str,
        spec: ResourceSpec,
        spawner: Arc<Spawner>,
        ports: &Ports,
    ) -> Result<Server, ResourceError> {
        spec.port.map_or(Ok(()), check)?;
        let folder = self.folder.join(name).join(spec.program.name());
        let installed = Installed::prepare(spec.program, folder, self.images, &spawner).await?;
        let mut left = TRIES;
        let (port, child) = loop {
            let port = match spec.port {
                Some(port) => port,
                None => ports.pick().map_err(ResourceError::io("find a free port"))?,
            };
            left -= 1;
            match installed.start(port, &spawner, true).await {
                Ok(child) => break (port, child),
                Err(error) => {
                    installed.forget();
                    let is_snatched = matches!(error, ResourceError::Ended { .. }) && free_port(port).is_err();
                    match spec.port {
                        Some(port) if is_snatched => return check(port).and(Err(error)),
                        None if is_snatched && left > 0 => {}
                        _ => return Err(error),
                    }
                }
            }
        };
        (self.notice)(format!("{name} is {} on {}", installed.words(), local(port)));
        let access = access(spec.program, &installed.password, local(port));
        let (ending, ended) = watch::channel(false);
        let alive = Arc::new(AtomicBool::new(true));
        let watched = Watched {
            name: name.to_owned(),
            installed,
            port,
            spawner,
            notice: self.notice.clone(),
            alive: alive.clone(),
        };
        let task = tokio::spawn(watched.watch(child, ended));
        Ok(Server { spec, access, ending, alive, task })
    }

    /// Ends all of them; none is started afterwards.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        let mut state = self.state.lock().await;
        let servers = std::mem::take(&mut state.servers);
        join_all(servers.into_values().map(Server::end)).await;
        if self.images {
            // One whose start was given up has nobody else to end it.
            sweep_resources(&self.folder).await;
        }
    }
}

fn access(program: ResourceProgram, password: &str, at: SocketAddr) -> ResourceAccess {
    let url = program.url(password, at);
    ResourceAccess { url, user: program.user().to_owned(), password: password.to_owned() }
}

/// Waits until the end is asked for.
async fn asked(ending: &mut watch::Receiver<bool>) {
    drop(ending.wait_for(|ending| *ending).await);
}

/// A server that runs, as it is watched.
struct Watched {
    name: String,
    installed: Installed,
    port: u16,
    spawner: Arc<Spawner>,
    notice: ResourceNotices,
    alive: Arc<AtomicBool>,
}

impl Watched {
    async fn watch(self, mut child: Child, mut ending: watch::Receiver<bool>) {
        let mut ends: Vec<Instant> = Vec::new();
        loop {
            let status = tokio::select! {
                biased;
                () = asked(&mut ending) => {
                    self.installed.end(&mut child).await;
                    break;
                }
                status = child.wait() => status,
            };
            let how = status.map_or_else(|error| error.to_string(), how);
            let now = Instant::now();
            ends.retain(|then| now.duration_since(*then) < AGAIN_WITHIN);
            ends.push(now);
            let name = &self.name;
            if ends.len() > AGAIN {
                (self.notice)(format!("{name} ended with {how}, time and again; a save of the app starts it again"));
                break;
            }
            let started = tokio::select! {
                biased;
                () = asked(&mut ending) => break,
                started = self.installed.start(self.port, &self.spawner, false) => started,
            };
            child = match started {
                Ok(child) => {
                    (self.notice)(format!("{name} ended with {how} and was started again"));
                    child
                }
                Err(error) => {
                    (self.notice)(format!("{name} ended with {how} and cannot be started again: {error}"));
                    break;
                }
            };
        }
        self.alive.store(false, Ordering::Release);
        self.installed.forget();
    }
}

/// Ends the servers that a killed session left of the app with this folder; answers how many there were.
pub async fn sweep_resources(folder: &Path) -> usize {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let all: Vec<PathBuf> = entries(folder).iter().flat_map(|name| entries(name)).collect();
    join_all(all.iter().map(|folder| sweep(folder))).await.into_iter().filter(|swept| *swept).count()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_debug_output() {
        let at = local(5432);
        let access = access(ResourceProgram::Postgres, "s3cret", at);
        let told = format!("{access:?}");
        assert!(told.contains("127.0.0.1:5432") && !told.contains("s3cret"), "{told}");
    }

    #[tokio::test]
    async fn a_server_that_a_killed_session_left_is_ended_and_somebody_elses_process_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let place = folder.path().join(name).join("redis-server");
            fs::create_dir_all(&place).unwrap();
            place.join("pid")
        };
        let mut left = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&left);
        crate::process::write_pid(&place("cache"), pid).unwrap();
        // One of the same number that began at another time.
        fs::write(place("other"), format!("{} 1", std::process::id())).unwrap();
        // A child that has ended is there until it is waited for; those of a killed session are waited for by init.
        let waited = tokio::task::spawn_blocking(move || left.wait().unwrap());
        assert_eq!(sweep_resources(folder.path()).await, 1);
        assert!(!waited.await.unwrap().success());
        assert_eq!(sweep_resources(folder.path()).await, 0);
    }

    #[tokio::test]
    async fn nothing_is_started_once_the_session_ends() {
        let folder = tempfile::tempdir().unwrap();
        let resources = Resources::new(folder.path().to_owned(), Arc::new(|_| {}));
        assert_eq!(resources.ensure(1, &BTreeMap::new()).await.unwrap(), BTreeMap::new());
        resources.close().await;
        let wanted = BTreeMap::from([("db".to_owned(), ResourceSpec { program: ResourceProgram::Redis, port: None })]);
        let refused = resources.ensure(2, &wanted).await.unwrap_err();
        assert!(matches!(refused[..], [(_, ResourceError::Closing)]), "{refused:?}");
    }
}
