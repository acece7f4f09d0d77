//! Lines that containers wrote.

use futures_util::{AsyncBufReadExt, Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};

use super::access::Access;
use super::error::ClusterError;

/// The pods with labels, `key=value,…`, by name.
///
/// # Errors
/// What the API server says.
pub async fn pods(access: &Access, labels: &str) -> Result<Vec<String>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(access.client.clone(), &access.namespace);
    let found = access.ask("look for pods", pods.list_metadata(&ListParams::default().labels(labels))).await?;
    Ok(found.items.iter().map(ResourceExt::name_any).collect())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodLine {
    pub pod: String,
    /// Without its end.
    pub text: String,
}

/// The last lines of a pod's container, or of the run before the one that is there now.
pub(crate) async fn tail(access: &Access, pod: &str, previous: bool, lines: i64) -> Result<Vec<String>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(access.client.clone(), &access.namespace);
    let parameters = LogParams { tail_lines: Some(lines), previous, ..LogParams::default() };
    let text = access.ask(&format!("read the log of {pod}"), pods.logs(pod, &parameters)).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The last lines of a pod, and with `follow` those to come, until the pod or the connection ends.
///
/// # Errors
/// The pod's log cannot be read.
pub async fn lines(
    access: &Access,
    pod: &str,
    last: i64,
    follow: bool,
) -> Result<impl Stream<Item = Result<PodLine, ClusterError>> + use<>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(access.client.clone(), &access.namespace);
    let parameters = LogParams { tail_lines: Some(last), follow, ..LogParams::default() };
    let doing = format!("read the log of {pod}");
    let reader = access.ask(&doing, pods.log_stream(pod, &parameters)).await?;
    let (pod, server) = (pod.to_owned(), access.server.clone());
    let lines = reader.lines().map_ok(move |text| PodLine { pod: pod.clone(), text });
    Ok(lines.map(move |line| line.map_err(|error| ClusterError::of(&server, &doing, kube::Error::ReadEvents(error)))))
}
