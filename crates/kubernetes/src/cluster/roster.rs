//! The pods of an app, as they come and go.

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures_util::stream::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};

use super::access::Access;
use super::error::ClusterError;
use super::forward::is_ready;
use super::roll::{Kind, Pause};
use super::verdict;
use crate::model::{Member, PORT};
use crate::object::label;

/// The pods with some labels at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// By name, those that ended aside.
    pub pods: BTreeMap<String, PodSeen>,
    /// Why nothing newer is known, in words; none while the API server tells.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSeen {
    /// The services it says that it runs.
    pub services: Vec<Member>,
    /// Whether it takes requests, and is to.
    pub ready: bool,
    /// Whether it runs: it has something to tell, ready or not.
    pub running: bool,
    /// Whether it is on its way out.
    pub going: bool,
    /// How often its container was started again.
    pub restarts: u32,
    /// Why it is not ready, in words.
    pub why: Option<String>,
    /// Where it is reached inside the cluster.
    pub address: Option<IpAddr>,
}

/// Tells the pods with labels, `key=value,…`, at first and whenever they change. A watch that breaks is begun anew, and
/// what is known stays until then.
pub fn roster(access: &Access, labels: &str) -> impl Stream<Item = Roster> + Send + use<> {
    let pods: Api<Pod> = Api::namespaced(access.client.clone(), &access.namespace);
    let config = watcher::Config::default().labels(labels);
    let server = access.server.clone();
    let mut known = Kind::default();
    let mut told = None;
    let news = watcher(pods, config).backoff(Pause);
    let rosters = news.filter_map(move |event| std::future::ready(take(&mut known, event, &server)));
    rosters.filter(move |roster| {
        let is_news = told.as_ref() != Some(roster);
        if is_news {
            told = Some(roster.clone());
        }
        std::future::ready(is_news)
    })
}

/// What is known after an event; none in the midst of a list.
fn take(known: &mut Kind<Pod>, event: Result<Event<Pod>, watcher::Error>, server: &str) -> Option<Roster> {
    let trouble = match event {
        Ok(event) => {
            known.take(event);
            if !known.is_complete() {
                return None;
            }
            None
        }
        Err(error) => Some(ClusterError::watching(server, "follow the pods", error).to_string()),
    };
    let has_ended = |pod: &&Pod| matches!(phase(pod), Some("Succeeded" | "Failed"));
    let pods = known.known().filter(|pod| !has_ended(pod)).map(|pod| (pod.name_any(), seen(pod))).collect();
    Some(Roster { pods, trouble })
}

fn seen(pod: &Pod) -> PodSeen {
    let going = pod.metadata.deletion_timestamp.is_some();
    let ready = is_ready(pod);
    PodSeen {
        services: services(pod.annotations(), pod.labels()),
        ready,
        running: phase(pod) == Some("Running"),
        going,
        restarts: restarts(pod),
        why: if ready || going { None } else { verdict::why(pod) },
        address: pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok()),
    }
}

/// The services of a pod, as its annotations and labels tell.
pub(super) fn services(annotations: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> Vec<Member> {
    if let Some(members) = annotations.get(label::MEMBERS) {
        // Written by another release perhaps.
        return serde_json::from_str(members).unwrap_or_default();
    }
    let of = |all: &BTreeMap<String, String>, key: &str| all.get(key).cloned().unwrap_or_default();
    let Some(service) = annotations.get(label::SERVICE).cloned() else { return Vec::new() };
    vec![Member {
        service,
        dns: of(labels, label::NAME),
        version: of(annotations, label::VERSION),
        wire: label::wire(labels).cloned().unwrap_or_default(),
        port: PORT,
    }]
}

fn restarts(pod: &Pod) -> u32 {
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    containers.iter().map(|container| container.restart_count.unsigned_abs()).sum()
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref().and_then(|status| status.phase.as_deref())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str, ready: &str) -> Pod {
        let status = json!({ "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] });
        serde_json::from_value(json!({ "metadata": { "name": name }, "status": status })).unwrap()
    }

    #[test]
    fn a_pod_tells_its_services_and_their_ports() {
        let told = |members: &str| {
            services(&BTreeMap::from([(label::MEMBERS.to_owned(), members.to_owned())]), &BTreeMap::new())
        };
        let member = r#"[{ "service": "map", "dns": "map", "version": "map@1", "wire": "w", "port": 8081 }]"#;
        assert_eq!((told(member)[0].service.as_str(), told(member)[0].port), ("map", 8081));
        assert_eq!(told("{"), []);
        let annotations = [(label::SERVICE, "map"), (label::VERSION, "map@1")];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let labels =
            [(label::NAME, "map"), (label::WIRE, "w")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(services(&annotations, &labels), [Member { port: 8080, ..told(member)[0].clone() }]);
        assert_eq!(services(&BTreeMap::new(), &labels), []);
    }

    #[test]
    fn pods_are_told_once_all_are_known_and_kept_while_nobody_tells() {
        let mut known = Kind::default();
        let mut step = |event| take(&mut known, event, "https://x");
        assert_eq!(step(Ok(Event::Init)), None);
        assert_eq!(step(Ok(Event::InitApply(pod("a", "Running", "True")))), None);
        assert_eq!(step(Ok(Event::InitApply(pod("b", "Failed", "False")))), None);
        let roster = step(Ok(Event::InitDone)).unwrap();
        assert_eq!(roster.pods.keys().collect::<Vec<_>>(), ["a"], "one that ended is none");
        assert!(roster.pods["a"].ready && roster.pods["a"].running && roster.trouble.is_none());
        let roster = step(Err(watcher::Error::NoResourceVersion)).unwrap();
        assert_eq!(roster.pods.len(), 1);
        assert!(roster.trouble.unwrap().starts_with("cannot follow the pods: "));
        // Begun anew: what was known holds until the new list is whole.
        assert_eq!(step(Ok(Event::Init)).unwrap().pods.len(), 1);
        let roster = step(Ok(Event::Apply(pod("c", "Pending", "False")))).unwrap();
        assert_eq!(roster.pods["c"].why.as_deref(), Some("its container is being made"));
        assert_eq!(step(Ok(Event::Delete(pod("a", "Running", "True")))).unwrap().pods.len(), 1);
    }
}
