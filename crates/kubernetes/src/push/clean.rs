//! What is needed no more, removed once nobody uses it.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::event::{PushEvent, PushListener};
use super::work::{Leftovers, OldPods};
use crate::cluster::{Access, Apply, ClusterError, Lease};
use crate::object::label;

/// How long pods that are to go are waited for: longer than the longest request and the pause before it.
const GO_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(300);

/// Removes what a push left over.
pub(crate) struct Cleaning<'a> {
    pub(crate) access: &'a Access,
    pub(crate) app: &'a str,
    pub(crate) project: &'a [String],
    pub(crate) lease: &'a Lease,
    pub(crate) tell: &'a PushListener,
}

impl Cleaning<'_> {
    /// Callers go before those they call, by `hosts`, DNS labels with upstreams first, and each has answered its last
    /// request before the next one goes. Services that are no more go with `gone` alone.
    pub(crate) async fn run(&self, leftovers: &Leftovers, hosts: &[String], gone: bool) -> Result<(), ClusterError> {
        // Nobody from outside comes any more, before anything goes that they would come to.
        for name in &leftovers.entries {
            self.remove("networking.k8s.io/v1", "Ingress", name).await?;
        }
        if let Some(name) = &leftovers.node {
            self.remove_node(name).await?;
        }
        if let Some(name) = &leftovers.data {
            self.remove_data(name).await?;
        }
        let rank = |old: &OldPods| old.hosts.iter().filter_map(|host| hosts.iter().position(|it| it == host)).max();
        let mut forms = leftovers.forms.clone();
        forms.sort_by_key(|old| std::cmp::Reverse(rank(old)));
        if gone {
            forms.extend(leftovers.gone.iter().cloned());
        }
        if !forms.is_empty() {
            // Pods of earlier versions, changed in place, may still call them.
            self.wait(None).await?;
        }
        for old in &forms {
            if old.hosts.len() > 1 {
                for name in &old.names {
                    self.lead_to_the_end(name).await?;
                }
            }
            self.remove("apps/v1", "Deployment", &old.name).await?;
            self.wait(Some(&old.selector)).await?;
        }
        let (no_names, no_configs) = (Vec::new(), Vec::new());
        let (more, configs) =
            if gone { (&leftovers.gone_names, &leftovers.gone_configs) } else { (&no_names, &no_configs) };
        for name in leftovers.names.iter().chain(more) {
            self.remove("v1", "Service", name).await?;
        }
        for name in leftovers.configs.iter().chain(configs) {
            self.remove("v1", "ConfigMap", name).await?;
        }
        Ok(())
    }

    /// Has a name lead to pods that end, too, until they are gone. A flow may leave the pods of a group and come back to them:
    /// then nobody who calls goes before who is called.
    async fn lead_to_the_end(&self, name: &str) -> Result<(), ClusterError> {
        self.lease.hold().await?;
        let services: Api<Service> = Api::namespaced(self.access.client.clone(), &self.access.namespace);
        let patch = Patch::Merge(json!({ "spec": { "publishNotReadyAddresses": true } }));
        let parameters = PatchParams::default();
        match self.access.ask("lead callers to pods that end", services.patch(name, &parameters, &patch)).await {
            Ok(_) | Err(ClusterError::Refused { code: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes a data server. Its claim stays, with its catalog.
    async fn remove_data(&self, name: &str) -> Result<(), ClusterError> {
        self.remove_agent(name).await?;
        let text = format!("the claim {name} with the catalog of the data server stays");
        (self.tell)(PushEvent::Notice { text });
        Ok(())
    }

    /// Removes a pod of ours beside the services, and its rights.
    async fn remove_agent(&self, name: &str) -> Result<(), ClusterError> {
        const RIGHTS: &str = "rbac.authorization.k8s.io/v1";
        let own = [
            ("apps/v1", "Deployment"),
            ("v1", "Service"),
            (RIGHTS, "RoleBinding"),
            (RIGHTS, "Role"),
            ("v1", "ServiceAccount"),
        ];
        for (version, kind) in own {
            self.remove(version, kind, name).await?;
        }
        Ok(())
    }

    /// Removes the agent of a node, and all that is its own.
    async fn remove_node(&self, name: &str) -> Result<(), ClusterError> {
        self.remove_agent(name).await?;
        self.remove("v1", "Secret", name).await?;
        let text = "the fleet knows its node still: `dyn node expel NAME` makes its certificate void";
        (self.tell)(PushEvent::Notice { text: text.to_owned() });
        Ok(())
    }

    /// Removes objects as they come.
    pub(crate) async fn take_away(&self, objects: &[&Value]) -> Result<(), ClusterError> {
        for object in objects {
            let said = |key: &str| object[key].as_str().unwrap_or_default();
            self.remove(said("apiVersion"), said("kind"), object["metadata"]["name"].as_str().unwrap_or_default())
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn remove(&self, version: &str, kind: &str, name: &str) -> Result<(), ClusterError> {
        self.lease.hold().await?;
        let app = label::app(self.app);
        let apply = Apply { access: self.access, app: &app, project: self.project, force: false };
        if apply.remove(&named(version, kind, name)?).await? && !["ConfigMap", "Secret"].contains(&kind) {
            (self.tell)(PushEvent::Removed { object: format!("{}/{name}", kind.to_lowercase()) });
        }
        Ok(())
    }

    /// Waits until there is no pod with labels, whose Deployment was removed: they are told to end a while after that. Without
    /// labels, until no pod is on its way out.
    async fn wait(&self, labels: Option<&str>) -> Result<(), ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.access.client.clone(), &self.access.namespace);
        let all = label::selector(self.app);
        let parameters = ListParams::default().labels(labels.unwrap_or(&all));
        let end = Instant::now() + GO_WITHIN;
        loop {
            let found = self.access.ask("wait for pods that go", pods.list_metadata(&parameters)).await?;
            let metadata = found.items.iter().map(|pod| &pod.metadata);
            let going = metadata.filter(|pod| labels.is_some() || pod.deletion_timestamp.is_some()).count();
            if going == 0 {
                return Ok(());
            }
            if Instant::now() >= end {
                let text = format!(
                    "{going} pods have not gone within {} s, and are waited for no longer",
                    GO_WITHIN.as_secs()
                );
                (self.tell)(PushEvent::Notice { text });
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn named(version: &str, kind: &str, name: &str) -> Result<DynamicObject, ClusterError> {
    super::site::dynamic(&json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name } }))
}
