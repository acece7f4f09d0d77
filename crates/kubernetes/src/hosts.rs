//! The hosts of an app on a cluster: which there are, the way to each, and what lets one in at their inner doors
//! (`/_dyninka/…`). No port is opened on the cluster: the way is the API server's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::cluster::{Access, ClusterError, Forward, PodSeen, Roster, To, roster};
use crate::model::{Member, NodeApp};
use crate::object::{TOKEN, label};

/// The hosts of one app in one namespace.
pub struct Hosts {
    access: Access,
    selector: String,
    key: String,
}

/// Which hosts there are at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// By the name of the pod; a service of a group by `POD/SERVICE`.
    pub hosts: BTreeMap<String, PodHost>,
    /// Why nothing newer is known, in words; none while the API server tells.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodHost {
    pub pod: String,
    /// The service it runs, by its Rust name.
    pub service: String,
    /// Where that listens in the pod.
    pub port: u16,
    /// `service@hash`.
    pub version: String,
    /// Whether it takes requests, and is to.
    pub ready: bool,
    /// Whether it runs, ready or not: it can be asked what it measured.
    pub running: bool,
    /// Whether it is on its way out.
    pub going: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it is not ready, in words.
    pub why: Option<String>,
}

impl Hosts {
    /// Reads what lets one in.
    ///
    /// # Errors
    /// The API server does not answer or does not let the Secret be read, or nothing of the app was pushed there.
    pub async fn of(access: Access, app: &str) -> Result<Self, ClusterError> {
        let name = label::secret(app);
        let doing = format!("read the key of {app} on {}, namespace {}", access.context, access.namespace);
        let secrets: Api<Secret> = Api::namespaced(access.client.clone(), &access.namespace);
        let refuse = |why: String| ClusterError::Refused { doing: doing.clone(), code: 404, why };
        let found = access.ask(&doing, secrets.get_opt(&name)).await?;
        let secret = found.ok_or_else(|| refuse("it was never pushed there".to_owned()))?;
        let key = secret.data.and_then(|mut data| data.remove(TOKEN));
        let key = key.and_then(|key| String::from_utf8(key.0).ok()).filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| refuse(format!("the Secret {name} holds none")))?;
        Ok(Self { selector: label::selector(app), access, key })
    }

    /// Tells which hosts there are, at first and whenever that changes.
    pub fn census(&self) -> impl Stream<Item = Census> + Send + use<> {
        roster(&self.access, &self.selector).map(census)
    }

    /// A port of this machine that leads to a service of a pod.
    ///
    /// # Errors
    /// No port can be opened here. Whether the pod is reached shows with each connection ([`Forward::trouble`]).
    pub async fn reach(&self, host: &PodHost) -> std::io::Result<Forward> {
        Forward::open(&self.access, To::Pod(host.pod.clone()), host.port).await
    }

    /// What hosts want to hear at their inner doors.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The namespace and its cluster.
    pub fn access(&self) -> &Access {
        &self.access
    }
}

/// Where the hosts of an app take requests, by Rust name, at first and whenever that changes: for an agent beside them.
pub fn endpoints(
    access: &Access,
    app: &NodeApp,
) -> impl Stream<Item = BTreeMap<String, Vec<SocketAddr>>> + Send + use<> {
    let (app, mut last) = (app.clone(), None);
    roster(access, &label::selector(&app.app)).filter_map(move |roster| {
        let found = reached(&app, &roster);
        let is_news = last.as_ref() != Some(&found);
        last = Some(found.clone());
        std::future::ready(is_news.then_some(found))
    })
}

/// Where the hosts of an app listen, ready or not, at first and whenever that changes: for a data server beside them.
pub fn addresses(access: &Access, app: &str) -> impl Stream<Item = BTreeSet<SocketAddr>> + Send + use<> {
    roster(access, &label::selector(app)).map(|roster| listening(&roster))
}

/// The hosts that run, on their way out as well.
fn listening(roster: &Roster) -> BTreeSet<SocketAddr> {
    let pods = roster.pods.values().filter(|pod| pod.running).filter_map(|pod| Some((pod.address?, &pod.services)));
    pods.flat_map(|(address, services)| services.iter().map(move |member| SocketAddr::new(address, member.port)))
        .collect()
}

/// The pods that take requests. Hosts of another schema than the agent was told of are left out: nobody else's users are theirs.
fn reached(app: &NodeApp, roster: &Roster) -> BTreeMap<String, Vec<SocketAddr>> {
    let mut found: BTreeMap<String, Vec<SocketAddr>> = BTreeMap::new();
    for pod in roster.pods.values().filter(|pod| pod.ready && !pod.going) {
        let Some(address) = pod.address else { continue };
        let is_current =
            |member: &&Member| app.services.get(&member.service).is_some_and(|service| service.schema == member.wire);
        for member in pod.services.iter().filter(is_current) {
            found.entry(member.service.clone()).or_default().push(SocketAddr::new(address, member.port));
        }
    }
    found
}

/// Pods that do not say which service they run are none of a push's.
fn census(roster: Roster) -> Census {
    let hosts = |(pod, seen): (String, PodSeen)| {
        let PodSeen { services, ready, running, going, restarts, why, .. } = seen;
        let is_alone = services.len() == 1;
        let host = move |Member { service, version, port, .. }: Member| {
            let key = if is_alone { pod.clone() } else { format!("{pod}/{service}") };
            let why = why.clone();
            (key, PodHost { pod: pod.clone(), service, port, version, ready, running, going, restarts, why })
        };
        services.into_iter().map(host).collect::<Vec<_>>()
    };
    Census { hosts: roster.pods.into_iter().flat_map(hosts).collect(), trouble: roster.trouble }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::NodeService;

    #[test]
    fn an_agent_is_told_pods_that_are_ready_and_of_the_schema_it_knows() {
        let service = NodeService {
            host: "banner".to_owned(),
            schema: "new".to_owned(),
            needs: Vec::new(),
            rate: None,
            at_once: None,
            latency_ms: None,
            idempotent: false,
            stays: false,
        };
        let services = BTreeMap::from([("banner".to_owned(), service)]);
        let app = NodeApp { app: "banner".to_owned(), services, cpus: 0.1 };
        let member = |schema: &str, service: &str, port: u16| Member {
            service: service.to_owned(),
            wire: schema.to_owned(),
            port,
            ..Member::default()
        };
        let pod = |last: u8, schema: &str, service: &str| PodSeen {
            services: vec![member(schema, service, 8080)],
            ready: true,
            address: Some(format!("10.0.0.{last}").parse().unwrap()),
            ..PodSeen::default()
        };
        let group = vec![member("x", "other", 8080), member("new", "banner", 8081)];
        let pods = [
            ("a", pod(1, "new", "banner")),
            ("b", pod(2, "new", "banner")),
            ("old", pod(3, "old", "banner")),
            ("other", pod(4, "new", "other")),
            ("going", PodSeen { going: true, ..pod(5, "new", "banner") }),
            ("starting", PodSeen { ready: false, ..pod(6, "new", "banner") }),
            ("nowhere", PodSeen { address: None, ..pod(7, "new", "banner") }),
            ("agent", PodSeen { services: Vec::new(), ..pod(8, "", "") }),
            ("group", PodSeen { services: group, ..pod(9, "", "") }),
        ];
        let pods = pods.into_iter().map(|(name, pod)| (name.to_owned(), pod)).collect();
        let expected = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.9:8081"].map(|address| address.parse().unwrap());
        let found = reached(&app, &Roster { pods, trouble: None });
        assert_eq!(found, BTreeMap::from([("banner".to_owned(), expected.to_vec())]));
    }

    #[test]
    fn all_hosts_that_run_are_told_where_data_is() {
        let member = |port: u16| Member { service: "one".to_owned(), port, ..Member::default() };
        let pod = |last: u8, services| PodSeen {
            services,
            running: true,
            address: Some(format!("10.0.0.{last}").parse().unwrap()),
            ..PodSeen::default()
        };
        let pods = [
            ("starting", pod(1, vec![member(8080)])),
            ("group", pod(2, vec![member(8080), member(8081)])),
            ("going", PodSeen { going: true, ..pod(3, vec![member(8080)]) }),
            ("pulling", PodSeen { running: false, ..pod(4, vec![member(8080)]) }),
            ("agent", pod(5, vec![])),
        ];
        let pods = pods.into_iter().map(|(name, pod)| (name.to_owned(), pod)).collect();
        let found = listening(&Roster { pods, trouble: None });
        let wanted = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.2:8081", "10.0.0.3:8080"];
        assert_eq!(found, wanted.map(|address| address.parse().unwrap()).into());
    }

    #[test]
    fn a_pod_of_several_services_is_a_host_of_each() {
        let member = |service: &str, version: &str, port: u16| Member {
            service: service.to_owned(),
            version: version.to_owned(),
            port,
            ..Member::default()
        };
        let pods = [
            ("plus-1", vec![member("plus", "plus@1", 8080)]),
            ("ends-1", vec![member("source", "source@2", 8080), member("twice", "twice@3", 8081)]),
        ];
        let seen = |services| PodSeen { services, ready: true, ..PodSeen::default() };
        let pods = pods.map(|(name, services)| (name.to_owned(), seen(services))).into();
        let census = census(Roster { pods, trouble: None });
        let told: Vec<_> =
            census.hosts.iter().map(|(key, host)| (key.as_str(), host.pod.as_str(), host.port)).collect();
        assert_eq!(
            told,
            [("ends-1/source", "ends-1", 8080), ("ends-1/twice", "ends-1", 8081), ("plus-1", "plus-1", 8080)]
        );
        assert_eq!(census.hosts["ends-1/twice"].version, "twice@3");
    }
}
