//! What is there of an app, read once.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};

use super::PushError;
use crate::cluster::{Access, ClusterError};
use crate::history::{KeptRecord, PushOutcome, Store, StoreError};
use crate::model::RunningApp;
use crate::object::{self, label};

/// Kinds that are not looked at: who pushes need not be allowed to.
const UNSEEN: [&str; 4] = ["ServiceAccount", "Role", "RoleBinding", "PersistentVolumeClaim"];

/// What is there of an app, and what is known of how it came there.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// What runs, with what differs from what was applied.
    pub running: RunningApp,
    /// What was pushed, the oldest first.
    pub records: Vec<KeptRecord>,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) services: Vec<Service>,
    /// Configurations, as far as they tell whose they are.
    pub(crate) configs: Vec<ObjectMeta>,
    /// Ways in from outside. None where they may not be looked at, or the cluster knows none.
    pub(crate) ingresses: Option<Vec<Ingress>>,
}

impl Site {
    /// Looks.
    ///
    /// # Errors
    /// What the API server says, or a record that is not what was written.
    pub async fn look(access: &Access, app: &str) -> Result<Self, StoreError> {
        let parameters = ListParams::default().labels(&label::selector(app));
        let of_services = ListParams::default().labels(&format!("{},{}", label::selector(app), label::NAME));
        let deployments: Api<Deployment> = Api::namespaced(access.client.clone(), &access.namespace);
        let services: Api<Service> = Api::namespaced(access.client.clone(), &access.namespace);
        let configs: Api<ConfigMap> = Api::namespaced(access.client.clone(), &access.namespace);
        let ingresses: Api<Ingress> = Api::namespaced(access.client.clone(), &access.namespace);
        let store = Store::new(access, app);
        let listed = async {
            tokio::try_join!(
                access.ask("look at the deployments", deployments.list(&parameters)),
                access.ask("look at the services", services.list(&parameters)),
                access.ask("look at the configurations", configs.list_metadata(&of_services)),
            )
        };
        let ways = access.ask("look at the ways in from outside", ingresses.list(&parameters));
        let (listed, records, ways) = tokio::join!(listed, store.all(), ways);
        let ingresses = match ways {
            Ok(found) => Some(found.items),
            Err(ClusterError::Forbidden { .. } | ClusterError::Refused { code: 404, .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let (deployments, services, configs) = listed?;
        let (deployments, services, records) = (deployments.items, services.items, records?);
        let mut running = object::read(&deployments, &services);
        let mut site = Self { records, deployments, services, ingresses, ..Self::default() };
        for service in &mut running.services {
            service.drift = site.drift(&service.object);
        }
        site.configs = configs.items.into_iter().map(|found| found.metadata).collect();
        running.source = site.latest().and_then(|kept| {
            let source = kept.source.as_ref()?;
            source.texts.get(&source.root).cloned()
        });
        site.running = running;
        Ok(site)
    }

    /// Refuses what is there of another project; `project` is what objects of the app's own carry.
    ///
    /// # Errors
    /// [`PushError::Stranger`].
    pub(crate) fn check(&self, app: &str, project: &[String]) -> Result<(), PushError> {
        let metadata =
            self.deployments.iter().map(|it| &it.metadata).chain(self.services.iter().map(|it| &it.metadata));
        let metadata = metadata.chain(&self.configs).chain(self.ingresses.iter().flatten().map(|it| &it.metadata));
        let is_strange = |metadata: &&ObjectMeta| {
            let label = metadata.labels.as_ref().and_then(|labels| labels.get(label::PROJECT));
            label.is_some_and(|label| !project.contains(label))
        };
        let mut metadata = metadata;
        let Some(found) = metadata.find(is_strange) else { return Ok(()) };
        let who = found.annotations.as_ref().and_then(|annotations| annotations.get(label::PUSHED_BY)).cloned();
        let who = who.or_else(|| self.running.services.iter().find_map(|service| service.pushed_by.clone()));
        let by = who.map(|who| format!(" (pushed by {who})")).unwrap_or_default();
        Err(PushError::Stranger { app: app.to_owned(), by })
    }

    /// The last push or rollback that came to its end.
    pub fn latest(&self) -> Option<&KeptRecord> {
        self.records.iter().rev().find(|kept| kept.record.outcome == PushOutcome::Live)
    }

    /// Whether the last one was ended in the midst of it.
    pub fn is_unfinished(&self) -> bool {
        let outcome = self.records.last().map(|kept| &kept.record.outcome);
        matches!(outcome, Some(PushOutcome::Underway | PushOutcome::Stopped { .. }))
    }

    /// An object as it was applied by the last push that came to its end.
    pub(crate) fn applied(&self, kind: &str, name: &str) -> Option<&Value> {
        find(&self.latest()?.objects, kind, name)
    }

    /// Whether an object of a service was there.
    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        let is_it = |metadata: &ObjectMeta| metadata.name.as_deref() == Some(name);
        match kind {
            "Deployment" => self.deployments.iter().any(|it| is_it(&it.metadata)),
            "Service" => self.services.iter().any(|it| is_it(&it.metadata)),
            "Ingress" => self.ingresses.iter().flatten().any(|it| is_it(&it.metadata)),
            "ConfigMap" => self.configs.iter().any(is_it),
            _ => false,
        }
    }

    /// Every object of the app that is there; of configurations, which cannot be changed, names and labels alone. Ways
    /// in that may not be looked at are as they were applied, and so are the rights of a node's agent.
    pub(crate) fn live(&self) -> Vec<Value> {
        let value = |object: serde_json::Result<Value>| object.ok();
        let mut live: Vec<Value> = self.deployments.iter().map(serde_json::to_value).filter_map(value).collect();
        live.extend(self.services.iter().map(serde_json::to_value).filter_map(value));
        let mut as_applied: Vec<&str> = UNSEEN.to_vec();
        match &self.ingresses {
            Some(ingresses) => live.extend(ingresses.iter().map(serde_json::to_value).filter_map(value)),
            None => as_applied.push("Ingress"),
        }
        let applied = self.latest().into_iter().flat_map(|kept| &kept.objects);
        live.extend(applied.filter(|it| as_applied.iter().any(|kind| it["kind"] == *kind)).cloned());
        live.extend(self.configs.iter().map(|metadata| json!({ "kind": "ConfigMap", "metadata": metadata })));
        live
    }

    /// The image of an agent of a version that runs, a node's or the data server, and whether nodes are not to ask for it.
    pub(crate) fn node_image(&self, app: &str, version: &str) -> Option<(String, bool)> {
        let names = [object::node::name(app), object::data::name(app)];
        let is_version = |it: &&Deployment| {
            let annotations = it.metadata.annotations.as_ref();
            annotations.and_then(|told| told.get(label::VERSION)).is_some_and(|told| told == version)
        };
        let is_agent = |it: &&Deployment| it.metadata.name.as_ref().is_some_and(|name| names.contains(name));
        let found = self.deployments.iter().filter(is_agent).find(is_version)?;
        let container = found.spec.as_ref()?.template.spec.as_ref()?.containers.first()?;
        Some((container.image.clone()?, container.image_pull_policy.as_deref() == Some("Never")))
    }

    /// The number of the next record.
    pub(crate) fn next_number(&self) -> u32 {
        self.records.last().map_or(1, |kept| kept.record.number + 1)
    }

    fn drift(&self, deployment: &str) -> Vec<String> {
        let live = self.deployments.iter().find(|live| live.metadata.name.as_deref() == Some(deployment));
        let live = live.and_then(|live| serde_json::to_value(live).ok());
        match (self.applied("Deployment", deployment), live) {
            // Who pushed and when is told on an object, and is no part of what it does.
            (Some(applied), Some(live)) => object::drift(&applied["spec"], &live["spec"]),
            _ => Vec::new(),
        }
    }
}

/// An object among others.
pub(crate) fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
}

/// An object of any kind.
pub(crate) fn dynamic(value: &Value) -> Result<DynamicObject, ClusterError> {
    serde_json::from_value(value.clone()).map_err(|error| ClusterError::Refused {
        doing: format!("read the {} {}", value["kind"], value["metadata"]["name"]),
        code: 0,
        why: error.to_string(),
    })
}
