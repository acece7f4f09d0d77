//! The docker backend: a container for each service, on a network of the app's own.

mod reach;
mod watch;
mod work;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bollard::Docker as Engine;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Ipam, IpamConfig, Mount, MountType,
    NetworkCreateRequest, NetworkingConfig, PortBinding,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};
use futures_util::future::join_all;
use images::elf::Linked;
use parking_lot::{Mutex, MutexGuard};

use crate::backend::{Backend, BackendError, BackendEvent, BackendPlan, Begun, Endpoint, Spec, Specs, Work};
use crate::carry::{self, Carried, INSIDE};
use crate::context::Meant;
use crate::engine::{self, APP, Found, ID, SERVICE, status};
use crate::environment::{self, Environment, FLAG};
use crate::image::{self, HostImage};
use crate::objects;
use crate::port::Ports;
use crate::queue::{Receiver, Sender, queue};
use crate::standstill::Standstill;

/// Every service listens here inside its container.
const PORT: u16 = 8080;
/// A service may answer what it has begun for this many seconds before it is killed.
const GRACE_SECONDS: i32 = 1;
/// A service's folder for what it need not keep. It is memory: unlimited, one service could take all there is.
const SCRATCH: &str = "rw,noexec,nosuid,nodev,size=64m";
/// Threads and processes of a service: a call of a synchronous function has a thread each, of which the host lets
/// 520 begin; what is over is for threads of the app's own.
const MOST_THREADS: i64 = 2048;
/// What an engine keeps of what a service writes.
const LOG_FILES: [(&str, &str); 2] = [("max-size", "8m"), ("max-file", "2")];
/// Nobody: what a service runs as when the folder is root's.
const NOBODY: u32 = 65_534;

/// Services as containers.
pub(crate) struct Docker {
    inner: Arc<Inner>,
    inbox: tokio::sync::Mutex<Receiver<BackendEvent>>,
}

struct Inner {
    engine: Engine,
    meant: Meant,
    /// Where published ports are found.
    address: IpAddr,
    carried: Carried,
    plan: BackendPlan,
    specs: Specs,
    picked: Ports,
    events: Sender<BackendEvent>,
    closing: AtomicBool,
    /// The image and each service's port on this machine, known once open.
    opened: Mutex<Option<Opened>>,
    /// Services that were started and are meant to run.
    wanted: Mutex<HashSet<String>>,
    /// Services that were found wanting and killed, until their end is told.
    condemned: Mutex<HashSet<String>>,
    still: Standstill,
    reach: reach::Reach,
    working: work::Working,
}

#[derive(Clone)]
struct Opened {
    image: String,
    /// How the host in the image is linked.
    linked: Arc<Linked>,
    ports: BTreeMap<String, u16>,
    /// Whether the engine sees no file of this machine.
    is_carried: bool,
}

impl Docker {
    pub(crate) fn new(found: Found, plan: BackendPlan) -> Self {
        let Found { engine, meant, address } = found;
        let (events, inbox) = queue();
        let inner = Inner {
            engine,
            meant,
            address,
            carried: Carried::default(),
            specs: Specs::new(&plan.services),
            picked: Ports::except(plan.services.iter().filter_map(|spec| spec.front)),
            plan,
            events,
            closing: AtomicBool::new(false),
            opened: Mutex::default(),
            wanted: Mutex::default(),
            condemned: Mutex::default(),
            still: Standstill::default(),
            reach: reach::Reach::default(),
            working: work::Working::default(),
        };
        Self { inner: Arc::new(inner), inbox: tokio::sync::Mutex::new(inbox) }
    }
}

#[async_trait]
impl Backend for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn hosts_bind_front(&self) -> bool {
        false
    }

    async fn open(&self) -> Result<BTreeMap<String, Endpoint>, BackendError> {
        let inner = &self.inner;
        engine::sweep(&inner.engine, &inner.plan.id).await?;
        let HostImage { name: image, is_new, linked } = image::ensure(&inner.engine, &inner.plan.host.path()).await?;
        if is_new {
            inner.tell(BackendEvent::Notice(format!("made the image {image} that services run on")));
        }
        let is_carried = inner.is_carried(&image).await?;
        inner.network().await?;
        *inner.opened() = Some(Opened { image, linked: Arc::new(linked), ports: BTreeMap::new(), is_carried });
        tokio::spawn(watch::watch(inner.clone()));
        // The processes of an engine elsewhere are out of sight.
        if !is_carried {
            tokio::spawn(watch::watch_processes(inner.clone()));
        }
        inner.specs.all().iter().map(|spec| Ok((spec.service.clone(), inner.find_seat(spec)?))).collect()
    }

    async fn endpoint(&self, spec: Spec) -> Result<Endpoint, BackendError> {
        let endpoint = self.inner.find_seat(&spec);
        self.inner.specs.put(spec);
        endpoint
    }

    async fn kill(&self, service: &str) -> Result<(), BackendError> {
        let inner = &self.inner;
        let name = inner.container(&inner.specs.get(service)?);
        inner.condemned().insert(service.to_owned());
        match inner.engine.kill_container(&name, None).await {
            // 409: it does not run.
            Ok(()) => Ok(()),
            Err(error) => {
                inner.condemned().remove(service);
                let is_gone = [Some(404), Some(409)].contains(&status(&error));
                if is_gone { Ok(()) } else { Err(BackendError::engine(format!("end {service}"))(error)) }
            }
        }
    }

    async fn renew(&self, service: &str, environment: Environment) -> Result<(), BackendError> {
        let spec = self.inner.specs.get(service)?;
        // A container's environment is made with it.
        let removed = self.remove(service).await;
        self.inner.specs.put(Spec { environment, ..spec });
        removed
    }

    async fn remove(&self, service: &str) -> Result<(), BackendError> {
        let inner = &self.inner;
        let spec = inner.specs.take(service)?;
        inner.wanted().remove(service);
        let name = inner.container(&spec);
        let stop = StopContainerOptionsBuilder::default().t(GRACE_SECONDS).build();
        // What does not stop is removed all the same.
        drop(inner.engine.stop_container(&name, Some(stop)).await);
        let remove = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match inner.engine.remove_container(&name, Some(remove)).await {
            Err(error) if status(&error) != Some(404) => {
                Err(BackendError::engine(format!("remove the container of {service}"))(error))
            }
            _ => Ok(()),
        }
    }

    async fn start(&self, service: &str) -> Result<Begun, BackendError> {
        let inner = &self.inner;
        let spec = inner.specs.get(service)?;
        let name = inner.container(&spec);
        inner.wanted().insert(service.to_owned());
        let known = inner.engine.inspect_container(&name, None::<InspectContainerOptions>).await;
        match known {
            Ok(container) => {
                let state = container.state.unwrap_or_default();
                if state.paused == Some(true) {
                    return inner
                        .engine
                        .unpause_container(&name)
                        .await
                        .map(|()| Begun::WentOn)
                        .map_err(BackendError::engine(format!("go on with {service}")));
                }
                if inner.still.end(service) && state.running == Some(true) {
                    let go_on = KillContainerOptionsBuilder::default().signal("SIGCONT").build();
                    return inner
                        .engine
                        .kill_container(&name, Some(go_on))
                        .await
                        .map(|()| Begun::WentOn)
                        .map_err(BackendError::engine(format!("go on with {service}")));
                }
            }
            Err(error) if status(&error) == Some(404) => {
                inner.create(&spec, &name).await?;
                inner.carried.forget(&name);
            }
            Err(error) => return Err(BackendError::engine(format!("look at {service}"))(error)),
        }
        self.bring(service).await?;
        // Attached to before it runs: its environment is what it waits for.
        let hides = spec.environment.hides();
        let input = if hides { Some(environment::attach(&inner.engine, &name, service).await?) } else { None };
        inner.engine.start_container(&name, None).await.map_err(BackendError::engine(format!("start {service}")))?;
        if let Some(mut input) = input {
            environment::tell(&mut input, &inner.told(&spec.environment).await?, service).await?;
        }
        watch::know(inner, service, &name).await;
        tokio::spawn(watch::follow(inner.clone(), service.to_owned(), name));
        Ok(Begun::Anew)
    }

    async fn bring(&self, service: &str) -> Result<(), BackendError> {
        let inner = &self.inner;
        let spec = inner.specs.get(service)?;
        let opened = inner.opened().clone().ok_or_else(|| BackendError::Unknown(service.to_owned()))?;
        let (name, folder, host) = (spec.service.clone(), spec.folder.clone(), opened.linked);
        let completed = tokio::task::spawn_blocking(move || objects::complete(&name, &folder, &host)).await;
        completed.map_err(|error| BackendError::Unknown(format!("{service} ({error})")))??;
        if !opened.is_carried {
            return Ok(());
        }
        inner.carried.bring(&inner.engine, &inner.container(&spec), &spec.folder).await
    }

    async fn work(&self, service: &str, arguments: &[&str]) -> Result<Work, BackendError> {
        work::start(&self.inner, service, arguments).await
    }

    fn process(&self, service: &str) -> Option<u32> {
        self.inner.still.process(service)
    }

    fn address(&self) -> IpAddr {
        self.inner.address
    }

    async fn next(&self) -> Option<BackendEvent> {
        self.inbox.lock().await.recv().await
    }

    async fn close(&self) -> Result<(), BackendError> {
        let inner = &self.inner;
        inner.closing.store(true, Ordering::Release);
        inner.working.end().await;
        let stop = StopContainerOptionsBuilder::default().t(GRACE_SECONDS).build();
        let ends = inner.specs.all().into_iter().map(|spec| {
            let (name, stop) = (inner.container(&spec), stop.clone());
            async move {
                // What does not stop is removed all the same.
                drop(inner.engine.stop_container(&name, Some(stop)).await);
            }
        });
        join_all(ends).await;
        engine::sweep(&inner.engine, &inner.plan.id).await.map(drop)
    }
}

impl Inner {
    fn tell(&self, event: BackendEvent) {
        self.events.send(event);
    }

    fn opened(&self) -> MutexGuard<'_, Option<Opened>> {
        self.opened.lock()
    }

    fn condemned(&self) -> MutexGuard<'_, HashSet<String>> {
        self.condemned.lock()
    }

    fn wanted(&self) -> MutexGuard<'_, HashSet<String>> {
        self.wanted.lock()
    }

    /// Picks the port of this machine that leads to a service; one that had a port keeps it.
    fn find_seat(&self, spec: &Spec) -> Result<Endpoint, BackendError> {
        let mut opened = self.opened();
        let Some(opened) = opened.as_mut() else { return Err(BackendError::Unknown(spec.service.clone())) };
        let port = match opened.ports.get(&spec.service) {
            Some(port) => *port,
            None => self.picked.pick().map_err(BackendError::io("find a free port"))?,
        };
        opened.ports.insert(spec.service.clone(), port);
        let listen = (Ipv4Addr::UNSPECIFIED, PORT).into();
        Ok(Endpoint { listen, peer: format!("{}:{PORT}", spec.host), here: (self.address, port).into() })
    }

    /// Whether folders have to be carried to the engine. One that nobody named is this machine's own.
    async fn is_carried(&self, image: &str) -> Result<bool, BackendError> {
        let specs = self.specs.all();
        let Some(spec) = specs.first().filter(|_| self.meant.is_named) else { return Ok(false) };
        if carry::is_seen(&self.engine, image, &spec.folder, self.labels(None)).await? {
            return Ok(false);
        }
        self.tell(BackendEvent::Notice(format!(
            "the engine at {} ({}) sees no file of this machine: libraries are carried to it, and its services are \
             called at ports of {}",
            self.meant.host,
            self.meant.by.as_deref().unwrap_or_default(),
            self.address
        )));
        Ok(true)
    }

    fn container(&self, spec: &Spec) -> String {
        format!("dyninka-{}-{}-{}", self.plan.name, self.plan.id, spec.host)
    }

    fn network_name(&self) -> String {
        format!("dyninka-{}-{}", self.plan.name, self.plan.id)
    }

    fn labels(&self, service: Option<&str>) -> HashMap<String, String> {
        let app = [(APP.to_owned(), self.plan.name.clone()), (ID.to_owned(), self.plan.id.clone())];
        app.into_iter().chain(service.map(|service| (SERVICE.to_owned(), service.to_owned()))).collect()
    }

    /// Makes the app's network. Where the engine has no subnet left, or the one it picks is taken, others are tried.
    async fn network(&self) -> Result<(), BackendError> {
        let request = |subnet: Option<String>| NetworkCreateRequest {
            name: self.network_name(),
            labels: Some(self.labels(None)),
            ipam: subnet.map(|subnet| Ipam {
                config: Some(vec![IpamConfig { subnet: Some(subnet), ..IpamConfig::default() }]),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        };
        let mut refused = match self.engine.create_network(request(None)).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        for third in 0..=255_u8 {
            if !is_about_subnets(&refused) {
                break;
            }
            let subnet = format!("10.213.{third}.0/24");
            match self.engine.create_network(request(Some(subnet.clone()))).await {
                Ok(_) => {
                    self.tell(BackendEvent::Notice(format!(
                        "the engine has no subnet of its own left, so the app uses {subnet}"
                    )));
                    return Ok(());
                }
                Err(error) => refused = error,
            }
        }
        Err(BackendError::engine("make a network")(refused))
    }

    /// What a service's container may do, and how much of the machine it may use.
    fn rights(&self) -> HostConfig {
        let limits = self.plan.limits;
        HostConfig {
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), SCRATCH.to_owned())])),
            pids_limit: Some(MOST_THREADS),
            nano_cpus: limits.cpus.map(|cpus| (cpus * 1e9) as i64),
            memory: limits.memory.and_then(|bytes| i64::try_from(bytes).ok()),
            // No swap beyond the memory: a service that needs more is ended, and that is seen.
            memory_swap: limits.memory.and_then(|bytes| i64::try_from(bytes).ok()),
            ..HostConfig::default()
        }
    }

    async fn create(&self, spec: &Spec, name: &str) -> Result<(), BackendError> {
        let opened = self.opened().clone();
        let Some(Opened { image, ports, is_carried, .. }) = opened else {
            return Err(BackendError::Unknown(spec.service.clone()));
        };
        image::open_to_readers(&spec.folder)
            .map_err(BackendError::io(format!("open {} to its service", spec.folder.display())))?;
        let told = self.told(&spec.environment).await?;
        let hides = spec.environment.hides();
        let published = [ports.get(&spec.service).copied(), spec.front].into_iter().flatten();
        let binding =
            |port: u16| PortBinding { host_ip: Some(self.address.to_string()), host_port: Some(port.to_string()) };
        let port = format!("{PORT}/tcp");
        let endpoint = EndpointSettings { aliases: Some(vec![spec.host.clone()]), ..EndpointSettings::default() };
        let host_config = HostConfig {
            // Nothing is carried to what is not there, and nothing written below a root that is only read.
            mounts: Some(vec![if is_carried { carry::room(self.labels(None)) } else { mount(&spec.folder, INSIDE) }]),
            network_mode: Some(self.network_name()),
            port_bindings: Some(HashMap::from([(port.clone(), Some(published.map(binding).collect()))])),
            // Whatever the engine does with logs unless it is told: its disk is not filled, and `docker logs` reads them.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(LOG_FILES.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            }),
            ..self.rights()
        };
        let body = ContainerCreateBody {
            image: Some(image),
            entrypoint: Some(vec![images::HOST.to_owned()]),
            cmd: Some(["host", INSIDE].into_iter().chain(hides.then_some(FLAG)).map(str::to_owned).collect()),
            open_stdin: Some(hides),
            stdin_once: Some(hides),
            hostname: Some(spec.host.clone()),
            env: Some(variables(&told.open, INSIDE)),
            user: Some(user()),
            labels: Some(self.labels(Some(&spec.service))),
            exposed_ports: Some(vec![port]),
            host_config: Some(host_config),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(self.network_name(), endpoint)])),
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let mut created = self.engine.create_container(Some(options.clone()), body.clone()).await;
        // An image that no container uses yet may go: another version of `dyn` tidies up, or the user does.
        if created.as_ref().err().and_then(status) == Some(404) {
            image::ensure(&self.engine, &self.plan.host.path()).await?;
            created = self.engine.create_container(Some(options), body).await;
        }
        created.map(drop).map_err(BackendError::engine(format!("create a container for {}", spec.service)))
    }
}

/// What an engine is told of a service's environment in its container, where shared objects that its library needs lie beside it. The loader reads
/// it, and the host takes the folder out again before it runs anything (`host::without_folder`).
fn variables(own: &BTreeMap<String, String>, folder: &str) -> Vec<String> {
    const OBJECTS: &str = "LD_LIBRARY_PATH";
    let paths = own.get(OBJECTS).filter(|paths| !paths.is_empty());
    let paths = paths.map_or_else(|| folder.to_owned(), |paths| format!("{folder}:{paths}"));
    let rest = own.iter().filter(|(name, _)| *name != OBJECTS).map(|(name, value)| format!("{name}={value}"));
    rest.chain([format!("{OBJECTS}={paths}")]).collect()
}

/// A service's folder in its container. As text, `FOLDER:INSIDE`, it could have no colon in its name.
fn mount(folder: &Path, inside: &str) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(folder.display().to_string()),
        target: Some(inside.to_owned()),
        read_only: Some(true),
        ..Mount::default()
    }
}

/// The session's own user, or nobody where that is root.
fn user() -> String {
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    if user.is_root() { format!("{NOBODY}:{NOBODY}") } else { format!("{}:{}", user.as_raw(), group.as_raw()) }
}

fn is_about_subnets(error: &Error) -> bool {
    let words = error.to_string().to_ascii_lowercase();
    words.contains("overlap") || words.contains("address pool") || words.contains("non-overlapping")
}
