//! What a container is made of.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount, MountType, NetworkingConfig,
    PortBinding,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;

use protocol::BUCKETS_VARIABLE;

use super::{Inner, Opened, PORT};
use crate::backend::{BackendError, Spec};
use crate::carry::{self, INSIDE};
use crate::engine::{GROUP, status};
use crate::environment::FLAG;
use crate::image;

/// A service's folder for what it need not keep. It is memory: unlimited, one service could take all there is.
const SCRATCH: &str = "rw,noexec,nosuid,nodev,size=64m";
/// Threads and processes of a service: a call of a synchronous function has a thread each, of which the host lets
/// 520 begin; what is over is for threads of the app's own.
const MOST_THREADS: i64 = 2048;
/// What an engine keeps of what a service writes.
const LOG_FILES: [(&str, &str); 2] = [("max-size", "8m"), ("max-file", "2")];
/// Nobody: what a service runs as when the folder is root's.
pub(super) const NOBODY: u32 = 65_534;

impl Inner {
    /// What a container of so many services may do, and how much of the machine it may use.
    pub(super) fn rights(&self, services: usize) -> HostConfig {
        let limits = self.plan.limits;
        let memory = limits.memory.map(|bytes| bytes.saturating_mul(services as u64));
        let memory = memory.and_then(|bytes| i64::try_from(bytes).ok());
        HostConfig {
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), SCRATCH.to_owned())])),
            pids_limit: Some(MOST_THREADS.saturating_mul(services as i64)),
            nano_cpus: limits.cpus.map(|cpus| (cpus * services as f64 * 1e9) as i64),
            memory,
            // No swap beyond the memory: a service that needs more is ended, and that is seen.
            memory_swap: memory,
            ..HostConfig::default()
        }
    }

    /// Makes the container of some services, which starts with one of them.
    pub(super) async fn create(&self, spec: &Spec, members: &[Spec], name: &str) -> Result<(), BackendError> {
        self.made.lock().insert(name.to_owned(), members.len());
        let opened = self.opened().clone();
        let Some(Opened { image, ports, listens, is_carried, .. }) = opened else {
            return Err(BackendError::Unknown(spec.service.clone()));
        };
        for member in members {
            image::open_to_readers(&member.folder)
                .map_err(BackendError::io(format!("open {} to its service", member.folder.display())))?;
        }
        let mut told = self.told(&spec.environment).await?;
        let buckets = match is_carried {
            // What is on this machine is not there.
            true => told.open.remove(BUCKETS_VARIABLE).and(None),
            false => told.open.get(BUCKETS_VARIABLE).map(|folder| buckets(Path::new(folder))).transpose()?,
        };
        let hides = spec.environment.hides();
        let binding =
            |at: SocketAddr| PortBinding { host_ip: Some(at.ip().to_string()), host_port: Some(at.port().to_string()) };
        let inside = |member: &Spec| format!("{}/tcp", listens.get(&member.service).copied().unwrap_or(PORT));
        let sockets = self.hand_sockets(members);
        self.lead(members)?;
        let is_led = self.leads_front.load(Ordering::Acquire);
        let bindings = members.iter().map(|member| {
            // Where this process has it, the engine publishes none.
            let front = member.front.filter(|_| !is_led).map(|front| front.of(self.address));
            let own = ports.get(&member.service).map(|port| (self.address, *port).into());
            (inside(member), Some([own, front].into_iter().flatten().map(binding).collect()))
        });
        let aliases = members.iter().map(|member| member.host.clone()).collect();
        let endpoint = EndpointSettings { aliases: Some(aliases), ..EndpointSettings::default() };
        let host_config = HostConfig {
            // Nothing is carried to what is not there, and nothing written below a root that is only read.
            mounts: Some(match is_carried {
                true => vec![carry::room(self.labels(None))],
                false => mounts(members).into_iter().chain(sockets).chain(buckets).collect(),
            }),
            network_mode: Some(self.network_name()),
            port_bindings: Some(bindings.collect()),
            // Whatever the engine does with logs unless it is told: its disk is not filled, and `docker logs` reads them.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(LOG_FILES.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            }),
            ..self.rights(members.len())
        };
        let mut labels = self.labels(Some(&spec.service));
        labels.insert(GROUP.to_owned(), spec.group.clone());
        let folder = folder_inside(spec, members);
        let marks = (members.len() > 1).then_some("--mark-lines");
        let arguments: Vec<&str> = ["host", &folder].into_iter().chain(hides.then_some(FLAG)).chain(marks).collect();
        let body = ContainerCreateBody {
            image: Some(image),
            entrypoint: Some(vec![images::HOST.to_owned()]),
            cmd: Some(arguments.into_iter().map(str::to_owned).collect()),
            open_stdin: Some(hides),
            stdin_once: Some(hides),
            hostname: Some(spec.group.clone()),
            env: Some(variables(&told.open, &objects_inside(members))),
            user: Some(user()),
            labels: Some(labels),
            exposed_ports: Some(members.iter().map(inside).collect()),
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
pub(super) fn variables(own: &BTreeMap<String, String>, folder: &str) -> Vec<String> {
    const OBJECTS: &str = "LD_LIBRARY_PATH";
    let paths = own.get(OBJECTS).filter(|paths| !paths.is_empty());
    let paths = paths.map_or_else(|| folder.to_owned(), |paths| format!("{folder}:{paths}"));
    let rest = own.iter().filter(|(name, _)| *name != OBJECTS).map(|(name, value)| format!("{name}={value}"));
    rest.chain([format!("{OBJECTS}={paths}")]).collect()
}

/// A service's folder in its container. As text, `FOLDER:INSIDE`, it could have no colon in its name.
pub(super) fn mount(folder: &Path, inside: &str) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(folder.display().to_string()),
        target: Some(inside.to_owned()),
        read_only: Some(true),
        ..Mount::default()
    }
}

/// The folder of buckets, which a container finds at its own path and writes to. It is made here: an engine mounts none that
/// is not there.
fn buckets(folder: &Path) -> Result<Mount, BackendError> {
    let path = folder.display().to_string();
    std::fs::create_dir_all(folder).map_err(BackendError::io(format!("make the folder of buckets {path}")))?;
    if rustix::process::getuid().is_root() {
        // Services run as nobody then.
        image::open_to_writers(folder).map_err(BackendError::io(format!("open {path} to services")))?;
    }
    Ok(Mount { read_only: Some(false), ..mount(folder, &path) })
}

/// Where a service finds its folder in a container that these share.
fn folder_inside(spec: &Spec, members: &[Spec]) -> String {
    if members.len() > 1 { format!("{INSIDE}/{}", spec.host) } else { INSIDE.to_owned() }
}

/// The folders in which the loader looks for the shared objects of these.
fn objects_inside(members: &[Spec]) -> String {
    members.iter().map(|member| folder_inside(member, members)).collect::<Vec<_>>().join(":")
}

fn mounts(members: &[Spec]) -> Vec<Mount> {
    members.iter().map(|member| mount(&member.folder, &folder_inside(member, members))).collect()
}

/// The session's own user, or nobody where that is root.
pub(super) fn user() -> String {
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    if user.is_root() { format!("{NOBODY}:{NOBODY}") } else { format!("{}:{}", user.as_raw(), group.as_raw()) }
}
