//! What decides how images come to a cluster's nodes.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ConfigMap, Node as Object};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::Deserialize;

use super::access::Access;
use super::error::ClusterError;
use images::ship::{Facts, Hosted, Node};

/// Looks at the nodes and at the registry the cluster names. What may not be looked at is left out: another way is
/// taken then, and said.
///
/// # Errors
/// The API server does not answer.
pub async fn facts(access: &Access, registry: Option<String>) -> Result<Facts, ClusterError> {
    let nodes: Api<Object> = Api::all(access.client.clone());
    let listed = access.ask("look at the nodes", nodes.list(&ListParams::default())).await;
    let found = seen(listed)?.map(|found| found.items).unwrap_or_default();
    let (nodes, addresses) = (found.iter().map(node).collect(), found.iter().filter_map(address).collect());
    let hosted = match registry {
        Some(_) => None,
        None => hosted(access).await?,
    };
    Ok(Facts { context: access.context.clone(), nodes, addresses, registry, hosted, reach: None })
}

fn node(node: &Object) -> Node {
    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
    Node {
        name: node.name_any(),
        runtime: info.map(|info| info.container_runtime_version.clone()).unwrap_or_default(),
        provider: node.spec.as_ref().and_then(|spec| spec.provider_id.clone()).unwrap_or_default(),
    }
}

/// Where a node is in the network it shares with the others.
fn address(node: &Object) -> Option<IpAddr> {
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    addresses.iter().find(|address| address.type_ == "InternalIP")?.address.parse().ok()
}

/// The registry a cluster for development names (KEP-1755).
async fn hosted(access: &Access) -> Result<Option<Hosted>, ClusterError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Hosting {
        host: Option<String>,
        host_from_container_runtime: Option<String>,
    }
    let maps: Api<ConfigMap> = Api::namespaced(access.client.clone(), "kube-public");
    let doing = "look for the cluster's registry";
    let found = seen(access.ask(doing, maps.get_opt("local-registry-hosting")).await)?.flatten();
    let Some(text) = found.and_then(|map| map.data?.remove("localRegistryHosting.v1")) else { return Ok(None) };
    let refused = |why| ClusterError::Refused { doing: doing.to_owned(), code: 0, why };
    let hosting: Hosting = serde_saphyr::from_str(&text).map_err(|error| refused(error.to_string()))?;
    Ok(hosting.host.map(|host| Hosted { host, from_nodes: hosting.host_from_container_runtime }))
}

fn seen<T>(answer: Result<T, ClusterError>) -> Result<Option<T>, ClusterError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(ClusterError::Forbidden { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
