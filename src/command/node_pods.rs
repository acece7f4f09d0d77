//! `dyn node up --in-pod`: a cluster and namespace as a node of a fleet. `dyn push` starts it, and the app's pods are beside it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use futures_util::StreamExt;
use kubernetes::cluster::{ClusterTarget, connect};
use kubernetes::hosts::endpoints;
use kubernetes::model::{NODE_APP, NODE_AWAY, NODE_IDENTITY, NODE_POD, NodeApp};
use node_agent::{BundledService, NodeBundle, NodeSettings, PodApp};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::fault::{Fault, Kind};

/// What stands for a library, of which an agent in a pod knows nothing.
const NO_LIBRARY: &str = "";

/// Takes over what the Secret says, and follows the app's pods from now on.
pub(crate) fn begin(runtime: &Runtime, settings: &mut NodeSettings) -> Result<(), Fault> {
    settings.folder.take_identity(Path::new(NODE_IDENTITY))?;
    let unread = |name: &str, why: String| {
        Fault::new(Kind::Usage, format!("{name} does not read: {why}"))
            .hint("--in-pod is for pods that `dyn push` makes")
    };
    let told = variable(NODE_APP)?;
    let app: NodeApp = serde_json::from_str(&told).map_err(|error| unread(NODE_APP, error.to_string()))?;
    let address: IpAddr = variable(NODE_POD)?.parse().map_err(|_| unread(NODE_POD, "it is no address".to_owned()))?;
    let token = variable(protocol::TOKEN_VARIABLE)?;
    let bundle = bundle(&app);
    if settings.cpus.is_none() && app.cpus > 0.0 {
        settings.cpus = Some(app.cpus);
    }
    let (tell, hosts) = watch::channel(std::collections::BTreeMap::new());
    let access = runtime.block_on(connect(&ClusterTarget::default())).map_err(|error| {
        let fault = Fault::new(Kind::Machine, error.to_string());
        error.hint().into_iter().fold(fault, Fault::hint)
    })?;
    runtime.spawn(async move {
        let mut pods = std::pin::pin!(endpoints(&access, &app));
        while let Some(found) = pods.next().await {
            tell.send_replace(found);
        }
    });
    settings.pods = Some(PodApp { bundle, token, away: SocketAddr::new(address, NODE_AWAY), hosts });
    Ok(())
}

fn variable(name: &str) -> Result<String, Fault> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    let missing =
        || Fault::new(Kind::Usage, format!("{name} is not set")).hint("--in-pod is for pods that `dyn push` makes");
    value.ok_or_else(missing)
}

fn bundle(app: &NodeApp) -> NodeBundle {
    let services = app.services.iter().map(|(name, told)| {
        let service = BundledService {
            host: told.host.clone(),
            version: String::new(),
            library: NO_LIBRARY.to_owned(),
            schema: told.schema.clone(),
            inputs: Vec::new(),
            route: None,
            needs: told.needs.clone(),
            env: std::collections::BTreeMap::new(),
            rate: told.rate.map(f64::from),
            at_once: told.at_once.map(|most| most as usize),
            latency_us: told.latency_ms.map(|most| most.saturating_mul(1000)),
            idempotent: told.idempotent,
            stays: told.stays,
        };
        (name.clone(), service)
    });
    let services = services.collect();
    NodeBundle { services, ..NodeBundle::new(&app.app, host::LIBRARY_INTERFACE) }
}
