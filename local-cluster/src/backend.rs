//! A place where services run.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::environment::Environment;
use crate::program::Program;
use crate::queue::{Lost, QueueEntry};

/// What is to run.
#[derive(Clone, Debug)]
pub struct BackendPlan {
    /// The app's name, a DNS label.
    pub name: String,
    /// What tells this app from others of the name; stands in every name and label.
    pub id: String,
    /// The program whose `host FOLDER` runs a service.
    pub host: Arc<Program>,
    /// Hosts let a debugger of the same user attach.
    pub debug: bool,
    pub limits: ServiceLimits,
    /// A folder for unix sockets between containers, to be made and removed.
    pub sockets: PathBuf,
    pub services: Vec<Spec>,
}

/// The services of a plan as they stand now: they come and go while the backend is open.
#[derive(Debug)]
pub(crate) struct Specs(Mutex<BTreeMap<String, Spec>>);

impl Specs {
    pub(crate) fn new(services: &[Spec]) -> Self {
        Self(Mutex::new(services.iter().map(|spec| (spec.service.clone(), spec.clone())).collect()))
    }

    pub(crate) fn all(&self) -> Vec<Spec> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn get(&self, service: &str) -> Result<Spec, BackendError> {
        self.lock().get(service).cloned().ok_or_else(|| BackendError::Unknown(service.to_owned()))
    }

    pub(crate) fn put(&self, spec: Spec) {
        self.lock().insert(spec.service.clone(), spec);
    }

    /// The services of a group.
    pub(crate) fn group(&self, group: &str) -> Vec<Spec> {
        self.lock().values().filter(|spec| spec.group == group).cloned().collect()
    }

    /// Gives the public listener to a service, and to no other; none: to nobody.
    pub(crate) fn lead(&self, service: Option<&str>, at: Option<PublicAddress>) {
        for spec in self.lock().values_mut() {
            spec.front = at.filter(|_| Some(&*spec.service) == service);
        }
    }

    pub(crate) fn regroup(&self, service: &str, group: &str) {
        if let Some(spec) = self.lock().get_mut(service) {
            group.clone_into(&mut spec.group);
        }
    }

    /// Whether a service's group has other services.
    pub(crate) fn is_grouped(&self, service: &str) -> bool {
        let specs = self.lock();
        let group = specs.get(service).map(|spec| &spec.group);
        group.is_some_and(|group| specs.values().any(|spec| spec.service != service && spec.group == *group))
    }

    pub(crate) fn take(&self, service: &str) -> Result<Spec, BackendError> {
        self.lock().remove(service).ok_or_else(|| BackendError::Unknown(service.to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Spec>> {
        self.0.lock()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServiceLimits {
    pub cpus: Option<f64>,
    /// Memory in bytes.
    pub memory: Option<u64>,
}

/// A service to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Rust name.
    pub service: String,
    /// DNS name.
    pub host: String,
    /// Its folder: configuration and libraries. Those of an app's services are beside each other.
    pub folder: PathBuf,
    /// The host that runs it, by the DNS name of a service: services of one group have one host.
    pub group: String,
    /// The chain's public listener, which leads to this service too.
    pub front: Option<PublicAddress>,
    pub environment: Environment,
}

/// Where the public listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicAddress {
    /// None: where ports that services publish are found.
    pub ip: Option<IpAddr>,
    pub port: u16,
}

impl PublicAddress {
    pub(crate) fn of(self, published: IpAddr) -> SocketAddr {
        (self.ip.unwrap_or(published), self.port).into()
    }
}

impl From<u16> for PublicAddress {
    fn from(port: u16) -> Self {
        Self { ip: None, port }
    }
}

impl From<SocketAddr> for PublicAddress {
    fn from(at: SocketAddr) -> Self {
        Self { ip: Some(at.ip()), port: at.port() }
    }
}

/// Where a service is to listen, and where it will be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What its host binds.
    pub listen: SocketAddr,
    /// `host:port` for its peers.
    pub peer: String,
    /// Where it can be called from this machine.
    pub here: SocketAddr,
}

/// What happens on a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendEvent {
    /// A service wrote a line.
    Log {
        /// Rust name.
        service: String,
        /// Where it wrote to.
        stream: Stream,
        /// Without its end.
        line: String,
    },
    /// A service ended or stands still, and nobody asked it to.
    Down {
        /// Rust name.
        service: String,
        /// In words: exit code, signal, out of memory, paused.
        why: String,
        /// Whose doing it was.
        by: Doer,
    },
    /// Something to know.
    Notice(String),
    /// Services call each other by TCP, not by unix sockets, and why: told once.
    HopsByTcp(String),
}

/// What a start came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// A new process, which knows nothing of the one before.
    Anew,
    /// The one that stood still goes on, or never ended.
    WentOn,
    /// The host of its group runs without it, and is to be asked to open it: the service that listens here is in it.
    Beside(SocketAddr),
}

/// Whose doing the end of a service was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doer {
    /// Its own: it exited or crashed, needed more memory than there is, or was found wanting ([`Backend::kill`]).
    Service,
    /// Somebody else's: it was killed, stopped, paused, or went with its engine.
    Others,
}

/// Where a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Nowhere: the line says how many there were in its place.
    Dropped,
}

impl QueueEntry for BackendEvent {
    fn line(&self) -> Option<(&str, usize)> {
        match self {
            Self::Log { service, line, .. } => Some((service, line.len())),
            Self::Down { .. } | Self::Notice(_) | Self::HopsByTcp(_) => None,
        }
    }

    fn dropped(service: Option<&str>, lost: Lost) -> Self {
        match service {
            Some(service) => Self::Log { service: service.to_owned(), stream: Stream::Dropped, line: lost.to_string() },
            None => Self::Notice(format!("{} events of services were dropped: nobody took them", lost.lines)),
        }
    }
}

/// A process beside the services, with what one of them may do and no more: `dyn replay-worker`.
pub struct Work {
    /// Its standard input.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output. What it writes to standard error is for nobody.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// How it ended, in words, once it has. Dropped, it ends the process, and removes what was made for it.
    pub ended: Pin<Box<dyn Future<Output = String> + Send>>,
}

/// A place where services run. Closing it removes everything it made; dropping it unclosed leaves what [`crate::sweep`]
/// finds.
#[async_trait]
pub trait Backend: Send + Sync {
    /// `docker` or `process`.
    fn name(&self) -> &'static str;

    /// Whether a service's host binds the public listener itself. Where it does not, the backend leads to it, and leads to
    /// another service only once that is removed and seated anew.
    fn hosts_bind_front(&self) -> bool;

    /// Whether it leads the public listener from a service that runs to another that runs, and neither is made anew.
    fn leads_front(&self) -> bool;

    /// Leads the public listener, at this address, to a service from now on.
    fn lead_front(&self, service: &str, at: PublicAddress) -> Result<(), BackendError>;

    /// Closes the public listener, where it is not a host's.
    fn close_front(&self);

    /// Makes ready for a plan and finds an endpoint for each of its services.
    async fn open(&self) -> Result<BTreeMap<String, Endpoint>, BackendError>;

    /// Finds an endpoint for one more service, or one that was removed.
    async fn endpoint(&self, spec: Spec) -> Result<Endpoint, BackendError>;

    /// Whether a host that runs takes another service in. Where none does, the services of a host are those that were
    /// there when it was started.
    fn takes_in(&self) -> bool;

    /// Has the next start of a service find it in another group.
    fn regroup(&self, service: &str, group: &str);

    /// Whether a service's group has other services.
    fn is_grouped(&self, service: &str) -> bool;

    /// Whether other services run in the host that runs a service: it then leaves that host by asking it, before it is removed.
    fn is_among(&self, service: &str) -> bool;

    /// Notes that a service is not in the host of its group after all.
    fn left(&self, service: &str);

    /// Whether a service that runs may be started once more in another group's host, to go on there.
    fn moves(&self) -> bool;

    /// Notes that a service that was started once more is no longer in the host of that group: its end there is nobody's news.
    fn moved(&self, service: &str, from: &str);

    /// Notes that a service that was started once more stays in the host of this group after all, where it can be called here.
    fn stays(&self, service: &str, group: &str, here: SocketAddr);

    /// Ends the host of a group, and removes what was made for it, where nothing runs in it any more.
    async fn end(&self, group: &str) -> Result<(), BackendError>;

    /// Ends the host of a service at once, without a grace: its end is told as [`BackendEvent::Down`], of
    /// the service's own doing: it was found wanting.
    async fn kill(&self, service: &str) -> Result<(), BackendError>;

    /// Stops a service, letting it answer what it has begun for a short while, and removes what was made for it. Its
    /// end is no [`BackendEvent::Down`].
    async fn remove(&self, service: &str) -> Result<(), BackendError>;

    /// Stops a service as [`Backend::remove`] does, and has the next start of it find this environment, at the endpoint it has.
    async fn renew(&self, service: &str, environment: Environment) -> Result<(), BackendError>;

    /// Starts a service, or starts it again where it is down. Its folder must hold its configuration. Where the host of its
    /// group runs, that is all there is to start.
    async fn start(&self, service: &str) -> Result<Begun, BackendError>;

    /// Has a running service find in its folder what is in it now, wherever it runs.
    async fn bring(&self, service: &str) -> Result<(), BackendError>;

    /// Starts this program, with these arguments, as a service is started: as the same user, with the same limits and
    /// environment and the service's folder, but without a network where that can be. It is found under the same path.
    async fn work(&self, service: &str, arguments: &[&str]) -> Result<Work, BackendError>;

    /// The process of a service's host, as this machine numbers it; none where it runs elsewhere or not at all.
    fn process(&self, service: &str) -> Option<u32>;

    /// Where ports that services publish are found, the public listener's too.
    fn address(&self) -> IpAddr;

    /// Where services find an address of this machine's loopback, as long as the backend is open.
    async fn reach(&self, to: SocketAddr) -> Result<SocketAddr, BackendError>;

    /// The next thing that happens; none once the backend is closed.
    async fn next(&self) -> Option<BackendEvent>;

    /// Stops every service, letting it answer what it has begun for a short while, and removes all that was made.
    async fn close(&self) -> Result<(), BackendError>;
}

/// A backend that does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No engine answers.
    #[error("cannot reach a Docker engine: {0}")]
    NoEngine(String),
    /// The engine refuses.
    #[error("cannot {doing}: {source}")]
    Engine {
        /// What was asked of it.
        doing: String,
        source: bollard::errors::Error,
    },
    /// A program cannot be started.
    #[error("cannot start {service}: {source}")]
    Spawn { service: String, source: io::Error },
    /// A file cannot be read or written.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it did not work.
        source: io::Error,
    },
    /// Something cannot be had here.
    #[error("{0}")]
    Lacking(String),
    /// A library needs a shared object that is not to be had in its container.
    #[error("cannot load {service}: its library needs {object}: {why}")]
    Lacks {
        service: String,
        object: String,
        /// Why it cannot be put beside the library.
        why: String,
    },
    /// The host's image is not made.
    #[error("{0}")]
    Image(#[from] images::ImageError),
    /// There is no such service in the plan.
    #[error("cannot find {0}: it is not part of the plan")]
    Unknown(String),
}

impl BackendError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn engine(doing: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Engine { doing, source }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_public_listener_is_one_services_at_its_own_address_or_where_ports_are_published() {
        let spec = |service: &str| Spec {
            service: service.to_owned(),
            host: service.to_owned(),
            folder: PathBuf::new(),
            group: service.to_owned(),
            front: None,
            environment: Environment::default(),
        };
        let specs = Specs::new(&[spec("one"), spec("two")]);
        let fronts = || specs.all().into_iter().map(|spec| spec.front).collect::<Vec<_>>();
        let at = SocketAddr::from(([0, 0, 0, 0], 80));
        specs.lead(Some("one"), Some(at.into()));
        assert_eq!(fronts(), [Some(at.into()), None]);
        specs.lead(Some("two"), Some(8080.into()));
        assert_eq!(fronts(), [None, Some(8080.into())]);
        specs.lead(None, None);
        assert_eq!(fronts(), [None, None]);
        let published = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(PublicAddress::from(at).of(published), at);
        assert_eq!(PublicAddress::from(8080).of(published), SocketAddr::from(([127, 0, 0, 1], 8080)));
    }
}
