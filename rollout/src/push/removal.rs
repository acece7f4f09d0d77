//! All of an app, away from a namespace: what carries its labels, and nothing else.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Resource;
use kube::api::{ApiResource, DynamicObject};

use super::PushError;
use super::event::{Event, Listener};
use crate::cluster::{self, Access, Apply, Holder, Lease, Target};
use crate::object::{label, name};

/// A removal that is ready to be carried out.
pub struct Removal {
    access: Access,
    /// The app's name, and the value its labels have.
    app: String,
    label: String,
    found: Vec<DynamicObject>,
    tell: Listener,
}

impl Removal {
    /// Looks for what is there.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn prepare(target: &Target, app: &str, tell: Listener) -> Result<Self, PushError> {
        let access = cluster::connect(target).await?;
        tell(Event::Connected {
            context: access.context.clone(),
            namespace: access.namespace.clone(),
            server: access.server.clone(),
            cluster: access.identity.to_string(),
        });
        let label = label::app(app);
        let found = find(&access, &label).await?;
        Ok(Self { access, app: app.to_owned(), label, found, tell })
    }

    /// What is there: `kind/name`.
    pub fn objects(&self) -> Vec<String> {
        self.found.iter().map(shown).collect()
    }

    /// Removes it; answers how much was.
    ///
    /// # Errors
    /// Somebody is pushing, or what the API server says.
    pub async fn carry_out(&self, holder: &Holder) -> Result<usize, PushError> {
        let waiting = |holder: &str| (self.tell)(Event::Waiting { holder: holder.to_owned() });
        let lease = Lease::take(&self.access, &name::of_app(&self.app, "push"), &self.label, holder, waiting).await?;
        let removed = self.remove(&lease).await;
        let released = lease.release().await;
        let removed = removed?;
        released?;
        Ok(removed)
    }

    async fn remove(&self, lease: &Lease) -> Result<usize, PushError> {
        let apply = Apply { access: &self.access, app: &self.label, force: false };
        let mut removed = 0;
        for object in find(&self.access, &self.label).await? {
            lease.check()?;
            if apply.remove(&object).await? {
                removed += 1;
                (self.tell)(Event::Removed { object: shown(&object) });
            }
        }
        Ok(removed)
    }
}

/// What leads callers in goes first, what pods need last.
async fn find(access: &Access, label: &str) -> Result<Vec<DynamicObject>, PushError> {
    let apply = Apply { access, app: label, force: false };
    let kinds = [kind::<Ingress>(), kind::<Deployment>(), kind::<Service>(), kind::<ConfigMap>(), kind::<Secret>()];
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(apply.list(&kind).await?);
    }
    Ok(found)
}

fn kind<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

fn shown(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map(|types| types.kind.to_lowercase()).unwrap_or_default();
    format!("{kind}/{}", object.metadata.name.as_deref().unwrap_or_default())
}
