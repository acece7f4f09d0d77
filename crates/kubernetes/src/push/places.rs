//! Places of services on a cluster: each has a node.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::PushError;
use super::event::{PushEvent, PushListener};
use crate::cluster::{Access, ClusterError};
use crate::settings::{AppSettings, PlaceNodes};

/// A place that no node of a cluster is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmptyPlace {
    pub place: String,
    /// The labels that its nodes would have, in words.
    pub labels: String,
    /// The labels of those keys that nodes have: `key=value`.
    pub there: Vec<String>,
}

impl std::fmt::Display for EmptyPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, labels, there } = self;
        let there = if there.is_empty() { "no such label".to_owned() } else { there.join(", ") };
        write!(f, "no node is in {place}, which is {labels}: nodes have {there}")
    }
}

impl EmptyPlace {
    /// How to mend it.
    pub fn hint(&self) -> String {
        format!("label a node, or name labels that nodes have: [places.{}] nodes = {{ … }} in dyn.toml", self.place)
    }
}

/// Refuses a push whose pods no node would take.
///
/// # Errors
/// [`PushError::Empty`], or what the API server says.
pub(super) async fn check(access: &Access, settings: &AppSettings, tell: &PushListener) -> Result<(), PushError> {
    let server = settings.pod_stores.as_ref().and_then(|found| found.server.as_ref());
    let of_server = server.and_then(|server| server.place.as_ref());
    let mut places: Vec<&PlaceNodes> =
        settings.services.values().flat_map(|said| &said.place_nodes).chain(of_server).collect();
    places.sort_by_key(|place| &place.place);
    places.dedup();
    if places.is_empty() {
        return Ok(());
    }
    let nodes: Api<Node> = Api::all(access.client.clone());
    let nodes = match access.ask("look at the nodes of places", nodes.list(&ListParams::default())).await {
        Ok(nodes) => nodes.items,
        Err(ClusterError::Forbidden { .. }) => {
            let text = "this user may not look at nodes: pods of a place that has none will wait".to_owned();
            tell(PushEvent::Notice { text });
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let labels: Vec<&BTreeMap<String, String>> = nodes.iter().map(ResourceExt::labels).collect();
    let empty: Vec<EmptyPlace> = places.into_iter().filter_map(|place| lack(place, &labels)).collect();
    if empty.is_empty() { Ok(()) } else { Err(PushError::Empty { places: empty }) }
}

/// What is to be said of a place that none of these nodes is in.
fn lack(place: &PlaceNodes, nodes: &[&BTreeMap<String, String>]) -> Option<EmptyPlace> {
    let is_in =
        |labels: &&BTreeMap<String, String>| place.nodes.iter().all(|(key, value)| labels.get(key) == Some(value));
    if nodes.iter().any(is_in) {
        return None;
    }
    let there = nodes.iter().flat_map(|labels| labels.iter()).filter(|(key, _)| place.nodes.contains_key(*key));
    let there: BTreeSet<String> = there.map(|(key, value)| format!("{key}={value}")).collect();
    Some(EmptyPlace { place: place.place.clone(), labels: place.labels(), there: there.into_iter().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_place_without_a_node_is_told_with_the_labels_that_there_are() {
        let nodes = [labels(&[("zone", "a"), ("disk", "ssd")]), labels(&[("zone", "b"), ("name", "n")])];
        let nodes: Vec<_> = nodes.iter().collect();
        let said = |wanted: &[(&str, &str)]| {
            let place = PlaceNodes { place: "hpc".to_owned(), nodes: labels(wanted) };
            lack(&place, &nodes).map(|empty| empty.to_string())
        };
        assert_eq!(said(&[("zone", "b")]), None);
        assert_eq!(said(&[("zone", "a"), ("disk", "ssd")]), None);
        // One node has to have all of them.
        let both = "no node is in hpc, which is disk=ssd and zone=b: nodes have disk=ssd, zone=a, zone=b";
        assert_eq!(said(&[("zone", "b"), ("disk", "ssd")]).as_deref(), Some(both));
        let none = "no node is in hpc, which is rack=7: nodes have no such label";
        assert_eq!(said(&[("rack", "7")]).as_deref(), Some(none));
    }
}
