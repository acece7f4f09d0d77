//! The Docker engine: finding it, and what of ours it holds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};
use futures_util::future::join_all;
use protocol::error_chain;

use crate::backend::BackendError;
use crate::context::{Meant, Surroundings};

/// The label with the app's id: on everything we make, and the only way we know what is ours.
pub(crate) const ID: &str = "dyninka.id";
/// The label with the service's Rust name.
pub(crate) const SERVICE: &str = "dyninka.service";
/// The label with the group of a container's services.
pub(crate) const GROUP: &str = "dyninka.group";
/// The label with the app's name, for people.
pub(crate) const APP: &str = "dyninka.app";

/// Where an engine is that is named without a port.
const PORT: u16 = 2375;
/// An engine that answers says so within this.
const PATIENCE: Duration = Duration::from_secs(2);

/// An engine that answers.
pub(crate) struct Found {
    pub(crate) engine: Docker,
    /// Which one it is, and what says so.
    pub(crate) meant: Meant,
    /// Where the ports that it publishes are found.
    pub(crate) address: IpAddr,
}

/// Finds the engine that Docker's own command line would ask; why there is none, in words.
pub(crate) async fn connect() -> Result<Found, String> {
    let meant = Surroundings::read().meant()?;
    find(&meant).await.map_err(|why| match &meant.by {
        Some(by) => format!("{} ({by}): {why}", meant.host),
        None => why,
    })
}

async fn find(meant: &Meant) -> Result<Found, String> {
    let address = match authority(&meant.host)? {
        Some(authority) => resolve(authority).await?,
        None => Ipv4Addr::LOCALHOST.into(),
    };
    let engine = Docker::connect_with_host(&meant.host).map_err(|error| error_chain(&error))?;
    let negotiated = tokio::time::timeout(PATIENCE, engine.negotiate_version()).await;
    let engine = negotiated
        .map_err(|_| format!("nothing came back within {} s", PATIENCE.as_secs()))?
        .map_err(|error| error_chain(&error))?;
    match tokio::time::timeout(PATIENCE, engine.ping()).await {
        Ok(Ok(_)) => Ok(Found { engine, meant: meant.clone(), address }),
        Ok(Err(error)) => Err(error_chain(&error)),
        Err(_) => Err(format!("nothing came back within {} s", PATIENCE.as_secs())),
    }
}

/// The host and port of an engine that is reached over the network; none for a socket; else why it cannot be reached.
fn authority(host: &str) -> Result<Option<&str>, &'static str> {
    if host.starts_with("unix://") {
        return Ok(None);
    }
    if host.starts_with("ssh://") {
        return Err("services are called at ports of the engine's machine, which ssh does not lead to: name it as \
                    tcp://HOST:PORT");
    }
    let Some(authority) = host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://")) else {
        return Err("name the engine as unix://PATH or tcp://HOST:PORT");
    };
    if std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|set| !set.is_empty()) {
        return Err("DOCKER_TLS_VERIFY is set, and TLS is not spoken: name an engine that is reached without");
    }
    Ok(Some(authority.trim_end_matches('/')))
}

/// The address of the engine's machine; of several, one that is not in brackets.
async fn resolve(authority: &str) -> Result<IpAddr, String> {
    let has_port = authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:{PORT}") };
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host(&authority)).await;
    let found = found.map_err(|_| format!("nobody says within {} s where {authority} is", PATIENCE.as_secs()))?;
    let mut found: Vec<IpAddr> = found.map_err(|error| format!("{authority}: {error}"))?.map(|at| at.ip()).collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.first().copied().ok_or_else(|| format!("{authority} has no address"))
}

pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// A filter for what carries the app's id.
pub(crate) fn ours(id: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{ID}={id}")])])
}

/// Removes every container, network and volume of an app; answers how many there were.
pub(crate) async fn sweep(engine: &Docker, id: &str) -> Result<usize, BackendError> {
    let filters = ours(id);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let containers = engine.list_containers(Some(options)).await.map_err(BackendError::engine("list containers"))?;
    let names: Vec<String> = containers.into_iter().filter_map(|container| container.id).collect();
    let removals = join_all(names.iter().map(|name| remove(engine, name))).await;
    let mut removed = names.len();
    removals.into_iter().collect::<Result<Vec<()>, _>>()?;
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let networks = engine.list_networks(Some(options)).await.map_err(BackendError::engine("list networks"))?;
    for network in networks.into_iter().filter_map(|network| network.id) {
        match engine.remove_network(&network).await {
            Err(error) if status(&error) != Some(404) => return Err(BackendError::engine("remove a network")(error)),
            _ => removed += 1,
        }
    }
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let volumes = engine.list_volumes(Some(options)).await.map_err(BackendError::engine("list volumes"))?;
    for volume in volumes.volumes.unwrap_or_default() {
        match engine.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await {
            Err(error) if status(&error) != Some(404) => return Err(BackendError::engine("remove a volume")(error)),
            _ => removed += 1,
        }
    }
    Ok(removed)
}

/// Removes a container whatever it does; one that is gone, or going, is what was wanted.
pub(crate) async fn remove(engine: &Docker, name: &str) -> Result<(), BackendError> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match engine.remove_container(name, Some(options)).await {
        Err(error) if !matches!(status(&error), Some(404 | 409)) => {
            Err(BackendError::engine("remove a container")(error))
        }
        _ => Ok(()),
    }
}

/// An engine as `dyn doctor` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerEngine {
    /// Its version and where it is.
    pub version: String,
    /// Why its containers call each other by TCP; none: they use unix sockets.
    pub by_tcp: Option<String>,
}

/// The engine that answers, or why none does.
pub async fn look_at_engine() -> Result<DockerEngine, String> {
    let Found { engine, meant, address } = connect().await?;
    let version = engine.version().await.map_err(|error| error_chain(&error))?;
    let by = meant.by.map_or_else(String::new, |by| format!(" ({by})"));
    let (version, api) = (version.version.unwrap_or_default(), version.api_version.unwrap_or_default());
    let version = format!("{version} (API {api}) at {}{by}", meant.host);
    let by_tcp = if address.is_loopback() { no_sockets(&engine).await } else { Some(ELSEWHERE.to_owned()) };
    Ok(DockerEngine { version, by_tcp })
}

/// Why containers meet no socket of this machine.
pub(crate) const ELSEWHERE: &str = "the engine sees no file of this machine";

/// Why containers of an engine meet no socket of this machine, as far as it says; none where they do.
pub(crate) async fn no_sockets(engine: &Docker) -> Option<String> {
    match engine.info().await {
        Ok(info) => {
            let security = info.security_options.unwrap_or_default();
            unsuitable(info.operating_system.as_deref().unwrap_or_default(), &security).map(str::to_owned)
        }
        Err(error) => Some(format!("the engine does not say what it is: {}", error_chain(&error))),
    }
}

fn unsuitable(system: &str, security: &[String]) -> Option<&'static str> {
    let has = |option: &str| security.iter().any(|one| one.split(',').any(|part| part == option));
    match () {
        () if system.contains("Docker Desktop") => {
            Some("Docker Desktop runs containers in a virtual machine, and no socket leads into it")
        }
        () if has("name=rootless") => Some("the engine runs without root, so users in its containers are others here"),
        () if has("name=userns") => Some("the engine gives containers users of their own (userns-remap)"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_whose_containers_meet_no_socket_of_this_machine_are_known() {
        let why = |system: &str, security: &[&str]| {
            let security: Vec<String> = security.iter().map(|&one| one.to_owned()).collect();
            unsuitable(system, &security).map(|why| why.split(' ').take(3).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(why("Debian GNU/Linux 12", &["name=apparmor", "name=seccomp,profile=default"]), None);
        assert_eq!(why("", &[]), None);
        assert_eq!(why("Docker Desktop", &["name=seccomp,profile=unconfined"]).as_deref(), Some("Docker Desktop runs"));
        assert_eq!(why("Fedora", &["name=seccomp", "name=rootless"]).as_deref(), Some("the engine runs"));
        assert_eq!(why("Fedora", &["name=userns"]).as_deref(), Some("the engine gives"));
        assert_eq!(why("Fedora", &["name=selinux", "name=cgroupns"]), None, "its hosts try, and say so");
    }

    #[test]
    fn an_engine_that_cannot_be_reached_is_told_from_one_that_can() {
        assert_eq!(authority("unix:///var/run/docker.sock"), Ok(None));
        assert_eq!(authority("tcp://there:2375"), Ok(Some("there:2375")));
        assert_eq!(authority("http://there/"), Ok(Some("there")));
        assert!(authority("ssh://me@there").is_err_and(|why| why.contains("tcp://HOST:PORT")));
        assert!(authority("there").is_err());
    }

    #[tokio::test]
    async fn an_address_needs_no_port() {
        for authority in ["127.0.0.2", "127.0.0.2:2375"] {
            assert_eq!(resolve(authority).await, Ok(Ipv4Addr::new(127, 0, 0, 2).into()));
        }
        assert_eq!(resolve("[::1]:2375").await, Ok(std::net::Ipv6Addr::LOCALHOST.into()));
    }
}
