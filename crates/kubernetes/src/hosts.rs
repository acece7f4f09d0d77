//! The hosts of an app on a cluster: which there are, the way to each, and what lets one in at their inner doors
//! (`/_dyninka/…`). No port is opened on the cluster: the way is the API server's.

use std::collections::BTreeMap;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use crate::cluster::{Access, ClusterError, Forward, Roster, To, roster};
use crate::model::PORT;
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
    pub hosts: BTreeMap<String, PodHost>,
    /// Why nothing newer is known, in words; none while the API server tells.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodHost {
    /// The service it runs, by its Rust name.
    pub service: String,
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
        Ok(Self { selector: label::selector(app, None), access, key })
    }

    /// Tells which hosts there are, at first and whenever that changes.
    pub fn census(&self) -> impl Stream<Item = Census> + Send + use<> {
        roster(&self.access, &self.selector).map(census)
    }

    /// A port of this machine that leads to a pod's host.
    ///
    /// # Errors
    /// No port can be opened here. Whether the pod is reached shows with each connection ([`Forward::trouble`]).
    pub async fn reach(&self, pod: &str) -> std::io::Result<Forward> {
        Forward::open(&self.access, To::Pod(pod.to_owned()), PORT).await
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

/// Pods that do not say which service they run are none of a push's.
fn census(roster: Roster) -> Census {
    let host = |(pod, mut seen): (String, crate::cluster::PodSeen)| {
        let service = seen.annotations.remove(label::SERVICE)?;
        let version = seen.annotations.remove(label::VERSION).unwrap_or_default();
        let crate::cluster::PodSeen { ready, running, going, restarts, why, .. } = seen;
        Some((pod, PodHost { service, version, ready, running, going, restarts, why }))
    };
    Census { hosts: roster.pods.into_iter().filter_map(host).collect(), trouble: roster.trouble }
}
