//! The Docker engine: finding it, and what of ours it holds.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker as Engine;
use bollard::errors::Error;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures_util::future::join_all;

use crate::ground::GroundError;

/// The label with the app's id: on everything we make, and the only way we know what is ours.
pub(crate) const ID: &str = "dyninka.id";
/// The label with the service's Rust name.
pub(crate) const SERVICE: &str = "dyninka.service";
/// The label with the app's name, for people.
pub(crate) const APP: &str = "dyninka.app";

/// An engine that answers says so within this.
const PATIENCE: Duration = Duration::from_secs(2);

/// Finds the engine that `DOCKER_HOST` names, else the one of this machine; why there is none, in words.
pub(crate) async fn connect() -> Result<Engine, String> {
    if let Some(remote) =
        std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty() && !host.starts_with("unix://"))
    {
        // A service's folder is mounted, and an engine elsewhere has no such folder.
        return Err(format!(
            "DOCKER_HOST names a remote engine ({remote}), and services are mounted from this machine"
        ));
    }
    let engine = Engine::connect_with_local_defaults().map_err(|error| words(&error))?;
    let negotiated = tokio::time::timeout(PATIENCE, engine.negotiate_version()).await;
    let engine = negotiated
        .map_err(|_| format!("nothing came back within {} s", PATIENCE.as_secs()))?
        .map_err(|error| words(&error))?;
    match tokio::time::timeout(PATIENCE, engine.ping()).await {
        Ok(Ok(_)) => Ok(engine),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err(format!("nothing came back within {} s", PATIENCE.as_secs())),
    }
}

/// What an error comes down to.
pub(crate) fn words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    words
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

/// Removes every container and network of an app; answers how many there were.
pub(crate) async fn sweep(engine: &Engine, id: &str) -> Result<usize, GroundError> {
    let filters = ours(id);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let containers = engine.list_containers(Some(options)).await.map_err(GroundError::engine("list containers"))?;
    let names: Vec<String> = containers.into_iter().filter_map(|container| container.id).collect();
    let removals = join_all(names.iter().map(|name| remove(engine, name))).await;
    let mut removed = names.len();
    removals.into_iter().collect::<Result<Vec<()>, _>>()?;
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let networks = engine.list_networks(Some(options)).await.map_err(GroundError::engine("list networks"))?;
    for network in networks.into_iter().filter_map(|network| network.id) {
        match engine.remove_network(&network).await {
            Err(error) if status(&error) != Some(404) => return Err(GroundError::engine("remove a network")(error)),
            _ => removed += 1,
        }
    }
    Ok(removed)
}

/// Removes a container whatever it does; one that is gone, or going, is what was wanted.
pub(crate) async fn remove(engine: &Engine, name: &str) -> Result<(), GroundError> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match engine.remove_container(name, Some(options)).await {
        Err(error) if !matches!(status(&error), Some(404 | 409)) => {
            Err(GroundError::engine("remove a container")(error))
        }
        _ => Ok(()),
    }
}

/// The version of the engine that answers, or why none does.
pub async fn engine_version() -> Result<String, String> {
    let engine = connect().await?;
    let version = engine.version().await.map_err(|error| words(&error))?;
    Ok(format!("{} (API {})", version.version.unwrap_or_default(), version.api_version.unwrap_or_default()))
}
