//! The docker backend: a container for each host, on a network of the app's own.

mod container;
mod front;
mod hops;
mod moves;
mod network;
mod reach;
mod sockets;
mod watch;
mod work;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bollard::Docker as Engine;
use bollard::query_parameters::{InspectContainerOptions, KillContainerOptionsBuilder, StopContainerOptionsBuilder};
use futures_util::future::join_all;
use images::elf::Linked;
use parking_lot::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

use crate::backend::{
    Backend, BackendError, BackendEvent, BackendPlan, Begun, Endpoint, PublicAddress, Spec, Specs, Work,
};
use crate::carry::{self, Carried};
use crate::context::Meant;
use crate::engine::{self, APP, Found, ID, SERVICE, status};
use crate::environment::{self, Environment};
use crate::image::{self, HostImage};
use crate::objects;
use crate::port::Ports;
use crate::queue::{Receiver, Sender, queue};
use crate::standstill::Standstill;

/// A service listens here inside its container. Those that share one with the service it is named for have a port of their
/// own each, above.
const PORT: u16 = 8080;
/// A service may answer what it has begun for this many seconds before it is killed.
const GRACE_SECONDS: i32 = 1;

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
    /// The services that run in the container of a group, in the order they came.
    inside: Mutex<BTreeMap<String, Vec<String>>>,
    /// How many services each container was made for.
    made: Mutex<BTreeMap<String, usize>>,
    /// Who follows what the container of a group writes.
    followers: Mutex<BTreeMap<String, JoinHandle<()>>>,
    /// Held while a container is started, so that a group has one.
    starting: tokio::sync::Mutex<()>,
    /// Services that were found wanting and killed, until their end is told.
    condemned: Mutex<HashSet<String>>,
    still: Standstill,
    reach: reach::Reach,
    sockets: sockets::Sockets,
    front: front::Front,
    /// Whether this process has the public listener.
    leads_front: AtomicBool,
    working: work::Working,
}

#[derive(Clone)]
struct Opened {
    image: String,
    /// How the host in the image is linked.
    linked: Arc<Linked>,
    ports: BTreeMap<String, u16>,
    /// The port of each service inside its container.
    listens: BTreeMap<String, u16>,
    /// Both of services that may go on in another container, or stay.
    before: BTreeMap<String, moves::Seat>,
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
            picked: Ports::except(plan.services.iter().filter_map(|spec| Some(spec.front?.port))),
            plan,
            events,
            closing: AtomicBool::new(false),
            opened: Mutex::default(),
            wanted: Mutex::default(),
            inside: Mutex::default(),
            made: Mutex::default(),
            followers: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            condemned: Mutex::default(),
            still: Standstill::default(),
            reach: reach::Reach::default(),
            sockets: sockets::Sockets::default(),
            front: front::Front::default(),
            leads_front: AtomicBool::new(false),
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

    fn leads_front(&self) -> bool {
        self.inner.leads_front.load(Ordering::Acquire)
    }

    fn lead_front(&self, service: &str, at: PublicAddress) -> Result<(), BackendError> {
        self.inner.lead_front(service, at)
    }

    fn close_front(&self) {
        self.inner.specs.lead(None, None);
        self.inner.front.close();
    }

    async fn open(&self) -> Result<BTreeMap<String, Endpoint>, BackendError> {
        let inner = &self.inner;
        engine::sweep(&inner.engine, &inner.plan.id).await?;
        let HostImage { name: image, is_new, linked } = image::ensure(&inner.engine, &inner.plan.host.path()).await?;
        if is_new {
            inner.tell(BackendEvent::Notice(format!("made the image {image} that services run on")));
        }
        let is_carried = inner.is_carried(&image).await?;
        let (network, ()) = tokio::join!(inner.network(), inner.open_sockets(is_carried));
        network?;
        let (ports, listens, before) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        *inner.opened() = Some(Opened { image, linked: Arc::new(linked), ports, listens, before, is_carried });
        tokio::spawn(watch::watch(inner.clone()));
        // The processes of an engine elsewhere are out of sight.
        if !is_carried {
            tokio::spawn(watch::watch_processes(inner.clone()));
        }
        inner.specs.all().iter().map(|spec| Ok((spec.service.clone(), inner.find_seat(spec)?))).collect()
    }

    async fn endpoint(&self, spec: Spec) -> Result<Endpoint, BackendError> {
        self.inner.leave_seat(&spec);
        let endpoint = self.inner.find_seat(&spec);
        self.inner.specs.put(spec);
        endpoint
    }

    /// The ports that a container publishes are those it was made with.
    fn takes_in(&self) -> bool {
        false
    }

    fn regroup(&self, service: &str, group: &str) {
        self.inner.specs.regroup(service, group);
    }

    fn is_grouped(&self, service: &str) -> bool {
        self.inner.specs.is_grouped(service)
    }

    fn is_among(&self, service: &str) -> bool {
        self.inner.inside().values().any(|members| members.len() > 1 && members.iter().any(|member| member == service))
    }

    fn left(&self, service: &str) {
        self.inner.leave(service);
    }

    /// What is published by a container, and who is called by the network, is found where it was.
    fn moves(&self) -> bool {
        self.leads_front() && self.inner.sockets.path().is_some()
    }

    fn moved(&self, service: &str, from: &str) {
        self.inner.moved(service, from);
    }

    fn stays(&self, service: &str, group: &str, _: SocketAddr) {
        self.inner.stays(service, group);
    }

    async fn end(&self, group: &str) -> Result<(), BackendError> {
        self.inner.end(group).await
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
        inner.sockets.forget(service);
        let is_among = self.is_among(service);
        inner.leave(service);
        if is_among {
            return Ok(());
        }
        let removed = inner.stop(&inner.container(&spec), GRACE_SECONDS).await;
        removed.map_err(BackendError::engine(format!("remove the container of {service}")))
    }

    async fn start(&self, service: &str) -> Result<Begun, BackendError> {
        let inner = &self.inner;
        let spec = inner.specs.get(service)?;
        let name = inner.container(&spec);
        inner.wanted().insert(service.to_owned());
        let members = inner.specs.group(&spec.group);
        let is_grouped = members.len() > 1;
        let _one_at_a_time = if is_grouped { Some(inner.starting.lock().await) } else { None };
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
                if is_grouped
                    && state.running == Some(true)
                    && let Some(begun) = inner.take_in(&spec)
                {
                    self.bring(service).await?;
                    watch::know(inner, service, &name).await;
                    return Ok(begun);
                }
                // It is made for those that share it now, and begins with this one.
                let made = inner.made.lock().get(&name).copied();
                if is_grouped || made.is_some_and(|services| services != members.len()) {
                    engine::remove(&inner.engine, &name).await?;
                    inner.create(&spec, &members, &name).await?;
                    inner.carried.forget(&name);
                }
            }
            Err(error) if status(&error) == Some(404) => {
                inner.create(&spec, &members, &name).await?;
                inner.carried.forget(&name);
            }
            Err(error) => return Err(BackendError::engine(format!("look at {service}"))(error)),
        }
        self.bring(service).await?;
        // Attached to before it runs: its environment is what it waits for.
        let hides = spec.environment.hides();
        let input = if hides { Some(environment::attach(&inner.engine, &name, service).await?) } else { None };
        // Before it runs: it may end in its first moment.
        inner.inside().insert(spec.group.clone(), vec![service.to_owned()]);
        inner.engine.start_container(&name, None).await.map_err(BackendError::engine(format!("start {service}")))?;
        if let Some(mut input) = input {
            environment::tell(&mut input, &inner.told(&spec.environment).await?, service).await?;
        }
        inner.expect_sockets();
        watch::know(inner, service, &name).await;
        let follower = tokio::spawn(watch::follow(inner.clone(), service.to_owned(), name));
        inner.followers.lock().insert(spec.group, follower);
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
        let within = inner.specs.is_grouped(service).then_some(spec.host.as_str());
        inner.carried.bring(&inner.engine, &inner.container(&spec), &spec.folder, within).await
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

    async fn reach(&self, to: SocketAddr) -> Result<SocketAddr, BackendError> {
        self.inner.reach(to).await
    }

    async fn next(&self) -> Option<BackendEvent> {
        self.inbox.lock().await.recv().await
    }

    async fn close(&self) -> Result<(), BackendError> {
        let inner = &self.inner;
        inner.closing.store(true, Ordering::Release);
        inner.working.end().await;
        let stop = StopContainerOptionsBuilder::default().t(GRACE_SECONDS).build();
        let containers: HashSet<String> = inner.specs.all().iter().map(|spec| inner.container(spec)).collect();
        let ends = containers.into_iter().map(|name| {
            let stop = stop.clone();
            async move {
                // What does not stop is removed all the same.
                drop(inner.engine.stop_container(&name, Some(stop)).await);
            }
        });
        join_all(ends).await;
        inner.front.close();
        inner.reach.close();
        let swept = engine::sweep(&inner.engine, &inner.plan.id).await.map(drop);
        inner.sockets.close();
        swept
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

    fn inside(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.inside.lock()
    }

    /// Notes that a service runs in no container any more.
    fn leave(&self, service: &str) {
        self.inside().values_mut().for_each(|members| members.retain(|member| member != service));
    }

    /// Takes a service into the container of its group, which runs; none where nobody in it could be asked to.
    fn take_in(&self, spec: &Spec) -> Option<Begun> {
        let mut inside = self.inside();
        let members = inside.get_mut(&spec.group)?;
        if members.contains(&spec.service) {
            return Some(Begun::WentOn);
        }
        let first = members.first()?;
        let port = *self.opened().as_ref()?.ports.get(first)?;
        members.push(spec.service.clone());
        Some(Begun::Beside((self.address, port).into()))
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
        let taken = opened.listens.values().chain(opened.before.values().map(|seat| &seat.listens)).max();
        let next = taken.map_or(PORT, |last| last + 1).max(PORT + 1);
        let own = if spec.group == spec.host { PORT } else { next };
        let inside = *opened.listens.entry(spec.service.clone()).or_insert(own);
        let listen = (Ipv4Addr::UNSPECIFIED, inside).into();
        Ok(Endpoint { listen, peer: peer(spec, inside), here: (self.address, port).into() })
    }

    /// The address that a service's peers are told.
    fn peer(&self, spec: &Spec) -> String {
        let inside = self.opened().as_ref().and_then(|opened| opened.listens.get(&spec.service).copied());
        peer(spec, inside.unwrap_or(PORT))
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
        self.container_of(&spec.group)
    }

    fn container_of(&self, group: &str) -> String {
        format!("dyninka-{}-{}-{group}", self.plan.name, self.plan.id)
    }

    fn network_name(&self) -> String {
        format!("dyninka-{}-{}", self.plan.name, self.plan.id)
    }

    fn labels(&self, service: Option<&str>) -> HashMap<String, String> {
        let app = [(APP.to_owned(), self.plan.name.clone()), (ID.to_owned(), self.plan.id.clone())];
        app.into_iter().chain(service.map(|service| (SERVICE.to_owned(), service.to_owned()))).collect()
    }
}

fn peer(spec: &Spec, port: u16) -> String {
    format!("{}:{port}", spec.host)
}
