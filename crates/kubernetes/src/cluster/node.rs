//! The nodes that pods run on.

use k8s_openapi::api::core::v1::Node;
use kube::Api;

use super::access::Access;

/// What is wrong with a node, in words; none where it is well.
pub(super) async fn trouble(access: &Access, name: &str) -> Option<String> {
    let nodes: Api<Node> = Api::all(access.client.clone());
    let node = match access.ask(&format!("look at the node {name}"), nodes.get(name)).await {
        Ok(node) => node,
        // Who may push to a namespace need not be allowed to look at nodes.
        Err(error) => return Some(format!("how {name} is, is not known: {error}")),
    };
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready")?;
    let said = || ready.message.or(ready.reason).unwrap_or_default();
    (ready.status != "True").then(|| format!("{name} is not ready itself: {}", said()))
}
