//! What a push brings that makes its namespace a node of a fleet: the agent's image, and the Secret with its identity. A data
//! server has the same image.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;

use super::event::PushListener;
use super::make::Maker;
use super::site::Site;
use super::{PushError, PushOptions, way};
use crate::cluster::{Access, ClusterError};
use crate::model::Built;
use crate::object;
use images::Image;
use images::ship::{PullPolicy, Ship};

/// The agent as it is built.
pub(super) struct Agent {
    pub(super) built: Built,
    /// None where what runs is this one.
    pub(super) image: Option<Image>,
    pub(super) ship: Option<Box<dyn Ship>>,
}

/// Makes the agent's image, where the app asks for one: the host's layer alone.
pub(super) async fn agent(
    maker: &Maker,
    access: &Access,
    options: &PushOptions,
    site: &Site,
    tell: &PushListener,
) -> Result<Option<Agent>, PushError> {
    let has_server = options.settings.pod_stores.as_ref().is_some_and(|found| found.server.is_some());
    if options.settings.node.is_none() && !has_server {
        return Ok(None);
    }
    let image = maker.agent(options.name(), &options.host, &options.place.images).await?;
    let version = image.digest.hex()[..16].to_owned();
    if let Some((image, is_there)) = site.node_image(options.name(), &version) {
        let built = Built { version, image, is_there, ..Built::default() };
        return Ok(Some(Agent { built, image: None, ship: None }));
    }
    let ship = way::open(access, options, tell).await?;
    let is_there = ship.pull_policy() == PullPolicy::Never;
    let built = Built { version, image: ship.reference(&image), is_there, ..Built::default() };
    Ok(Some(Agent { built, image: Some(image), ship: Some(ship) }))
}

/// Whether the namespace is a node of a fleet, where it is to be one, and is none where it is to join.
pub(super) async fn check(access: &Access, options: &PushOptions) -> Result<(), PushError> {
    if options.settings.node.is_none() {
        return Ok(());
    }
    let secret = object::node::name(options.name());
    let secrets: Api<Secret> = Api::namespaced(access.client.clone(), &access.namespace);
    let found = access.ask("look at the Secret of the node", secrets.get_metadata_opt(&secret)).await?;
    match (found.is_some(), options.joins) {
        (false, false) => Err(PushError::NoIdentity { secret }),
        (true, true) => Err(PushError::InFleet { secret }),
        _ => Ok(()),
    }
}

/// Keeps what makes the namespace a node. It stays also where the push fails: an invitation is good once.
pub(super) async fn keep(
    access: &Access,
    app: &str,
    project: Option<&String>,
    files: BTreeMap<String, Vec<u8>>,
) -> Result<(), ClusterError> {
    let secrets: Api<Secret> = Api::namespaced(access.client.clone(), &access.namespace);
    let secret = object::node::identity(app, project, files);
    access.ask("keep the identity of the node", secrets.create(&PostParams::default(), &secret)).await.map(drop)
}
